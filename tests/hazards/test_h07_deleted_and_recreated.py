"""H7: a file is deleted and made anew under the same name, again and again."""

from pathlib import Path

import pytest

from tests.following import Recorder, append, numbered, open_paths


@pytest.mark.parametrize("look_between", [False, True])
def test_h07_deleted_and_recreated(tmp_path: Path, *, look_between: bool) -> None:
    """Each of a hundred lives comes whole, and no handle stays on a deleted file once it is drained."""
    log = tmp_path / "app.log"
    with Recorder(tmp_path) as recorder:
        for life in range(100):
            append(log, numbered(f"short{life}", 11))
            recorder.step()
            log.unlink()
            if look_between:
                recorder.step()
                assert not any("deleted" in path for path in open_paths() if str(tmp_path) in path)
            append(log, numbered(f"long{life}", 110))
            recorder.step()
            log.unlink()
            assert len(recorder.lines) == 121 * (life + 1)
        recorder.step()
        assert len(set(recorder.lines)) == 12_100
        assert recorder.follower.open_handles() == 0
        assert not any(str(tmp_path) in path for path in open_paths())


def test_h07_deleted_while_behind(tmp_path: Path) -> None:
    """A deleted file is read to its end however long that takes; only then its handle goes."""
    log = tmp_path / "app.log"
    append(log, numbered("line", 1000))
    with Recorder(tmp_path) as recorder:
        recorder.look()
        recorder.read(chunks=1)
        log.unlink()
        for _ in range(3):
            recorder.clock.advance(86400.0)
            recorder.look()
        assert recorder.follower.open_handles() == 1
        recorder.read()
        assert recorder.lines == numbered("line", 1000)
        assert recorder.follower.open_handles() == 0
