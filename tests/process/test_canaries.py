"""Private values of the lines are searched for in everything that the process writes anywhere, whatever fails."""

import gzip
import shutil
import signal
import sqlite3
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.misbehaving import OK, Answer, Cut, MisbehavingServer, Request
from tests.running import Program, Running, config_for, free_port, wait_until

DATA = Path(__file__).parent.parent / "data" / "lago-1.51"
WRITE_KEY = "a-write-key-of-the-tests"
CANARIES = sorted(
    line.encode()
    for line in (DATA / "canaries.txt").read_text(encoding="utf-8").splitlines()
    if len(line) >= 8
)
"""Shorter ones stand anywhere by chance."""

FAILURES = [
    Answer(status=500, accepts=False),
    Answer(status=400, accepts=False),
    Answer(status=413, accepts=False),
    Answer(status=401, accepts=False),
    Answer(status=302, headers={"Location": "http://127.0.0.1:9/"}, accepts=False),
    Answer(status=429, headers={"Retry-After": "0"}, accepts=False),
    Answer(body=b"<!DOCTYPE html><p>portal", accepts=False),
    Answer(body=b'{"success": false}', accepts=False),
    Answer(cut=Cut.UNANSWERED, accepts=False),
    Answer(cut=Cut.IN_HEAD, accepts=False),
]

LEAK = """\
import sys
from extractor.source import reader
build = reader.Chunk
def leaking(**fields):
    sys.stderr.write(repr(bytes(fields["data"])) + "\\n")
    return build(**fields)
reader.Chunk = leaking
"""
DEATH = """\
from extractor.source import reader
def dying(**fields):
    raise ValueError(bytes(fields["data"]))
reader.Chunk = dying
"""


def found_in(data: bytes) -> set[bytes]:
    """The private values that stand in something."""
    return {canary for canary in [*CANARIES, WRITE_KEY.encode()] if canary in data}


def everything_written(program: Program, *processes: Running) -> bytes:
    """Outputs, state, and temporary files."""
    outputs = [bytes(part) for process in processes for part in (process.out, process.err)]
    temporary = [path.read_bytes() for path in (program.folder / "tmp").rglob("*") if path.is_file()]
    return b"\n".join([*outputs, *temporary, program.state_bytes()])


class Echoing:
    """Fails in each way in turn, with what it was sent as its words, and takes a batch in between."""

    def __init__(self, failures: Iterable[Answer]) -> None:
        self.left = [answer for failure in failures for answer in (failure, OK)]

    def __call__(self, request: Request) -> Answer:
        if not self.left:
            return OK
        answer = self.left.pop(0)
        if answer is OK or answer.body != OK.body:
            return answer
        return Answer(
            status=answer.status,
            headers={**answer.headers, "X-Said": WRITE_KEY},
            body=request.body,
            cut=answer.cut,
            accepts=answer.accepts,
        )


def program_on_data(folder: Path, url: str, **more: Any) -> Program:
    """The sample logs of one installation, copied, with lines that are broken in every way in front."""
    canary = b'"canary.909d05d8@private.example"'
    worker = (DATA / "worker.log").read_bytes()
    jobs = [line for line in worker.splitlines() if b"SegmentTrackJob" in line]
    broken = [
        *[line[:-2] for line in jobs[:3]],  # no JSON
        *[line.replace(b"properties: {", b"properties: {{") for line in jobs[:3]],  # no Ruby
        *[line.replace(b'"job_id":"', b'"job_id":"\xff\xfe') for line in jobs[:3]],  # no UTF-8
        *[
            line.replace(b'organization_id: \\"', b'organization_id: \\"canary@private.example')
            for line in jobs[:3]
        ],
        b'{"job":"SegmentTrackJob","arguments":"' + canary * 60_000 + b'"}',  # too long
        b"\0" * 5000 + canary,
        b'{"log":"' + canary + b'","stream":7}',
    ]
    (folder / "worker.log").write_bytes(b"\n".join(broken) + b"\n" + worker)
    shutil.copy(DATA / "api.log", folder / "api.log")
    (folder / "api.log.1.gz").write_bytes(gzip.compress((DATA / "api.log").read_bytes())[:-3000])
    (folder / "tmp").mkdir()
    config = config_for(url, "api.log*", "worker.log", **more)
    config["destination"]["segment"]["max_batch_events"] = 3
    return Program(folder, config, {"TMPDIR": str(folder / "tmp"), "PYTHONFAULTHANDLER": ""})


def test_no_private_value_is_written_whatever_fails(tmp_path: Path) -> None:
    """Broken lines, a server that fails in ten ways and echoes, a broken reload, a damaged state, --verbose: none."""
    assert len(CANARIES) > 50
    port = free_port()
    script = Echoing(FAILURES)
    with MisbehavingServer(script) as server:
        program = program_on_data(tmp_path, server.url, metrics=f"127.0.0.1:{port}")
        with program.start("--verbose") as first:
            wait_until(lambda: not script.left, "all failures")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                metrics = page.read()
            good = program.config_file.read_bytes()
            program.config_file.write_bytes(good + b'"canary.909d05d8@private.example"')
            first.send(signal.SIGHUP)
            first.wait_for("reload_refused")
            limits = Path(f"/proc/{first.process.pid}/limits").read_text(encoding="ascii")
            assert first.stop() == 0
        program.config_file.write_bytes(good)
        assert "Max core file size        0                    0" in limits
        assert {"retry", "held", "incident", "delivered", "recorded"} <= set(first.events())

        database = program.state / "state.db"
        with database.open("r+b") as file:
            file.seek(database.stat().st_size // 2)
            file.write(b"\xaa" * 4096)
        with program.start("--once", "--verbose") as second:
            assert second.wait() in (0, 1)
        assert server.accepted
    assert found_in(everything_written(program, first, second) + metrics) == set()


def test_a_loop_that_dies_ends_the_process_and_tells_no_value(tmp_path: Path) -> None:
    """An error whose text is a line: exit code 70, its type and place are told, and nothing else."""
    with MisbehavingServer() as server:
        program = program_on_data(tmp_path, server.url)
        (tmp_path / "sitecustomize.py").write_text(DEATH, encoding="utf-8")
        environ = {"PYTHONPATH": f"{tmp_path}:{program.environment()['PYTHONPATH']}"}
        with program.start("--verbose", **environ) as process:
            assert process.wait() == 70
        died = next(line for line in process.told if line["event"] == "died")
        assert died["error"] == "ValueError"
        assert "sitecustomize.py:3" in died["at"]
        assert b"Traceback" not in process.err
        assert found_in(everything_written(program, process)) == set()


def test_a_leak_would_be_found(tmp_path: Path) -> None:
    """The search itself works: with one deliberate leak in the program, and with one in its state."""
    with MisbehavingServer() as server:
        program = program_on_data(tmp_path, server.url)
        (tmp_path / "sitecustomize.py").write_text(LEAK, encoding="utf-8")
        environ = {"PYTHONPATH": f"{tmp_path}:{program.environment()['PYTHONPATH']}"}
        with program.start("--once", **environ) as process:
            process.wait()
        assert len(found_in(everything_written(program, process))) > 20
        with sqlite3.connect(program.state / "state.db") as connection:
            connection.execute("CREATE TABLE leak AS SELECT ? AS value", (CANARIES[-1].decode(),))
        connection.close()
        assert CANARIES[-1] in found_in(program.state_bytes())


@pytest.mark.parametrize("text", [b"", b"nothing of it"])
def test_the_search_finds_nothing_in_nothing(text: bytes) -> None:
    """Nor does it find what is not there."""
    assert found_in(text) == set()
