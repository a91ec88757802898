"""H11: a file cannot be reached for a while."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from extractor.telemetry import IncidentKind
from tests.following import Recorder, append, numbered, unprivileged


@pytest.fixture
def home() -> Iterator[Path]:
    """Where we are an ordinary user."""
    with unprivileged() as folder:
        yield folder


@pytest.mark.parametrize("restart", [False, True])
def test_h11_mode_000(home: Path, *, restart: bool) -> None:
    """It is counted as unreadable, once, and picked up by the first look after."""
    log = home / "app.log"
    append(log, numbered("line", 3))
    with Recorder(home) as recorder:
        recorder.step()
        log.chmod(0)
        if restart:
            recorder.crash()
            for _ in range(3):
                assert recorder.step() == []
            assert recorder.kinds() == [IncidentKind.UNREADABLE]
        log.chmod(0o600)
        append(log, numbered("line", 3, 3))
        assert recorder.step() == numbered("line", 3, 3)


def test_h11_unreadable_from_the_start(home: Path) -> None:
    """A file that was never readable is read whole once it is; one that goes before is reported with its size."""
    first, second = home / "first.log", home / "second.log"
    append(first, numbered("first", 3))
    append(second, numbered("second", 3))
    first.chmod(0)
    second.chmod(0)
    with Recorder(home) as recorder:
        recorder.step()
        assert recorder.kinds() == [IncidentKind.UNREADABLE] * 2
        first.chmod(0o600)
        size = second.stat().st_size
        second.unlink()
        assert recorder.step() == numbered("first", 3)
        recorder.clock.advance(recorder.limits.settle_s)
        recorder.look()
        assert [(i.kind, i.size) for i in recorder.incidents[2:]] == [(IncidentKind.UNOPENED, size)]


def test_h11_grown_while_it_could_not_be_read_and_deleted(home: Path) -> None:
    """What a stat has seen of a known file counts, though nobody could read it."""
    log = home / "app.log"
    append(log, numbered("line", 3))
    with Recorder(home) as recorder:
        recorder.step()
        recorder.crash()
        before = log.stat().st_size
        with log.open("ab") as writer:  # which was open before
            log.chmod(0)
            writer.write(b"\n".join(numbered("line", 3, 3)) + b"\n")
        grown = log.stat().st_size - before
        recorder.step()
        log.unlink()
        recorder.finish()
        assert recorder.lost() == grown


def test_h11_a_folder_that_closes_twice_is_told_twice(home: Path) -> None:
    """Once each time."""
    folder = home / "logs"
    folder.mkdir()
    append(folder / "app.log", numbered("line", 3))
    with Recorder(home, ("logs/*.log",)) as recorder:
        for times in (1, 2):
            folder.chmod(0)
            recorder.step()
            recorder.step()
            assert recorder.kinds().count(IncidentKind.UNREADABLE) == times
            folder.chmod(0o700)
            recorder.step()
        assert recorder.lines == numbered("line", 3)


def test_h11_folder_without_permission(home: Path) -> None:
    """A folder that cannot be entered for a while takes nothing from what is known of its files."""
    folder = home / "logs"
    folder.mkdir()
    append(folder / "app.log", numbered("line", 3))
    with Recorder(home, ("logs/*.log",)) as recorder:
        recorder.step()
        recorder.crash()
        folder.chmod(0)
        recorder.step()
        folder.chmod(0o700)
        append(folder / "app.log", numbered("line", 3, 3))
        assert recorder.step() == numbered("line", 3, 3)
        assert set(recorder.kinds()) == {IncidentKind.UNREADABLE}


@pytest.mark.parametrize("restart", [False, True])
def test_h11_path_absent_for_one_look(tmp_path: Path, *, restart: bool) -> None:
    """A file that comes back goes on where it was."""
    log, aside = tmp_path / "app.log", tmp_path / "aside"
    append(log, numbered("line", 3))
    with Recorder(tmp_path) as recorder:
        recorder.step()
        log.rename(aside)
        if restart:
            recorder.crash()
        assert recorder.step() == []
        aside.rename(log)
        append(log, numbered("line", 3, 3))
        assert recorder.step() == numbered("line", 3, 3)


@pytest.mark.parametrize("restart", [False, True])
def test_h11_a_folder_above_is_renamed_away_and_back(tmp_path: Path, *, restart: bool) -> None:
    """Nothing is read twice, nothing is lost, and what was called lost while it was away is taken back."""
    parent = tmp_path / "parent"
    (parent / "logs").mkdir(parents=True)
    log = parent / "logs" / "app.log"
    append(log, numbered("line", 3))
    with log.open("ab") as file:
        file.write(b"half")
    with Recorder(tmp_path, ("parent/**/*.log",)) as recorder:
        recorder.step()
        parent.rename(tmp_path / "away")
        if restart:
            recorder.crash()
        for _ in range(3):
            recorder.clock.advance(60)
            assert recorder.step() == []
        (tmp_path / "away").rename(parent)
        append(log, [b" and half", *numbered("line", 3, 3)])
        assert recorder.step() == [b"half and half", *numbered("line", 3, 3)]
        assert recorder.lost() == 0


def test_h11_a_fifo_does_not_hang(tmp_path: Path) -> None:
    """What is no regular file is not opened."""
    os.mkfifo(tmp_path / "pipe.log")
    append(tmp_path / "app.log", [b"line"])
    with Recorder(tmp_path) as recorder:
        assert recorder.step() == [b"line"]
