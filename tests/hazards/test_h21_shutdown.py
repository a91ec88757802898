import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.misbehaving import OK, Answer, MisbehavingServer, Request

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
        self.answer.wait(60)
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


def arrives_once_more(desk: Desk, daemon: Daemon) -> None:
    """The next start sends all, and what was sent already with the same ids."""
    desk.answer.set()
    assert daemon.once() == 0
    batches = [request.json["batch"] for request in desk.server.requests]
    assert len(set(desk.server.accepted)) == EVENTS
    assert batches[-1] == batches[0]


def test_sigterm_ends_within_the_grace_though_the_answer_takes_longer(desk: Desk, tmp_path: Path) -> None:
    """500 queued, no answer: it leaves when the grace is over, and nothing is lost."""
    with Daemon(tmp_path, desk.server.url, shutdown_grace="1s") as daemon:
        daemon.log(range(EVENTS))
        process = daemon.start()
        assert desk.arrived.wait(30)
        daemon.ask(signal.SIGTERM)
        assert process.wait(30) == 0, "it did not wait for the answer, which has not come yet"
        arrives_once_more(desk, daemon)


def test_a_second_sigterm_leaves_now(desk: Desk, tmp_path: Path) -> None:
    """However long the grace is."""
    with Daemon(tmp_path, desk.server.url, shutdown_grace="10m") as daemon:
        daemon.log(range(EVENTS))
        process = daemon.start()
        assert desk.arrived.wait(30)
        daemon.ask(signal.SIGTERM)
        daemon.ask(signal.SIGINT)
        assert process.wait(30) == 0
        arrives_once_more(desk, daemon)


def test_sigterm_sends_what_waits_if_there_is_time(desk: Desk, tmp_path: Path) -> None:
    """The request under way is finished and acknowledged: nothing is sent twice."""
    with Daemon(tmp_path, desk.server.url, shutdown_grace="1m") as daemon:
        daemon.log(range(EVENTS))
        process = daemon.start()
        assert desk.arrived.wait(30)
        daemon.ask(signal.SIGTERM)
        desk.answer.set()
        assert process.wait(60) == 0
        requests = len(desk.server.requests)
        assert daemon.once() == 0
        assert len(desk.server.requests) == requests
    assert len(desk.server.accepted) == len(set(desk.server.accepted)) == EVENTS


def test_sighup_while_sending_loses_and_doubles_nothing(desk: Desk, tmp_path: Path) -> None:
    """Config and packs are read again between two requests."""
    with Daemon(tmp_path, desk.server.url) as daemon:
        daemon.log(range(EVENTS // 2))
        process = daemon.start()
        assert desk.arrived.wait(30)
        daemon.ask(signal.SIGHUP)
        daemon.log(range(EVENTS // 2, EVENTS))
        desk.answer.set()
        assert desk.all_arrived.wait(60)
        daemon.ask(signal.SIGTERM)
        assert process.wait(60) == 0
    assert len(desk.server.accepted) == len(set(desk.server.accepted)) == EVENTS
