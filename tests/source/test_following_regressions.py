"""Histories that once went wrong, as `test_following_model` found and shrank them."""

from collections.abc import Iterator

import pytest

from tests.source.test_following_model import LIVE, Following


@pytest.fixture(params=[True, False], ids=["matched", "unmatched"])
def matched(request: pytest.FixtureRequest) -> bool:
    """Whether rotated siblings match the pattern."""
    return bool(request.param)


@pytest.fixture(params=[0, 60, 300])
def state(request: pytest.FixtureRequest, *, matched: bool) -> Iterator[Following]:
    """The model at its start, with lines that begin alike; at the end everything is read, and the books must balance."""
    state = Following()
    state.start(matched=matched, prefix=request.param)
    yield state
    state.teardown()


def test_emptied_and_unreadable(state: Following) -> None:
    """That a file was emptied is known without reading it: its copy is found before it goes."""
    state.write(lines=1, name=LIVE)
    state.copytruncate(looks=True, writes=False, crashes=False, refills=0)
    state.crash()
    state.chmod(hidden=True)
    state.look()
    state.rotate(compress=False)
    state.write_half()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=0)


def test_restored_without_its_last_line_before_it_was_read(state: Following) -> None:
    """What a held file and its restored older state have in common is read once."""
    state.write(lines=2, name=LIVE)
    state.look()
    state.take_away()
    state.restore()
    state.cut(lines=1)


@pytest.mark.parametrize("lines", [3, 25])
def test_cut_and_copied_between_two_looks(state: Following, lines: int) -> None:
    """A copy that is too short to have all the places near the start is found by those that it has."""
    state.write(lines=1, name=LIVE)
    state.truncate(refills=lines)
    state.look()
    state.cut(lines=1)
    state.copytruncate(looks=False, writes=False, crashes=False, refills=0)


def test_twelve_lines_are_cut_off(state: Following) -> None:
    """What is left is known by its end though all lines that were read after it are gone."""
    state.step()
    state.write(lines=1, name=LIVE)
    state.truncate(refills=13)
    state.step()
    for _ in range(4):
        state.cut(lines=3)


def test_written_to_after_its_rotation_and_compressed_while_down(state: Following) -> None:
    """A rotated file that was read to its end is looked for in its compressed copy if that holds more."""
    state.write(lines=1, name=LIVE)
    state.rotate(compress=False)
    state.step()
    state.crash()
    state.write(lines=1, name=LIVE)
    state.write(lines=1, name="app.log.1")
    state.rotate(compress=True)


def test_out_of_reach_and_back_and_cut(state: Following) -> None:
    """What was out of reach for a while is not lost; what is cut off it and written over may be, unknown how much."""
    state.write(lines=2, name=LIVE)
    state.look()
    state.move_aside()
    state.move_back()
    state.crash()
    state.move_aside()
    state.move_back()
    state.cut(lines=1)
    state.write(lines=1, name=LIVE)


def test_unreadable_in_the_place_and_inode_of_the_original(state: Following) -> None:
    """While a known inode cannot be read nobody knows that it is another file: its copy is not sought, but counted."""
    state.look()
    state.write_half()
    state.copytruncate(looks=True, writes=False, crashes=True, refills=0)
    state.take_away()
    state.write(lines=1, name=LIVE)
    state.chmod(hidden=True)
    state.look()
    state.delete(name="app.log.1")


def test_a_compressed_copy_with_more_is_gone_before_it_was_read(state: Following) -> None:
    """What is counted is what a stat has seen, which of a compressed file is nothing."""
    state.write_half()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=0)
    state.look()
    state.write(lines=1, name="app.log.1")
    state.crash()
    state.rotate(compress=True)
    state.look()
    state.crash()
    state.delete(name="app.log.1.gz")


def test_copies_of_empty_files(state: Following) -> None:
    """A copy that gets the inode of an empty one is not counted as lost beside its original."""
    state.write_half()
    state.cut(lines=1)
    state.copytruncate(looks=True, writes=False, crashes=False, refills=0)
    state.crash()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=1)
    state.copytruncate(looks=True, writes=False, crashes=False, refills=0)
    state.crash()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=0)
    state.rotate(compress=False)


def test_restored_and_cut_and_longer_than_before(state: Following) -> None:
    """What is lost with a cut goes by what was there before, not by what was written since."""
    state.write(lines=1, name=LIVE)
    state.move_aside()
    state.write(lines=2, name=LIVE)
    state.look()
    state.take_away()
    state.read_some(chunks=1)
    state.move_back()
    state.look()
    state.move_aside()
    state.restore()
    state.cut(lines=1)
    state.write(lines=1, name=LIVE)


def test_out_of_reach_back_and_copied_between_two_looks(state: Following) -> None:
    """A vanished file is sought again as soon as another one is where it was."""
    state.write(lines=1, name=LIVE)
    state.look()
    state.crash()
    state.move_aside()
    state.look()
    state.move_back()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=0)
    state.copytruncate(looks=False, writes=False, crashes=False, refills=0)
    state.look()
    state.delete(name="app.log.2")


