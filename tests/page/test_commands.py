"""`funnel`, `report` and `serve` as commands."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from extractor.cli.serve import complain
from extractor.page.server import PageServer
from tests.commands import CONFIG, LOGS, Shell


@pytest.fixture(name="shell")
def _shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Shell:
    """A folder with a config and the sample logs, which were read."""
    monkeypatch.chdir(tmp_path)
    made = Shell(tmp_path, capfdbinary)
    for name in ("api.log", "worker.log", "clock.log"):
        made.write(name, (LOGS / name).read_bytes())
    made.write("extractor.yaml", CONFIG + "metrics: 'off'\n")
    return made


@pytest.fixture(name="read")
def _read(shell: Shell) -> Shell:
    assert shell("run", "--once").code == 0
    return shell


def test_the_funnel_in_the_terminal(read: Shell) -> None:
    """One organization of the sample, with what is only read then apart."""
    said = read("funnel")
    assert said.code == 0
    assert "lago: 1 organizations" in said.out
    assert "First payment" in said.out
    assert "read then: the line has no time" in said.out


def test_the_funnel_for_a_program(read: Shell) -> None:
    """The same numbers, by name."""
    (funnel,) = json.loads(read("funnel", "--json").out)["funnels"]
    assert funnel["organizations"] == 1
    assert [step["organizations"] for step in funnel["steps"]] == [1] * 6
    assert funnel["steps"][0]["event"] == "organization_registered"
    assert funnel["steps"][2]["read_then"] == 1
    assert funnel["steps"][2]["since_previous"] == {"median_s": None, "organizations": 0}


def test_a_forgotten_organization_is_out_of_the_funnel(read: Shell) -> None:
    """Its steps go with its messages, and say so."""
    said = read("forget", "--organization", "0eb22b12-d903-4cfa-b55f-77e5847bf330")
    steps = next(line for line in said.out.splitlines() if line.endswith("steps of the funnel"))
    assert int(steps.split()[0]) > 6
    assert json.loads(read("funnel", "--json").out)["funnels"][0]["organizations"] == 0


@pytest.mark.parametrize("command", [["funnel"], ["report", "--output", "a.html"]])
def test_without_a_state_there_is_nothing_to_tell(shell: Shell, command: list[str]) -> None:
    """The reason, and no empty file."""
    said = shell(*command)
    assert said.code == 1
    assert "nothing has run with this state_dir yet" in said.err
    assert not Path("a.html").exists()


def test_a_report_is_never_written_into_what_somebody_left_there(read: Shell) -> None:
    """In a folder that others write to, a file that they can read, or a link to one of ours, is replaced."""
    theirs, ours = read.write("a.html.part", ""), read.write("precious", "ours")
    theirs.chmod(0o666)
    kept = theirs.open("rb")
    assert read("report", "--output", "a.html").code == 0
    with kept:
        assert kept.read() == b""
    assert Path("a.html").stat().st_mode & 0o777 == 0o600
    Path("b.html.part").symlink_to(ours)
    assert read("report", "--output", "b.html").code == 0
    assert ours.read_text(encoding="utf-8") == "ours"


def test_a_report_is_whole_or_not_there(read: Shell) -> None:
    """It can be piped; where it cannot be written, that is said and nothing is left behind."""
    piped = read("report", "--output", "-")
    assert piped.out.startswith("<!doctype html>")
    assert piped.out.rstrip().endswith("</html>")
    said = read("report", "--output", "missing/a.html")
    assert said.code == 1
    assert "missing/a.html: No such file or directory" in said.err


def test_the_commands_on_the_page_of_the_docs_work(read: Shell) -> None:
    """As they stand there; `serve` is served in the tests of the browser."""
    page = (Path(__file__).parents[2] / "docs" / "page.md").read_text(encoding="utf-8")
    commands = re.findall(r"^extractor (.+)$", page, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        if not command.startswith("serve"):
            assert read(*command.split()).code == 0, command
    assert Path("activation.html").stat().st_mode & 0o077 == 0


@contextmanager
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


def test_a_port_that_is_taken_is_named(shell: Shell) -> None:
    """Another program's port is no page of ours."""
    with taken_port() as port:
        said = shell("serve", "--port", str(port))
    assert said.code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in said.err


def test_a_render_that_fails_ends_one_answer_only(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake of ours costs who asked an answer, and nobody else the page; it is named without its text."""
    answers = iter([None, "fine"])

    def render(_pasted: str | None) -> str:
        if (answer := next(answers)) is None:
            message = "a line"
            raise ValueError(message)
        return answer

    server = PageServer(0, render, complain)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    said = []
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as asking:
            asking.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            said.append(asking.makefile("rb").read())
    server.shutdown()
    server.server_close()
    assert said[0] == b""
    assert said[1].endswith(b"fine")
    assert capsys.readouterr().err == "extractor: the page could not be made: ValueError\n"
