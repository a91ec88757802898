from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from extractor.destination.verdict import (
    BODY_DOUBTS,
    DECIDED_HERE,
    MAX_WAIT_S,
    NO_ANSWER,
    TABLE,
    DeliveryReason,
    Verdict,
    VerdictKind,
    judge,
    row_of,
)

NOW = 1_700_000_000.0
POLICY = {
    VerdictKind.DELIVERED: set(range(200, 300)),
    VerdictKind.SPLIT: {400, 413},
    VerdictKind.RETRY: {408, 410, 429, 460, *range(500, 600)},
}
"""Written down once more, from the requirement and not from the code: every other status holds."""


def judged(status: int, body: bytes = b"", **headers: str) -> Verdict:
    """The verdict on an answer at `NOW`; header names with underscores."""
    return judge(status, CaseInsensitiveDict({k.replace("_", "-"): v for k, v in headers.items()}), body, NOW)


def test_every_status_has_the_verdict_of_the_policy() -> None:
    """Delivered, split and retry for the statuses named; everything else holds."""
    for status in range(1, 1000):
        expected = next((kind for kind, statuses in POLICY.items() if status in statuses), VerdictKind.HOLD)
        assert (judged(status).kind, judged(status).status) == (expected, status)


def test_statuses_that_operators_must_tell_apart_have_reasons_of_their_own() -> None:
    """The alarm names the cause: key, permission, host, proxy, redirect."""
    assert [judged(status).reason for status in (302, 401, 403, 404, 407, 418)] == [
        "redirect",
        "unauthorized",
        "forbidden",
        "not_found",
        "proxy_authentication",
        "unexpected_status",
    ]


@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b'{"success": true}', b'{"ok":true}', b"{}", b"[]", b"[false]", b"false", b"null", b'"<"',
     b'{"success": null}', b'{"nested": {"ok": false}}', b"\xff\xfe", b"[" * 5000],
)  # fmt: skip
def test_a_2xx_counts_where_nothing_speaks_against_it(body: bytes) -> None:
    """Servers say yes in many ways; an answer that is no JSON is one of them."""
    assert judged(200, body) == Verdict(VerdictKind.DELIVERED, DeliveryReason.ACCEPTED, 200)


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"<!DOCTYPE html><p>Welcome to our Wi-Fi</p>", "text/plain", DeliveryReason.WEB_PAGE),
        (b"  \r\n\t<html>", "", DeliveryReason.WEB_PAGE),
        (b"\xef\xbb\xbf<html>", "", DeliveryReason.WEB_PAGE),
        (b"Welcome", "text/html; charset=utf-8", DeliveryReason.WEB_PAGE),
        (b"", "application/xhtml+xml", DeliveryReason.WEB_PAGE),
        (b'{"success": false}', "application/json", DeliveryReason.BODY_SAYS_NO),
        (b'{"ok":false,"error":"no such key"}', "text/plain", DeliveryReason.BODY_SAYS_NO),
        (b'\xef\xbb\xbf{"ok":false}', "", DeliveryReason.BODY_SAYS_NO),
        (b'{"success": true, "ok": false}', "", DeliveryReason.BODY_SAYS_NO),
        (b'{"success": fal', "application/json", DeliveryReason.BODY_BROKEN),
    ],
)
def test_a_2xx_that_is_no_acknowledgement_holds(
    body: bytes, content_type: str, reason: DeliveryReason
) -> None:
    """A captive portal and a server that refuses with a 200 must not make events vanish."""
    for status in (200, 202, 299):
        assert judged(status, body, Content_Type=content_type) == Verdict(VerdictKind.HOLD, reason, status)


def test_a_2xx_whose_body_was_not_read_to_the_end_holds() -> None:
    """The part that was not read could say no."""
    verdict = judge(200, {}, b'{"padding": "', NOW, cut=True)
    assert verdict == Verdict(VerdictKind.HOLD, DeliveryReason.BODY_TOO_LONG, 200)


def http_date(seconds_from_now: float) -> str:
    """As a header spells it."""
    return format_datetime(datetime.fromtimestamp(NOW + seconds_from_now, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("30", 30.0),
        ("1.5", 1.5),
        (" 30 ", 30.0),
        (http_date(120), 120.0),
        (http_date(120).replace("GMT", "-0000"), 120.0),
        ("86400", MAX_WAIT_S),
        ("9" * 400, None),  # a number that is infinite as a float is no number
        ("1e300", MAX_WAIT_S),
        (http_date(1e6), MAX_WAIT_S),
        ("0", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        (http_date(-120), None),
        ("Mon, 99 Foo 2024 99:99:99 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_WAIT_S),
        ("soon", None),
        ("", None),
        ("\ud800", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503, 401, 302])
def test_retry_after_is_obeyed_and_absurd_values_are_capped(
    status: int, text: str, wait_s: float | None
) -> None:
    """Seconds or an HTTP date, on every answer that retries or holds; nonsense is no wait."""
    assert judged(status, Retry_After=text).wait_s == wait_s


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("30", 30.0),
        (str(int(NOW) + 45), 45.0),
        (str((int(NOW) + 45) * 1000), 45.0),
        (str(int(NOW) - 45), None),
        (http_date(60), 60.0),
        (str(int(NOW) + 10**7), MAX_WAIT_S),
        ("tomorrow", None),
    ],
)
def test_x_ratelimit_reset_is_a_delta_or_a_date_and_counts_for_429_only(
    text: str, wait_s: float | None
) -> None:
    """There is no standard for it: small numbers are seconds from now, large ones unix seconds or milliseconds."""
    assert judged(429, X_RateLimit_Reset=text).wait_s == wait_s
    assert judged(503, X_RateLimit_Reset=text).wait_s is None


def test_retry_after_goes_before_x_ratelimit_reset() -> None:
    """The standard header is the more exact one."""
    assert judged(429, Retry_After="7", X_RateLimit_Reset="3000").wait_s == 7


@given(
    st.integers(0, 999),
    st.binary(max_size=200),
    st.text(max_size=40),
    st.text(max_size=40),
    st.text(max_size=20),
)
def test_judging_is_total_and_waits_are_bounded(
    status: int, body: bytes, after: str, reset: str, content_type: str
) -> None:
    """Whatever a server says, there is a verdict, and no wait beyond an hour."""
    verdict = judged(status, body, Retry_After=after, X_RateLimit_Reset=reset, Content_Type=content_type)
    assert verdict.wait_s is None or 0 < verdict.wait_s <= MAX_WAIT_S


def test_every_reason_stands_in_a_table() -> None:
    """A reason that an alarm can name is one that the docs explain."""
    shown = {row.reason for row in (*TABLE, *BODY_DOUBTS, *NO_ANSWER, *DECIDED_HERE)}
    assert shown == set(DeliveryReason)


def test_no_row_is_shadowed() -> None:
    """Each row is what some status gets."""
    assert {row_of(status) for status in range(1000)} == set(TABLE)
