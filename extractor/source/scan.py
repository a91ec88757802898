"""Where whole lines end in a buffer, which bytes to skip, which line is too long. Pure.

Works with a handful of `rfind` calls per buffer, never line by line: most lines are no events and are never cut.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scan:
    """What to do with the first bytes of a buffer that starts at the start of a line.

    First `hole` bytes are NULs to skip, then `lines` bytes are whole lines, then, if `too_long`, a line starts
    that is longer than allowed (it may or may not end in this buffer). All zero: nothing complete here.
    """

    hole: int = 0
    lines: int = 0
    too_long: bool = False


def scan(buffer: bytearray, start: int, stop: int, max_line_bytes: int) -> Scan:
    """Find the longest run of whole lines at the start of `buffer[start:stop]`, which starts at the start of a line.

    A run of NULs at the start of a line is a hole (a writer went on at its old offset after a truncation). It is
    skipped only once something follows it: a writer that allocates ahead may still fill it. Shorter holes
    further inside stay in their line, for the decoder to strip; one that would make its line too long ends the run.
    """
    hole = leading_nuls(buffer, start, stop)
    first = start + hole
    if first == stop:
        return Scan()
    position = first
    while stop - position > max_line_bytes:
        newline = buffer.rfind(b"\n", position, position + max_line_bytes + 1)
        if newline < 0:
            # No line end within reach: the line is too long, or the hole that it starts with makes it so.
            behind_hole = position > first and buffer[position] == 0
            return Scan(hole, position - first, too_long=not behind_hole)
        position = newline + 1
    end = buffer.rfind(b"\n", position, stop) + 1
    return Scan(hole, max(end, position) - first)


def leading_nuls(buffer: bytearray, start: int, stop: int) -> int:
    """How many NULs `buffer[start:stop]` starts with."""
    if start >= stop or buffer[start] != 0:
        return 0
    # A copy, but of a buffer that starts with a hole: rare, and bounded by the buffer.
    return stop - start - len(bytes(memoryview(buffer)[start:stop]).lstrip(b"\0"))


def last_line_ends(buffer: bytearray, start: int, stop: int, count: int) -> list[int]:
    """Up to `count` positions just after a newline in `buffer[start:stop]`, from the last one back."""
    ends: list[int] = []
    position = stop
    while len(ends) < count and (newline := buffer.rfind(b"\n", start, position)) >= 0:
        ends.append(newline + 1)
        position = newline
    return ends
