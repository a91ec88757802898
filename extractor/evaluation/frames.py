"""Frames on a pipe: four bytes of size, then so many bytes. Neither side ever waits for the other with a full pipe."""

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
from collections.abc import Sequence

HEAD = struct.Struct("<I")

PIPE_BYTES = 1 << 20
"""What a pipe is asked to hold, so that a portion fits: Linux' bound for everybody (/proc/sys/fs/pipe-max-size)."""

_READ_BYTES = 1 << 18


class GoneError(Exception):
    """The other process has ended."""


def head_of(frame: bytes) -> bytes:
    """What precedes a frame."""
    return HEAD.pack(len(frame))


class Channel:
    """A process that answers every frame with one, and ends when its input does. One thread."""

    def __init__(self, command: Sequence[str], environ: dict[str, str]) -> None:
        """Start it.

        Args:
            command: Program and arguments. Its standard error goes nowhere.
            environ: Its environment.

        Raises:
            OSError: It cannot be started.
        """
        # Ctrl-C and systemd tell every process of the group to end; this one is needed until its pipes are closed.
        # What is blocked here stays so in the child, from its first instruction.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                command,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        for end in (self._in, self._out):
            os.set_blocking(end, False)
            with contextlib.suppress(OSError):  # the user has many pipes already: it stays at 64 KiB
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._owed = bytearray()
        self._read = bytearray()

    def send(self, frame: bytes) -> None:
        """Write a frame, as far as it goes now; the rest goes with `receive`.

        Raises:
            GoneError: Nobody reads it.
        """
        self._owed += head_of(frame)
        self._owed += frame
        self._write()

    @property
    def owes(self) -> bool:
        """Whether some of what was to be sent did not go yet."""
        return bool(self._owed)

    def receive(self, wait_s: float) -> bytes | None:
        """The next answer; None where it does not come in time.

        Args:
            wait_s: Seconds without any byte of it.

        Raises:
            GoneError: There will be none.
        """
        while (frame := self._whole()) is None:
            self._poll.modify(self._out, select.POLLIN)
            if self._owed:
                self._poll.register(self._in, select.POLLOUT)
            ready = dict(self._poll.poll(wait_s * 1000))
            if self._owed:
                self._poll.unregister(self._in)
            if not ready:
                return None
            if self._in in ready:
                self._write()
            if self._out in ready:
                self._fill()
        return frame

    def close(self) -> int:
        """End it; its exit status."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        return self._process.wait()

    def _whole(self) -> bytes | None:
        if len(self._read) < HEAD.size:
            return None
        (size,) = HEAD.unpack_from(self._read)
        end = HEAD.size + size
        if len(self._read) < end:
            return None
        frame = bytes(memoryview(self._read)[HEAD.size : end])
        del self._read[:end]
        return frame

    def _write(self) -> None:
        try:
            while self._owed:
                del self._owed[: os.write(self._in, self._owed)]
        except BlockingIOError:
            return
        except BrokenPipeError as error:
            raise GoneError from error

    def _fill(self) -> None:
        try:
            got = os.read(self._out, _READ_BYTES)
        except BlockingIOError:
            return
        if not got:
            raise GoneError
        self._read += got
