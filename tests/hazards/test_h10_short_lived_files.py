"""H10: files live for a moment while a large one is being read."""

from pathlib import Path

import pytest

from extractor.source import Limits
from extractor.source.handle import Handle, open_handle
from extractor.telemetry import IncidentKind
from tests.following import Recorder, append, numbered


def test_h10_short_lived_files_beside_a_big_one(tmp_path: Path) -> None:
    """What one look has opened is drained although it was unlinked; reading the large file ends for each look."""
    big = tmp_path / "a-big.log"
    append(big, numbered("big", 20_000))
    with Recorder(tmp_path) as recorder:
        recorder.look()
        expected = set(numbered("big", 20_000))
        for number in range(20):
            recorder.read(budget_bytes=20_000)
            path = tmp_path / f"short-{number}.log"
            append(path, numbered(f"short{number}", 100))
            expected |= set(numbered(f"short{number}", 100))
            recorder.look()
            path.unlink()
        assert len(recorder.lines) < 20_000
        recorder.step()
        assert len(recorder.lines) == len(expected)
        assert set(recorder.lines) == expected
        assert recorder.follower.open_handles() == 1


def test_h10_a_big_file_starves_no_other(tmp_path: Path) -> None:
    """Within one turn of the large file the small one is read."""
    append(tmp_path / "a-big.log", numbered("big", 20_000))
    append(tmp_path / "b-small.log", numbered("small", 5))
    with Recorder(tmp_path) as recorder:
        recorder.look()
        recorder.read(budget_bytes=3 * recorder.limits.turn_bytes)
        assert set(numbered("small", 5)) <= set(recorder.lines)


def test_h10_seen_but_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is gone between stat and open is reported with the size that was seen."""
    log = tmp_path / "app.log"
    append(log, numbered("line", 3))
    size = log.stat().st_size
    with Recorder(tmp_path) as recorder:

        def vanish(path: str) -> Handle:
            log.unlink()
            return open_handle(path)

        monkeypatch.setattr("extractor.source.handles.open_handle", vanish)
        recorder.look()
        recorder.step()
        recorder.clock.advance(recorder.limits.settle_s)
        recorder.look()
        assert [(i.kind, i.size) for i in recorder.incidents] == [(IncidentKind.UNOPENED, size)]


def test_h10_handles_are_bounded(tmp_path: Path) -> None:
    """More files than handles: all are read, the bound holds, and the deleted ones come too."""
    limits = Limits(max_line_bytes=4096, chunk_bytes=8192, max_open=8)
    with Recorder(tmp_path, limits=limits) as recorder:
        for number in range(40):
            append(tmp_path / f"f{number}.log", numbered(f"f{number}", 3))
        recorder.look()
        assert recorder.follower.open_handles() <= 8
        recorder.read()
        assert len(set(recorder.lines)) == 120
        assert recorder.follower.open_handles() <= 8