def test_cut_written_anew_and_copied_between_two_looks(state: Following) -> None:
    """A copy that differs within its first places is found by those before."""
    state.write(lines=26, name=LIVE)
    state.step()
    state.cut(lines=2)
    state.write(lines=1, name=LIVE)
    state.move_aside()
    state.move_back()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=0)


def test_back_unreadable_and_gone_again(state: Following) -> None:
    """A vanished file that is back, cannot be read and goes again is one file: its bytes are not counted beside it."""
    state.write(lines=1, name=LIVE)
    state.look()
    state.chmod(hidden=True)
    state.crash()
    state.move_aside()
    state.look()
    state.move_back()
    state.look()
    state.move_aside()
    state.write(lines=1, name=LIVE)


def test_renamed_and_unreadable_while_down(state: Following) -> None:
    """A file that was renamed and cannot be read is there by its inode, and read when it can be."""
    state.write(lines=3, name=LIVE)
    state.look()
    state.crash()
    state.chmod(hidden=True)
    state.rotate(compress=False)
    state.write(lines=1, name=LIVE)
    state.step()


def test_counted_as_lost_and_back(state: Following) -> None:
    """What was counted because it was away for long is taken back when it comes; over a restart, too."""
    state.write(lines=3, name=LIVE)
    state.look()
    state.crash()
    state.move_aside()
    state.wait(long=False)
    assert state.recorder.lost() > 0
    assert any(row.lost_bytes for row in state.recorder.rows.values())
    state.crash()
    state.move_back()
    state.look()
    assert state.recorder.lost() == 0
    assert not any(row.lost_bytes for row in state.recorder.rows.values())


def test_never_opened_counted_as_lost_and_back(state: Following) -> None:
    """The same for a file that could not be opened until then."""
    state.write(lines=3, name=LIVE)
    state.chmod(hidden=True)
    state.look()
    state.move_aside()
    state.wait(long=False)
    assert state.recorder.lost() > 0
    state.move_back()


def test_killed_before_a_compressed_copy_was_read_to_its_end(state: Following) -> None:
    """That a compressed copy may hold more is no byte that anybody has seen."""
    state.write(lines=1, name=LIVE)
    state.step()
    state.rotate(compress=False)
    state.crash()
    state.write(lines=1, name=LIVE)
    state.rotate(compress=True)
    state.look()
    state.crash()
    state.write(lines=1, name=LIVE)
    state.rotate(compress=False)


def test_cut_and_copied_while_down_and_unreadable(state: Following) -> None:
    """What a copy has that is followed as a file of its own is not lost, though it is not all that there was."""
    state.write(lines=2, name=LIVE)
    state.look()
    state.cut(lines=1)
    state.copytruncate(looks=False, writes=False, crashes=True, refills=1)
    state.chmod(hidden=True)
    state.look()
    state.rotate(compress=False)
    state.look()


def test_unreadable_under_another_name_beside_its_copy(state: Following) -> None:
    """As long as an original cannot be read, its copy waits, whatever both are called by now."""
    state.write(lines=1, name=LIVE)
    state.step()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=1)
    state.crash()
    state.chmod(hidden=True)
    state.rotate(compress=False)
    state.step()


def test_emptied_before_anything_was_read(state: Following) -> None:
    """That the new lines begin like the old ones does not make them the rest of them: the copy is found."""
    state.write(lines=30, name=LIVE)
    state.look()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=5)
    state.look()


def test_out_of_reach_while_another_begins_alike(state: Following) -> None:
    """A new file that begins like one that vanished unread is not an older state of it: that one may come back."""
    state.write(lines=2, name=LIVE)
    state.look()
    state.crash()
    state.move_aside()
    state.write(lines=1, name=LIVE)
    state.look()


def test_emptied_and_renamed_while_down_beside_its_copy(state: Following) -> None:
    """Its inode has a line that begins like what was seen, but the copy has all of it."""
    state.write_half()
    state.write_half()
    state.look()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=1)
    state.crash()
    state.rotate(compress=False)


def test_cut_and_written_anew_between_look_and_read(state: Following) -> None:
    """What is read is held against what was seen: it is told that something went, and nothing is read again."""
    state.write(lines=25, name=LIVE)
    state.look()
    state.cut(lines=1)
    state.write(lines=1, name=LIVE)
    state.read_some(chunks=1)
    state.edit(lines=0)


def test_inode_used_again_by_a_shorter_file_that_begins_alike(state: Following) -> None:
    """What was seen of the old one is not called cut off, for it may be restored."""
    state.write(lines=2, name=LIVE)
    state.look()
    state.crash()
    state.take_away()
    state.write(lines=1, name=LIVE)
    state.look()
    state.rotate(compress=False)
    state.restore()


def test_beside_the_copy_of_another_that_begins_alike(state: Following) -> None:
    """What vanished unread is not looked for in the copy of the file that is at its place now."""
    state.write(lines=16, name=LIVE)
    state.look()
    state.crash()
    state.take_away()
    state.write(lines=8, name=LIVE)
    state.copytruncate(looks=True, writes=False, crashes=True, refills=0)
    state.rotate(compress=True)


