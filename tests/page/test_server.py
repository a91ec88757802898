"""The local server: who may ask, what an answer may do, and that nothing of a paste stays."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlencode

import pytest

from extractor.page.render import policy
from extractor.page.server import MAX_AT_ONCE, MAX_FORM_BYTES, PageServer

Answer = tuple[int, dict[str, str], str]


@pytest.fixture(name="server")
def _server() -> Iterator[PageServer]:
    server = PageServer(0, lambda pasted: f"<p>{pasted}</p>")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ask(
    server: PageServer, method: str = "GET", path: str = "/", body: str | None = None, **headers: str
) -> Answer:
    """One request with these headers; `Host` is ours unless given."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        named = {"Host": f"127.0.0.1:{server.port}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return (
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read().decode(),
        )


def paste(server: PageServer, line: str, **headers: str) -> Answer:
    """Send the form."""
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    return ask(server, "POST", "/try", urlencode({"line": line}), **kind, **headers)


def test_only_this_machine_is_listened_to(server: PageServer) -> None:
    """Nobody on the network reaches it."""
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9465", "127.0.0.1.evil.example", "0.0.0.0", "[", ""]
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_a_name_that_was_rebound_to_us_gets_nothing(server: PageServer, host: str, method: str) -> None:
    """A site whose name leads to 127.0.0.1 is same-origin to the browser: only `Host` gives it away."""
    status, _, text = ask(server, method, "/", Host=host)
    assert status == 403
    assert "<p>" not in text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1234", "LOCALHOST", "[::1]:80"])
def test_this_machine_may_be_called_by_its_names_on_any_port(server: PageServer, host: str) -> None:
    """A tunnel has a port of its own."""
    assert ask(server, Host=host)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(server: PageServer, headers: dict[str, str]) -> None:
    """Another site can make a browser send us its form; it is not answered with a page."""
    assert paste(server, "x", **headers)[0] == 403


def test_no_answer_lets_anything_run_load_or_be_read_elsewhere(server: PageServer) -> None:
    """Pages, errors and refusals alike carry the policy; none carries a header of CORS."""
    for status, headers, _ in (
        ask(server), ask(server, path="/nothing"), ask(server, Host="evil.example"), paste(server, "x"),
        ask(server, "DELETE"), ask(server, "OPTIONS", Origin="http://evil.example"),
    ):  # fmt: skip
        assert headers["content-security-policy"] == policy(served=True), status
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in headers if name.startswith("access-control")]
    assert "default-src 'none'" in policy(served=True)
    assert "script-src" not in policy(served=True)
    assert "unsafe" not in policy(served=True) + policy(served=False)


def test_a_pasted_line_reaches_the_rules_as_it_is(server: PageServer) -> None:
    """Nothing of it is changed on the way."""
    line = '{"a":"ü & <b> + %41 \u2028"}'
    status, _, text = paste(
        server, line, Origin=f"http://127.0.0.1:{server.port}", Sec_Fetch_Site="same-origin"
    )
    assert (status, text) == (200, f"<p>{line}</p>")


def test_no_more_is_read_than_a_line_can_have(server: PageServer) -> None:
    """A length that is missing, no number or too large is refused before anything is read."""
    too_long = ask(server, "POST", "/try", "line=x", Content_Length=str(MAX_FORM_BYTES + 1))
    assert too_long[0] == 413
    assert ask(server, "POST", "/try", "line=x", Content_Length="9" * 5000)[0] == 413
    assert ask(server, "POST", "/try", "line=x", Content_Length="-1")[0] == 411
    assert ask(server, "POST", "/try", "&".join(["line=x"] * 9))[0] == 400


def test_there_is_one_page(server: PageServer) -> None:
    """Other paths and methods lead nowhere, and say nothing of what was asked."""
    assert ask(server, path="/<script>")[0] == 404
    assert ask(server, path="/try")[1]["location"] == "/#try"
    assert ask(server, path="/favicon.ico")[0] == 204
    assert ask(server, "PUT", "/")[0] == 501
    assert ask(server, "HEAD")[2] == ""
    assert "script" not in ask(server, "PUT", "/<script>")[2]


def test_a_crowd_is_hung_up_on(server: PageServer) -> None:
    """Connections that say nothing take a bounded number of threads."""
    idle = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=20) for _ in range(MAX_AT_ONCE + 4)]
    for connection in idle:
        connection.connect()
    for connection in idle[MAX_AT_ONCE:]:
        assert connection.sock.recv(1) == b""  # hung up on
    for connection in idle:
        connection.close()
    status = 0
    while not status:  # room again as soon as they are gone
        with suppress(ConnectionError, http.client.RemoteDisconnected):
            status = ask(server)[0]
    assert status == 200
