"""Where whole lines end: against a model that goes line by line."""

from hypothesis import given
from hypothesis import strategies as st

from extractor.source.scan import last_line_ends, scan

MAX = 8
BYTES = st.lists(st.sampled_from([b"\n", b"\0", b"a", b"bc", b"\0\0\0\0\0", b"ddddddddd"]), max_size=40).map(
    b"".join
)


@given(data=BYTES, lead=st.integers(0, 3))
def test_whole_lines_up_to_the_first_that_is_too_long(data: bytes, lead: int) -> None:
    """The hole, then every whole line that is short enough; nothing is skipped that is not a hole or too long."""
    found = scan(bytearray(b"x" * lead + data), lead, lead + len(data), MAX)
    hole = len(data) - len(data.lstrip(b"\0"))
    if hole == len(data):
        assert (found.hole, found.lines, found.too_long) == (0, 0, False)
        return
    assert found.hole == hole
    taken = data[hole : hole + found.lines]
    assert taken == b"" or taken.endswith(b"\n")
    assert all(len(line) <= MAX for line in taken.split(b"\n"))
    rest = data[hole + found.lines :]
    line, newline, _ = rest.partition(b"\n")
    if found.too_long:
        assert len(line) > MAX
        assert not line.startswith(b"\0")
    elif newline:
        assert line.startswith(b"\0")
        assert len(line) > MAX
    else:
        assert len(line) <= MAX or line.startswith(b"\0")


@given(data=BYTES, count=st.integers(1, 5))
def test_last_line_ends(data: bytes, count: int) -> None:
    """The positions after the last newlines, from the last one back."""
    expected = [i + 1 for i, byte in enumerate(data) if byte == 10][::-1][:count]
    assert last_line_ends(bytearray(data), 0, len(data), count) == expected
