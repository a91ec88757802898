r"""Bytes to lines: a chunk cut at `\n`, each line with its place in the file. Imports nothing.

Only `\n` ends a line: U+2028, U+0085 and a lone `\r` may stand raw inside a JSON string.
"""

from collections.abc import Iterator
from typing import NamedTuple


class Line(NamedTuple):
    r"""One line and its place. A tuple, since one is made for every line that gets past the prefilter.

    Attributes:
        start: Offset in the file of the first byte of `data`.
        end: Offset in the file behind the newline; what a checkpoint may become.
        data: The line without its `\n`; a `\r` before it stays.
        holes: NUL bytes before `start` that are no part of the line: what a writer leaves that goes on at its old
            offset after the file was truncated.
    """

    start: int
    end: int
    data: bytes
    holes: int = 0

    def __repr__(self) -> str:
        return f"Line(start={self.start}, end={self.end}, holes={self.holes})"


def cut(chunk: bytes, start: int) -> Iterator[Line]:
    r"""The lines of a chunk, in order; empty ones are left out, a hole without a line comes out as empty `data`.

    Args:
        chunk: Whole lines. What stands behind the last `\n` is taken for the unterminated last line of a file
            that is final.
        start: Offset in the file of the chunk's first byte.
    """
    for data in chunk.split(b"\n"):
        end = start + len(data) + 1
        if data:
            if data[0]:
                yield Line(start, end, data)
            else:
                text = data.lstrip(b"\0")
                holes = len(data) - len(text)
                yield Line(start + holes, end, text, holes)
        start = end
