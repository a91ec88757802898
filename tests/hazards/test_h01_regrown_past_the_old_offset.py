"""H1: a file is emptied and has grown past the old offset before the next look."""

import shutil
from pathlib import Path

import pytest

from tests.following import Recorder, append, numbered, overwrite

HEADER = b"# " + b"h" * 1097


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_h01_regrown_past_the_old_offset(tmp_path: Path, pattern: str) -> None:
    """All lines of a file that was copied, emptied and regrown under the same header come once."""
    log = tmp_path / "app.log"
    old, new = numbered("old", 100), numbered("new", 300)
    append(log, [HEADER, *old])
    with Recorder(tmp_path, (pattern,)) as recorder:
        assert recorder.step() == [HEADER, *old]
        shutil.copy(log, tmp_path / "app.log.1")
        overwrite(log, [HEADER, *new])
        assert recorder.step() == [HEADER, *new]
        assert recorder.lost() == 0

        cut = log.stat().st_size - len(new[-1]) - 1
        with log.open("r+b") as file:
            file.truncate(cut)
        assert recorder.step() == []
        append(log, numbered("later", 2))
        assert recorder.step() == numbered("later", 2)


def test_h01_noticed_after_a_restart(tmp_path: Path) -> None:
    """The same, when it happened while nobody looked, and the file is larger than before."""
    log = tmp_path / "app.log"
    append(log, [HEADER, *numbered("old", 100)])
    with Recorder(tmp_path, ("app.log",)) as recorder:
        recorder.step()
        recorder.crash()
        overwrite(log, [HEADER, *numbered("new", 300)])
        assert recorder.step() == [HEADER, *numbered("new", 300)]


@pytest.mark.parametrize("lines_cut", [1, 3, 9, 60])
def test_h01_a_cut_is_not_a_rewrite(tmp_path: Path, lines_cut: int) -> None:
    """Of a file that lost its last lines only what had no known place before it is read again, and new lines come."""
    log = tmp_path / "app.log"
    lines = numbered("line", 100)
    append(log, lines)
    with Recorder(tmp_path) as recorder:
        recorder.step()
        recorder.crash()
        with log.open("r+b") as file:
            file.truncate(log.stat().st_size - sum(len(line) + 1 for line in lines[-lines_cut:]))
        append(log, numbered("later", 1))
        again = recorder.step()
    assert again[-1:] == numbered("later", 1)
    assert set(again[:-1]) <= set(lines[:-lines_cut])
    assert len(again) == 1 or lines_cut > 9
