"""Ways to the bytes of one open file: as they stand on disk, or inflated from a compressed copy."""

import bz2
import gzip
import io
import lzma
import os
import stat
import zlib
from typing import Protocol

_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"


class UnknownCompressionError(OSError):
    """The file is compressed in a way that this Python's standard library cannot read: decompress it first."""


class Handle(Protocol):
    """An open file. All methods but `close` raise OSError when the disk refuses."""

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill a view with the bytes from `offset` on; says how many there were."""

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at `offset`, fewer at the end."""

    def size(self) -> int:
        """Bytes there now; of an inflated file whose end was not met yet, a lower bound above what was read."""

    def next_data(self, offset: int) -> int:
        """The first offset from `offset` on that is not known to be a hole."""

    def stat(self) -> os.stat_result:
        """Of the file on disk."""

    def path(self) -> str | None:
        """Where the file is now, as Linux tells it; None where it does not, or where no path leads to it."""

    def close(self) -> None:
        """Let go of it."""


class PlainHandle:
    """The bytes as they stand on disk."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read_into(self, view: memoryview, offset: int) -> int:
        """See `Handle`."""
        return os.preadv(self._fd, [view], offset)

    def read_at(self, offset: int, size: int) -> bytes:
        """See `Handle`."""
        return os.pread(self._fd, size, offset)

    def size(self) -> int:
        """See `Handle`."""
        return os.fstat(self._fd).st_size

    def next_data(self, offset: int) -> int:
        """See `Handle`."""
        try:
            return os.lseek(self._fd, offset, os.SEEK_DATA)
        except OSError:
            return self.size()  # ENXIO: a hole up to the end

    def stat(self) -> os.stat_result:
        """See `Handle`."""
        return os.fstat(self._fd)

    def path(self) -> str | None:
        """See `Handle`."""
        return _path_of(self._fd)

    def close(self) -> None:
        """See `Handle`."""
        os.close(self._fd)


class InflatedHandle:
    """The bytes of a compressed file, read forwards; what was read last is kept, so that a read may start in it.

    A file that is cut short or broken ends at the break: `broken` says so.
    """

    def __init__(self, fd: int, stream: io.BufferedIOBase) -> None:
        self._fd = fd
        self._stream = stream
        self._kept = b""
        self._position = 0
        self._ended = False
        self.broken = False

    def read_into(self, view: memoryview, offset: int) -> int:
        """See `Handle`. Going back before what was read last starts the stream again."""
        if offset < self._position - len(self._kept):
            self._stream.seek(0)
            self._kept, self._position, self._ended = b"", 0, False
        while self._position < offset and not self._ended:
            self._kept = self._inflate(min(len(view), offset - self._position))
        back = self._position - offset
        again = self._kept[len(self._kept) - back :] if 0 < back <= len(self._kept) else b""
        again = again[: len(view)]
        view[: len(again)] = again
        filled = len(again)
        while filled < len(view) and offset + filled == self._position and not self._ended:
            more = self._inflate(len(view) - filled)
            view[filled : filled + len(more)] = more
            filled += len(more)
        if offset + filled == self._position:
            self._kept = bytes(view[:filled])
        return filled

    def read_at(self, offset: int, size: int) -> bytes:
        """See `Handle`. Cheap only within what was read last."""
        first = self._position - len(self._kept)
        if first <= offset and offset + size <= self._position:
            return self._kept[offset - first : offset - first + size]
        window = memoryview(bytearray(size))
        return bytes(window[: self.read_into(window, offset)])

    def size(self) -> int:
        """See `Handle`."""
        return self._position if self._ended else self._position + 1

    def next_data(self, offset: int) -> int:
        """See `Handle`."""
        return offset

    def stat(self) -> os.stat_result:
        """See `Handle`."""
        return os.fstat(self._fd)

    def path(self) -> str | None:
        """See `Handle`."""
        return _path_of(self._fd)

    def consumed(self) -> int:
        """Bytes of the compressed file that were read."""
        return os.lseek(self._fd, 0, os.SEEK_CUR)

    def close(self) -> None:
        """See `Handle`."""
        self._stream.close()
        os.close(self._fd)

    def _inflate(self, size: int) -> bytes:
        try:
            data = self._stream.read1(size)
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile):
            self.broken = True
            data = b""
        self._ended = not data
        self._position += len(data)
        return data


def _path_of(fd: int) -> str | None:
    try:
        path = os.readlink(f"/proc/self/fd/{fd}")
        found, held = os.stat(path), os.fstat(fd)
    except OSError:
        return None
    return path if (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino) else None


def open_log(path: str) -> int:
    """Open a regular file for reading without leaving a trace, and without ever waiting.

    O_NOATIME is for the owner only, so it is tried first. O_NONBLOCK: what was a file at the last stat may be a
    FIFO by now, whose open would wait for a writer.

    Raises:
        OSError: It cannot be opened, or is no regular file.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        fd = os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        fd = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError("not a regular file")
    return fd


def open_handle(path: str) -> PlainHandle | InflatedHandle:
    """Open a file, inflating it if its first bytes say that it is compressed.

    Raises:
        UnknownCompressionError: See there.
        OSError: It cannot be opened, or is no regular file.
    """
    fd = open_log(path)
    magic = os.pread(fd, 6, 0)
    raw = io.FileIO(fd, "r", closefd=False)
    if magic.startswith(_GZIP):
        return InflatedHandle(fd, gzip.GzipFile(fileobj=raw, mode="rb"))
    if magic.startswith(_BZIP2):
        return InflatedHandle(fd, bz2.BZ2File(raw, "rb"))
    if magic.startswith(_XZ):
        return InflatedHandle(fd, lzma.LZMAFile(raw, "rb"))
    if magic.startswith(_ZSTD):
        os.close(fd)
        unknown = UnknownCompressionError("zstd")
        unknown.filename = path
        raise unknown
    return PlainHandle(fd)


def may_hold_more(path: str, size: int) -> bool:
    """Whether a gzip file says that it inflates to something else than `size` bytes, as far as its last bytes tell.

    They are about its last member alone; but most have one, and inflating all to find nothing would cost most.
    Of other compressions nothing is known without inflating: False.
    """
    try:
        fd = open_log(path)
    except OSError:
        return False
    try:
        whole = os.fstat(fd).st_size
        told = os.pread(fd, 4, max(0, whole - 4))
        return os.pread(fd, 2, 0) == _GZIP and int.from_bytes(told, "little") != size & 0xFFFFFFFF
    except OSError:
        return False
    finally:
        os.close(fd)
