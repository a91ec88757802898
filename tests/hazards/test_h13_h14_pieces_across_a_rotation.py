"""H13, H14: the pieces of one line stand in two files.

Joining them is the decoder's; here: their order, their lineage, and that the checkpoint can wait at the first.
"""

from pathlib import Path

import pytest

from tests.following import Recorder, append


@pytest.mark.parametrize("pattern", ["0.log", "0.log*"])
def test_h13_the_checkpoint_waits_at_the_first_piece(tmp_path: Path, pattern: str) -> None:
    """A piece whose rest is in the next file is given again after a restart, before the rest, in the same lineage."""
    log = tmp_path / "0.log"
    append(log, [b"t stdout F whole", b"t stdout P a"])
    with Recorder(tmp_path, (pattern,)) as recorder:
        recorder.look()
        (chunk,) = recorder.follower.read(1 << 20)
        waiting = recorder.follower.checkpoint(chunk.file_id, chunk.start + len(b"t stdout F whole\n"))
        recorder.follower.recorded(waiting)
        recorder.rows[waiting.file_id] = waiting
        recorder.crash()

        log.rename(tmp_path / "0.log.20261122-120000")
        append(log, [b"t stderr F x", b"t stdout F b"])
        recorder.look()
        chunks = [(c.lineage, bytes(c.data)) for c in recorder.follower.read(1 << 20)]
        assert chunks == [
            (str(log), b"t stdout P a\n"),
            (str(log), b"t stderr F x\nt stdout F b\n"),
        ]


def test_h14_the_handle_of_a_deleted_file_waits_for_its_last_piece(tmp_path: Path) -> None:
    """What is read, but not recorded because its line is unfinished, must survive until it is."""
    log = tmp_path / "app.log"
    append(log, [b"piece"])
    with Recorder(tmp_path) as recorder:
        recorder.look()
        (chunk,) = recorder.follower.read(1 << 20)
        recorder.follower.recorded(recorder.follower.checkpoint(chunk.file_id, 0))
        log.unlink()
        recorder.look()
        assert recorder.follower.open_handles() == 1
        assert recorder.ended == [chunk.file_id]  # so the loop knows that its line ends here
        recorder.follower.recorded(recorder.follower.checkpoint(chunk.file_id, chunk.end))
        assert recorder.follower.open_handles() == 0


def test_h14_rewinding_gives_it_again(tmp_path: Path) -> None:
    """After a record that failed, what was not recorded is read again."""
    append(tmp_path / "app.log", [b"one", b"two"])
    with Recorder(tmp_path) as recorder:
        recorder.look()
        (first,) = [bytes(chunk.data) for chunk in recorder.follower.read(1 << 20)]
        recorder.follower.rewind()
        (second,) = [bytes(chunk.data) for chunk in recorder.follower.read(1 << 20)]
        assert first == second == b"one\ntwo\n"
