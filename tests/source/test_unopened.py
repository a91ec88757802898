"""Files that a look has seen and nobody could open: what they had is counted when they go, and taken back when it is there."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from extractor.telemetry import IncidentKind
from tests.following import Recorder, RunningClock, append, numbered, unprivileged


@pytest.fixture
def log() -> Iterator[Path]:
    """A file of a user whom permissions stop."""
    with unprivileged() as folder:
        yield folder / "app.log"


def _close(log: Path, recorder: Recorder) -> int:
    """Let the file be seen, but not opened; its size."""
    append(log, numbered("line", 3))
    log.chmod(0)
    recorder.look()
    recorder.look()
    return log.stat().st_size


def _settle(recorder: Recorder) -> None:
    recorder.look()
    recorder.clock.advance(recorder.limits.settle_s + 1)
    recorder.look()


def _miss(log: Path, recorder: Recorder, kills: tuple[str, ...]) -> None:
    """It is deleted, and not found again in time; killed before or after a look has missed it."""
    if "before" in kills:
        recorder.crash()
    log.unlink()
    recorder.look()
    if "after" in kills:
        recorder.crash()
    _settle(recorder)


def _counted_in_rows(recorder: Recorder) -> int:
    return sum(row.lost_bytes for row in recorder.rows.values())


@pytest.mark.parametrize("kills", [(), ("before",), ("after",), ("before", "after")])
def test_counted_whenever_it_is_killed(log: Path, kills: tuple[str, ...]) -> None:
    """A kill before or after it was missed forgets nothing of what was seen, and counts nothing twice."""
    with Recorder(log.parent, clock=RunningClock()) as recorder:
        size = _close(log, recorder)
        _miss(log, recorder, kills)
        _settle(recorder)
        assert [(i.kind, i.size) for i in recorder.incidents if i.size] == [(IncidentKind.UNOPENED, size)]
        assert _counted_in_rows(recorder) == size


@pytest.mark.parametrize("kills", [(), ("before",), ("after",), ("before", "after")])
def test_growth_that_nobody_could_read_is_counted(log: Path, kills: tuple[str, ...]) -> None:
    """The same for what a known file had besides, while it could not be read."""
    append(log, numbered("line", 3))
    with Recorder(log.parent, clock=RunningClock()) as recorder:
        recorder.step()
        recorder.crash()
        before = log.stat().st_size
        append(log, numbered("more", 3))
        grown = log.stat().st_size - before
        log.chmod(0)
        recorder.look()
        recorder.look()
        _miss(log, recorder, kills)
        assert recorder.lost() == _counted_in_rows(recorder) == grown


@pytest.mark.parametrize("killed", [False, True])
def test_taken_back_when_it_can_be_read(log: Path, *, killed: bool) -> None:
    """What was counted because it was away for long is not lost when it is back; over a restart, too."""
    aside = log.parent / "elsewhere"
    with Recorder(log.parent, clock=RunningClock()) as recorder:
        size = _close(log, recorder)
        log.rename(aside)
        _settle(recorder)
        assert recorder.lost() == size
        if killed:
            recorder.crash()
        aside.chmod(0o600)
        aside.rename(log)
        assert recorder.step() == numbered("line", 3)
        assert recorder.lost() == _counted_in_rows(recorder) == 0


def test_back_and_gone_again_is_counted_once(log: Path) -> None:
    """As long as nobody can open it, it is one file, however often it comes and goes."""
    aside = log.parent / "elsewhere"
    with Recorder(log.parent, clock=RunningClock()) as recorder:
        size = _close(log, recorder)
        for _ in range(3):
            log.rename(aside)
            _settle(recorder)
            assert recorder.lost() == _counted_in_rows(recorder) == size
            aside.rename(log)
            recorder.look()
        assert len(recorder.rows) == 1


def test_another_in_its_inode_takes_nothing_back(log: Path) -> None:
    """What was written into an inode after its file went is another's: what was counted stays counted."""
    aside = log.parent / "elsewhere"
    with Recorder(log.parent, clock=RunningClock()) as recorder:
        size = _close(log, recorder)
        log.rename(aside)
        _settle(recorder)
        aside.chmod(0o600)
        aside.write_bytes(b"".join(line + b"\n" for line in numbered("other", 5)))
        os.utime(aside, (recorder.clock.now() - 1, recorder.clock.now() - 1))
        aside.rename(log)
        assert recorder.step() == numbered("other", 5)
        assert recorder.lost() == size


@pytest.mark.parametrize("opens", [False, True])
def test_that_it_was_emptied_is_told(log: Path, *, opens: bool) -> None:
    """Nobody knows whether a copy has what it had: an incident says so, and nothing is counted."""
    with Recorder(log.parent, clock=RunningClock()) as recorder:
        _close(log, recorder)
        log.chmod(0o600)
        os.truncate(log, 0)
        log.chmod(0o600 if opens else 0)
        recorder.look()
        assert (IncidentKind.TRUNCATED, 0) in [(i.kind, i.size) for i in recorder.incidents]
        assert recorder.lost() == 0


def test_a_look_at_what_stays_closed_records_nothing(log: Path) -> None:
    """A file that cannot be opened costs one row, once, and a change of it only where its size changes."""
    with Recorder(log.parent, clock=RunningClock()) as recorder:
        _close(log, recorder)
        assert len(recorder.rows) == 1
        assert recorder.follower.look().checkpoints == ()
        assert recorder.kinds() == [IncidentKind.UNREADABLE]
