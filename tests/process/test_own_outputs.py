"""A unique private value in every field of every kind of line: where each of them turns up, and who is connected to."""

import json
import re
import signal
import sqlite3
import subprocess
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from extractor.decode.record import decode_json
from extractor.telemetry import Reason
from tests.fuzz.targets import rules, sample_lines
from tests.misbehaving import OK, MisbehavingServer, in_turn
from tests.process.test_canaries import FAILURES, WRITE_KEY, Echoing
from tests.running import Program, Running, config_for, free_port, metric_line, wait_until

CANARY = re.compile(rb"canary[a-p]{6}zq|77317731[0-9]{7}")
LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
BROKEN_PACK = "pack: broken\nversion: 1\nrules: [{id: nothing, event: x, when: {start_with: a}}]\n"

AUDIT = """\
import os, sys
log = os.open(os.environ["AUDITED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def hook(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "socket.getaddrinfo",
                 "socket.gethostbyname", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork"):
        about = [one for one in arguments if isinstance(one, (str, tuple, int, bytes))]
        os.write(log, (event + " " + repr(about) + "\\n").encode())
sys.addaudithook(hook)
"""
CALLS_HOME = (
    AUDIT
    + """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
"""
)
LEAKS = """\
import sys
from extractor.evaluation import local
evaluate = local.evaluate
def leaking(line, *args, **options):
    sys.stderr.write(repr(line.text) + "\\n")
    return evaluate(line, *args, **options)
local.evaluate = leaking
"""


# ---- lines with a canary in each field ----


def word(number: int) -> str:
    """A canary of letters alone: what looks like a name is let through where digits are not."""
    return f"canary{number:06x}zq".replace(f"{number:06x}", f"{number:06x}".translate(LETTERS))


def spoilt(value: Any, numbers: Iterator[int]) -> Iterator[Any]:
    """The value again and again, each time with one leaf replaced: by a word, and by an e-mail address."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from ({**value, key: other} for other in spoilt(inner, numbers))
        case list():
            for index, inner in enumerate(value):
                yield from ([*value[:index], other, *value[index + 1 :]] for other in spoilt(inner, numbers))
        case str():
            yield word(next(numbers))
            yield f"{word(next(numbers))}@private.example"
            for literal in re.finditer(r'"[^"\\]*"|gid://[^>]*|(?<=[ :])[0-9]+(?=[,}])', value):
                name = word(next(numbers))
                quoted = {'"': f'"{name}"', "g": f"gid://lago/{name}/{name}"}.get(
                    literal[0][0], f"77317731{next(numbers):07d}"
                )
                yield value[: literal.start()] + quoted + value[literal.end() :]
        case bool() | None:
            yield word(next(numbers))
        case int() | float():
            yield int(f"77317731{next(numbers):07d}")
            yield word(next(numbers))
        case _:
            raise TypeError(type(value))


def lines_of_canaries() -> bytes:
    """Every kind of line in the samples, spoilt in every field; and lines that are no records at all."""
    numbers = count()
    made: list[bytes] = []
    for line in sample_lines():
        if not line.startswith(b"{"):
            made.append(line[:40] + b" " + word(next(numbers)).encode())
            continue
        record = orjson.loads(line)
        for number, other in enumerate(spoilt(record, numbers)):
            if "job_id" in record and other.get("job_id") == record["job_id"]:
                # A job of its own, else all of these were one fact.
                other["job_id"] = f"{len(made):08x}-{number:04x}-42e0-b44e-6b7df3aa28ac"
            made.append(orjson.dumps(other))
        made += [orjson.dumps({**record, word(next(numbers)): 1})]
        made += [orjson.dumps({**record, "x": word(next(numbers))})[:-3]]
    return b"\n".join(made) + b"\n"


def canaries_in(*outputs: bytes) -> set[bytes]:
    """All that turn up."""
    return {found for output in outputs for found in CANARY.findall(output)}


def in_names_of_kinds(lines: bytes) -> set[bytes]:
    """Those in fields that tell kinds of lines apart, which a pack declares to be words of the app's own code."""
    paths = {path for form in rules().kinds.forms for path in form.paths}
    found: set[bytes] = set()
    for line in lines.splitlines():
        record = decode_json(line)
        if not isinstance(record, Reason):
            found |= canaries_in(*(str(path.find(record)).encode() for path in paths))
    return found


def program_on_canaries(folder: Path, url: str, **more: Any) -> Program:
    """A program that reads them."""
    (folder / "app.log").write_bytes(lines_of_canaries())
    (folder / "tmp").mkdir()
    config = config_for(url, "app.log", **more)
    config["destination"]["segment"] |= {"max_batch_events": 50, "gzip": False}
    return Program(folder, config, {"TMPDIR": str(folder / "tmp")})


