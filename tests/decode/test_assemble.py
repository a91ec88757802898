"""Pieces become the lines they were, per stream, wherever they were cut and whatever lies between."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.decode.assemble import Assembler, Logical
from extractor.decode.cut import cut
from extractor.decode.envelope import Envelope, Piece, unwrap

DATA = Path(__file__).parent.parent / "data"


def piece(text: bytes, *, stream: str = "stdout", complete: bool = True, time: float | None = None) -> Piece:
    """A piece of a line."""
    return Piece(text, time, stream, complete)


def join(data: bytes, envelope: Envelope, assembler: Assembler) -> list[Logical]:
    """All lines of one file."""
    lines: list[Logical] = []
    for line in cut(data, 0):
        unwrapped = unwrap(line.data, envelope)
        assert isinstance(unwrapped, Piece)
        lines += assembler.feed(unwrapped, line.start, line.end)
    return lines


def test_h14_dockers_pieces_join_to_what_docker_logs_prints() -> None:
    """A real line of 36 kB that Docker cut in three is the one line that the app wrote, in its place."""
    data = (DATA / "docker-split.log").read_bytes()
    assembler = Assembler()
    lines = join(data, Envelope.DOCKER, assembler)
    assert b"".join(line.text + b"\n" for line in lines) == (DATA / "docker-split.bare.log").read_bytes()
    assert [line.pieces for line in lines] == [1, 1, 1, 3, 1, 1, 1, 1]
    assert b"".join(data[line.start : line.end] for line in lines) == data
    assert assembler.pending == {}


@pytest.mark.parametrize("size", [1, 7, 100, 16384])
def test_the_same_lines_cut_by_cri_anywhere_join_to_the_same_lines(size: int) -> None:
    """Wherever CRI cuts, also inside a character, the line is the app's."""
    bare = (DATA / "docker-split.bare.log").read_bytes()
    bare = bare if size > 10 else bare[:1500] + "\nÉcole «é»\n".encode()
    wrapped = bytearray()
    for line in cut(bare, 0):
        for place in range(0, len(line.data), size):
            tag = "F" if place + size >= len(line.data) else "P"
            wrapped += (
                f"2026-11-22T10:00:00.5Z stdout {tag} ".encode() + line.data[place : place + size] + b"\n"
            )
    lines = join(bytes(wrapped), Envelope.CRI, Assembler())
    assert [line.text for line in lines] == [line.data for line in cut(bare, 0)]


def test_h13_pieces_join_across_a_rotation_with_streams_interleaved() -> None:
    """`ab` once, `x` once, each at the file and offset of its first piece; the checkpoint waits at the first `P`."""
    assembler = Assembler()
    assert assembler.feed(piece(b"a", complete=False, time=1.0), 100, 110, "old") == ()
    assert assembler.pending == {"old": 100}
    assert assembler.feed(piece(b"x", stream="stderr", time=2.0), 0, 10, "new") == (
        Logical(b"x", 2.0, "stderr", (), "new", 0, 10),
    )
    assert assembler.pending == {"old": 100}
    assert assembler.feed(piece(b"b", time=3.0), 10, 20, "new") == (
        Logical(b"ab", 1.0, "stdout", (), "old", 100, 20, 2),
    )
    assert assembler.pending == {}


@given(st.data())
def test_lines_of_interleaved_streams_come_back_whole_and_in_order(data: st.DataObject) -> None:
    """Any cutting of any lines, mixed in any way, gives each stream's lines; no start is ever passed by `pending`."""
    texts = st.lists(st.binary(max_size=40).filter(lambda text: not text.startswith(b"{")), max_size=6)
    queues: dict[str, list[Piece]] = {}
    wanted: dict[str, list[bytes]] = {}
    for stream in ("stdout", "stderr"):
        wanted[stream] = data.draw(texts)
        queues[stream] = []
        for text in wanted[stream]:
            cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=4)))
            bounds = [0, *cuts, len(text)]
            queues[stream] += [
                piece(text[a:b], stream=stream, complete=number == len(bounds) - 2)
                for number, (a, b) in enumerate(pairwise(bounds))
            ]
    assembler = Assembler()
    got: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    began: dict[str, int] = {}
    place = 0
    while streams := [stream for stream, queue in queues.items() if queue]:
        stream = data.draw(st.sampled_from(streams))
        began.setdefault(stream, place)
        for line in assembler.feed(queues[stream].pop(0), place, place + 1, "f"):
            assert line.start == began.pop(stream)
            got[line.stream].append(line.text)
        place += 1
        assert assembler.pending == ({"f": min(began.values())} if began else {})
    assert got == wanted
    assert assembler.flush() == ()


def test_h15_a_line_too_long_in_pieces_is_dropped_counted_and_held_up_by_nothing() -> None:
    """It costs its own bound of memory and nobody else's line, and the checkpoint does not wait for it."""
    assembler = Assembler(max_line_bytes=100)
    for number in range(1000):
        assert assembler.feed(piece(b"x" * 60, complete=False), number * 60, number * 60 + 60) == ()
    assert assembler.too_long == 1
    assert assembler.pending == {}
    assert assembler.feed(piece(b"end"), 60_000, 60_004) == ()
    assert [line.text for line in assembler.feed(piece(b"next"), 60_004, 60_009)] == [b"next"]
    assert assembler.feed(piece(b"y" * 101), 0, 102) == ()
    assert assembler.too_long == 2
    assert len(assembler.feed(piece(b"z" * 100), 0, 101)) == 1


def test_an_unfinished_line_of_a_final_file_comes_out_once() -> None:
    """The last words of a container that died are read, and read once."""
    assembler = Assembler()
    assembler.feed(piece(b"last", complete=False), 5, 10, "f")
    assert assembler.flush() == (Logical(b"last", None, "stdout", (), "f", 5, 10),)
    assert assembler.flush() == ()
    assert assembler.pending == {}


def test_a_line_left_by_a_death_does_not_spoil_the_next_one() -> None:
    """Docker's file goes on after a restart: the new container's first line is not joined to the old one's rest."""
    first, second = b'{"a":1', b'{"b":2}'
    assembler = Assembler()
    assembler.feed(piece(first, complete=False), 0, 50, "f")
    assert assembler.feed(piece(second), 50, 100, "f") == (
        Logical(first, None, "stdout", (), "f", 0, 50),
        Logical(second, None, "stdout", (), "f", 50, 100),
    )


@given(
    st.dictionaries(
        st.sampled_from("ab"),
        st.recursive(st.text('{}":[]\\'), lambda inner: st.dictionaries(st.just("c"), inner)),
    ),
    st.data(),
)
def test_a_record_is_joined_wherever_it_was_cut(record: dict[str, object], data: st.DataObject) -> None:
    """The end of an object is never an object by itself, so no cut of a real record looks like a death."""
    text = json.dumps(record, separators=(",", ":")).encode()
    place = data.draw(st.integers(1, len(text)))
    assembler = Assembler()
    assert assembler.feed(piece(text[:place], complete=False), 0, 1) == ()
    assert [line.text for line in assembler.feed(piece(text[place:]), 1, 2)] == [text]
