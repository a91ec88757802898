"""H8: a file is empty at the stop, and is filled and rotated twice while nobody looks."""

from pathlib import Path

import pytest

from extractor.source import StartAt
from tests.following import Recorder, append, numbered


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_h08_filled_and_rotated_while_down(tmp_path: Path, before: int, pattern: str) -> None:
    """Every line comes: `start_at: end` is for what was there at the very first start.

    A rotated file that no pattern matches and that was never seen is out of reach; the one that was seen is not.
    """
    log = tmp_path / "app.log"
    append(log, numbered("before", before))
    with Recorder(tmp_path, (pattern,), start_at=StartAt.END) as recorder:
        assert recorder.step() == []
        recorder.crash()
        append(log, numbered("first", 20))
        log.rename(tmp_path / "app.log.2")
        append(log, numbered("second", 20))
        log.rename(tmp_path / "app.log.1")
        append(log, numbered("third", 20))
        recorder.step()
        second = numbered("second", 20) if pattern == "app.log*" else []
        assert recorder.lines == [*numbered("first", 20), *second, *numbered("third", 20)]


def test_h08_nothing_there_at_the_very_first_start(tmp_path: Path) -> None:
    """A first start that met no file was a first start, too."""
    with Recorder(tmp_path, start_at=StartAt.END) as recorder:
        recorder.step()
        recorder.crash()
        append(tmp_path / "app.log", numbered("line", 5))
        assert recorder.step() == numbered("line", 5)


def test_h08_a_line_that_is_being_written_at_the_first_start(tmp_path: Path) -> None:
    """It was not there yet as a line: it comes whole."""
    log = tmp_path / "app.log"
    log.write_bytes(b"old\nhalf")
    with Recorder(tmp_path, start_at=StartAt.END) as recorder:
        assert recorder.step() == []
        append(log, [b" and half"])
        assert recorder.step() == [b"half and half"]
