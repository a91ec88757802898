"""Two cores find what one finds."""

from collections.abc import Iterator
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from extractor.intake import scanning
from extractor.intake.scanning import SplitScanner
from extractor.ruleset.prefilter import Literals, Pieces, build_scanner

LITERALS = Literals(windows=("CustomersC", "createCou"), unsound=())

# Near misses of what is looked for, and line ends where they hurt.
TEXT = st.lists(
    st.sampled_from(
        [b"CustomersC", b"Customers", b"C", b"createCou", b"create", b"\n", b"\\u0041", b'","stream":"', b"n"]
    ),
    max_size=40,
).map(b"".join)


class Recorded:
    """A scanner that keeps the sizes of what it was given."""

    def __init__(self) -> None:
        scanner = build_scanner(LITERALS, Pieces.DOCKER | Pieces.CRI)
        assert scanner is not None
        self._scanner = scanner
        self.sizes: list[int] = []

    def find(self, data: memoryview) -> list[int]:
        """See `Scanner`."""
        self.sizes.append(len(data))
        return self._scanner.find(data)


def hit_lines(data: bytes, hits: list[int]) -> set[int]:
    """Where the lines begin that were hit."""
    return {data.rfind(b"\n", 0, hit) + 1 for hit in hits}


def hit_alone(data: bytes) -> Iterator[int]:
    """Where the lines begin that are hit when nothing stands around them."""
    start = 0
    for line in data.splitlines(keepends=True):
        if Recorded().find(memoryview(line)):
            yield start
        start += len(line)


@given(TEXT)
def test_two_cores_hit_the_lines_that_one_hits(text: bytes) -> None:
    """Whatever stands around the cut, each line that is hit alone is found, and none that one core would not find."""
    with mock.patch.object(scanning, "MIN_SPLIT_BYTES", 2):
        found = SplitScanner(Recorded(), Recorded()).find(memoryview(text))
    assert found == sorted(found)
    assert set(hit_alone(text)) <= hit_lines(text, found)
    assert hit_lines(text, found) <= hit_lines(text, Recorded().find(memoryview(text)))


def test_a_large_buffer_is_scanned_in_halves() -> None:
    """Each core gets about the half: else nothing was won."""
    one, other = Recorded(), Recorded()
    line = b"x" * 99 + b"\n"
    data = line * (2 * scanning.MIN_SPLIT_BYTES // len(line))
    SplitScanner(one, other).find(memoryview(data))
    (first,), (second,) = one.sizes, other.sizes
    assert first + second == len(data)
    assert 0 <= second - first <= 2 * len(line)


def test_what_cannot_be_cut_is_scanned_whole() -> None:
    """A buffer without a line end near its middle, and one that is not worth it, stay in one thread."""
    one, other = Recorded(), Recorded()
    scanner = SplitScanner(one, other)
    whole = b"x" * 2 * scanning.MIN_SPLIT_BYTES
    small = b"x\n" * 100
    scanner.find(memoryview(whole))
    scanner.find(memoryview(small))
    assert (one.sizes, other.sizes) == ([len(whole), len(small)], [])
