"""The lines of one file with their numbers, for `explain`: the same cut, envelope and joining as everywhere.

May import `source`, `decode` and `intake`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from extractor.decode.assemble import Assembler, Logical
from extractor.decode.cut import cut
from extractor.decode.envelope import Broken, Envelope, Piece, detect, unwrap
from extractor.intake import HEAD_BYTES, Wrapping
from extractor.source import WholeFile
from extractor.source.spec import Limits
from extractor.telemetry import IncidentKind


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line of the app, or a broken one, and where it stands.

    Attributes:
        first: Number of the physical line that it begins on, from 1.
        last: Number of the one that it ends on: larger where a container runtime cut it.
        envelope: What it was wrapped in.
        line: The line.
        wanted: Whether its source reads it.
    """

    first: int
    last: int
    envelope: Envelope
    line: Logical | Broken
    wanted: bool = True


class LineReader:
    """Numbers lines as an editor does. One file, one thread."""

    def __init__(self, wrapping: Wrapping, limits: Limits) -> None:
        """Make one.

        Args:
            wrapping: Of the file's source.
            limits: Longer lines are left out, and counted.
        """
        self._wrapping = wrapping
        self._limits = limits
        self._assembler = Assembler(limits.max_line_bytes)
        self._envelope = wrapping.envelope
        self._number = 0
        self._begun: dict[str, int] = {}  # stream: the number of its unfinished line
        self.too_long: list[int] = []

    def read_file(self, path: str) -> Iterator[Numbered]:
        """All lines of a file, compressed or not.

        Raises:
            OSError: It cannot be read.
        """
        with WholeFile(path, limits=self._limits) as whole:
            for chunk in whole.chunks():
                # The bytes that were skipped before this chunk: lines that are too long, and holes, which end no line.
                for incident in chunk.incidents:
                    if incident.kind is IncidentKind.TOO_LONG:
                        self._skip_line()
                data = bytes(chunk.data)
                if self._envelope is Envelope.AUTO:
                    self._envelope = detect(data[:HEAD_BYTES])
                yield from self._take(data, chunk.start)

    def read_stream(self, stream: BinaryIO) -> Iterator[Numbered]:
        """All lines of a stream, each as soon as it is there; without a head to look at, each speaks for itself."""
        start = 0
        bound = self._limits.max_line_bytes
        while data := stream.readline(bound + 1):
            size = len(data)
            if size > bound and not data.endswith(b"\n"):
                while more := stream.readline(bound):
                    size += len(more)
                    if more.endswith(b"\n"):
                        break
                self._skip_line()
            else:
                yield from self._take(data, start)
            start += size

    def is_past(self, number: int) -> bool:
        """Whether no line that is still to come begins on this one or before: pieces of streams are interleaved."""
        return min(self._begun.values(), default=self._number) > number

    def _skip_line(self) -> None:
        self._number += 1
        self.too_long.append(self._number)

    def _take(self, data: bytes, start: int) -> Iterator[Numbered]:
        if not data:
            return
        newline = data.endswith(b"\n")
        for raw in (data[:-1] if newline else data).split(b"\n"):
            self._number += 1
            for line in cut(raw, start):
                yield from self._unwrap(line.data, line.start, line.end)
            start += len(raw) + 1

    def _unwrap(self, data: bytes, start: int, end: int) -> Iterator[Numbered]:
        piece = unwrap(data, self._envelope)
        if isinstance(piece, Broken):
            yield Numbered(self._number, self._number, self._envelope, piece)
            return
        envelope = self._envelope if self._envelope is not Envelope.AUTO else _seen(data, piece)
        first = self._begun.setdefault(piece.stream, self._number)
        for line in self._assembler.feed(piece, start, end):
            # Two come out where an unfinished line was given up: the second is on this number alone.
            unfinished = line.end != end
            begun, last = (first, self._number - 1) if unfinished else (first, self._number)
            first = self._number if unfinished else first
            yield Numbered(begun, last, envelope, line, self._wrapping.wants(line))
        if piece.complete:
            self._begun.pop(piece.stream, None)
        else:
            self._begun[piece.stream] = first


def _seen(data: bytes, piece: Piece) -> Envelope:
    """The envelope of a line that spoke for itself."""
    if piece.stream == "":
        return Envelope.NONE
    return Envelope.DOCKER if data.startswith(b"{") else Envelope.CRI
