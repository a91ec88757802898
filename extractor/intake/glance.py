"""A glance at lines that nobody else looks at, for signs that the app has changed."""

from extractor.decode.envelope import Envelope, Piece, unwrap
from extractor.intake.wrapping import Wrapping
from extractor.learning.drift import Drift
from extractor.source.chunk import Chunk


class Glance:
    """Shows drift the first lines of a chunk, most of which nobody else looks at, in step with those that are taken."""

    def __init__(
        self, drift: Drift, chunk: Chunk, envelope: Envelope, wrapping: Wrapping, time: float
    ) -> None:
        """Begin with the first line.

        Args:
            drift: What is shown them; it says how many are worth it.
            chunk: Has the lines.
            envelope: Theirs.
            wrapping: Of their source: lines that it does not want are passed over.
            time: Unix seconds of lines that carry none.
        """
        self._drift = drift
        self._buffer = buffer_of(chunk.data)
        self._position, self._stop = chunk.at, chunk.at + len(chunk.data)
        self._start = chunk.start - chunk.at
        self._envelope = envelope
        self._wrapping = wrapping
        self._time = time
        self._left = drift.begin_chunk(len(chunk.data))

    def until(self, offset: int) -> None:
        """Show what begins before this offset of the file, as long as it is worth it."""
        before = min(offset - self._start, self._stop)
        spent = self._left
        while self._left > 0 and self._position < before:
            after = self._buffer.find(b"\n", self._position, self._stop) + 1 or self._stop
            piece = unwrap(bytes(self._buffer[self._position : after]).rstrip(b"\n"), self._envelope)
            if isinstance(piece, Piece) and piece.complete and self._wrapping.wants(piece):
                self._drift.glance(piece.text, self._time)
            self._position, self._left = after, self._left - 1
        self._drift.spend(spent - self._left)


def buffer_of(data: memoryview) -> bytes | bytearray:
    """What a view is of."""
    buffer = data.obj
    assert isinstance(buffer, bytes | bytearray)
    return buffer
