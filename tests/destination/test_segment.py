import base64
import gzip
import inspect
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from segment.analytics import request as library
from segment.analytics.consumer import MAX_MSG_SIZE, FatalError
from segment.analytics.version import VERSION

from extractor.config.secret import Secret
from extractor.destination.segment import MAX_BATCH_BYTES, MAX_EVENT_BYTES, SegmentDestination
from extractor.destination.verdict import DeliveryReason, Refusal, Verdict, VerdictKind
from tests.certificates import server_context
from tests.misbehaving import OK, Answer, Cut, MisbehavingServer, Request, in_turn

KEY = "w-canary-key"
MESSAGES = [b'{"messageId":"a","event":"plan_created"}', '{"messageId":"b","name":"Café \\u0000"}'.encode()]
ACCEPTED = Verdict(VerdictKind.DELIVERED, DeliveryReason.ACCEPTED, 200)

Connect = Callable[..., SegmentDestination]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes destinations, and closes them after the test."""
    made: list[SegmentDestination] = []

    def build(host: str, **options: Any) -> SegmentDestination:
        made.append(SegmentDestination(host, Secret(KEY), **{"timeout_s": 5.0, **options}))
        return made[-1]

    yield build
    for destination in made:
        destination.close()


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    """A server that accepts everything, until a test says otherwise."""
    with MisbehavingServer() as running:
        yield running


def answered(answer: Answer, connect: Connect, **options: Any) -> Verdict:
    """The verdict on one answer."""
    with MisbehavingServer(lambda _: answer) as server:
        destination = connect(server.url, **options)
        verdict = destination.send(MESSAGES)
        destination.close()
        return verdict


# The library's contract


def test_the_librarys_post_has_the_signature_that_this_was_written_for() -> None:
    """A new version of the library that changes its request must be looked at, not met by surprise."""
    assert str(inspect.signature(library.post)) == (
        "(write_key, host=None, gzip=False, timeout=15, proxies=None, oauth_manager=None, retry_count=0, **kwargs)"
    )
    assert VERSION.split(".")[0] == "2"
    assert MAX_MSG_SIZE == MAX_EVENT_BYTES


@pytest.mark.parametrize("compress", [False, True])
def test_our_request_is_the_librarys_request(
    server: MisbehavingServer, connect: Connect, *, compress: bool
) -> None:
    """Method, path, headers and body are those of `post()`, but for the time and the spelling of the JSON."""
    batch = [json.loads(message) for message in MESSAGES]
    with library._session:
        library.post(KEY, host=server.url, gzip=compress, batch=batch)
    connect(server.url, compress=compress).send(MESSAGES)
    theirs, ours = server.requests
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    assert without(ours.headers, "content-length") == without(theirs.headers, "content-length")
    assert without(ours.json, "sentAt") == without(theirs.json, "sentAt")
    assert [type(request.json["sentAt"]) for request in (ours, theirs)] == [str, str]


def without(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    """A copy that lacks one key, which must have been there."""
    return {k: v for k, v in mapping.items() if k != key} if key in mapping else pytest.fail(key)


def test_stored_messages_are_sent_byte_for_byte(server: MisbehavingServer, connect: Connect) -> None:
    """What `sent` shows later is what left, to the byte."""
    connect(server.url, now=lambda: 1_700_000_000.25).send(MESSAGES)
    assert server.requests[0].body == (
        b'{"batch":[' + b",".join(MESSAGES) + b'],"sentAt":"2023-11-14T22:13:20.250000+00:00",'
        b'"writeKey":"' + KEY.encode() + b'"}'
    )


def test_gzip_carries_the_same_body(server: MisbehavingServer, connect: Connect) -> None:
    """Compressed or not, the server reads the same."""
    for compress in (False, True):
        connect(server.url, compress=compress, now=lambda: 1_700_000_000.0).send(MESSAGES)
    plain, packed = server.requests
    assert gzip.decompress(packed.body) == plain.body


def test_a_full_batch_stays_within_the_limit_with_all_that_is_put_around_it(
    server: MisbehavingServer, connect: Connect
) -> None:
    """`limits.max_batch_bytes` counts messages and commas; with the envelope no request passes 500 KB."""
    destination = connect(server.url)
    limit = destination.limits.max_batch_bytes
    frame = b'{"messageId":"%b"}'
    message = frame % (b"1" * (9_999 - len(frame) + 2))
    messages = [message] * (limit // 10_000)
    messages.append(frame % (b"1" * (limit - 10_000 * len(messages) - 1 - len(frame) + 2)))
    assert sum(len(m) + 1 for m in messages) == limit
    destination.send(messages)
    assert len(server.requests[0].body) <= MAX_BATCH_BYTES
    assert len(server.requests[0].body) >= MAX_BATCH_BYTES - 1


def test_configured_limits_can_be_smaller_than_segments_but_not_larger(connect: Connect) -> None:
    """Whatever the config says, no request passes what Segment takes."""
    usual = connect("https://segment.example").limits
    smaller = connect("https://segment.example", max_batch_events=10, max_batch_bytes=100_000).limits
    assert smaller.max_batch_events == 10
    assert usual.max_batch_bytes - smaller.max_batch_bytes == 400_000
    assert connect("https://segment.example", max_batch_events=10**6, max_batch_bytes=10**9).limits == usual
    assert (usual.max_batch_events, usual.max_event_bytes) == (2_500, 32_768)


# Answers


@pytest.mark.parametrize("cut", [Cut.UNREAD, Cut.UNANSWERED, Cut.IN_HEAD, Cut.IN_BODY])
def test_a_reset_before_the_end_of_the_answer_is_retried(connect: Connect, cut: Cut) -> None:
    """A 2xx whose connection dies is no acknowledgement either: half an answer says nothing."""
    verdict = answered(Answer(cut=cut), connect)
    assert (verdict.kind, verdict.reason) == (VerdictKind.RETRY, DeliveryReason.NETWORK)


def test_a_reset_after_the_whole_answer_changes_nothing(connect: Connect) -> None:
    """The answer was complete."""
    assert answered(Answer(cut=Cut.AFTER), connect) == ACCEPTED


def test_a_status_stands_for_itself_when_its_body_breaks_off(connect: Connect) -> None:
    """401 and half an explanation is still 401."""
    verdict = answered(Answer(status=401, body=b"x" * 100, cut=Cut.IN_BODY), connect)
    assert (verdict.kind, verdict.status) == (VerdictKind.HOLD, 401)


@pytest.mark.parametrize("status", [200, 503])
def test_a_slow_drip_ends_with_the_timeout_however_steadily_it_drips(connect: Connect, status: int) -> None:
    """The timeout counts for the whole answer: each byte in time does not make an answer in time."""
    verdict = answered(Answer(status=status, body=b" " * 10_000, drip_s=0.02), connect, timeout_s=0.4)
    assert (verdict.kind, verdict.reason) == (VerdictKind.RETRY, DeliveryReason.TIMEOUT)


def test_a_drip_in_the_body_of_a_2xx_is_retried(connect: Connect) -> None:
    """The head came in time, the body never ends."""

    def endless(_: Request) -> Answer:
        return Answer(headers={"Content-Length": "1000000"})

    with MisbehavingServer(endless) as server:
        destination = connect(server.url, timeout_s=0.3)
        verdict = destination.send(MESSAGES)
        destination.close()
    assert verdict == Verdict(VerdictKind.RETRY, DeliveryReason.TIMEOUT)


def test_a_deadline_shortens_the_wait_for_an_answer(connect: Connect) -> None:
    """On shutdown no request outlasts what is left."""
    release = threading.Event()

    def late(_: Request) -> Answer:
        release.wait(30)
        return OK

    with MisbehavingServer(late) as server:
        verdict = connect(server.url, timeout_s=60.0).send(MESSAGES, within_s=0.2)
        release.set()
    assert verdict == Verdict(VerdictKind.RETRY, DeliveryReason.TIMEOUT)


def test_an_answer_without_end_is_read_to_a_limit(connect: Connect) -> None:
    """A body of megabytes is no acknowledgement, and is not kept in memory."""
    verdict = answered(Answer(body=b'{"padding": "' + b"x" * 3_000_000), connect)
    assert verdict == Verdict(VerdictKind.HOLD, DeliveryReason.BODY_TOO_LONG, 200)


@pytest.mark.parametrize(
    "head",
    [b"garbage\r\n\r\n", b"HTTP/1.1 banana OK\r\n\r\n",
     b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc", b"\x00" * 5, b"",
     b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
     b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"],
)  # fmt: skip
def test_what_is_not_http_is_retried(connect: Connect, head: bytes) -> None:
    """Whatever speaks there, it did not acknowledge."""

    class Raw(MisbehavingServer):
        def _answer(self, connection: Any, answer: Answer) -> bool:
            connection.sendall(head)
            return False

    with Raw() as server:
        destination = connect(server.url)
        verdict = destination.send(MESSAGES)
        destination.close()
    assert (verdict.kind, verdict.reason) == (VerdictKind.RETRY, DeliveryReason.NETWORK)


def test_nobody_listening_is_retried(connect: Connect) -> None:
    """A refused connection is the network's business."""
    with MisbehavingServer() as server:
        url = server.url
    assert connect(url).send(MESSAGES) == Verdict(VerdictKind.RETRY, DeliveryReason.NETWORK)


