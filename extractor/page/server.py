"""Serves the page on 127.0.0.1, to a person at this machine: `/`, and `/try` for a pasted line.

The standard library's server is enough here: it answers one person on the loopback address, with two routes, no
session and no upload, and the daemon's own `/metrics` already stand on it. What it leaves to us is below: a bound on
what is read, a bound on how many are served at once, and who may ask. A page of another site can make a browser ask
us, under its own name if it rebinds that name to 127.0.0.1: so `Host` must be a name of this machine, a form must come
from our own page, and no answer carries a header that would let another site read it.
"""

import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from socketserver import TCPServer
from urllib.parse import parse_qs, urlsplit

from extractor.page.render import policy

ADDRESS = "127.0.0.1"
CLIENT_TIMEOUT_S = 10.0
MAX_FORM_BYTES = 4 << 20
"""A line may have 1 MiB, and a form writes many characters as three."""
MAX_AT_ONCE = 16
"""A browser opens six connections."""
NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
"""What this machine calls itself. Ports differ where somebody tunnels, so they are not looked at."""

Renderer = Callable[[str | None], str]
"""The page, with the outcome of a pasted text if there is one. Called by several threads."""


class PageServer(ThreadingHTTPServer):
    """Listens as soon as it is made; `serve_forever` answers.

    Raises:
        OSError: The port is taken, or may not be used.
    """

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, port: int, render: Renderer, complain: Callable[[str], None] = lambda _: None) -> None:
        self.render = render
        self._complain = complain
        self._free = threading.BoundedSemaphore(MAX_AT_ONCE)
        super().__init__((ADDRESS, port), _Handler)

    @property
    def port(self) -> int:
        """Where it listens, which the caller may have left to the system (port 0)."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind, and ask no name server who we are."""
        TCPServer.server_bind(self)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Answer in a thread of its own; who comes when too many are served is hung up on."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is no news. A mistake of ours is named; not its text, in which a line may stand."""
        del request, client_address
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self._complain(f"the page could not be made: {type(error).__name__}")


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_TIMEOUT_S
    server: PageServer
    server_version = "extractor"
    sys_version = ""

    def do_GET(self) -> None:
        """The page."""
        if not self._is_asked_by_us():
            return
        path = urlsplit(self.path).path
        if path == "/":
            self._page(None)
        elif path == "/try":
            self._answer(HTTPStatus.SEE_OTHER, "text/plain", b"", Location="/#try")
        elif path == "/favicon.ico":
            self._answer(HTTPStatus.NO_CONTENT, "text/plain", b"")
        else:
            self._say(HTTPStatus.NOT_FOUND, "There is only /")

    def do_HEAD(self) -> None:
        """The same without a body."""
        self.do_GET()

    def do_POST(self) -> None:
        """A line to try. Nothing is kept, so asking twice is asking once."""
        if not self._is_asked_by_us():
            return
        if urlsplit(self.path).path != "/try":
            self._say(HTTPStatus.NOT_FOUND, "There is only /try")
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._say(HTTPStatus.LENGTH_REQUIRED, "How long is it?")
        elif len(length) > 8 or int(length) > MAX_FORM_BYTES:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Longer than any line that is read")
        else:
            form = self.rfile.read(int(length)).decode("ascii", "replace")
            try:
                fields = parse_qs(form, keep_blank_values=True, errors="replace", max_num_fields=4)
            except ValueError:
                self._say(HTTPStatus.BAD_REQUEST, "Not our form")
                return
            self._page(fields.get("line", [""])[0])

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library cannot read: the same headers as any answer, and nothing repeated."""
        del message, explain
        self._say(HTTPStatus(code), HTTPStatus(code).phrase)

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""

    def _is_asked_by_us(self) -> bool:
        host = self.headers.get("Host", "")
        origin = self.headers.get("Origin")
        site = self.headers.get("Sec-Fetch-Site", "none")
        if _name_of(host) not in NAMES:
            self._say(HTTPStatus.FORBIDDEN, "Ask for this page as 127.0.0.1 or localhost")
        elif self.command == "POST" and (
            site not in {"none", "same-origin"} or origin not in {None, f"http://{host}"}
        ):
            self._say(HTTPStatus.FORBIDDEN, "Not our form")
        else:
            return True
        self.close_connection = True
        return False

    def _page(self, pasted: str | None) -> None:
        self._answer(HTTPStatus.OK, "text/html", self.server.render(pasted).encode("utf-8", "replace"))

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        self._answer(status, "text/plain", f"{sentence}\n".encode())

    def _answer(self, status: HTTPStatus, kind: str, body: bytes, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", policy(served=True))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "same-origin")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _name_of(host: str) -> str:
    """The name in a `Host` header; "" if it is not one."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