def test_a_compressed_copy_holds_much_more_than_was_seen(state: Following) -> None:
    """It is read to its end, however many chunks that takes."""
    state.write(lines=1, name=LIVE)
    state.look()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=0)
    for _ in range(10):
        state.write(lines=30, name="app.log.1")
    state.rotate(compress=True)


def test_cut_and_written_anew_unread_and_emptied(state: Following) -> None:
    """What a held file still has of what was seen is counted once, when that is emptied."""
    state.write(lines=2, name=LIVE)
    state.look()
    state.cut(lines=1)
    state.write(lines=1, name=LIVE)
    state.look()
    state.truncate(refills=0)


def test_restored_and_cut_while_it_is_held_and_another_that_began_alike_was_lost(state: Following) -> None:
    """What is still held is read once, though what was counted as lost begins like its restored copy, too."""
    state.write(lines=2, name=LIVE)
    state.look()
    state.move_aside()
    state.crash()
    state.move_back()
    state.truncate(refills=2)
    state.look()
    state.take_away()
    state.wait(long=False)
    state.restore()
    state.cut(lines=1)


def test_cut_unread_beside_a_copy_that_begins_alike(state: Following) -> None:
    """What was cut is not looked for in an older copy that has less than what is left."""
    state.write_half()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=2)
    state.look()
    state.cut(lines=1)


def test_known_by_its_inode_alone_and_that_used_again(state: Following) -> None:
    """What was seen of a file that was empty before is in its row with its size: another in its inode is told."""
    state.write_half()
    state.cut(lines=1)
    state.look()
    state.write_half()
    state.crash()
    state.rotate(compress=False)
    state.look()
    state.write_half()
    state.rotate(compress=False)
    state.write(lines=1, name=LIVE)
    state.crash()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=0)


def test_killed_shortly_before_the_end_and_cut(state: Following) -> None:
    """The last lines that were read are known one by one though not all of the file was read."""
    state.write(lines=28, name=LIVE)
    state.look()
    state.read_some(chunks=1)
    state.crash()
    state.cut(lines=3)


def test_counted_as_lost_and_another_begins_alike(state: Following) -> None:
    """What was counted is taken back when a line of it is there, not when something begins as it did."""
    state.write(lines=2, name=LIVE)
    state.look()
    state.crash()
    state.move_aside()
    state.wait(long=False)
    state.write(lines=1, name=LIVE)
    state.look()


def test_counted_as_lost_and_restored_in_part(state: Following) -> None:
    """What is read after all is not counted."""
    state.write(lines=2, name=LIVE)
    state.look()
    state.crash()
    state.take_away()
    state.wait(long=False)
    state.restore()
    state.cut(lines=1)


def test_cut_unread_while_down_beside_a_copy_that_begins_alike(state: Following) -> None:
    """Its first line tells that it is what it was, though nothing of it was read."""
    state.write_half()
    state.copytruncate(looks=False, writes=False, crashes=False, refills=2)
    state.look()
    state.crash()
    state.cut(lines=1)


def test_vanished_unread_beside_half_a_line_that_begins_alike(state: Following) -> None:
    """Without a line of it, what vanished is found only in what has all that was seen."""
    state.write_half()
    state.rotate(compress=False)
    state.write_half()
    state.look()
    state.move_aside()
    state.crash()
    state.look()


def test_emptied_refilled_unreadable_and_out_of_reach(state: Following) -> None:
    """What a file had while it could not be read is not counted with the copy of what it was before."""
    state.write(lines=1, name=LIVE)
    state.copytruncate(looks=True, writes=False, crashes=False, refills=1)
    state.crash()
    state.chmod(hidden=True)
    state.look()
    state.move_aside()
    state.wait(long=False)


def test_put_in_its_place_and_never_readable(state: Following) -> None:
    """What a file had that nobody could open is counted, whatever another has."""
    state.write(lines=1, name=LIVE)
    state.look()
    state.edit(lines=0)
    state.chmod(hidden=True)
    state.look()
    state.delete(name=LIVE)


def test_cut_put_in_its_place_and_gone_again(state: Following) -> None:
    """What has the first line of a vanished file goes on as that: what is left of it is not counted."""
    state.write(lines=2, name=LIVE)
    state.wait(long=False)
    state.crash()
    state.cut(lines=1)
    state.edit(lines=0)
    state.step()
    state.take_away()


def test_left_to_a_restored_file_and_emptied_there(state: Following) -> None:
    """What a held file leaves to be read elsewhere is lost, and counted, when it goes there."""
    state.write_half()
    state.look()
    state.truncate(refills=6)
    state.edit(lines=0)
    state.cut(lines=1)
    state.look()
    state.truncate(refills=0)


def test_put_in_its_place_before_it_could_be_opened(state: Following) -> None:
    """What nobody could open is counted, for nobody knows that another has the same."""
    state.write(lines=1, name=LIVE)
    state.chmod(hidden=True)
    state.look()
    state.chmod(hidden=False)
    state.edit(lines=0)
