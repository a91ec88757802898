"""Opt-out of the real process: bytes on the socket and messages on the disk are counted."""

import gzip
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.misbehaving import Answer, MisbehavingServer, Request
from tests.running import LOGS, Program, config_for, metric_line, wait_until

ORGANIZATION = b"0eb22b12-d903-4cfa-b55f-77e5847bf330"
"""Stands in every message, and in no line of ours about anything else."""


@contextmanager
def counting_socket() -> Iterator[tuple[str, list[bytes]]]:
    """An address where each connection, and each byte that comes, is noted."""
    listener = socket.create_server(("127.0.0.1", 0))
    came: list[bytes] = []

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            came.append(b"")
            with connection:
                while data := connection.recv(65536):
                    came.append(data)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", came
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def write(path: Path, *numbers: int) -> None:
    """Append lines."""
    with path.open("ab") as file:
        file.write(b"".join(map(metric_line, numbers)))


def assert_nothing_stored(program: Program) -> None:
    """No message, and nothing that a message is made of, lies in the state folder."""
    stored = program.state_bytes()
    assert stored
    for private in (ORGANIZATION, b"billable_metric_created", b"metric_", b"membership/", b"track"):
        assert private not in stored


def test_a_message_in_the_state_would_be_found(tmp_path: Path) -> None:
    """The search of these tests can fail: without an opt-out the same state does hold messages."""
    with MisbehavingServer(lambda _: Answer(status=503, accepts=False)) as server:
        program = Program(tmp_path, config_for(server.url, "worker.log"))
        write(tmp_path / "worker.log", 1)
        with program.start() as process:
            process.wait_for("retry")
            process.stop()
    with pytest.raises(AssertionError):
        assert_nothing_stored(program)


@pytest.mark.parametrize("options", [(), ("--once",)])
def test_opted_out_by_environment_no_connection_no_message_and_nothing_later(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Read under an opt-out, then lifted: not a byte went out, and only what was written after that is sent."""
    log = tmp_path / "worker.log"
    write(log, *range(50))
    with counting_socket() as (url, came):
        program = Program(tmp_path, config_for(url, "worker.log*"))
        with program.start(*options, LAGO_DISABLE_SEGMENT="true") as process:
            if not options:
                process.wait_for("started")
                write(log, *range(50, 60))
                wait_until(lambda: b"worker.log" in program.state_bytes(), "a checkpoint")
                process.send(signal.SIGTERM)
            assert process.wait() == 0
            assert "opted_out" in process.events()
        assert came == []
        assert_nothing_stored(program)

    # While it is down: more lines, a rotation, a compressed copy.
    write(log, *range(60, 70))
    (tmp_path / "worker.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.rename(tmp_path / "worker.log.1")
    write(log, *range(70, 80))

    with MisbehavingServer() as server:
        segment = {**program.config["destination"]["segment"], "host": server.url}
        program.write_config(destination={"segment": segment})
        with program.start() as process:
            process.wait_for("opt_out_lifted")
            write(log, 100, 101)
            wait_until(lambda: len(server.accepted) >= 2, "two events")
            assert process.stop() == 0
        assert program.call("run", "--once").returncode == 0
        assert [m["properties"]["code"] for r in server.requests for m in r.json["batch"]] == [
            "metric_100",
            "metric_101",
        ]


def test_a_file_opts_out_within_a_second_and_purges(tmp_path: Path) -> None:
    """`touch OPT_OUT` while events wait and a request is under way: it is cut off, the outbox and the disk are empty."""
    log = tmp_path / "worker.log"
    write(log, *range(100))
    answering = threading.Event()

    def script(_: Request) -> Answer:
        answering.wait(60)
        return Answer(status=503, accepts=False)

    with MisbehavingServer(script) as server:
        program = Program(tmp_path, config_for(server.url, "worker.log", poll_interval="5m"))
        with program.start() as process:
            wait_until(lambda: server.requests, "a request")
            assert ORGANIZATION in program.state_bytes()
            (program.state / "OPT_OUT").touch()
            process.wait_for("opted_out")
            assert_nothing_stored(program)
            requests = len(server.requests)
            write(log, *range(100, 120))
            (program.state / "OPT_OUT").unlink()
            process.wait_for("opt_out_lifted")
            answering.set()
            server.script = lambda _: Answer()
            write(log, 200)
            wait_until(lambda: server.accepted, "the event of after it")
            assert process.stop() == 0
        codes = [m["properties"]["code"] for r in server.requests[requests:] for m in r.json["batch"]]
    assert codes == ["metric_200"]


def test_the_config_opts_out_at_a_reload(tmp_path: Path) -> None:
    """`enabled: false` and SIGHUP purge what waits; back to true, and only what comes then is sent."""
    log = tmp_path / "worker.log"
    write(log, *range(10))
    with MisbehavingServer(lambda _: Answer(status=401, accepts=False)) as server:
        program = Program(tmp_path, config_for(server.url, "worker.log"))
        with program.start() as process:
            process.wait_for("held")
            program.write_config(enabled=False)
            process.send(signal.SIGHUP)
            process.wait_for("opted_out")
            assert_nothing_stored(program)
            write(log, *range(10, 20))
            server.script = lambda _: Answer()
            program.write_config(enabled=True)
            process.send(signal.SIGHUP)
            process.wait_for("opt_out_lifted")
            write(log, 30)
            wait_until(lambda: server.accepted, "the event of after it")
            assert process.stop() == 0
        assert server.accepted == program.preview_ids()[-1:]


def test_samples_under_an_opt_out_leave_nothing_but_hashes(tmp_path: Path) -> None:
    """With real lines of every kind: no identifier of a line is in the state."""
    for name in ("api.log", "worker.log", "clock.log"):
        (tmp_path / name).write_bytes((LOGS / name).read_bytes())
    with counting_socket() as (url, came):
        program = Program(tmp_path, config_for(url, "*.log"))
        assert program.call("run", "--once", EXTRACTOR_DISABLED="YES").returncode == 0
        assert came == []
        stored = program.state_bytes()
        for message in program.preview():
            assert message["messageId"].encode() not in stored
            assert message["context"]["groupId"].encode() not in stored
            assert message["userId"].encode() not in stored
