"""`run --once`, as a process, against a real HTTP server."""

import gzip
import json
import shutil
from pathlib import Path

from tests.misbehaving import MisbehavingServer
from tests.running import LOGS, Program, config_for, lago_paths


def test_once_delivers_exactly_what_preview_shows_and_a_second_run_nothing(tmp_path: Path) -> None:
    """The ids accepted are preview's, each once and in order; the second run makes no request."""
    with MisbehavingServer() as server:
        program = Program(tmp_path, config_for(server.url, *lago_paths()))
        command = program.call("preview", "--format", "jsonl")
        assert command.returncode == 0
        shown = [json.loads(line)["message"] for line in command.stdout.splitlines()]
        assert len(shown) > 40
        assert program.call("run", "--once").returncode == 0
        assert server.accepted == [message["messageId"] for message in shown]
        sent = [message for request in server.requests for message in request.json["batch"]]
        assert [timeless(message) for message in sent] == [timeless(message) for message in shown]
        connections = server.connections
        assert program.call("run", "--once").returncode == 0
        assert server.connections == connections


def test_once_loads_only_what_it_needs(tmp_path: Path) -> None:
    """Memory and the start are not spent on what others need: metrics, the page; what speaks to Segment, for stdout."""
    nobody = {"prometheus_client", "http.server", "jinja2", "extractor.page"}
    printing = Program(tmp_path / "printing", config_for(None, *lago_paths()))
    assert loaded(printing) & {*nobody, "requests", "urllib3", "segment"} == set()
    with MisbehavingServer() as server:
        sending = Program(tmp_path / "sending", config_for(server.url, *lago_paths()))
        names = loaded(sending)
        assert server.accepted
    assert names & nobody == set()
    assert {"requests", "segment", "structlog", "watchdog", "orjson"} <= names


def loaded(program: Program) -> set[str]:
    """Modules that `run --once` has imported."""
    done = program.call("run", "--once", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    said = [line.split(b"|") for line in done.stderr.splitlines() if line.startswith(b"import time:")]
    return {parts[-1].strip().decode() for parts in said}


def timeless(message: dict[str, object]) -> dict[str, object]:
    """A message without its time, which is that of reading where the line has none."""
    return {key: value for key, value in message.items() if key != "timestamp"}


def test_once_gives_the_same_ids_after_the_state_was_removed(tmp_path: Path) -> None:
    """What is lost with the state is only the knowledge of what was sent."""
    with MisbehavingServer() as server:
        program = Program(tmp_path, config_for(server.url, *lago_paths()))
        assert program.call("run", "--once").returncode == 0
        first = list(server.accepted)
        shutil.rmtree(program.state)
        assert program.call("run", "--once").returncode == 0
    assert server.accepted == first * 2


def test_once_reads_compressed_files_first_and_once(tmp_path: Path) -> None:
    """A rotated and compressed half is met before the live one, gives the same ids, and is not read again."""
    lines = (LOGS / "worker.log").read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    (tmp_path / "worker.log.1.gz").write_bytes(gzip.compress(b"".join(lines[:half])))
    (tmp_path / "worker.log").write_bytes(b"".join(lines[half:]))
    with MisbehavingServer() as server:
        program = Program(tmp_path, config_for(server.url, "worker.log*"))
        whole = Program(tmp_path / "whole", config_for(None, str(LOGS / "worker.log")))
        assert program.call("run", "--once").returncode == 0
        assert server.accepted == whole.preview_ids()
        assert read_bytes(program) == sum(map(len, lines))
        assert program.call("run", "--once").returncode == 0
        assert read_bytes(program) == sum(map(len, lines))
    assert server.accepted == whole.preview_ids()


def read_bytes(program: Program) -> int:
    """What the state says was read so far."""
    said = json.loads(program.call("status", "--json").stdout)
    return sum(count["count"] for count in said["counters"] if count["name"] == "read_bytes")
