import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.misbehaving import OK, Answer, MisbehavingServer, Request
from tests.running import PATIENCE_S, Program, config_for, metric_line

EVENTS = 500


class Desk:
    """A server that keeps its first request waiting for as long as the test likes."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.answer = threading.Event()
        self.all_arrived = threading.Event()
        self.server = MisbehavingServer(self._script)

    def _script(self, request: Request) -> Answer:
        self.arrived.set()
        self.answer.wait(PATIENCE_S)
        if len({*self.server.accepted, *request.ids}) >= EVENTS:
            self.all_arrived.set()
        return OK


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Running."""
    made = Desk()
    with made.server:
        yield made
        made.answer.set()


def queueing(folder: Path, desk: Desk, grace: str, events: int = EVENTS) -> Program:
    """A program with so many facts to send."""
    append(folder, range(events))
    return Program(folder, config_for(desk.server.url, "worker.log", shutdown_grace=grace))


def append(folder: Path, numbers: range) -> None:
    """The app logs a fact for each number."""
    with (folder / "worker.log").open("ab") as log:
        log.writelines(map(metric_line, numbers))


def all_arrives_with_its_ids(desk: Desk, program: Program) -> None:
    """The next start sends everything, and what may have been accepted before as the same request."""
    desk.answer.set()
    assert program.call("run", "--once").returncode == 0
    batches = [request.json["batch"] for request in desk.server.requests]
    assert set(desk.server.accepted) == set(program.preview_ids())
    assert batches[-1] == batches[0]


def test_sigterm_ends_within_the_grace_though_the_answer_takes_longer(desk: Desk, tmp_path: Path) -> None:
    """500 queued, no answer: it leaves when the grace is over, and nothing is lost."""
    program = queueing(tmp_path, desk, grace="1s")
    with program.start() as process:
        assert desk.arrived.wait(PATIENCE_S)
        assert process.stop() == 0, "it did not wait for the answer, which has not come yet"
    all_arrives_with_its_ids(desk, program)


def test_a_second_sigterm_leaves_now(desk: Desk, tmp_path: Path) -> None:
    """However long the grace is."""
    program = queueing(tmp_path, desk, grace="10m")
    with program.start() as process:
        assert desk.arrived.wait(PATIENCE_S)
        process.send(signal.SIGTERM)
        process.wait_for("stopping")
        assert process.stop() == 0
    all_arrives_with_its_ids(desk, program)


def test_sigterm_sends_what_waits_if_there_is_time(desk: Desk, tmp_path: Path) -> None:
    """The request under way is finished and acknowledged: nothing is sent twice."""
    program = queueing(tmp_path, desk, grace="1m")
    with program.start() as process:
        assert desk.arrived.wait(PATIENCE_S)
        process.send(signal.SIGTERM)
        desk.answer.set()
        assert process.wait() == 0
    requests = len(desk.server.requests)
    assert program.call("run", "--once").returncode == 0
    assert len(desk.server.requests) == requests
    assert desk.server.accepted == program.preview_ids()


def test_sighup_while_sending_loses_and_doubles_nothing(desk: Desk, tmp_path: Path) -> None:
    """Config and packs are read again between two requests."""
    program = queueing(tmp_path, desk, grace="10s", events=EVENTS // 2)
    with program.start() as process:
        assert desk.arrived.wait(PATIENCE_S)
        process.send(signal.SIGHUP)
        append(tmp_path, range(EVENTS // 2, EVENTS))
        desk.answer.set()
        assert desk.all_arrived.wait(PATIENCE_S)
        assert process.stop() == 0
    assert desk.server.accepted == program.preview_ids()
