"""Pieces to lines: joins what a container runtime cut, stream by stream, across rotations. Pure.

Keep one `Assembler` for one sequence of pieces: a container's log with the files it was rotated to, in their order.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from extractor.decode.envelope import Piece
from extractor.decode.record import decode_json

MAX_LINE_BYTES: Final = 1 << 20
"""Default bound of a line in bytes, and of what an assembler holds for one stream."""

_FULL_PIECE: Final = 16 * 1024
"""Docker and containerd cut a line after so many bytes; a shorter piece without an end was left by a death."""


class Logical(NamedTuple):
    """One line of the app. A tuple, for the same reason as `Line`.

    Attributes:
        text: Its bytes, without a newline.
        time: Unix seconds, of its first piece; or None.
        stream: `stdout`, `stderr`, or "".
        attributes: Docker's, of its first piece.
        file_id: The file of its first piece.
        start: Offset of its first piece in that file.
        end: Offset behind its last piece, in the file of that one.
        pieces: How many there were.
    """

    text: bytes
    time: float | None
    stream: str
    attributes: tuple[tuple[str, str], ...]
    file_id: str
    start: int
    end: int
    pieces: int = 1

    def __repr__(self) -> str:
        return f"Logical(start={self.start}, end={self.end}, pieces={self.pieces})"


@dataclass(slots=True)
class _Unfinished:
    """The pieces of a line that has no end yet. One growing buffer, since pieces may be a byte each."""

    first: Piece  # without its text
    file_id: str
    start: int
    end: int
    text: bytearray = field(repr=False)
    pieces: int = 1
    dropped: bool = False
    cut_short: bool = False


class Assembler:
    """Joins pieces. Holds at most `max_line_bytes` for each of the three streams, whatever comes.

    Attributes:
        too_long: Lines dropped since the start because they were longer than `max_line_bytes`.
    """

    __slots__ = ("_max_line_bytes", "_unfinished", "too_long")

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_line_bytes = max_line_bytes
        self._unfinished: dict[str, _Unfinished] = {}
        self.too_long = 0

    @property
    def unfinished(self) -> bool:
        """Whether a line of any stream goes on."""
        return bool(self._unfinished)

    @property
    def pending(self) -> dict[str, int]:
        """For each file that an unfinished line starts in, the smallest such start: its checkpoint waits there.

        A line that is already too long waits for nothing, so that a file of nothing else moves on.
        """
        starts: dict[str, int] = {}
        for line in self._unfinished.values():
            if not line.dropped:
                starts[line.file_id] = min(line.start, starts.get(line.file_id, line.start))
        return starts

    def feed(self, piece: Piece, start: int, end: int, file_id: str = "") -> tuple[Logical, ...]:
        """Take the next piece; gives the line that it ends, if it ends one.

        Nearly always none or one. Two where a container died in the middle of a line and its successor's first
        line came right behind: then the unfinished one comes out as it is, and the new one is not spoilt by it.

        Args:
            piece: Of any stream; those of one stream in their order.
            start: Offset of its first byte in its file.
            end: Offset behind its newline.
            file_id: Its file; any text that tells files apart.
        """
        line = self._unfinished.get(piece.stream)
        if line is not None and line.cut_short and _is_record(piece):
            return (*self._finish(piece.stream), *self.feed(piece, start, end, file_id))
        if line is None:
            if piece.complete and len(piece.text) <= self._max_line_bytes:
                return (Logical(piece.text, piece.time, piece.stream, piece.attributes, file_id, start, end),)
            line = self._unfinished[piece.stream] = _Unfinished(
                piece._replace(text=b""), file_id, start, end, bytearray()
            )
        else:
            line.end = end
            line.pieces += 1
        line.cut_short = len(piece.text) < _FULL_PIECE
        if len(line.text) + len(piece.text) > self._max_line_bytes and not line.dropped:
            line.dropped = True
            line.text.clear()
            self.too_long += 1
        if not line.dropped:
            line.text += piece.text
        return self._finish(piece.stream) if piece.complete else ()

    def flush(self) -> tuple[Logical, ...]:
        """What is unfinished and will never go on, because its files are final. Each comes out once."""
        return tuple(line for stream in sorted(self._unfinished) for line in self._finish(stream))

    def _finish(self, stream: str) -> tuple[Logical, ...]:
        line = self._unfinished.pop(stream)
        if line.dropped:
            return ()
        first = line.first
        text = bytes(line.text)
        return (
            Logical(
                text, first.time, stream, first.attributes, line.file_id, line.start, line.end, line.pieces
            ),
        )


def _is_record(piece: Piece) -> bool:
    """Whether a piece is a line by itself. The end of a JSON object never is: its last brace has no partner."""
    return piece.complete and piece.text[:1] == b"{" and isinstance(decode_json(piece.text), dict)
