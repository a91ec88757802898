"""What commands and the local page show of a state: values that the plan allows, and nothing of a pasted line stays."""

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from tests.hostile import plan_created
from tests.misbehaving import OK, Answer, MisbehavingServer, Request
from tests.page.conftest import Site, serving
from tests.process.test_canaries import WRITE_KEY
from tests.process.test_own_outputs import (
    allowed,
    canaries_in,
    in_names_of_kinds,
    program_on_canaries,
    temporary,
    told_by,
)
from tests.running import Program

PASTED = "pasted-8c1f0e-by-nobody-else"


@dataclass(frozen=True, slots=True)
class Read:
    """A program that has read lines with a canary in each field, and which of them may stand where."""

    program: Program
    may_leave: set[bytes]
    names: set[bytes]


def refuse_plans(request: Request) -> Answer:
    """Some events become dead letters: their messages wait in the state."""
    return Answer(status=400, accepts=False) if b'"plan_created"' in request.body else OK


@pytest.fixture(name="read", scope="module")
def _read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    folder = tmp_path_factory.mktemp("shown")
    with MisbehavingServer(refuse_plans) as server:
        program = program_on_canaries(folder, server.url)
        with program.start("--once") as process:
            process.wait()
        assert server.accepted
    names = in_names_of_kinds((folder / "app.log").read_bytes())
    return Read(program, allowed(program), names)


def of_sent(read: Read) -> set[bytes]:
    """Messages: what may leave."""
    return read.may_leave


def of_kinds(read: Read) -> set[bytes]:
    """Names of kinds of lines."""
    return read.names


def of_both(read: Read) -> set[bytes]:
    """Either."""
    return read.may_leave | read.names


def of_none(_: Read) -> set[bytes]:
    """No value of a line at all."""
    return set()


@pytest.mark.parametrize(
    ("command", "may_show", "shows"),
    [
        (["status"], of_kinds, True),
        (["status", "--json"], of_kinds, True),
        (["coverage", "app.log"], of_kinds, True),
        (["coverage", "app.log", "--json"], of_kinds, True),
        (["sent"], of_sent, True),
        (["sent", "--format", "jsonl"], of_sent, True),
        (["preview", "--format", "jsonl"], of_sent, True),
        (["dead-letters", "list"], of_none, False),
        (["dead-letters", "list", "--json"], of_none, False),
        (["funnel"], of_none, False),
        (["funnel", "--json"], of_none, False),
        (["plan"], of_none, False),
        (["resend", "--since", "1h", "--dry-run"], of_none, False),
        (["report", "--output", "-"], of_both, True),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_a_command_shows_only_what_the_plan_allows(
    read: Read, command: list[str], may_show: Callable[[Read], set[bytes]], *, shows: bool
) -> None:
    """Of all canaries in the lines; where messages are shown some are seen, so the search can find."""
    done = read.program.call(*command)
    shown = done.stdout + done.stderr
    assert done.stdout
    assert done.returncode in {0, 1}, shown
    assert canaries_in(shown) <= may_show(read)
    assert bool(canaries_in(shown)) is shows
    assert b"private.example" not in shown
    assert WRITE_KEY.encode() not in shown
    assert read.program.config["installation"].encode() not in shown


def test_a_dead_letter_shows_its_message_and_no_more(read: Read) -> None:
    """Each of them, as it would have been posted."""
    letters = read.program.call("dead-letters", "list", "--json").stdout.splitlines()
    assert letters
    shown = b"".join(
        read.program.call("dead-letters", "show", json.loads(letter)["id"]).stdout for letter in letters[:3]
    )
    assert b"plan_created" in shown
    assert canaries_in(shown) <= read.may_leave


# The page


@pytest.fixture(name="site", scope="module")
def _site(read: Read) -> Iterator[Site]:
    with serving(read.program) as site:
        yield site


def fetch(site: Site, path: str, body: bytes | None = None, **headers: str) -> bytes:
    """Head and body of an answer, whatever its status."""
    address = urlsplit(site.url)
    with closing(http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=20)) as connection:
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        return repr(answer.getheaders()).encode() + answer.read()


def form(line: str) -> bytes:
    """What a browser sends."""
    return urlencode({"line": line}).encode()


def folder_as_it_is(folder: Path) -> dict[str, str]:
    """Every file with what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")  # SQLite's readers mark their place there
    }


def test_the_page_shows_only_what_the_plan_allows(read: Read, site: Site) -> None:
    """Messages that were sent, and names of kinds in alarms; no e-mail address, no key."""
    page = urllib.request.urlopen(site.url, timeout=20).read()
    assert canaries_in(page) & read.may_leave
    assert canaries_in(page) <= read.may_leave | read.names
    assert b"private.example" not in page
    assert WRITE_KEY.encode() not in page


@pytest.mark.parametrize(
    "line",
    [
        plan_created(f'code: "{PASTED}", name: "{PASTED}@private.example"').decode(),
        f'{{"job":"SegmentTrackJob","arguments":"{PASTED}',
        f"{PASTED}\x1b[31m\ud800"[:-1],
        f'{{"controller":"{PASTED}","action":"create","method":"POST"}}\n' * 60,
    ],
    ids=["an event", "a broken one", "no record", "many of a new kind"],
)
def test_nothing_of_a_line_that_is_tried_stays(read: Read, site: Site, line: str) -> None:
    """It stands in the answer to it alone: in no file, no output of the server, no later page."""
    before = folder_as_it_is(read.program.folder)
    answer = fetch(site, "/try", form(line), **{"Content-Type": "application/x-www-form-urlencoded"})
    assert PASTED.encode() in answer
    assert PASTED.encode() not in fetch(site, "/")
    assert PASTED.encode() not in fetch(site, "/try")
    assert folder_as_it_is(read.program.folder) == before
    assert PASTED.encode() not in told_by(site.server) + temporary(read.program)


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (f"/{PASTED}", None, {}),
        (f"/{PASTED}", form(PASTED), {}),
        ("/try", form(PASTED), {"Origin": f"http://{PASTED}.example"}),
        ("/try", form(PASTED), {"Host": f"{PASTED}.example"}),
        ("/try", form(PASTED) + b"&a=1&b=2&c=3&d=4", {}),
        ("/try", form(PASTED), {"Content-Length": f"9{PASTED}"}),
        ("/", None, {"Cookie": PASTED, "X-Forwarded-For": PASTED}),
    ],
    ids=["a path", "a form elsewhere", "another site", "another host", "no form", "no length", "headers"],
)
def test_what_is_refused_is_repeated_nowhere(
    site: Site, path: str, body: bytes | None, headers: dict[str, str]
) -> None:
    """Neither in the answer nor in what the server prints."""
    answer = fetch(site, path, body, **headers)
    assert answer
    assert PASTED.encode() not in answer + told_by(site.server)