def temporary(program: Program) -> bytes:
    """Whatever lies in the folder for temporary files."""
    return b"".join(path.read_bytes() for path in (program.folder / "tmp").rglob("*") if path.is_file())


def allowed(program: Program) -> set[bytes]:
    """Canaries in what a preview shows, each in a property that the published schema accepts with that value."""
    schema = json.loads(program.call("plan", "--format", "json-schema").stdout)
    validator = jsonschema.Draft7Validator(schema)
    found: set[bytes] = set()
    for message in program.preview():
        assert validator.is_valid(message)
        properties = message.pop("properties")
        assert canaries_in(orjson.dumps(message)) == set()
        found |= canaries_in(orjson.dumps(properties))
        assert b"private.example" not in orjson.dumps(properties)
    return found


def told_by(process: Running) -> bytes:
    """Both of its outputs."""
    return bytes(process.out) + bytes(process.err)


def test_each_field_s_canary_stays_unless_the_plan_names_it(tmp_path: Path) -> None:
    """Failing answers, a broken pack at SIGHUP, kill -9, a damaged state, every command: only what the plan allows."""
    port = free_port()
    script = Echoing(FAILURES)
    with MisbehavingServer(script) as server:
        program = program_on_canaries(tmp_path, server.url, metrics=f"127.0.0.1:{port}")
        planned = canaries_in((tmp_path / "app.log").read_bytes())
        may_leave = allowed(program)
        may_stay = may_leave | in_names_of_kinds((tmp_path / "app.log").read_bytes())
        assert len(planned) > 2000
        assert 20 < len(may_leave) < len(planned) / 10
        outputs: list[bytes] = []

        with program.start("--verbose") as first:
            wait_until(lambda: not script.left, "all failures")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                outputs.append(page.read())
            outputs.append(Path(f"/proc/{first.process.pid}/cmdline").read_bytes())
            (tmp_path / "broken.yaml").write_text(BROKEN_PACK, encoding="utf-8")
            program.write_config(rules=["lago", "broken.yaml"])
            first.send(signal.SIGHUP)
            first.wait_for("reload_refused")
            outputs.append(program.call("check").stderr)
            first.send(signal.SIGKILL)
            first.wait()
        program.write_config(rules=["lago"])
        outputs.append(told_by(first))
        database = program.state / "state.db"
        with database.open("r+b") as file:
            file.seek(database.stat().st_size // 2)
            file.write(b"\xaa" * 4096)
        with program.start("--once", "--verbose") as second:
            second.wait()
        outputs.append(told_by(second))
        for command in (
            ["explain", "app.log", "--all"],
            ["check"],
            ["prime", "--from-logs", "app.log"],
            ["backfill", "app.log", "--assume-time", "now", "--yes"],
        ):
            done = program.call(*command)
            assert done.returncode in {0, 1}, command
            outputs.append(done.stdout + done.stderr)
        sent = b"".join(request.body + repr(request.headers).encode() for request in server.requests)
        assert len(server.requests) > 2 * len(FAILURES)
    assert canaries_in(*outputs, temporary(program)) == set()
    assert canaries_in(sent) <= may_leave
    assert canaries_in(program.state_bytes()) <= may_stay
    everything = b"".join([*outputs, temporary(program), program.state_bytes()])
    assert WRITE_KEY.encode() not in everything
    assert b"private.example" not in everything + sent


def test_a_deliberate_leak_is_caught(tmp_path: Path) -> None:
    """The search works at each door: canaries printed, one put in a table, one in a message; and before, there is none."""
    with MisbehavingServer() as server:
        program = program_on_canaries(tmp_path, server.url)
        with (tmp_path / "app.log").open("ab") as file:
            file.write(metric_line(1))
        may_leave = allowed(program)
        may_stay = may_leave | in_names_of_kinds((tmp_path / "app.log").read_bytes())
        (tmp_path / "sitecustomize.py").write_text(LEAKS, encoding="utf-8")
        with program.start(
            "--once", PYTHONPATH=f"{tmp_path}:{program.environment()['PYTHONPATH']}"
        ) as process:
            assert process.wait() == 0
        sent = b"".join(request.body for request in server.requests)
    assert len(canaries_in(told_by(process))) > 100
    assert canaries_in(program.state_bytes()) <= may_stay
    with sqlite3.connect(program.state / "state.db") as connection:
        connection.execute("CREATE TABLE leak AS SELECT 'canaryaaaaaazq' AS value")
    connection.close()
    assert not canaries_in(program.state_bytes()) <= may_stay
    assert canaries_in(sent) <= may_leave
    assert not canaries_in(sent.replace(b'"type":"track"', b'"type":"canaryaaaaaazq"')) <= may_leave


def test_no_command_leaves_a_core_file(tmp_path: Path) -> None:
    """Whichever reads lines: its memory would hold them."""
    program = Program(tmp_path, config_for(None, "worker.log"))
    reading = subprocess.Popen(
        program.command("explain", "-"), cwd=tmp_path, env=program.environment(),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert reading.stdin is not None
    assert reading.stdout is not None
    with reading:
        reading.stdin.write(metric_line(1))
        reading.stdin.flush()
        assert reading.stdout.readline().startswith(b"line 1: ")
        limits = Path(f"/proc/{reading.pid}/limits").read_text(encoding="ascii")
        mappings = Path(f"/proc/{reading.pid}/coredump_filter").read_text(encoding="ascii")
        reading.stdin.close()
    assert re.search("Max core file size +0 +0 ", limits)
    # A kernel that hands core files to a program asks this, and not the limit.
    assert int(mappings, 16) == 0


# ---- sockets ----


def audited(program: Program, hook: str = AUDIT) -> dict[str, str]:
    """The environment in which Python itself writes down every connection and every program that is started."""
    (program.folder / "sitecustomize.py").write_text(hook, encoding="utf-8")
    return {
        "PYTHONPATH": f"{program.folder}:{program.environment()['PYTHONPATH']}",
        "AUDITED": str(program.folder / "audited"),
    }


def seen(program: Program) -> list[str]:
    """What was written down, each once."""
    lines = (program.folder / "audited").read_text(encoding="utf-8").splitlines()
    return sorted(set(lines))


def test_only_the_destination_is_connected_to(tmp_path: Path) -> None:
    """Failing, redirecting and accepting answers, a reload, a stop: no other address, no name looked up, no program run."""
    # Two in a row at most, since pauses double.
    with MisbehavingServer(in_turn([FAILURES[4], FAILURES[0], OK, FAILURES[8], FAILURES[6]])) as server:
        config = config_for(server.url, "worker.log")
        config["destination"]["segment"]["max_batch_events"] = 10
        program = Program(tmp_path, config)
        (tmp_path / "worker.log").write_bytes(b"".join(map(metric_line, range(30))))
        with program.start(**audited(program)) as process:
            wait_until(lambda: len(server.accepted) >= 30, "events")
            process.send(signal.SIGHUP)
            process.wait_for("reloaded")
            assert process.stop() == 0
        assert set(server.accepted) == set(program.preview_ids())
        there = f"('127.0.0.1', {server.port})"
        looked_up = f"socket.getaddrinfo ['127.0.0.1', {server.port}, "
        # urllib3 finds out whether there is IPv6 at all: no byte, no listening.
        probe = "socket.bind [('::1', 0)]"
        others = [one for one in seen(program) if there not in one and not one.startswith((looked_up, probe))]
    assert others == []
    assert any(line.startswith("socket.connect") for line in seen(program))


@pytest.mark.parametrize(
    "command",
    [
        ["preview", "--format", "jsonl"],
        ["explain", "worker.log"],
        ["run", "--once"],
    ],
    ids=" ".join,
)
def test_without_a_destination_nothing_is_connected_to(tmp_path: Path, command: list[str]) -> None:
    """Commands that read lines, on a config that prints its events."""
    program = Program(tmp_path, config_for(None, "worker.log"))
    (tmp_path / "worker.log").write_bytes(metric_line(1))
    assert program.call(*command, **audited(program)).returncode in {0, 1}
    assert seen(program) == []


def test_the_metrics_listen_where_the_config_says_and_nowhere_else(tmp_path: Path) -> None:
    """The only other socket is one that waits, at the configured address."""
    port = free_port()
    program = Program(tmp_path, config_for(None, "worker.log", metrics=f"127.0.0.1:{port}"))
    (tmp_path / "worker.log").write_bytes(metric_line(1))
    with program.start(**audited(program)) as process:
        process.wait_for("started")
        assert process.stop() == 0
    assert all(f"'127.0.0.1', {port}" in line for line in seen(program))
    assert any(line.startswith("socket.bind") for line in seen(program))


def test_a_connection_elsewhere_would_be_seen(tmp_path: Path) -> None:
    """The watching works: a program that connects to another port once."""
    program = Program(tmp_path, config_for(None, "worker.log"))
    (tmp_path / "worker.log").write_bytes(metric_line(1))
    program.call("run", "--once", **audited(program, CALLS_HOME))
    assert seen(program) == ["socket.connect [('127.0.0.1', 9)]"]
