"""H2: a file is copied and emptied while the reader is behind."""

import gzip
import shutil
from pathlib import Path

import pytest

from extractor.telemetry import IncidentKind
from tests.following import Recorder, append, numbered, overwrite

OLD, NEW = numbered("old", 1000), numbered("new", 10)


def behind(recorder: Recorder, log: Path, read: int) -> None:
    """A reader that has seen 1000 lines and read some; then the file is copied and emptied."""
    append(log, OLD[:read])
    recorder.step()
    append(log, OLD[read:])
    recorder.look()
    recorder.look()  # what one look saw and nobody read is in the rows by the next


@pytest.mark.parametrize("read", [0, 1, 400])
@pytest.mark.parametrize("pattern", ["app.log*", "app.log"])
@pytest.mark.parametrize("restart", [False, True])
def test_h02_the_rest_is_in_the_copy(tmp_path: Path, *, read: int, pattern: str, restart: bool) -> None:
    """Whether the copy is matched or not, all lines come once and nothing is counted as lost."""
    log = tmp_path / "app.log"
    with Recorder(tmp_path, (pattern,)) as recorder:
        behind(recorder, log, read)
        if restart:
            recorder.crash()
        shutil.copy(log, tmp_path / "app.log.1")
        overwrite(log, NEW)
        recorder.step()
        assert recorder.lines == OLD + NEW
        assert recorder.lost() == 0
        assert (
            IncidentKind.TRUNCATED in recorder.kinds()
        )  # between copy and truncation lines may have been lost


def test_h02_a_look_between_copy_and_truncation(tmp_path: Path) -> None:
    """A copy that is seen before its original is emptied is not read as a file of its own."""
    log = tmp_path / "app.log"
    with Recorder(tmp_path) as recorder:
        behind(recorder, log, 400)
        shutil.copy(log, tmp_path / "app.log.1")
        recorder.look()
        overwrite(log, NEW)
        recorder.step()
        assert recorder.lines == OLD + NEW


@pytest.mark.parametrize("read", [0, 400])
def test_h02_the_rest_is_in_the_compressed_copy(tmp_path: Path, read: int) -> None:
    """When the copy was compressed at once, the rest is read from there."""
    log = tmp_path / "app.log"
    with Recorder(tmp_path) as recorder:
        behind(recorder, log, read)
        with gzip.open(tmp_path / "app.log.1.gz", "wb") as copy:
            copy.write(log.read_bytes())
        overwrite(log, NEW)
        recorder.step()
        assert recorder.lines == OLD + NEW
        assert recorder.lost() == 0


def test_h02_without_a_copy_the_loss_is_counted(tmp_path: Path) -> None:
    """What was seen and not read is counted to the byte, and named."""
    log = tmp_path / "app.log"
    with Recorder(tmp_path) as recorder:
        behind(recorder, log, 400)
        overwrite(log, NEW)
        recorder.step()
        recorder.clock.advance(60)
        recorder.look()
        assert recorder.lines == OLD[:400] + NEW
        assert recorder.lost() == sum(len(line) + 1 for line in OLD[400:])
        assert [incident.path for incident in recorder.incidents] == [str(log)]
        assert sum(row.lost_bytes for row in recorder.rows.values()) == recorder.lost()
