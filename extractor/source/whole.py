"""Whole files, plain or compressed, as chunks with offsets in the uncompressed stream: for preview and backfill.

Compression is told by the first bytes, not by the name. Memory is one buffer, whatever the size of file or line.
"""

from collections.abc import Iterator
from typing import Self

from extractor.source.chunk import Chunk, Incident
from extractor.source.followed import Followed
from extractor.source.handle import InflatedHandle, open_handle
from extractor.source.names import lineage_of
from extractor.source.reader import Reader
from extractor.source.spec import DEFAULT_LIMITS, Limits
from extractor.telemetry import IncidentKind


class WholeFile:
    """One file that is read once, from a line's start to the end.

    A compressed file that is cut short or broken gives what comes before the break; `broken` says so. Holes and
    lines that are too long are skipped, as in following. A line has the offset that it had in the live file.

    Attributes:
        path: The file; also the `file_id` of its chunks.
        size: Bytes on disk.
        modified: Modification time, Unix seconds.
    """

    def __init__(self, path: str, *, source: int = 0, limits: Limits = DEFAULT_LIMITS) -> None:
        """Open a file.

        Raises:
            UnknownCompressionError: Compressed in a way that cannot be read here.
            OSError: It cannot be opened.
        """
        self.path = path
        self._limits = limits
        self._handle = open_handle(path)
        status = self._handle.stat()
        self.size, self.modified = status.st_size, status.st_mtime
        self._file = Followed(
            file_id=path,
            path=path,
            lineage=lineage_of(path),
            key=(status.st_dev, status.st_ino),
            source=source,
            rank=(source, 0),
            handle=self._handle,
            live_from=1 << 62,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    @property
    def position(self) -> int:
        """Bytes on disk that were read so far, of `size`: for a progress bar."""
        handle = self._handle
        return handle.consumed() if isinstance(handle, InflatedHandle) else min(self._file.offset, self.size)

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode."""
        return self._file.key

    def head(self, size: int) -> bytes:
        """The first bytes of the uncompressed stream, fewer where it is shorter: to know the file again."""
        return self._handle.read_at(0, size)

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """Chunks of whole lines from byte `start` of the uncompressed stream on.

        The last chunk may lack its last newline. An empty file gives none.

        Args:
            start: The start of a line, to go on after an interruption.

        Raises:
            OSError: The disk refused to be read.
        """
        reader = Reader(self._limits)
        self._file.offset = start
        while (chunk := reader.step(self._file, final=True)) is not None:
            yield chunk

    @property
    def broken(self) -> Incident | None:
        """Where a compressed file is cut short or broken, once the last chunk was read."""
        if isinstance(self._handle, InflatedHandle) and self._handle.broken:
            offset = self._file.offset
            return Incident(kind=IncidentKind.BROKEN, path=self.path, file_id=self.path, offset=offset)
        return None


def read_whole(path: str, *, limits: Limits = DEFAULT_LIMITS) -> Iterator[Chunk]:
    """The chunks of one whole file, for who needs neither progress nor `broken`. Raises as `WholeFile` does."""
    with WholeFile(path, limits=limits) as whole:
        yield from whole.chunks()
