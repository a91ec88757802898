"""Frames between two processes: whole, in order, and never both waiting for the other."""

import sys
from collections.abc import Iterator

import pytest

from extractor.evaluation.frames import HEAD, PIPE_BYTES, Channel, GoneError

ECHO = f"""
import struct, sys
head = struct.Struct("{HEAD.format}")
while raw := sys.stdin.buffer.read(head.size):
    frame = sys.stdin.buffer.read(head.unpack(raw)[0])
    if frame == b"end":
        sys.exit(3)
    sys.stdout.buffer.write(raw + frame)
    sys.stdout.buffer.flush()
"""


@pytest.fixture
def channel() -> Iterator[Channel]:
    """To a process that answers every frame with the same."""
    channel = Channel([sys.executable, "-c", ECHO], {})
    yield channel
    channel.close()


def test_frames_come_back_whole_and_in_order(channel: Channel) -> None:
    """Of any size, an empty one too."""
    frames = [b"", b"x", b"y" * 70_000, b""]
    for frame in frames:
        channel.send(frame)
    assert [channel.receive(60.0) for _ in frames] == frames
    assert channel.receive(0.0) is None


def test_two_full_pipes_do_not_stop_each_other(channel: Channel) -> None:
    """More is under way both ways than pipes hold: who sends must read meanwhile, or both would wait forever."""
    frames = [bytes([number]) * (3 * PIPE_BYTES) for number in range(4)]
    for frame in frames:
        channel.send(frame)
    assert [channel.receive(60.0) for _ in frames] == frames


def test_the_end_of_the_other_process_is_told(channel: Channel) -> None:
    """To who waits for an answer, and to who sends another frame; the status says how it ended."""
    channel.send(b"end")
    with pytest.raises(GoneError):
        channel.receive(60.0)
    channel._process.wait()
    with pytest.raises(GoneError):
        channel.send(b"x")
    assert channel.close() == 3


def test_a_process_that_cannot_be_started_is_an_error_of_the_system() -> None:
    """Named as what it is."""
    with pytest.raises(FileNotFoundError):
        Channel(["/nowhere/python"], {})
