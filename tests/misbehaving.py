"""A real HTTP server on 127.0.0.1 that answers each request as a script says: wrongly, slowly, half, or not at all.

It keeps what it was sent and the ids of the messages that it accepted, which is what tests compare.
"""

import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

MAX_HEAD_BYTES = 64 * 1024


class Cut(Enum):
    """When the connection is reset."""

    UNREAD = auto()  # before the request was read
    UNANSWERED = auto()  # after it was read
    IN_HEAD = auto()  # after half of the answer's head
    IN_BODY = auto()  # after half of its body
    AFTER = auto()  # after all of it


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer. `drip_s` is the pause after each byte of it; `accepts` says whether the server took the batch."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"success": true}'
    cut: Cut | None = None
    drip_s: float | None = None
    accepts: bool | None = None

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300 if self.accepts is None else self.accepts


OK = Answer()


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        plain = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        document: dict[str, Any] = json.loads(plain)
        return document

    @property
    def ids(self) -> list[str]:
        return [message["messageId"] for message in self.json["batch"]]


Script = Callable[[Request], Answer]


def in_turn(answers: Iterable[Answer], then: Answer = OK) -> Script:
    """Each request gets the next answer; the last one for ever."""
    left = iter(answers)
    return lambda _: next(left, then)


class MisbehavingServer:
    """Answers by script, one thread for each connection. A context manager."""

    def __init__(self, script: Script = lambda _: OK, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.accepted: list[str] = []
        self.connections = 0
        self._tls = tls
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            _reset(connection)
        for thread in self._threads:
            thread.join(10)

    def remember(self, request: Request) -> None:
        """Keep a request for the test to look at."""
        self.requests.append(request)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.add(connection)
            with connection, connection.makefile("rb") as stream:
                while (request := _read_request(stream)) is not None:
                    self.remember(request)
                    answer = self.script(request)
                    if answer.accepted:
                        self.accepted.extend(request.ids)
                    if not self._answer(connection, answer):
                        return
        except OSError:
            # The client went away, or did not like the certificate: that is what the test is about.
            connection.close()
        finally:
            self._open.discard(connection)

    def _answer(self, connection: socket.socket, answer: Answer) -> bool:
        """Whether the connection is still good for another request."""
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        head = "".join(
            [f"HTTP/1.1 {answer.status} Said\r\n", *(f"{k}: {v}\r\n" for k, v in headers.items()), "\r\n"]
        )
        data = head.encode("latin-1") + answer.body
        match answer.cut:
            case Cut.UNREAD | Cut.UNANSWERED:
                data = b""
            case Cut.IN_HEAD:
                data = data[: len(head) // 2]
            case Cut.IN_BODY:
                data = data[: len(head) + len(answer.body) // 2]
            case Cut.AFTER | None:
                pass
        if answer.drip_s is None:
            connection.sendall(data)
        else:
            for byte in data:
                if self._closing.wait(answer.drip_s):
                    return False
                connection.sendall(bytes([byte]))
        if answer.cut is not None:
            _reset(connection)
        return answer.cut is None


def _reset(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return
    finally:
        connection.close()


def _read_request(stream: Any) -> Request | None:
    first = stream.readline(MAX_HEAD_BYTES).decode("latin-1").split()
    if len(first) != 3 or not first[2].startswith("HTTP/"):
        return None  # the beginning of a TLS handshake, by chance in three words, is no request
    headers: dict[str, str] = {}
    while (line := stream.readline(MAX_HEAD_BYTES).decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    body = stream.read(length)
    # Whoever dies in mid-request has sent none.
    return Request(first[0], first[1], headers, body) if len(body) == length else None
