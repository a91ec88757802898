"""The life of the daemon as a process: signals, shutdown, reload, its only writer, systemd, health."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.misbehaving import OK, Answer, MisbehavingServer, Request, in_turn
from tests.running import PATIENCE_S, Program, Running, ask, config_for, free_port, metric_line, wait_until

BROKEN_PACK = 'pack: broken\nversion: 1\nrules: [{id: nothing, event: x, when: {start_with: "a"}}]\n'


def write(path: Path, *numbers: int) -> None:
    """Append lines."""
    with path.open("ab") as file:
        file.write(b"".join(map(metric_line, numbers)))


def program_on_log(folder: Path, url: str | None, lines: int = 0, **config: object) -> Program:
    """A program that follows `worker.log` with so many lines in it."""
    write(folder / "worker.log", *range(lines))
    return Program(folder, config_for(url, "worker.log", **config))


# H21


@contextmanager
def unanswered(
    folder: Path, lines: int, grace: str
) -> Iterator[tuple[MisbehavingServer, Program, threading.Event]]:
    """A server that answers when an event is set, and a program that would wait five minutes for it."""
    answering = threading.Event()

    def script(_: Request) -> Answer:
        answering.wait(PATIENCE_S)
        return OK

    with MisbehavingServer(script) as server:
        program = program_on_log(folder, server.url, lines, shutdown_grace=grace)
        program.config["destination"]["segment"]["timeout"] = "5m"
        program.write_config()
        yield server, program, answering
        answering.set()


def test_h21_exits_within_the_grace_loses_nothing_and_repeats_keep_their_id(tmp_path: Path) -> None:
    """500 queued, no answer, SIGTERM with a grace of 1 s: it is gone after it, and the next start sends all of them."""
    with unanswered(tmp_path, 500, "1s") as (server, program, answering):
        with program.start() as process:
            wait_until(lambda: server.requests, "a request")
            assert process.stop() == 0
        assert process.told[-1] == {**process.told[-1], "event": "stopped", "waiting": 500}
        answering.set()
        assert program.call("run", "--once").returncode == 0
        assert set(server.accepted) == set(program.preview_ids())


def test_h21_what_is_answered_within_the_grace_is_not_sent_again(tmp_path: Path) -> None:
    """The request under way at SIGTERM is waited for, and its answer is written down."""
    with unanswered(tmp_path, 50, "20s") as (server, program, answering):
        with program.start() as process:
            wait_until(lambda: server.requests, "a request")
            process.send(signal.SIGTERM)
            process.wait_for("stopping")
            answering.set()
            assert process.wait() == 0
        assert process.told[-1] == {**process.told[-1], "event": "stopped", "waiting": 0}
        assert server.accepted == program.preview_ids()


def test_h21_a_second_signal_leaves_now(tmp_path: Path) -> None:
    """SIGTERM twice with a grace of ten minutes: gone, nothing lost."""
    with unanswered(tmp_path, 50, "10m") as (server, program, answering):
        with program.start() as process:
            wait_until(lambda: server.requests, "a request")
            process.send(signal.SIGTERM)
            process.wait_for("stopping")
            process.send(signal.SIGTERM)
            assert process.wait() == 0
        answering.set()
        assert program.call("run", "--once").returncode == 0
        assert set(server.accepted) == set(program.preview_ids())


def test_h21_reloaded_while_sending_nothing_is_lost(tmp_path: Path) -> None:
    """SIGHUP while a request is under way: the new config comes into force after it, each event arrives once."""
    with unanswered(tmp_path, 50, "20s") as (server, program, answering):
        with program.start() as process:
            wait_until(lambda: server.requests, "a request")
            program.write_config(variables={"hosting_type": "cloud", "version": "2"})
            process.send(signal.SIGHUP)
            write(tmp_path / "worker.log", *range(50, 60))
            answering.set()
            process.wait_for("reloaded")
            write(tmp_path / "worker.log", 60)
            wait_until(lambda: len(server.accepted) >= 61, "all events")
            assert process.stop() == 0
        assert server.accepted == program.preview_ids()
        messages = [message for request in server.requests for message in request.json["batch"]]
        assert messages[0]["properties"]["hosting_type"] == "self"
        assert messages[-1]["properties"]["hosting_type"] == "cloud"


# SIGHUP


@pytest.mark.parametrize("broken", ["pack", "config", "state"])
def test_a_broken_reload_says_so_and_keeps_the_old_running(tmp_path: Path, broken: str) -> None:
    """A pack with an unknown word, a config that is none, a state folder that cannot be: lines go on being delivered."""
    with MisbehavingServer() as server:
        program = program_on_log(tmp_path, server.url, 1)
        with program.start() as process:
            wait_until(lambda: len(server.accepted) == 1, "the first event")
            if broken == "pack":
                (tmp_path / "broken.yaml").write_text(BROKEN_PACK, encoding="utf-8")
                program.write_config(rules=["lago", "broken.yaml"])
            elif broken == "config":
                program.config_file.write_text("sources: [", encoding="utf-8")
            else:
                (tmp_path / "a-file").touch()
                program.write_config(state_dir="a-file/state")
            process.send(signal.SIGHUP)
            process.wait_for("reload_refused")
            write(tmp_path / "worker.log", 1)
            wait_until(lambda: len(server.accepted) == 2, "the event after it")
            program.write_config(rules=["lago"], state_dir="state")
            process.send(signal.SIGHUP)
            process.wait_for("reloaded")
            write(tmp_path / "worker.log", 2)
            wait_until(lambda: len(server.accepted) == 3, "the event after the repair")
            assert process.stop() == 0
        refused = [line for line in process.told if line["event"] == "reload_refused"]
        assert any(line.get("code") or "a-file" in line["problem"] for line in refused)


# One writer


def test_a_second_run_is_refused_with_the_reason(tmp_path: Path) -> None:
    """It names the folder and the process that has it, touches nothing, and says so by its exit code."""
    with MisbehavingServer() as server:
        program = program_on_log(tmp_path, server.url, 1)
        with program.start() as process:
            wait_until(lambda: server.accepted, "the first event")
            for options in ((), ("--once",)):
                refused = program.call("run", *options)
                assert refused.returncode == 1
                assert str(process.process.pid) in refused.stderr.decode()
                assert str(program.state) in refused.stderr.decode()
            write(tmp_path / "worker.log", 1)
            wait_until(lambda: len(server.accepted) == 2, "the event after it")
            assert process.stop() == 0


# State


def test_a_state_folder_that_is_a_file_says_so_by_its_exit_code(tmp_path: Path) -> None:
    """Exit code 74 and a sentence with the path."""
    program = program_on_log(tmp_path, None)
    program.state.write_bytes(b"")
    for options in ((), ("--once",)):
        refused = program.call("run", *options)
        assert refused.returncode == 74
        assert str(program.state) in refused.stderr.decode()
        assert b"Traceback" not in refused.stderr


# Health and metrics


def test_metrics_and_health_say_what_happens(tmp_path: Path) -> None:
    """Live: counted. Held: ready no more, healthy still, with the reason. Then well again."""
    port = free_port()
    with MisbehavingServer() as server:
        program = program_on_log(tmp_path, server.url, 3, metrics=f"127.0.0.1:{port}")
        with program.start() as process:
            wait_until(lambda: len(server.accepted) == 3, "the first events")
            wait_until(
                lambda: "extractor_delivered_events_total 3.0" in ask(port, "/metrics")[1], "the count"
            )
            page = ask(port, "/metrics")[1]
            assert 'extractor_events_total{event="billable_metric_created"} 3.0' in page
            assert "extractor_outbox_events 0.0" in page
            assert ask(port, "/healthz") == (200, '{"status": "ok", "troubles": []}\n')
            assert ask(port, "/readyz")[0] == 200
            assert ask(port, "/other")[0] == 404

            server.script = lambda _: Answer(status=401, accepts=False)
            write(tmp_path / "worker.log", 3)
            process.wait_for("held")
            assert ask(port, "/readyz") == (503, '{"status": "failing", "troubles": ["held"]}\n')
            assert ask(port, "/healthz") == (200, '{"status": "ok", "troubles": ["held"]}\n')
            assert 'extractor_held{reason="unauthorized"} 1.0' in ask(port, "/metrics")[1]

            server.script = lambda _: OK
            process.wait_for("delivering")
            wait_until(lambda: ask(port, "/readyz")[0] == 200, "readiness")
            assert process.stop() == 0


def test_metrics_that_cannot_be_served_stop_nothing(tmp_path: Path) -> None:
    """The port is taken: said, and events are delivered."""
    with MisbehavingServer() as server, socket.create_server(("127.0.0.1", 0)) as taken:
        program = program_on_log(tmp_path, server.url, 1, metrics=f"127.0.0.1:{taken.getsockname()[1]}")
        with program.start() as process:
            process.wait_for("metrics_unavailable")
            wait_until(lambda: server.accepted, "the event")
            assert process.stop() == 0


# systemd, and being process 1


def test_systemd_is_told_of_start_reload_stop_and_pinged(tmp_path: Path) -> None:
    """READY after the loops run, WATCHDOG while they do, RELOADING and READY again, STOPPING."""
    path = tmp_path / "notify"
    with MisbehavingServer() as server, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(path))
        notified.settimeout(60)

        def heard() -> str:
            return notified.recv(4096).decode().partition("\n")[0]

        program = program_on_log(tmp_path, server.url)
        with program.start(NOTIFY_SOCKET=str(path), WATCHDOG_USEC="400000") as process:
            assert heard() == "READY=1"
            assert heard() == "WATCHDOG=1"
            process.send(signal.SIGHUP)
            seen: list[str] = []
            while seen[-1:] != ["READY=1"]:
                seen.append(heard())
            assert "RELOADING=1" in seen
            process.send(signal.SIGTERM)
            while heard() != "STOPPING=1":
                pass
            assert process.wait() == 0


def unshare_works() -> bool:
    """Whether this machine lets us be process 1 of something."""
    tool = shutil.which("unshare")
    if tool is None:
        return False
    command = [tool, "--user", "--map-root-user", "--pid", "--fork", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not unshare_works(), reason="no PID namespaces for us here")
def test_process_1_of_a_container_stops_at_sigterm(tmp_path: Path) -> None:
    """For process 1 a signal without a handler is ignored: ours ends, with everything delivered."""
    with MisbehavingServer() as server:
        program = program_on_log(tmp_path, server.url, 2)
        wrapper = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
        with Running([*wrapper, *program.command("run")], tmp_path, program.environment()) as process:
            wait_until(lambda: len(server.accepted) == 2, "the events")
            children = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children").read_text()
            os.kill(int(children.split()[0]), signal.SIGTERM)
            assert process.wait() == 0
            assert process.events()[-1] == "stopped"


# H20


def test_h20_silence_is_kept_over_a_restart_reading_pauses_and_nothing_is_lost(tmp_path: Path) -> None:
    """429 with a full outbox: one request in the window, whoever restarts; then a date; then everything, once."""
    answers = [
        Answer(status=429, headers={"Retry-After": "2"}, accepts=False),
        Answer(status=429, headers={"Retry-After": formatdate(time.time() + 1, usegmt=True)}, accepts=False),
    ]
    with MisbehavingServer(in_turn(answers)) as server:
        outbox = {"max_events": 100, "max_bytes": "1MiB"}
        program = program_on_log(tmp_path, server.url, 400, outbox=outbox)
        with (tmp_path / "worker.log").open("ab") as file:
            # More than one transaction takes, so that reading meets the full outbox.
            file.writelines(metric_line(number) for number in range(400, 5000))
        with program.start() as process:
            process.wait_for("outbox_full")
            process.wait_for("retry")
            process.send(signal.SIGKILL)
        assert len(server.requests) == 1
        with program.start() as process:
            process.wait_for("retry")
            assert len(server.requests) == 2
            wait_until(lambda: len(server.accepted) == 5000, "all events")
            assert process.stop() == 0
        assert server.accepted == program.preview_ids()


# From a line to the server


def test_lines_arrive_one_by_one_in_order_without_a_timed_look(tmp_path: Path) -> None:
    """With five minutes between timed looks only a notification can bring a line this soon: each before the next."""
    with MisbehavingServer() as server:
        program = program_on_log(tmp_path, server.url, 1, poll_interval="5m")
        with program.start() as process:
            wait_until(lambda: len(server.accepted) == 1, "the first event")
            for number in range(1, 30):
                write(tmp_path / "worker.log", number)
                wait_until(lambda n=number: len(server.accepted) == n + 1, f"event {number}")  # type: ignore[misc]
            assert process.stop() == 0
        assert server.accepted == program.preview_ids()


def test_once_stopped_by_a_signal_says_that_something_is_left(tmp_path: Path) -> None:
    """`--once` under SIGTERM ends within the grace, with exit code 1."""
    with unanswered(tmp_path, 50, "1s") as (server, program, answering):
        with program.start("--once") as process:
            wait_until(lambda: server.requests, "a request")
            assert process.stop() == 1
        answering.set()
        assert program.call("run", "--once").returncode == 0
        assert set(server.accepted) == set(program.preview_ids())


def test_once_says_when_delivery_is_held(tmp_path: Path) -> None:
    """A wrong key: exit code 1 instead of waiting for ever."""
    with MisbehavingServer(lambda _: Answer(status=401, accepts=False)) as server:
        program = program_on_log(tmp_path, server.url, 5)
        ended = program.call("run", "--once")
        assert ended.returncode == 1
        assert b'"reason": "unauthorized"' in ended.stderr
        server.script = lambda _: OK
        assert program.call("run", "--once").returncode == 0
        assert server.accepted == program.preview_ids()
