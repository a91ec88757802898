"""A file that vanished is restored while we look: what both have comes once, however long the copying takes."""

from pathlib import Path

import pytest

from tests.following import Recorder, append, numbered

LINES = numbered("line", 40)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file that is followed, and then is not there."""
    return tmp_path / "app.log"


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("piece", [1, 7, 15])
def test_restored_in_pieces(log: Path, piece: int, *, read: bool) -> None:
    """As long as it only has what was there before, it waits; whole, it goes on where it was."""
    append(log, LINES)
    with Recorder(log.parent) as recorder:
        recorder.look()
        if read:
            recorder.read()
        log.unlink()
        recorder.look()
        for start in range(0, len(LINES), piece):
            append(log, LINES[start : start + piece])
            recorder.step()
            recorder.clock.advance(1.0)
        append(log, [b"later"])
        recorder.step()
        recorder.step()
        assert recorder.lines == [*LINES, b"later"]
        assert recorder.lost() == 0


def test_restored_in_part(log: Path) -> None:
    """What does not come within the time was left out: it goes on as the older state that it is."""
    append(log, LINES)
    with Recorder(log.parent) as recorder:
        recorder.step()
        log.unlink()
        recorder.step()
        append(log, LINES[:35])
        assert recorder.step() == []
        recorder.clock.advance(recorder.limits.settle_s)
        assert recorder.step() == []
        append(log, [b"later"])
        assert recorder.step() == [b"later"]


def test_only_the_first_line_is_the_same(log: Path) -> None:
    """As after a restart of what writes a heading: the next line is read at once, for it is no restored one."""
    append(log, [b"# heading", *LINES[:3]])
    with Recorder(log.parent) as recorder:
        recorder.step()
        log.unlink()
        recorder.step()
        append(log, [b"# heading", *LINES[3:]])
        assert recorder.step() == LINES[3:]


def test_emptied_while_it_waits(log: Path) -> None:
    """What it gets then is read as new."""
    append(log, LINES[:20])
    with Recorder(log.parent) as recorder:
        recorder.step()
        log.unlink()
        recorder.step()
        append(log, LINES[:15])
        assert recorder.step() == []
        log.write_bytes(b"other\n")
        assert recorder.step() == [b"other"]
        assert recorder.lost() == 0
