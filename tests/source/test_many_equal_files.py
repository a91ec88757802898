"""Many files with the same bytes: different files, and the cost of each does not depend on how many there are."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from extractor.source.handle import PlainHandle
from extractor.source.identity import Identity
from extractor.source.names import live_names
from tests.following import Recorder, append, numbered

LINES = numbered("same", 3)


@dataclass(slots=True)
class Effort:
    """Reads and comparisons that were made."""

    reads: int = 0
    comparisons: int = 0

    def take(self) -> int:
        """How many there were since the last time."""
        taken = self.reads + self.comparisons
        self.reads = self.comparisons = 0
        return taken


@pytest.fixture
def effort(monkeypatch: pytest.MonkeyPatch) -> Effort:
    """Counts reads of small pieces and comparisons of identities."""
    made = Effort()
    read_at, compare = PlainHandle.read_at, Identity.compare

    def counted_read(self: PlainHandle, offset: int, size: int) -> bytes:
        made.reads += 1
        return read_at(self, offset, size)

    def counted_compare(self: Identity, *arguments: object) -> object:
        made.comparisons += 1
        return compare(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PlainHandle, "read_at", counted_read)
    monkeypatch.setattr(Identity, "compare", counted_compare)
    return made


def _efforts(folder: Path, count: int, effort: Effort) -> list[int]:
    """So many equal files are met, rest, go while the program is down, and come again as others."""
    folder.mkdir()
    paths = [folder / f"app-{number}.log" for number in range(count)]
    efforts = []
    with Recorder(folder) as recorder:
        for path in paths:
            append(path, LINES)
        recorder.step()
        assert len(recorder.rows) == count  # the first look knows them all
        assert len(recorder.lines) == 3 * count
        efforts.append(effort.take())
        recorder.clock.advance(recorder.limits.settle_s)
        recorder.step()
        efforts.append(effort.take())
        recorder.crash()
        recorder.step()
        efforts.append(effort.take())
        recorder.crash()
        for path in paths:
            path.rename(path.with_suffix(".gone"))
            append(path, LINES)
            path.with_suffix(".gone").unlink()
        recorder.step()
        efforts.append(effort.take())
        assert (
            len(recorder.lines) == 3 * count
        )  # equal bytes in the place of what vanished are the same lines
        for path in paths:
            append(path, [b"more"])
        recorder.step()
        efforts.append(effort.take())
        assert recorder.lines[3 * count :] == [b"more"] * count
    return efforts


def test_the_cost_of_equal_files_is_linear(tmp_path: Path, effort: Effort) -> None:
    """Twice as many files with the same bytes mean twice as many reads and comparisons, not four times."""
    few, many = _efforts(tmp_path / "few", 100, effort), _efforts(tmp_path / "many", 200, effort)
    for less, more in zip(few, many, strict=True):
        assert more <= 2.2 * less + 10


def test_files_that_live_are_not_compared(tmp_path: Path, effort: Effort) -> None:
    """Meeting a file that has the bytes of others costs what meeting any file does."""
    for number in range(50):
        append(tmp_path / f"app-{number}.log", LINES)
    with Recorder(tmp_path) as recorder:
        recorder.look()
        assert effort.comparisons == 0
        assert effort.reads <= 3 * 50


def test_folders_of_equal_rotated_files(tmp_path: Path, effort: Effort) -> None:
    """A rotated copy is held against the live file of its own folder only, whatever the other folders hold."""
    for number in range(50):
        folder = tmp_path / f"pod-{number}"
        folder.mkdir()
        append(folder / "0.log", LINES)
        append(folder / "0.log.1", LINES)
    with Recorder(tmp_path, ("*/*.log*",)) as recorder:
        recorder.look()
        assert len(recorder.rows) == 50  # the copies may be in the making
        assert effort.reads <= 50 * 50
        recorder.clock.advance(recorder.limits.settle_s)
        recorder.step()
        assert len(recorder.rows) == 100


@pytest.mark.parametrize(
    "name", ["app.log.1", "app.log-20261122", "app-2026-11-22.log", "app-1.log", "app.log.old"]
)
def test_names_of_copies(name: str) -> None:
    """All usual names of rotated copies lead to the live name."""
    assert "app.log" in live_names(name)


@pytest.mark.parametrize(("name", "other"), [("app-10.log", "app-1.log"), ("application.log", "app.log")])
def test_names_of_neighbours(name: str, other: str) -> None:
    """A name that merely starts like another is that of another file."""
    assert other not in live_names(name)


def test_the_copy_of_a_long_name() -> None:
    """Docker's names change between letters and digits all the time; what counts is how they end."""
    live = "0a1b2c3d4e5f" * 5 + "-json.log"
    assert live in live_names(live + ".1")
