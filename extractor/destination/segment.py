"""Delivers to Segment, or to a server that takes the same request: one batch, one `POST {host}/v1/batch`, a verdict.

The request is the one that `segment.analytics.request.post()` makes, and a contract test holds them equal. It is made
here because the library's function serializes the messages anew (what was stored would not be what is sent), sends
through one session for the whole process, which follows redirects and reads `~/.netrc`, and logs bodies at DEBUG.
"""

import base64
import gzip
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import requests
from segment.analytics.consumer import FatalError
from segment.analytics.request import APIError
from segment.analytics.version import VERSION
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.exceptions import SSLError as TransportSSLError
from urllib3.util import Timeout

from extractor.destination.limits import BatchLimits
from extractor.destination.session import Gate, GateClosedError, OneWaySession, Prepared, quiet_libraries
from extractor.destination.verdict import DeliveryReason, Verdict, VerdictKind, judge, row_of

# https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/#batch (2026-11): 32 KB an event,
# 500 KB and 2,500 events a batch; above the last it answers 200 and rejects. "KB" is read so that both readings hold,
# but for the event, where the library's own limit (`MAX_MSG_SIZE`, 32 << 10) says which.
MAX_EVENT_BYTES = 32 * 1024
MAX_BATCH_BYTES = 500_000
MAX_BATCH_EVENTS = 2500

MAX_ANSWER_BYTES = 64 * 1024
"""What is read of an answer. Segment's has 20 bytes."""

CONNECT_TIMEOUT_S = 10.0
"""Of each address of the host; a connection that takes longer is not worth waiting for. Our choice."""


_FAILURES: tuple[tuple[tuple[type[Exception], ...], Verdict], ...] = (
    ((requests.Timeout, ReadTimeoutError), Verdict(VerdictKind.RETRY, DeliveryReason.TIMEOUT)),
    ((requests.exceptions.ProxyError,), Verdict(VerdictKind.RETRY, DeliveryReason.PROXY)),
    ((requests.exceptions.SSLError, TransportSSLError), Verdict(VerdictKind.RETRY, DeliveryReason.TLS)),
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
        ),
        Verdict(VerdictKind.HOLD, DeliveryReason.MISCONFIGURED),
    ),
    # What the library's `OauthManager` raises; nothing was said about the batch.
    ((APIError,), Verdict(VerdictKind.HOLD, DeliveryReason.AUTHENTICATION)),
    ((requests.RequestException, HTTPError, FatalError), Verdict(VerdictKind.RETRY, DeliveryReason.NETWORK)),
    # What is left is a file of ours: `requests` says so of a bundle of certificates that is not there.
    ((OSError,), Verdict(VerdictKind.HOLD, DeliveryReason.MISCONFIGURED)),
)
"""The first row that fits; without an answer there is no status."""

_EXPECTED = tuple(cause for causes, _ in _FAILURES for cause in causes)


class Secret(Protocol):
    """What keeps a text to itself until asked, as the config does with the write key."""

    def reveal(self) -> str:
        """The text itself."""


class TokenSource(Protocol):
    """The library's `OauthManager`."""

    def get_token(self) -> str:
        """A bearer token; raises `APIError` or `FatalError`."""

    def clear_token(self) -> None:
        """Forget a token that was refused."""


