"""A server that accepts every batch, notes the message ids and when it had answered, and costs little doing so.

A process of its own: `python -m bench.sink --record FILE` prints its port. `GET /` answers how many ids came so far.
The record is a sequence of (time of the answer, number of ids, the ids): `read_record` knows it.
"""

import argparse
import contextlib
import os
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.corpus import ID_BYTES, ROOT

_ID = re.compile(rb'"messageId":"([0-9a-f]{%d})"' % (2 * ID_BYTES))
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_ENTRY = struct.Struct("<dI")
_ROOM = 1 << 20


@dataclass(slots=True)
class _Connection:
    """One client: what it has sent of its next request."""

    sock: socket.socket
    buffer: bytearray = field(default_factory=lambda: bytearray(_ROOM))
    filled: int = 0
    body: int = 0  # where the request's body begins; 0 while its head has not ended
    end: int = 0


class Sink:
    """The server; one thread, any number of connections."""

    def __init__(self, record: Path, status: int = 200) -> None:
        """Listen on a free port.

        Args:
            record: Where ids are noted, as they come.
            status: What every batch is answered with; ids of refused ones are not noted.
        """
        self._record = record.open("ab", buffering=0)
        self._accepts = status == 200
        body = b'{"success": true}' if self._accepts else b"{}"
        self._answer = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            status,
            len(body),
            body,
        )
        self._count = 0
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.port = int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Answer until killed."""
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    sock, _ = self._listener.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._selector.register(sock, selectors.EVENT_READ, _Connection(sock))
                else:
                    with contextlib.suppress(ConnectionError):
                        if self._read(key.data):
                            continue
                    self._selector.unregister(key.data.sock)
                    key.data.sock.close()

    def _read(self, connection: _Connection) -> bool:
        """Take what is there and answer what is whole; False where the client is gone."""
        got = connection.sock.recv_into(memoryview(connection.buffer)[connection.filled :])
        connection.filled += got
        if not connection.body:
            head = connection.buffer.find(b"\r\n\r\n", 0, connection.filled)
            if head >= 0:
                length = _LENGTH.search(connection.buffer, 0, head + 2)
                connection.body = head + 4
                connection.end = connection.body + (int(length[1]) if length else 0)
        if connection.body and connection.filled >= connection.end:
            self._answer_to(connection)
        return got > 0

    def _answer_to(self, connection: _Connection) -> None:
        if connection.buffer.startswith(b"GET"):
            count = b"%d" % self._count
            answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
            connection.sock.sendall(answer % (len(count), count))
        elif not self._accepts:
            connection.sock.sendall(self._answer)
        else:
            ids = _ID.findall(connection.buffer, connection.body, connection.end)
            connection.sock.sendall(self._answer)
            answered = time.monotonic()
            self._record.write(_ENTRY.pack(answered, len(ids)) + bytes.fromhex(b"".join(ids).decode()))
            self._count += len(ids)
        connection.filled = connection.body = connection.end = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """One accepted batch.

    Attributes:
        at: `time.monotonic()`, the same in all processes, right after the answer was handed to the kernel.
        ids: Of its messages.
    """

    at: float
    ids: tuple[bytes, ...]


def read_record(path: Path) -> Iterator[Answered]:
    """The accepted batches in their order."""
    raw = path.read_bytes()
    position = 0
    while position < len(raw):
        at, number = _ENTRY.unpack_from(raw, position)
        position += _ENTRY.size
        end = position + number * ID_BYTES
        yield Answered(at, tuple(raw[place : place + ID_BYTES] for place in range(position, end, ID_BYTES)))
        position = end


class RunningSink:
    """The sink as a process, for as long as a `with` block."""

    def __init__(self, record: Path, status: int = 200) -> None:
        """Start it; it listens when this returns. From here on SIGTERM ends the bench as Ctrl-C does."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        record.parent.mkdir(parents=True, exist_ok=True)
        record.unlink(missing_ok=True)
        self.record = record
        self.cpu_s = 0.0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink", "--record", str(record), "--status", str(status)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def count(self) -> int:
        """How many ids came so far, repeated ones counted again."""
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            return int(answer.read())

    def wait_for(self, count: int, timeout_s: float) -> bool:
        """Whether so many ids came in so many seconds."""
        until = time.monotonic() + timeout_s
        while self.count() < count:
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True

    def stop(self) -> list[Answered]:
        """End the process; what it accepted."""
        if self._process.returncode is None:
            self._process.terminate()
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_s = usage.ru_utime + usage.ru_stime
            if self._process.stdout is not None:
                self._process.stdout.close()
        return list(read_record(self.record))


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="python -m bench.sink", description=__doc__)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--status", type=int, default=200)
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sink = Sink(chosen.record, chosen.status)
    print(sink.port, flush=True)
    sink.serve()


if __name__ == "__main__":
    main()
