"""H4: a new file has the inode of a deleted one."""

from pathlib import Path

import pytest

from tests.following import Recorder, append, fill_until_inode, numbered, overwrite


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("same_size", [False, True])
@pytest.mark.parametrize("looked_between", [False, True])
def test_h04_inode_reused(tmp_path: Path, *, stopped: bool, same_size: bool, looked_between: bool) -> None:
    """All of the new file comes, larger or of exactly the old size, whether we ran meanwhile or not."""
    log = tmp_path / "app.log"
    old = numbered("old", 200)
    new = numbered("new", 200 if same_size else 400)
    append(log, old)
    with Recorder(tmp_path) as recorder:
        recorder.step()
        inode = log.stat().st_ino
        recorder.crash()  # no handle, or the inode could not come back
        if not stopped:
            recorder.look()
            recorder.follower.close()
        log.unlink()
        if looked_between:
            recorder.look()
        reborn = fill_until_inode(tmp_path, inode, lambda path: append(path, new))
        if reborn is None:
            pytest.skip("this file system does not give the inode back")
        reborn.rename(log)
        assert recorder.step() == new


def test_h04_a_copy_gets_the_inode_of_an_empty_file(tmp_path: Path) -> None:
    """Of an empty file only the inode is known: a copy in the making that gets it while we are down is still a copy."""
    log = tmp_path / "app.log"
    log.touch()
    inode = log.stat().st_ino
    with Recorder(tmp_path) as recorder:
        recorder.step()
        recorder.crash()
        append(tmp_path / "next", numbered("line", 3))
        (tmp_path / "next").replace(log)
        copy = fill_until_inode(tmp_path, inode, lambda path: append(path, numbered("line", 3)))
        if copy is None:
            pytest.skip("this file system does not give inodes back")
        copy.rename(tmp_path / "app.log.1")
        assert recorder.step() == numbered("line", 3)
        overwrite(log, [])
        assert recorder.step() == []
        assert recorder.finish() == numbered("line", 3)