@pytest.mark.parametrize("host", ["http://", "htp://127.0.0.1", "http://[bad", "127.0.0.1", "http://a b/"])
def test_a_host_that_is_none_holds(connect: Connect, host: str) -> None:
    """No amount of retrying mends a host name; the alarm says what to look at."""
    verdict = connect(host).send(MESSAGES)
    assert (verdict.kind, verdict.reason) == (VerdictKind.HOLD, DeliveryReason.MISCONFIGURED)


# Nothing goes elsewhere


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["{elsewhere}/v1/batch", "/v1/batch", "//[", "http://\udcff", ""])
def test_no_redirect_is_followed(connect: Connect, status: int, location: str) -> None:
    """A 307 would carry the payload and the key to a place that the config does not name."""
    with MisbehavingServer() as elsewhere:
        target = location.format(elsewhere=elsewhere.url)
        answer = Answer(
            status=status, headers={"Location": target.encode("utf-8", "surrogateescape").decode("latin-1")}
        )
        with MisbehavingServer(lambda _: answer) as server:
            verdict = connect(server.url).send(MESSAGES)
            assert verdict == Verdict(VerdictKind.HOLD, DeliveryReason.REDIRECT, status)
            assert len(server.requests) == 1
        assert elsewhere.connections == 0


def test_netrc_never_replaces_the_write_key(
    server: MisbehavingServer, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~/.netrc` names the host, and `requests` would use it; the proof is that it does."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login thief password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with requests.post(server.url, data=b'{"batch":[]}', timeout=5):
        pass
    connect(server.url).send(MESSAGES)
    from_netrc, ours = (
        base64.b64decode(r.headers["authorization"].split()[1]).decode() for r in server.requests
    )
    assert from_netrc == "thief:stolen"
    assert ours == f"{KEY}:"


def test_a_proxy_of_the_environment_is_used(
    server: MisbehavingServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies keep working, and `NO_PROXY` too."""
    monkeypatch.setenv("HTTP_PROXY", server.url)
    assert connect("http://segment.invalid").send(MESSAGES) == ACCEPTED
    assert server.requests[0].path == "http://segment.invalid/v1/batch"
    monkeypatch.setenv("NO_PROXY", "segment.invalid")
    assert connect("http://segment.invalid").send(MESSAGES).kind is VerdictKind.RETRY
    assert len(server.requests) == 1


def test_a_proxy_that_refuses_or_is_away_loses_nothing(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """407 to a plain request holds; a tunnel that does not stand is retried."""
    with MisbehavingServer(lambda _: Answer(status=407, body=b"", accepts=False)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert connect("http://segment.invalid").send(MESSAGES) == Verdict(
            VerdictKind.HOLD, DeliveryReason.PROXY_AUTHENTICATION, 407
        )
        verdict = connect("https://segment.invalid").send(MESSAGES)
    assert verdict == Verdict(VerdictKind.RETRY, DeliveryReason.PROXY)


def test_cookies_are_not_kept(connect: Connect) -> None:
    """What a server sets must not come back to it: nothing leaves but the batch."""
    answer = Answer(headers={"Set-Cookie": "tracker=1; Path=/"})
    with MisbehavingServer(lambda _: answer) as server:
        destination = connect(server.url)
        for _ in range(2):
            destination.send(MESSAGES)
        assert all("cookie" not in request.headers for request in server.requests)
        destination.close()


def test_one_connection_serves_many_requests(server: MisbehavingServer, connect: Connect) -> None:
    """Answers are read to the end, also those of refusals, so that no request pays for a new handshake."""
    server.script = in_turn([Answer(status=400, body=b"no" * 1000), Answer(status=503)])
    destination = connect(server.url)
    for _ in range(5):
        destination.send(MESSAGES)
    assert (len(server.requests), server.connections) == (5, 1)


# TLS


def test_a_certificate_for_another_name_is_refused_before_anything_is_sent(
    connect: Connect, tmp_path: Path
) -> None:
    """TLS with a wrong name: retried, since certificates are mended, and not one byte was shown."""
    context, bundle = server_context(tmp_path, "segment.example")
    with MisbehavingServer(tls=context) as server:
        assert connect(server.url, ca_bundle=bundle).send(MESSAGES) == Verdict(
            VerdictKind.RETRY, DeliveryReason.TLS
        )
        assert server.requests == []


def test_an_unknown_authority_is_refused_and_a_configured_one_is_trusted(
    connect: Connect, tmp_path: Path
) -> None:
    """`ca_bundle` is what makes a private certificate good."""
    context, bundle = server_context(tmp_path, "127.0.0.1")
    with MisbehavingServer(tls=context) as server:
        assert connect(server.url).send(MESSAGES) == Verdict(VerdictKind.RETRY, DeliveryReason.TLS)
        destination = connect(server.url, ca_bundle=bundle)
        assert destination.send(MESSAGES) == ACCEPTED
        assert server.accepted == ["a", "b"]
        destination.close()


def test_the_environments_bundle_works_and_the_configured_one_goes_before_it(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`REQUESTS_CA_BUNDLE` is honoured, but never silently replaces what the config says."""
    context, bundle = server_context(tmp_path, "127.0.0.1")
    with MisbehavingServer(tls=context) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        assert connect(server.url).send(MESSAGES) == ACCEPTED
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
        assert connect(server.url, ca_bundle=bundle).send(MESSAGES) == ACCEPTED


def test_a_bundle_that_is_not_there_holds(connect: Connect, tmp_path: Path) -> None:
    """It is a file of ours that is missing: an alarm, not a retry in the dark."""
    verdict = connect("https://127.0.0.1:1", ca_bundle=str(tmp_path / "missing.pem")).send(MESSAGES)
    assert verdict == Verdict(VerdictKind.HOLD, DeliveryReason.MISCONFIGURED)


def test_a_server_without_tls_is_retried(server: MisbehavingServer, connect: Connect) -> None:
    """Plain HTTP where TLS was promised: nothing is sent in the clear."""
    verdict = connect(server.url.replace("http:", "https:")).send(MESSAGES)
    assert verdict.kind is VerdictKind.RETRY
    assert server.requests == []


# OAuth


class Tokens:
    """Stands for the library's `OauthManager`."""

    def __init__(self, *results: str | Exception) -> None:
        self.results = list(results)
        self.cleared = 0

    def get_token(self) -> str:
        """The next token, or failure."""
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    def clear_token(self) -> None:
        """Counts."""
        self.cleared += 1


@pytest.mark.parametrize("status", [400, 401])
def test_a_refused_token_holds_and_blames_no_event(
    server: MisbehavingServer, connect: Connect, status: int
) -> None:
    """An `APIError` without a response is about the token, though its status looks like a bad batch."""
    tokens = Tokens(library.APIError(status, "invalid_client", "no"))
    verdict = connect(server.url, oauth=tokens).send(MESSAGES)
    assert verdict == Verdict(VerdictKind.HOLD, DeliveryReason.AUTHENTICATION)
    assert server.requests == []


def test_an_authorization_server_that_is_away_is_retried(server: MisbehavingServer, connect: Connect) -> None:
    """The library says `FatalError`; it is the network all the same."""
    verdict = connect(server.url, oauth=Tokens(FatalError("unreachable"))).send(MESSAGES)
    assert verdict == Verdict(VerdictKind.RETRY, DeliveryReason.NETWORK)


def test_a_bearer_token_is_sent_and_forgotten_when_it_is_refused(
    server: MisbehavingServer, connect: Connect
) -> None:
    """As the library does it."""
    server.script = in_turn([Answer(status=401)])
    tokens = Tokens("first", "second")
    destination = connect(server.url, oauth=tokens)
    assert destination.send(MESSAGES).kind is VerdictKind.HOLD
    assert tokens.cleared == 1
    assert destination.send(MESSAGES) == ACCEPTED
    assert [request.headers["authorization"] for request in server.requests] == [
        "Bearer first",
        "Bearer second",
    ]


# The gate


@pytest.mark.parametrize("compress", [False, True])
def test_the_gate_sees_the_body_of_the_request_and_what_it_refuses_does_not_leave(
    server: MisbehavingServer, connect: Connect, *, compress: bool
) -> None:
    """The second gate looks at the bytes themselves and fails closed."""
    seen: list[bytes] = []

    def gate(body: bytes) -> list[Refusal]:
        seen.append(body)
        return [Refusal(1, "unknown_key")]

    verdict = connect(server.url, gate=gate, compress=compress).send(MESSAGES)
    assert verdict == Verdict(VerdictKind.DEAD, DeliveryReason.GATE, refusals=(Refusal(1, "unknown_key"),))
    assert json.loads(seen[0])["batch"] == [json.loads(message) for message in MESSAGES]
    assert server.connections == 0


def test_a_gate_that_cannot_tell_which_event_holds_everything(
    server: MisbehavingServer, connect: Connect
) -> None:
    """Failing closed does not mean throwing away."""
    destination = connect(server.url, gate=lambda _: [Refusal(None, "not_json")])
    assert destination.send(MESSAGES) == Verdict(VerdictKind.HOLD, DeliveryReason.GATE)
    assert server.connections == 0


def test_a_content_gate_lets_the_batch_pass(server: MisbehavingServer, connect: Connect) -> None:
    """An empty list of refusals is a yes."""
    assert connect(server.url, gate=lambda _: []).send(MESSAGES) == ACCEPTED


# Opt-out in mid-request


def test_abort_ends_a_request_that_waits_for_its_answer(connect: Connect) -> None:
    """Another thread cuts the connection; the waiting one sees a lost one, at once and not after its timeout."""
    arrived, verdicts = threading.Event(), []

    def never(_: Request) -> Answer:
        arrived.set()
        return Answer(headers={"Content-Length": "1000"})

    with MisbehavingServer(never) as server:
        destination = connect(server.url, timeout_s=600.0)
        sending = threading.Thread(target=lambda: verdicts.append(destination.send(MESSAGES)))
        sending.start()
        assert arrived.wait(10)
        while sending.is_alive():  # the answer's head may still be on its way into the other thread's hands
            destination.abort()
            sending.join(0.05)
    assert [verdict.kind for verdict in verdicts] == [VerdictKind.RETRY]


def test_abort_between_two_requests_harms_neither(server: MisbehavingServer, connect: Connect) -> None:
    """A connection that was cut while nobody used it is replaced."""
    destination = connect(server.url)
    assert destination.send(MESSAGES) == ACCEPTED
    destination.abort()
    assert destination.send(MESSAGES) == ACCEPTED
    assert server.connections == 2


def test_nothing_is_sent_over_a_connection_that_stands_after_the_opt_out(
    server: MisbehavingServer, connect: Connect
) -> None:
    """The permission is asked once more when the connection stands, however long that took."""
    verdict = connect(server.url, allowed=lambda: False).send(MESSAGES)
    assert verdict == Verdict(VerdictKind.RETRY, DeliveryReason.NETWORK)
    assert server.requests == []


# Own outputs


@pytest.mark.parametrize("answer", [OK, Answer(status=400, body=b'{"code": "x", "message": "canary-answer"}'),
                                    Answer(status=302), Answer(headers={"Bad Header": "canary-answer"}),
                                    Answer(cut=Cut.IN_HEAD)])  # fmt: skip
def test_no_log_shows_a_body_a_key_or_an_answer(
    connect: Connect, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything at DEBUG, the libraries' loggers included: nothing at all is logged here."""
    caplog.set_level(logging.DEBUG)
    answered(answer, connect)
    assert caplog.records == []


def test_the_key_shows_in_no_repr(connect: Connect) -> None:
    """Neither of the key, nor of what holds it."""
    destination = connect("https://user:pass@segment.example/path")
    assert KEY not in f"{Secret(KEY)!r} {Secret(KEY)} {destination!r} {vars(destination)!r}"
    assert destination.name == "segment:segment.example/path"


def test_a_verdict_holds_nothing_of_the_answer(connect: Connect) -> None:
    """Only bounded words: whatever the server wrote stays out of logs and dead letters."""
    verdict = answered(Answer(status=400, body=b"canary-answer", headers={"X": "canary-answer"}), connect)
    assert "canary" not in repr(verdict)
