import contextlib
import io
import os
import socket
import threading

import pytest

from extractor.config.secret import Secret
from extractor.destination.segment import SegmentDestination
from extractor.destination.session import _TimedReader
from extractor.destination.verdict import Verdict, VerdictKind


class RecordingSocket:
    """A socket that notes the timeouts it is given."""

    def __init__(self, data: bytes, timeout_s: float | None) -> None:
        self._data, self._timeout_s = data, timeout_s
        self.timeouts: list[float] = []

    def makefile(self, mode: str, buffering: int) -> io.RawIOBase:
        """What is received."""
        assert (mode, buffering) == ("rb", 0)
        return io.FileIO(_pipe_with(self._data), "rb")

    def gettimeout(self) -> float | None:
        """For a whole answer."""
        return self._timeout_s

    def settimeout(self, timeout_s: float) -> None:
        """For the next read."""
        self.timeouts.append(timeout_s)


def _pipe_with(data: bytes) -> int:
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    return read


def test_each_read_gets_only_what_is_left_of_the_answers_time() -> None:
    """The last read of a drip must not begin a timeout of its own."""
    sock = RecordingSocket(b"abc", 5.0)
    with _TimedReader(sock) as reader:  # type: ignore[arg-type]
        assert [reader.read(1) for _ in range(3)] == [b"a", b"b", b"c"]
    assert len(sock.timeouts) == 3
    assert 5.0 >= sock.timeouts[0] > sock.timeouts[1] > sock.timeouts[2] > 0


def test_an_answer_whose_time_is_over_is_not_read_any_further() -> None:
    """Not even what is there already: it did not come in time."""
    with _TimedReader(RecordingSocket(b"abc", -1.0)) as reader, pytest.raises(TimeoutError):  # type: ignore[arg-type]
        reader.read(1)


def test_bytes_that_the_kernel_still_holds_do_not_leave_after_an_abort() -> None:
    """Opt-out: the server has read a little of a large batch; what was not sent yet is dropped, not sent later."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    destination = SegmentDestination(
        f"http://127.0.0.1:{listener.getsockname()[1]}", Secret("key"), timeout_s=600.0
    )
    messages = [b'{"messageId":"%d","pad":"%b"}' % (number, b"x" * 30_000) for number in range(16)]
    verdicts: list[Verdict] = []
    sending = threading.Thread(target=lambda: verdicts.append(destination.send(messages)))
    sending.start()
    with listener, listener.accept()[0] as connection:
        connection.settimeout(10)
        received = 0
        while received < 4_000:  # past the head: the kernel has the batch
            received += len(connection.recv(1_024))
        while sending.is_alive():
            destination.abort()
            sending.join(0.05)
        destination.close()
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65_536):
                received += len(chunk)
    assert [verdict.kind for verdict in verdicts] == [VerdictKind.RETRY]
    assert received < sum(map(len, messages))


def test_aborting_without_a_request_is_harmless() -> None:
    """Opt-out may come at any time."""
    destination = SegmentDestination("http://127.0.0.1:1", Secret("key"))
    destination.abort()
    assert destination.send([b"{}"]).kind is VerdictKind.RETRY
    destination.abort()
    destination.close()