class SegmentDestination:
    """Sends batches and judges the answers. One thread at a time.

    A verdict `DELIVERED` means that the server accepted the batch: Segment says so before it looks into the events.
    A crash, a reset or a timeout after the server accepted and before we knew sends the same batch again, with the
    same message ids.
    """

    def __init__(
        self,
        host: str,
        write_key: Secret,
        *,
        timeout_s: float = 15.0,
        compress: bool = False,
        max_batch_events: int = MAX_BATCH_EVENTS,
        max_batch_bytes: int = MAX_BATCH_BYTES,
        ca_bundle: str | None = None,
        proxies: dict[str, str] | None = None,
        oauth: TokenSource | None = None,
        gate: Gate | None = None,
        allowed: Callable[[], bool] = lambda: True,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make a destination; nothing is sent yet.

        Args:
            host: `https://api.segment.io` or the like, without `/v1`.
            write_key: Of the source at Segment.
            timeout_s: For a whole exchange, from connecting to the last byte; the library's default. Finding the
                address, and each further address of the host, come on top.
            compress: Send gzip.
            max_batch_events: Of one request; more than Segment takes is cut down to that.
            max_batch_bytes: Of one request's body before compression; the same.
            ca_bundle: File or folder of the certificates to trust instead of the usual ones.
            proxies: By scheme; by default those of the environment.
            oauth: Where the source wants OAuth, the library's manager.
            gate: Looks at each request before it leaves.
            allowed: Whether anything may leave, asked once more when a connection stands (opt-out).
            now: Unix seconds; for `sentAt` and for dates in answers.
        """
        quiet_libraries()
        self._url = host.rstrip("/") + "/v1/batch"
        self._key = write_key
        self._timeout_s = timeout_s
        self._compress = compress
        self._verify: str | None = ca_bundle
        self._proxies = proxies
        self._oauth = oauth
        self._now = now
        self._session = OneWaySession(gate, allowed)
        self._prepared: Prepared | None = None
        self.name = f"segment:{_place(host)}"
        self.limits = BatchLimits(
            max_event_bytes=MAX_EVENT_BYTES,
            max_batch_bytes=min(max_batch_bytes, MAX_BATCH_BYTES) - len(self._body(())),
            max_batch_events=min(max_batch_events, MAX_BATCH_EVENTS),
        )

    def __repr__(self) -> str:
        return f"SegmentDestination({self.name!r})"

    def send(self, messages: Sequence[bytes], within_s: float | None = None) -> Verdict:
        """Send one batch and say what became of it. Never raises for anything that a server or a network does.

        Args:
            messages: Serialized Segment messages that fit `limits`.
            within_s: Give up after so many seconds if that is sooner than the usual timeout.
        """
        timeout_s = self._timeout_s if within_s is None else max(0.001, min(within_s, self._timeout_s))
        try:
            return self._exchange(messages, timeout_s)
        except GateClosedError as error:
            if any(refusal.position is None for refusal in error.refusals):
                return Verdict(VerdictKind.HOLD, DeliveryReason.GATE)
            return Verdict(VerdictKind.DEAD, DeliveryReason.GATE, refusals=error.refusals)
        except _EXPECTED as error:
            return next(verdict for causes, verdict in _FAILURES if isinstance(error, causes))

    def abort(self) -> None:
        """End the request under way, from another thread: not one byte more of it leaves.

        It is judged as a lost connection. Whether the server has accepted it cannot be known.
        """
        self._session.cut()

    def close(self) -> None:
        """Close the connection; a later `send` opens a new one."""
        self._session.close()

    def _exchange(self, messages: Sequence[bytes], timeout_s: float) -> Verdict:
        body = self._body(messages)
        if self._compress:
            body = gzip.compress(body, compresslevel=6, mtime=0)
        # By total: the answer has what connecting and sending have left of it.
        timeout = Timeout(total=timeout_s, connect=CONNECT_TIMEOUT_S)
        with self._session.send_again(self._first(), body, self._authorization(), timeout) as response:
            text, cut = _read(response)
            verdict = judge(response.status_code, response.headers, text, self._now(), cut=cut)
        if self._oauth is not None and verdict.status in (400, 401, 403, 511):
            # As the library does: the next request asks for a new token.
            self._oauth.clear_token()
        return verdict

    def _first(self) -> Prepared:
        """What all requests have in common, worked out with the first one."""
        if self._prepared is None:
            headers = {"Content-Type": "application/json", "User-Agent": f"analytics-python/{VERSION}"}
            if self._compress:
                headers["Content-Encoding"] = "gzip"
            self._prepared = self._session.prepare(
                self._url, headers, proxies=self._proxies, verify=self._verify
            )
        return self._prepared

    def _authorization(self) -> str:
        if self._oauth is not None:
            return f"Bearer {self._oauth.get_token()}"
        return "Basic " + base64.b64encode(f"{self._key.reveal()}:".encode()).decode()

    def _body(self, messages: Sequence[bytes]) -> bytes:
        sent_at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="microseconds")
        rest = f'],"sentAt":"{sent_at}","writeKey":{json.dumps(self._key.reveal())}}}'
        return b"".join((b'{"batch":[', b",".join(messages), rest.encode()))


def _place(host: str) -> str:
    """The host as a name: without scheme, and without what could be a password in it."""
    authority, slash, path = host.rpartition("://")[2].partition("/")
    return (authority.rpartition("@")[2] + slash + path).rstrip("/")


def _read(response: requests.Response) -> tuple[bytes, bool]:
    """The answer's body up to a limit, and whether it went on.

    A body that breaks off makes an answer of 2xx no answer (raises); another status stands for itself.
    """
    try:
        body = response.raw.read(MAX_ANSWER_BYTES + 1, decode_content=True)
    except (HTTPError, OSError):
        if row_of(response.status_code).kind is VerdictKind.DELIVERED:
            raise
        body = b""
    return body[:MAX_ANSWER_BYTES], len(body) > MAX_ANSWER_BYTES
