"""Histories that once went wrong, as `test_following_model` found and shrank them, and what each promises.

A step is a rule of the model with what differs from the usual: `write 30` writes thirty lines, `write` one, and
`copytruncate looks 5` looks between copying and emptying and refills with five lines.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.source.model_of_files import LIVE
from tests.source.test_following_model import Following

USUAL: dict[str, dict[str, bool | int | str]] = {
    "write": {"lines": 1, "name": LIVE},
    "cut": {"lines": 1},
    "rotate": {"compress": False},
    "copytruncate": {"refills": 0, "looks": False, "writes": False, "crashes": False},
    "truncate": {"refills": 0},
    "delete": {"name": LIVE},
    "edit": {"lines": 0},
    "touch": {"at": 0},
    "chmod": {"hidden": False},
    "wait": {"long": False},
    "read_some": {"chunks": 1},
}


class History(NamedTuple):
    """What went wrong once."""

    promise: str
    steps: str


EMPTIED_OR_CUT = {
    "cut and copied between two looks, short": History(
        "A copy that is too short to have all the places near the start is found by those that it has.",
        "write; truncate 3; look; cut; copytruncate",
    ),
    "cut and copied between two looks, long": History(
        "A copy that is too short to have all the places near the start is found by those that it has.",
        "write; truncate 25; look; cut; copytruncate",
    ),
    "twelve lines are cut off": History(
        "What is left is known by its end though all lines that were read after it are gone.",
        "step; write; truncate 13; step; cut 3; cut 3; cut 3; cut 3",
    ),
    "written to after its rotation and compressed while down": History(
        "A rotated file that was read to its end is looked for in its compressed copy if that holds more.",
        "write; rotate; step; crash; write; write app.log.1; rotate compress",
    ),
    "copies of empty files": History(
        "A copy that gets the inode of an empty one is not counted as lost beside its original.",
        "write_half; cut; copytruncate looks; crash; copytruncate 1; copytruncate looks; crash; copytruncate; "
        "rotate",
    ),
    "killed before a compressed copy was read to its end": History(
        "That a compressed copy may hold more is no byte that anybody has seen.",
        "write; step; rotate; crash; write; rotate compress; look; crash; write; rotate",
    ),
    "emptied before anything was read": History(
        "That the new lines begin like the old ones does not make them the rest of them: the copy is found.",
        "write 30; look; copytruncate 5; look",
    ),
    "emptied and renamed while down beside its copy": History(
        "Its inode has a line that begins like what was seen, but the copy has all of it.",
        "write_half; write_half; look; copytruncate 1; crash; rotate",
    ),
    "a compressed copy holds much more than was seen": History(
        "It is read to its end, however many chunks that takes.",
        "write; look; copytruncate; write 300 app.log.1; rotate compress",
    ),
    "cut and written anew unread and emptied": History(
        "What a held file still has of what was seen is counted once, when that is emptied.",
        "write 2; look; cut; write; look; truncate",
    ),
    "cut unread beside a copy that begins alike": History(
        "What was cut is not looked for in an older copy that has less than what is left.",
        "write_half; copytruncate 2; look; cut",
    ),
    "known by its inode alone and that used again": History(
        "What was seen of a file that was empty before is in its row with its size: another in its inode is told.",
        "write_half; cut; look; write_half; crash; rotate; look; write_half; rotate; write; crash; "
        "copytruncate",
    ),
    "killed shortly before the end and cut": History(
        "The last lines that were read are known one by one though not all of the file was read.",
        "write 28; look; read_some; crash; cut 3",
    ),
    "cut unread while down beside a copy that begins alike": History(
        "Its first line tells that it is what it was, though nothing of it was read.",
        "write_half; copytruncate 2; look; crash; cut",
    ),
    "cut by another that begins alike in a known inode": History(
        "What is in the inode of a file that was read, and only begins like it, is another: the copy is found.",
        "write_half; copytruncate 17; copytruncate 11; copytruncate 19; step; crash; write_half; "
        "copytruncate 1; step",
    ),
    "cut, copied, emptied and refilled with what begins alike while it is held": History(
        "What its copy has, which is read as a file of its own, is not counted.",
        "write_half; write 3; look; cut; copytruncate 1",
    ),
}

VANISHED = {
    "restored without its last line before it was read": History(
        "What a held file and its restored older state have in common is read once.",
        "write 2; look; take_away; restore; cut",
    ),
    "out of reach and back and cut": History(
        "What was out of reach for a while is not lost; what is cut off it and written over may be, unknown how much.",
        "write 2; look; move_aside; move_back; crash; move_aside; move_back; cut; write",
    ),
    "a compressed copy with more is gone before it was read": History(
        "What is counted is what a stat has seen, which of a compressed file is nothing.",
        "write_half; copytruncate; look; write app.log.1; crash; rotate compress; look; crash; "
        "delete app.log.1.gz",
    ),
    "restored and cut and longer than before": History(
        "What is lost with a cut goes by what was there before, not by what was written since.",
        "write; move_aside; write 2; look; take_away; read_some; move_back; look; move_aside; restore; cut; "
        "write",
    ),
    "out of reach back and copied between two looks": History(
        "A vanished file is sought again as soon as another one is where it was.",
        "write; look; crash; move_aside; look; move_back; copytruncate; copytruncate; look; delete app.log.2",
    ),
    "cut written anew and copied between two looks": History(
        "A copy that differs within its first places is found by those before.",
        "write 26; step; cut 2; write; move_aside; move_back; copytruncate",
    ),
    "counted as lost and back": History(
        "What was counted because it was away for long is taken back when it comes; over a restart, too.",
        "write 3; look; crash; move_aside; wait; counted; crash; move_back; look; taken_back",
    ),
    "out of reach while another begins alike": History(
        "A new file that begins like one that vanished unread is not an older state of it: that one may come back.",
        "write 2; look; crash; move_aside; write; look",
    ),
    "cut and written anew between look and read": History(
        "What is read is held against what was seen: it is told that something went, and nothing is read again.",
        "write 25; look; cut; write; read_some; edit",
    ),
    "inode used again by a shorter file that begins alike": History(
        "What was seen of the old one is not called cut off, for it may be restored.",
        "write 2; look; crash; take_away; write; look; rotate; restore",
    ),
    "beside the copy of another that begins alike": History(
        "What vanished unread is not looked for in the copy of the file that is at its place now.",
        "write 16; look; crash; take_away; write 8; copytruncate looks crashes; rotate compress",
    ),
    "restored and cut while it is held and another that began alike was lost": History(
        "What is still held is read once, though what was counted as lost begins like its restored copy, too.",
        "write 2; look; move_aside; crash; move_back; truncate 2; look; take_away; wait; restore; cut",
    ),
    "counted as lost and another begins alike": History(
        "What was counted is taken back when a line of it is there, not when something begins as it did.",
        "write 2; look; crash; move_aside; wait; write; look",
    ),
    "counted as lost and restored in part": History(
        "What is read after all is not counted.",
        "write 2; look; crash; take_away; wait; restore; cut",
    ),
    "vanished unread beside half a line that begins alike": History(
        "Without a line of it, what vanished is found only in what has all that was seen.",
        "write_half; rotate; write_half; look; move_aside; crash; look",
    ),
    "cut put in its place and gone again": History(
        "What has the first line of a vanished file goes on as that: what is left of it is not counted.",
        "write 2; wait; crash; cut; edit; step; take_away",
    ),
    "left to a restored file and emptied there": History(
        "What a held file leaves to be read elsewhere is lost, and counted, when it goes there.",
        "write_half; look; truncate 6; edit; cut; look; truncate",
    ),
    "restored, moved and its inode used again by half a line": History(
        "What only begins alike in a known inode is not that file, which is elsewhere.",
        "write_half; write 2; step; cut; take_away; restore; crash; move_aside; write_half",
    ),
    "its inode used again by a copy of what is in its place": History(
        "What was always empty is not a copy of a file that lives, though that has its inode.",
        "write_half; cut; look; crash; edit 1; copytruncate looks; rotate compress",
    ),
    "put in its place, and a copy of that has its inode": History(
        "What has the inode and the bytes of a vanished file is that, though another has them in its place.",
        "write_half; copytruncate 1; step; crash; edit; copytruncate looks; delete app.log.1",
    ),
    "restored in part, and put in its place while it waits": History(
        "What both have was read, and is not read again.",
        "write 2; wait; edit; cut; step; edit",
    ),
    "emptied and read, and restored under its inode": History(
        "What was emptied does not go on in its inode, which other bytes have.",
        "look; write_half; write_half; look; truncate 1; take_away; step; restore; move_aside; write_half",
    ),
}

UNREADABLE = {
    "emptied and unreadable": History(
        "That a file was emptied is known without reading it: its copy is found before it goes.",
        "write; copytruncate looks; crash; chmod hidden; look; rotate; write_half; copytruncate",
    ),
    "unreadable in the place and inode of the original": History(
        "While a known inode cannot be read nobody knows that it is another file: its copy is not sought, but counted.",
        "look; write_half; copytruncate looks crashes; take_away; write; chmod hidden; look; "
        "delete app.log.1",
    ),
    "back unreadable and gone again": History(
        "A vanished file that is back, cannot be read and goes again is one file: its bytes are not counted beside it.",
        "write; look; chmod hidden; crash; move_aside; look; move_back; look; move_aside; write",
    ),
    "renamed and unreadable while down": History(
        "A file that was renamed and cannot be read is there by its inode, and read when it can be.",
        "write 3; look; crash; chmod hidden; rotate; write; step",
    ),
    "never opened counted as lost and back": History(
        "The same for a file that could not be opened until then.",
        "write 3; chmod hidden; look; move_aside; wait; counted; move_back",
    ),
    "cut and copied while down and unreadable": History(
        "What a copy has that is followed as a file of its own is not lost, though it is not all that there was.",
        "write 2; look; cut; copytruncate 1 crashes; chmod hidden; look; rotate; look",
    ),
    "unreadable under another name beside its copy": History(
        "As long as an original cannot be read, its copy waits, whatever both are called by now.",
        "write; step; copytruncate 1; crash; chmod hidden; rotate; step",
    ),
    "emptied refilled unreadable and out of reach": History(
        "What a file had while it could not be read is not counted with the copy of what it was before.",
        "write; copytruncate 1 looks; crash; chmod hidden; look; move_aside; wait",
    ),
    "put in its place and never readable": History(
        "What a file had that nobody could open is counted, whatever another has.",
        "write; look; edit; chmod hidden; look; delete",
    ),
    "put in its place before it could be opened": History(
        "What nobody could open is counted, for nobody knows that another has the same.",
        "write; chmod hidden; look; chmod; edit",
    ),
    "never opened, counted as lost and back under another name": History(
        "What was counted is taken back where its inode comes back, whatever it is called by then.",
        "write; chmod hidden; look; move_aside; wait; counted; write",
    ),
    "never opened, half a line, counted as lost and back under another name": History(
        "The same for half a line.",
        "write_half; chmod hidden; look; move_aside; wait; write_half",
    ),
    "counted as lost and its inode used again by what cannot be read": History(
        "What was counted stays so until its bytes are seen.",
        "write; copytruncate 22; wait; crash; take_away; wait; write_half; truncate 5; chmod hidden; look",
    ),
    "emptied and unreadable when it was moved": History(
        "What another had in its inode is not counted with a file when that turns out.",
        "write; wait; copytruncate 1; crash; chmod hidden; delete app.log.1; wait; move_aside; look",
    ),
    "its inode used again, counted as lost and back unreadable": History(
        "What could not be read is not taken back with what was lost before.",
        "write; copytruncate 12; look; take_away; crash; write 6; move_aside; wait; move_back; chmod "
        "hidden; wait",
    ),
    "put in its place, unreadable and renamed while it was held": History(
        "What could never be opened is held against what is held before it is read.",
        "write_half; wait; write; edit; chmod hidden; wait; rotate",
    ),
    "restored beside another in its inode that cannot be read": History(
        "What was read is not read again because its inode may still be it.",
        "write; look; take_away; step; write; crash; chmod hidden; rotate; restore; wait",
    ),
    "its inode unreadable beside its compressed copy": History(
        "While a known inode cannot be read nobody knows that only the copy has its bytes.",
        "write; wait; crash; copytruncate 1; chmod hidden; rotate compress; look; delete app.log.1.gz",
    ),
    "put in its place, seen unreadable and renamed": History(
        "What nobody could open while it had a wanted name is counted, whatever another has.",
        "write; look; edit; chmod hidden; look; chmod; rotate",
    ),
    "read, unreadable, away for long, back and gone": History(
        "What was read is not counted because nobody can see that it is back.",
        "write; step; chmod hidden; crash; move_aside; wait; move_back; look; delete",
    ),
    "counted as lost and its inode used by half a line that begins alike": History(
        "What has less than was seen of the file whose inode it has is another, and read.",
        "write_half; truncate 21; copytruncate 15; wait; crash; edit; truncate 12; rotate; wait; write_half; "
        "chmod hidden; look",
    ),
    "put in its place and renamed, its inode unreadable": History(
        "What has its bytes waits as its copy would: should it go meanwhile, it is counted.",
        "write; look; crash; edit; rotate; write_half; chmod hidden; rotate; look; write_half; rotate",
    ),
    "written to and unreadable after it was empty, and renamed": History(
        "What nobody could open, and has a name that nobody wants, is counted, though it was known while it was empty.",
        "step; crash; write_half; cut; step; crash; write_half; chmod hidden; step; move_aside; write_half",
    ),
}

HISTORIES = {**EMPTIED_OR_CUT, **VANISHED, **UNREADABLE}


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


@pytest.mark.parametrize("name", HISTORIES)
def test_what_once_went_wrong(state: Following, name: str) -> None:
    """Each history keeps its promise, and balances the books at its end."""
    for step in HISTORIES[name].steps.split(";"):
        take(state, *step.split())


def take(state: Following, verb: str, *words: str) -> None:
    """One step of a history, or a question to the books."""
    lost = state.recorder.lost()
    if verb == "counted":
        assert lost > 0
        assert sum(row.lost_bytes for row in state.recorder.rows.values()) == lost
    elif verb == "taken_back":
        assert lost == sum(row.lost_bytes for row in state.recorder.rows.values()) == 0
    else:
        usual = USUAL.get(verb, {})
        getattr(state, verb)(**usual | dict(_argument(usual, word) for word in words))


def _argument(usual: dict[str, bool | int | str], word: str) -> tuple[str, bool | int | str]:
    """`30` is the one number that a rule asks for, `hidden` one of its flags, `app.log.1` its name."""
    if word in usual:
        return word, True
    if word.isdigit():
        return next(key for key, value in usual.items() if type(value) is int), int(word)
    return "name", word
