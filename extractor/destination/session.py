"""An HTTP session that goes to one place only, looks at what it sends, and never waits without end.

What `requests` does by default and must not happen here: following a redirect with the payload, taking a password
from `~/.netrc`, sending cookies back, reading an answer of any length, and counting a timeout from the last byte
instead of the first.
"""

import contextlib
import errno
import gzip
import io
import logging
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Timeout

from extractor.destination.verdict import Refusal

Gate = Callable[[bytes], Sequence[Refusal]]
"""Sees the body of each request, uncompressed, just before it is sent; what it refuses is not sent."""


class GateClosedError(requests.RequestException):
    """The gate refused a request; not one byte of it was sent."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__(f"{len(self.refusals)} events refused")


def quiet_libraries() -> None:
    """Keep the libraries from logging: at DEBUG they print bodies and the write key, at WARNING a server's words.

    What they have to say is said by verdicts, in bounded words.
    """
    for name in ("segment", "urllib3", "requests", "charset_normalizer"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class _TimedReader(io.RawIOBase):
    """Reads a socket until one moment, however often a byte comes: a slow drip cannot hold us."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # The file object keeps the socket open after its connection was closed, as `HTTPResponse` expects.
        self._file = sock.makefile("rb", buffering=0)
        timeout_s = sock.gettimeout()
        self._until = None if timeout_s is None else time.monotonic() + timeout_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._until is not None:
            left_s = self._until - time.monotonic()
            if left_s <= 0:
                message = "the answer took too long"
                raise TimeoutError(message)
            self._sock.settimeout(left_s)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _WholeLines(io.BufferedReader):
    """Lines of a head that ends where it says so.

    `http.client` takes the end of the connection for the end of the head: half an answer that begins with
    `HTTP/1.1 200` would be an acknowledgement.
    """

    in_head = False

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if self.in_head and not line.endswith(b"\n") and len(line) != size:
            raise ConnectionResetError(errno.ECONNRESET, "the answer breaks off in its head")
        return line


class _TimedResponse(HTTPResponse):
    """An answer whose timeout counts for all of it, head and body together, and whose head is whole."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp.close()
        self.fp = self._lines = _WholeLines(_TimedReader(sock))

    def begin(self) -> None:
        self._lines.in_head = True
        super().begin()
        self._lines.in_head = False


class _Wire:
    """The socket in use: closed to new requests while nothing may leave, cut from another thread when that begins."""

    def __init__(self, allowed: Callable[[], bool]) -> None:
        self._allowed = allowed
        self._sock: socket.socket | None = None

    def carry(self, sock: socket.socket) -> None:
        """Called with each new connection, before anything but the handshake was sent over it."""
        self._sock = sock
        if not self._allowed():
            raise ConnectionAbortedError(errno.ECONNABORTED, "nothing may leave")

    def cut(self) -> None:
        """Drop what is under way, also what the kernel has and has not sent; the waiting thread sees a lost connection."""
        sock = self._sock
        if sock is None:
            return
        with contextlib.suppress(OSError):  # closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            # Past `SSLSocket.shutdown`, which would have the other thread go on in the clear.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


_NO_LINGER = struct.pack("ii", 1, 0)


def _pools(wire: _Wire) -> dict[str, type[HTTPConnectionPool]]:
    """The connection pools of urllib3 with answers that end in time, over a wire that can be cut."""

    class Connection(HTTPConnection):
        response_class = _TimedResponse

        def connect(self) -> None:
            super().connect()
            wire.carry(self.sock)

    class TLSConnection(HTTPSConnection):
        response_class = _TimedResponse

        def connect(self) -> None:
            super().connect()
            wire.carry(self.sock)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class TLSPool(HTTPSConnectionPool):
        ConnectionCls = TLSConnection

    return {"http": Pool, "https": TLSPool}


class _GatedAdapter(HTTPAdapter):
    """Shows each body to the gate, on the bytes that would leave and nowhere earlier."""

    def __init__(self, gate: Gate | None, wire: _Wire) -> None:
        self._gate = gate
        self._pools = _pools(wire)
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = self._pools
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        if self._gate is not None:
            refusals = self._gate(_plain_body(request.body, request.headers))
            if refusals:
                raise GateClosedError(refusals)
        return super().send(request, *args, **options)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request without its body and its authorization, and how it goes: by which proxy, trusting whom."""

    request: requests.PreparedRequest
    adapter: BaseAdapter
    settings: Mapping[str, Any]


class OneWaySession(requests.Session):
    """A session that sends where it is told and nowhere else. Proxies and `NO_PROXY` come from the environment.

    A request is prepared once and sent many times: what `requests` works out anew for each costs more than sending it.
    """

    def __init__(self, gate: Gate | None = None, allowed: Callable[[], bool] = lambda: True) -> None:
        super().__init__()
        self._wire = _Wire(allowed)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _GatedAdapter(gate, self._wire)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def cut(self) -> None:
        """End the request under way, from another thread; it fails as a lost connection does."""
        self._wire.cut()

    def get_redirect_target(self, resp: requests.Response) -> None:
        """No answer is a redirect: `requests` prepares the next request even when told not to follow."""
        del resp

    def prepare(
        self, url: str, headers: Mapping[str, str], *, proxies: dict[str, str] | None, verify: str | None
    ) -> Prepared:
        """Work out what the POSTs to one place have in common, the environment's proxies included.

        Raises:
            requests.RequestException: The address is none.
        """
        request = self.prepare_request(requests.Request("POST", url, headers=headers, auth=_no_netrc))
        settings = self.merge_environment_settings(
            request.url, proxies=proxies or {}, stream=True, verify=verify, cert=None
        )
        adapter = self.get_adapter(url)
        return Prepared(request, adapter, settings)

    def send_again(
        self, prepared: Prepared, body: bytes, authorization: str, timeout: Timeout
    ) -> requests.Response:
        """Send it with a body; the answer's body is left to be read. Redirects and cookies end here.

        Raises:
            requests.RequestException: There was no answer, or the gate refused.
        """
        request = prepared.request.copy()
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        request.headers["Authorization"] = authorization
        return prepared.adapter.send(request, timeout=timeout, **prepared.settings)  # type: ignore[arg-type]  # not in its types


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """That there is an `auth` keeps `requests` from asking `~/.netrc`."""
    return request


def _plain_body(body: bytes | str | None, headers: Mapping[str, str | bytes]) -> bytes:
    data = body.encode() if isinstance(body, str) else body or b""
    return gzip.decompress(data) if headers.get("Content-Encoding") == "gzip" else data
