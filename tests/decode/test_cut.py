"""A chunk is cut at newlines and nothing else, and every byte of it is accounted for."""

from hypothesis import given
from hypothesis import strategies as st

from extractor.decode.cut import Line, cut

chunks = st.lists(
    st.sampled_from([b"\n", b"\n", b"\0", b"\r", b"a", b"{}", "\u2028\x85".encode(), b"\x0b\x0c\x1c"])
)


@given(chunks.map(b"".join), st.integers(0, 2**40))
def test_every_byte_is_a_line_a_newline_or_a_hole(chunk: bytes, start: int) -> None:
    """Each line stands in the chunk where it says, in order, and what lies between is newlines and NULs only."""
    behind = start
    for line in cut(chunk, start):
        skipped = chunk[behind - start : line.start - start]
        assert line.data == chunk[line.start - start : line.start - start + len(line.data)]
        assert skipped.count(b"\0") == line.holes
        assert not skipped.strip(b"\0\n")
        assert b"\n" not in line.data
        assert not line.data.startswith(b"\0")
        assert line.data or line.holes
        assert line.end == line.start + len(line.data) + 1
        behind = line.end
    assert not chunk[behind - start :].strip(b"\n")


def test_only_a_newline_ends_a_line() -> None:
    """Characters that Unicode calls line ends may stand raw in a JSON string, and a carriage return too."""
    text = '{"a":"\u2028\u2029\x85\x0b\x0c\x1c\r"}'.encode()
    assert list(cut(text + b"\n" + text + b"\r\n", 7)) == [
        Line(7, 7 + len(text) + 1, text),
        Line(7 + len(text) + 1, 7 + 2 * len(text) + 3, text + b"\r"),
    ]


def test_h3_a_hole_is_skipped_and_counted() -> None:
    """NULs before a line are no part of it, and are counted; so is a hole behind which nothing stands."""
    assert list(cut(b"\0" * 5000 + b"{}\n\n\0\0\n", 0)) == [
        Line(5000, 5003, b"{}", 5000),
        Line(5006, 5007, b"", 2),
    ]


def test_an_unterminated_last_line_is_a_line() -> None:
    """A file that is final and has no newline at its end still gives its last line."""
    assert [line.data for line in cut(b"a\nb", 0)] == [b"a", b"b"]


def test_a_line_never_shows_its_bytes() -> None:
    """A `repr` in a log or a traceback tells where a line was, not what it said."""
    assert "secret" not in repr(Line(0, 7, b"secret"))
