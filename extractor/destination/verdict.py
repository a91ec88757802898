"""What an answer means: one table from status to verdict, and the few words that a server may add to it.

Pure: no clock, no network. `docs/delivery.md` is rendered from the tables below.
May import `telemetry`; imported by the destinations and by `deliver`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus

import orjson

MAX_WAIT_S = 3600.0
"""The longest wait that a server's word can impose. Above it a header is taken for a mistake, not for a plan."""

EPOCH_FROM_S = 1_000_000_000.0
"""A larger `X-RateLimit-Reset` is a date (2001 or later), a smaller one a number of seconds: both are in use."""

EPOCH_MS_FROM = 1_000_000_000_000.0
"""A larger one still is a date in milliseconds."""


class VerdictKind(StrEnum):
    """What happens to the events of a batch."""

    DELIVERED = "delivered"  # acknowledged: the ledger remembers their ids
    RETRY = "retry"  # sent again, without end
    SPLIT = "split"  # sent again in smaller parts, down to the offender
    HOLD = "hold"  # everything pauses, with an alarm; a small probe finds out when it clears
    DEAD = "dead"  # the named events become dead letters; the others are sent again


class DeliveryReason(StrEnum):
    """Why. Stable strings: metric label, log field, dead letter, docs."""

    ACCEPTED = "accepted"
    # Said by a status.
    REDIRECT = "redirect"
    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    PROXY_AUTHENTICATION = "proxy_authentication"
    TIMEOUT = "timeout"
    GONE = "gone"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    CONNECTION_CLOSED = "connection_closed"
    SERVER_ERROR = "server_error"
    UNEXPECTED_STATUS = "unexpected_status"
    # Said by the body of a 2xx.
    WEB_PAGE = "web_page"
    BODY_SAYS_NO = "body_says_no"
    BODY_TOO_LONG = "body_too_long"
    BODY_BROKEN = "body_broken"
    # No answer, or none that can be trusted.
    NETWORK = "network"
    PROXY = "proxy"
    TLS = "tls"
    MISCONFIGURED = "misconfigured"
    AUTHENTICATION = "authentication"
    OUTPUT_CLOSED = "output_closed"
    OUTPUT_FAILED = "output_failed"
    # Decided here, before a byte leaves.
    EVENT_TOO_LARGE = "event_too_large"
    GATE = "gate"
    # Decided here, after trying the events one by one.
    NOTHING_ACCEPTED = "nothing_accepted"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One event that must not leave, found on the bytes of the request itself.

    Attributes:
        position: Index within the batch, or None where it cannot be told: then the whole batch is held.
        reason: Bounded text; never a value.
    """

    position: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a destination says of one batch.

    Attributes:
        kind: What happens to its events.
        reason: Why.
        status: HTTP status, or None where there was no answer.
        wait_s: Seconds for which the server asked for silence (at most `MAX_WAIT_S`), or None.
        refusals: For `DEAD` only: which events, and why.
    """

    kind: VerdictKind
    reason: DeliveryReason
    status: int | None = None
    wait_s: float | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: which status, or which hundred, what follows, and why that is right."""

    statuses: str
    kind: VerdictKind
    reason: DeliveryReason
    why: str


_R = DeliveryReason
_DELIVERED, _RETRY, _SPLIT, _HOLD, _DEAD = VerdictKind

TABLE: tuple[Row, ...] = (
    Row("2xx", _DELIVERED, _R.ACCEPTED, "unless its body says otherwise: see below"),
    Row(
        "3xx", _HOLD, _R.REDIRECT, "never followed: nothing is sent to a place that the config does not name"
    ),
    Row("400", _SPLIT, _R.BAD_REQUEST, "one event may spoil the batch"),
    Row("401", _HOLD, _R.UNAUTHORIZED, "the write key is wrong or was revoked"),
    Row("403", _HOLD, _R.FORBIDDEN, "the write key may not do this, or a firewall says so"),
    Row("404", _HOLD, _R.NOT_FOUND, "the host is no Segment endpoint"),
    Row("407", _HOLD, _R.PROXY_AUTHENTICATION, "the proxy wants other credentials"),
    Row("408", _RETRY, _R.TIMEOUT, "the server stopped waiting for the request"),
    Row("410", _RETRY, _R.GONE, "an endpoint that moves, as Segment's clients take it"),
    Row("413", _SPLIT, _R.TOO_LARGE, "a smaller batch may pass"),
    Row("429", _RETRY, _R.RATE_LIMITED, "after the silence that the server asks for"),
    Row("460", _RETRY, _R.CONNECTION_CLOSED, "a load balancer saw the connection close too early"),
    Row("5xx", _RETRY, _R.SERVER_ERROR, "the server's trouble, not the events'"),
    Row("other", _HOLD, _R.UNEXPECTED_STATUS, "not understood, so nothing more is sent until it passes"),
)
"""What each status means. Exactly one row speaks about each."""

BODY_DOUBTS: tuple[Row, ...] = (
    Row("2xx, a web page", _HOLD, _R.WEB_PAGE, "a captive portal or a wrong host answered"),
    Row("2xx, JSON with `success` or `ok` false", _HOLD, _R.BODY_SAYS_NO, "some servers refuse with a 200"),
    Row("2xx, a JSON object that breaks off", _HOLD, _R.BODY_BROKEN, "what is missing could say no"),
    Row("2xx, longer than 64 KiB", _HOLD, _R.BODY_TOO_LONG, "no acknowledgement looks like this"),
)
"""What makes a 2xx no acknowledgement."""

NO_ANSWER: tuple[Row, ...] = (
    Row(
        "no answer in time", _RETRY, _R.TIMEOUT, "the server may have accepted: sent again with the same ids"
    ),
    Row("connection refused, reset, cut", _RETRY, _R.NETWORK, "the same"),
    Row("proxy fails", _RETRY, _R.PROXY, "the proxy's trouble, or its credentials"),
    Row("TLS fails", _RETRY, _R.TLS, "nobody else may read the events; certificates are renewed"),
    Row("OAuth token refused", _HOLD, _R.AUTHENTICATION, "says nothing about the batch"),
    Row("host or CA bundle unusable", _HOLD, _R.MISCONFIGURED, "the config must change"),
    Row("the gate refuses an event", _DEAD, _R.GATE, "it is not in the tracking plan; nothing was sent"),
    Row("the gate refuses the request", _HOLD, _R.GATE, "it cannot tell which event; nothing was sent"),
    Row("stdout closed", _HOLD, _R.OUTPUT_CLOSED, "nobody reads what is printed"),
    Row("stdout fails", _RETRY, _R.OUTPUT_FAILED, "a full disk behind a pipe, for example"),
)
"""What follows where no status was read."""

DECIDED_HERE: tuple[Row, ...] = (
    Row("an event over 32 KB", _DEAD, _R.EVENT_TOO_LARGE, "no batch could ever carry it; it is not sent"),
    Row("400 or 413 for each event alone", _HOLD, _R.NOTHING_ACCEPTED, "it is the server, not the events"),
)
"""What `deliver` decides without, or after, asking."""

_BY_STATUS = {row.statuses: row for row in TABLE}


def row_of(status: int) -> Row:
    """The row of the table that speaks about a status."""
    return _BY_STATUS.get(str(status)) or _BY_STATUS.get(f"{status // 100}xx") or _BY_STATUS["other"]


def judge(status: int, headers: Mapping[str, str], body: bytes, now: float, *, cut: bool = False) -> Verdict:
    """What one complete answer means.

    Args:
        status: HTTP status.
        headers: Of the answer; looked up in the spelling used here, so give a case-insensitive mapping.
        body: Of the answer, decompressed.
        now: Unix seconds, for headers that name a date.
        cut: The body went on beyond what was read.
    """
    row = row_of(status)
    if row.kind is VerdictKind.DELIVERED:
        doubt = _doubt(headers, body, cut=cut)
        if doubt is None:
            return Verdict(VerdictKind.DELIVERED, row.reason, status)
        return Verdict(VerdictKind.HOLD, doubt, status, _asked_wait_s(status, headers, now))
    if row.kind is VerdictKind.SPLIT:
        return Verdict(row.kind, row.reason, status)
    return Verdict(row.kind, row.reason, status, _asked_wait_s(status, headers, now))


def _doubt(headers: Mapping[str, str], body: bytes, *, cut: bool) -> DeliveryReason | None:
    """Why a 2xx is no acknowledgement, or None where it is one."""
    text = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if "html" in headers.get("Content-Type", "").lower() or text.startswith(b"<"):
        return DeliveryReason.WEB_PAGE
    if cut:
        # What says "no" could stand in the part that was not read.
        return DeliveryReason.BODY_TOO_LONG
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        # `OK`, or nothing: RudderStack and 204 say it so. An object that ends too early is no such word.
        return DeliveryReason.BODY_BROKEN if text.startswith(b"{") else None
    if isinstance(answer, dict) and (answer.get("success") is False or answer.get("ok") is False):
        return DeliveryReason.BODY_SAYS_NO
    return None


def _asked_wait_s(status: int, headers: Mapping[str, str], now: float) -> float | None:
    """Seconds of silence that the server asks for, capped; None where it asks for none, or in no known form."""
    if (wait_s := _retry_after_s(headers.get("Retry-After", ""), now)) is not None:
        return wait_s
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        # Servers that send this header send it with every answer; only here does it ask for something.
        return _reset_s(headers.get("X-RateLimit-Reset", ""), now)
    return None


def _retry_after_s(text: str, now: float) -> float | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3)."""
    if (seconds := _number(text)) is not None:
        return _capped(seconds)
    return _until_date_s(text, now)


def _reset_s(text: str, now: float) -> float | None:
    """Seconds, or a date as Unix seconds or milliseconds, or an HTTP date: there is no standard."""
    number = _number(text)
    if number is None:
        return _until_date_s(text, now)
    if number >= EPOCH_MS_FROM:
        number = number / 1000 - now
    elif number >= EPOCH_FROM_S:
        number -= now
    return _capped(number)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _until_date_s(text: str, now: float) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        # "-0000" gives a naive date, which `timestamp()` would read in this host's zone.
        then = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return _capped(then - now)


def _capped(seconds: float) -> float | None:
    return min(seconds, MAX_WAIT_S) if seconds > 0 else None
