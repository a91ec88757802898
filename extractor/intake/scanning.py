"""Scans large buffers on two cores: the engine releases the interpreter, so that halves are scanned at the same time."""

import os
from concurrent.futures import ThreadPoolExecutor

from extractor.ruleset.prefilter import Literals, Pieces, Scanner, build_scanner

MIN_SPLIT_BYTES = 512 * 1024
"""Below this, waking the other thread costs more than it saves: lines of a live log come a few at a time."""

_SEARCHED_BYTES = 64 * 1024
"""How far before the middle a line end is looked for."""


def build_split_scanner(literals: Literals, pieces: Pieces) -> Scanner | None:
    """As `build_scanner`, on two cores where this process may use two."""
    one = build_scanner(literals, pieces)
    if one is None or len(os.sched_getaffinity(0)) == 1:
        return one
    other = build_scanner(literals, pieces)  # no scanner is thread-safe
    assert other is not None
    return SplitScanner(one, other)


class SplitScanner:
    """Gives one half of a large buffer to another thread, cut where a line ends: no hit lies in two lines."""

    def __init__(self, one: Scanner, other: Scanner) -> None:
        """Make one; its thread starts with the first large buffer.

        Args:
            one: Scans in the caller's thread.
            other: Scans in the other.
        """
        self._one = one
        self._other = other
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scan")

    def find(self, data: memoryview) -> list[int]:
        """See `Scanner`."""
        middle = _line_end_near_middle(data) if len(data) >= MIN_SPLIT_BYTES else 0
        if not middle:
            return self._one.find(data)
        second = self._thread.submit(self._other.find, data[middle:])
        found = self._one.find(data[:middle])
        found += [middle + hit for hit in second.result()]
        return found


def _line_end_near_middle(data: memoryview) -> int:
    """Where a line begins, shortly before the middle; 0 where none does."""
    middle = len(data) // 2
    start = max(middle - _SEARCHED_BYTES, 0)
    newline = bytes(data[start:middle]).rfind(b"\n")
    return start + newline + 1 if newline >= 0 else 0
