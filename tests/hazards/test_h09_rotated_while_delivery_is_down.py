"""H9: a file is rotated while nothing is read, for as long as it takes."""

from pathlib import Path

import pytest

from tests.following import Recorder, append, numbered


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_h09_rotated_while_delivery_is_down(tmp_path: Path, *, pattern: str, elsewhere: bool) -> None:
    """No grace period expires: a renamed file is read to its end after an hour, too, in order."""
    logs, log = tmp_path / "logs", tmp_path / "logs" / "app.log"
    logs.mkdir()
    away = tmp_path / "archive" if elsewhere else logs
    away.mkdir(exist_ok=True)
    append(log, numbered("old", 3000))
    with Recorder(logs, (pattern,)) as recorder:
        recorder.look()
        recorder.read(chunks=1)
        log.rename(away / "app.log.1")
        append(away / "app.log.1", numbered("late", 10))
        append(log, numbered("new", 10))
        for _ in range(60):
            recorder.clock.advance(60.0)
            recorder.look()
        recorder.read()
        assert recorder.lines == [*numbered("old", 3000), *numbered("late", 10), *numbered("new", 10)]


def test_h09_the_handle_of_a_drained_file_goes(tmp_path: Path) -> None:
    """A rotated file that was read is held open no longer than any other; deleted, not at all."""
    log = tmp_path / "app.log"
    append(log, numbered("old", 10))
    with Recorder(tmp_path, ("app.log",)) as recorder:
        recorder.step()
        log.rename(tmp_path / "app.log.1")
        recorder.step()
        (tmp_path / "app.log.1").unlink()
        recorder.step()
        assert recorder.follower.open_handles() == 0
