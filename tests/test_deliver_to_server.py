"""Outbox, loop, destination and a real server together: what arrives, what is held, what is dead, by id."""

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from extractor.config.secret import Secret
from extractor.deliver import Deliverer, DeliveryPace, ProgressKind
from extractor.destination.segment import SegmentDestination
from extractor.destination.verdict import MAX_WAIT_S
from extractor.store import Store
from tests.certificates import server_context
from tests.delivering import START, FakeClock, FakeStop, build_event, event_id, outcome_of, step_until
from tests.misbehaving import OK, Answer, Cut, MisbehavingServer, Request, in_turn

COUNT = 20
IDS = [event_id(number) for number in range(COUNT)]
PAGE = b"<!DOCTYPE html><title>Wi-Fi</title>"


class Scene:
    """A store with events, a server and the loop between them."""

    def __init__(self, server: MisbehavingServer, clock: FakeClock, store: Store, **options: Any) -> None:
        self.server, self.clock, self.store = server, clock, store
        self.destination = SegmentDestination(server.url, Secret("key"), now=clock.now, **options)
        self.deliverer = self.restarted()

    def restarted(self) -> Deliverer:
        """A loop that knows only what the store knows."""
        pace = DeliveryPace(requests_per_second=1e6)
        self.deliverer = Deliverer(
            self.store, self.destination, clock=self.clock, pace=pace, rng=random.Random(5).random
        )
        return self.deliverer

    def queue(self, numbers: Iterable[int], size: int = 0) -> None:
        """Record events as `collect` does."""
        self.store.record([], [outcome_of(build_event(number, size)) for number in numbers])

    def run_until(self, *kinds: ProgressKind) -> None:
        """Step until a step is of one of these kinds."""
        step_until(self.deliverer, self.clock, *kinds)

    @property
    def dead(self) -> dict[str, tuple[str, int | None]]:
        """Dead letters by id."""
        return {d.stored.event.message_id: (d.reason, d.status) for d in self.store.dead_letters()}

    @property
    def sent(self) -> list[str]:
        """Ids that the store says were sent, in order."""
        return [sent.stored.event.message_id for sent in self.store.sent(0, 2 * START)]


Stage = Callable[..., Scene]


@pytest.fixture
def clock() -> FakeClock:
    """Stands still."""
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    """A real one, on disk."""
    opened = Store.open(tmp_path / "state", destination="segment:test", clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def stage(clock: FakeClock, store: Store) -> Iterator[Stage]:
    """Builds scenes with the standard events queued, and takes them down."""
    built: list[Scene] = []

    def build(server: MisbehavingServer, **options: Any) -> Scene:
        scene = Scene(server, clock, store, **options)
        scene.queue(range(COUNT))
        built.append(scene)
        return scene

    yield build
    for scene in built:
        scene.destination.close()


ANSWERS_THAT_HOLD = [
    *[
        Answer(status=status, accepts=False)
        for status in (300, 301, 302, 304, 307, 308, 401, 403, 404, 405, 406, 407)
    ],
    *[
        Answer(status=status, accepts=False)
        for status in (402, 409, 411, 415, 418, 422, 431, 451, 499, 600, 999)
    ],
    Answer(body=PAGE, accepts=False),
    Answer(body=b"Welcome", headers={"Content-Type": "text/html"}, accepts=False),
    Answer(body=b'{"success": false}', accepts=False),
    Answer(body=b'{"ok": false}', accepts=False),
    Answer(body=b'{"ok": tr', accepts=False),
    Answer(body=b" " * 70_000, accepts=False),
]
ANSWERS_THAT_RETRY = [
    *[
        Answer(status=status, accepts=False)
        for status in (408, 410, 429, 460, 500, 501, 502, 503, 504, 511, 599)
    ],
    *[Answer(cut=cut, accepts=False) for cut in (Cut.UNREAD, Cut.UNANSWERED, Cut.IN_HEAD, Cut.IN_BODY)],
    Answer(body=b" " * 1000, drip_s=0.02, accepts=False),
]


def named(answer: Answer) -> str:
    """A test id."""
    return f"{answer.status}-{answer.cut or ''}{answer.body[:12]!r}{'-drip' if answer.drip_s else ''}"


@pytest.mark.parametrize("answer", ANSWERS_THAT_HOLD, ids=named)
def test_what_holds_keeps_everything_says_so_and_resumes_by_itself(stage: Stage, answer: Answer) -> None:
    """Five such answers and a restart in between, then the server is well: each id once, in order, none dead."""
    with MisbehavingServer(in_turn([answer] * 5)) as server:
        scene = stage(server)
        scene.run_until(ProgressKind.HELD)
        hold = scene.store.status().hold
        assert hold is not None
        assert hold.status == answer.status
        assert scene.store.status().outbox_rows == COUNT
        scene.restarted()
        scene.run_until(ProgressKind.IDLE)
        assert server.accepted == IDS
        assert [len(request.ids) for request in server.requests] == [COUNT, 1, 1, 1, 1, 1, COUNT - 1]
    assert scene.sent == IDS
    assert scene.dead == {}
    assert scene.store.status().hold is None


@pytest.mark.parametrize("answer", ANSWERS_THAT_RETRY, ids=named)
def test_what_is_retried_keeps_everything_and_arrives_once_it_can(stage: Stage, answer: Answer) -> None:
    """Three such answers, then the server is well: each id once, in order, none dead, no hold."""
    with MisbehavingServer(in_turn([answer] * 3)) as server:
        scene = stage(server, timeout_s=15.0 if answer.drip_s is None else 0.3)
        scene.run_until(ProgressKind.RESTING)
        assert scene.store.status().hold is None
        assert scene.store.status().outbox_rows == COUNT
        scene.run_until(ProgressKind.IDLE)
        assert server.accepted == IDS
        assert len(server.requests) == 4
    assert scene.sent == IDS
    assert scene.dead == {}


@pytest.mark.parametrize("cut", [Cut.UNANSWERED, Cut.IN_HEAD, Cut.IN_BODY])
def test_a_2xx_whose_connection_dies_is_repeated_with_the_same_ids(stage: Stage, cut: Cut) -> None:
    """The server took the batch, we cannot know: it gets the same ids and the same messages again."""
    with MisbehavingServer(in_turn([Answer(cut=cut, accepts=True)])) as server:
        scene = stage(server)
        scene.run_until(ProgressKind.IDLE)
        assert server.accepted == IDS + IDS
        first, second = (request.json["batch"] for request in server.requests)
        assert first == second
    assert scene.sent == IDS


@pytest.mark.parametrize("status", [400, 413])
@pytest.mark.parametrize("bad", [{0}, {7}, {19}, {3, 4}, {0, 19}, set(range(0, 20, 2))], ids=str)
def test_only_what_the_server_refuses_alone_is_dead(stage: Stage, status: int, bad: set[int]) -> None:
    """H19: 400 for one event of a hundred: bisect and dead-letter the one."""
    refused = {event_id(number) for number in bad}

    def script(request: Request) -> Answer:
        return Answer(status=status) if refused & set(request.ids) else OK

    with MisbehavingServer(script) as server:
        scene = stage(server)
        scene.run_until(ProgressKind.IDLE)
        assert server.accepted == [id_ for id_ in IDS if id_ not in refused]
    assert scene.dead == dict.fromkeys(refused, ({400: "bad_request", 413: "too_large"}[status], status))
    assert scene.store.status().outbox_rows == 0


def test_a_size_limit_of_the_server_halves_batches_and_kills_nothing(stage: Stage) -> None:
    """413 for more than five events: smaller batches pass, and that is all."""
    with MisbehavingServer(lambda request: Answer(status=413) if len(request.ids) > 5 else OK) as server:
        scene = stage(server)
        scene.run_until(ProgressKind.IDLE)
        assert server.accepted == IDS
    assert scene.dead == {}


@pytest.mark.parametrize("status", [400, 413])
def test_a_server_that_refuses_each_event_is_held_not_believed(stage: Stage, status: int) -> None:
    """400 for everything is the server: nothing is dead, and all arrives when it is well."""
    with MisbehavingServer(lambda _: Answer(status=status)) as server:
        scene = stage(server)
        scene.run_until(ProgressKind.HELD)
        hold = scene.store.status().hold
        assert hold is not None
        assert (hold.reason, hold.status) == ("nothing_accepted", status)
        assert {request.ids[0] for request in server.requests if len(request.ids) == 1} == set(IDS)
        scene.restarted()
        scene.run_until(ProgressKind.HELD)
        server.script = lambda _: OK
        scene.run_until(ProgressKind.IDLE)
        assert sorted(server.accepted) == IDS
    assert scene.dead == {}
    assert scene.store.status().hold is None


def test_a_replayed_dead_letter_keeps_its_id(stage: Stage) -> None:
    """What the server refused and takes later has the id that it always had."""
    with MisbehavingServer(lambda request: Answer(status=400) if IDS[4] in request.ids else OK) as server:
        scene = stage(server)
        scene.run_until(ProgressKind.IDLE)
        assert list(scene.dead) == [IDS[4]]
        server.script = lambda _: OK
        scene.store.replay([IDS[4]])
        scene.run_until(ProgressKind.IDLE)
        assert sorted(server.accepted) == IDS
    assert scene.dead == {}


def test_retry_after_as_seconds_and_as_a_date_gives_one_request_a_window(
    stage: Stage, clock: FakeClock
) -> None:
    """H20: `Retry-After: 30` twenty times, then an HTTP date, then `X-RateLimit-Reset`: whoever looks sees silence."""
    date = "Tue, 14 Nov 2023 22:30:00 GMT"  # 1,000 s after START
    answers = [
        *[Answer(status=429, headers={"Retry-After": "30"})] * 20,
        Answer(status=429, headers={"Retry-After": date}),
        Answer(status=429, headers={"X-RateLimit-Reset": str(int(START) + 2_000)}),
    ]
    times: list[float] = []
    answer_of = in_turn(answers)

    def script(request: Request) -> Answer:
        times.append(clock.elapsed)
        return answer_of(request)

    with MisbehavingServer(script) as server:
        scene = stage(server)
        while scene.store.status().outbox_rows:
            scene.restarted().step()  # a restart at each second does not open the window either
            clock.advance(1.0)
        assert server.accepted == IDS
    assert len(times) == 23
    assert all(later - earlier >= 30 for earlier, later in itertools.pairwise(times[:21]))
    assert times[21] >= 1_000
    assert times[22] >= 2_000


def test_an_absurd_retry_after_is_an_hour(stage: Stage, clock: FakeClock) -> None:
    """A server that asks for a year is not obeyed for a year."""
    with MisbehavingServer(in_turn([Answer(status=503, headers={"Retry-After": "31536000"})])) as server:
        scene = stage(server)
        scene.run_until(ProgressKind.IDLE)
        assert server.accepted == IDS
    assert MAX_WAIT_S <= clock.elapsed < MAX_WAIT_S + 10


def test_tls_with_a_wrong_name_delivers_nothing_until_it_is_mended(stage: Stage, tmp_path: Path) -> None:
    """H19: a certificate of somebody else; nothing is shown to them, everything arrives afterwards."""
    wrong, bundle = server_context(tmp_path, "other.example")
    with MisbehavingServer(tls=wrong) as server:
        scene = stage(server, ca_bundle=bundle)
        scene.run_until(ProgressKind.RESTING)
        assert server.requests == []
    right, bundle = server_context(tmp_path, "127.0.0.1")
    with MisbehavingServer(tls=right) as server:
        scene.destination = SegmentDestination(
            server.url, Secret("key"), ca_bundle=bundle, now=scene.clock.now
        )
        scene.restarted()
        scene.run_until(ProgressKind.IDLE)
        scene.destination.close()
        assert server.accepted == IDS


def test_too_large_events_are_dead_without_a_request_and_full_batches_stay_below_500_kb(stage: Stage) -> None:
    """Limits hold before sending: the server never sees what it would refuse."""
    with MisbehavingServer() as server:
        scene = stage(server)
        scene.queue([100], size=40_000)
        scene.queue(range(101, 161), size=30_000)
        scene.run_until(ProgressKind.IDLE)
        assert scene.dead == {event_id(100): ("event_too_large", None)}
        assert server.accepted == [*IDS, *map(event_id, range(101, 161))]
        assert max(len(request.body) for request in server.requests) <= 500_000
        assert len(server.requests) == 4


def test_no_request_carries_more_than_2500_events(stage: Stage) -> None:
    """Above it Segment answers 200 and rejects."""
    with MisbehavingServer() as server:
        scene = stage(server)
        scene.queue(range(COUNT, 6_000))
        scene.run_until(ProgressKind.IDLE)
        assert [len(request.ids) for request in server.requests] == [2_500, 2_500, 1_000]
        assert server.accepted == [event_id(number) for number in range(6_000)]


def test_a_fact_that_was_delivered_is_not_sent_again(stage: Stage) -> None:
    """The ledger is the first belt, Segment's dedupe the second."""
    with MisbehavingServer() as server:
        scene = stage(server)
        scene.run_until(ProgressKind.IDLE)
        scene.queue(range(COUNT + 5))
        scene.run_until(ProgressKind.IDLE)
        assert server.accepted == [event_id(number) for number in range(COUNT + 5)]


def test_a_shutdown_leaves_the_running_request_and_repeats_it_with_its_ids(
    stage: Stage, clock: FakeClock
) -> None:
    """H21: answers that outlast the grace: the drain ends, nothing is lost, the repeat is the same request."""
    release = threading.Event()

    def late(_: Request) -> Answer:
        release.wait(30)
        return OK

    with MisbehavingServer(late) as server:
        scene = stage(server)
        scene.deliverer.drain(0.2, FakeStop(clock))
        assert scene.store.status().outbox_rows == COUNT
        release.set()
        scene.restarted()
        scene.run_until(ProgressKind.IDLE)
        batches = [request.json["batch"] for request in server.requests]
    assert all(batch == batches[0] for batch in batches)
    assert set(server.accepted) == set(IDS)
    assert scene.sent == IDS


def test_an_opt_out_purges_what_waits_and_no_connection_is_made(stage: Stage) -> None:
    """Bytes on the socket and rows on the disk: none of either, and none after it is lifted."""
    allowed = True
    with MisbehavingServer() as server:
        scene = stage(server)
        scene.deliverer = Deliverer(
            scene.store,
            scene.destination,
            clock=scene.clock,
            allowed=lambda: allowed,
            rng=random.Random(5).random,
        )
        allowed = False
        assert scene.deliverer.step().kind is ProgressKind.OPTED_OUT
        scene.store.opt_out("EXTRACTOR_DISABLED")
        assert scene.deliverer.step().kind is ProgressKind.OPTED_OUT
        assert scene.store.status().outbox_rows == 0
        assert server.connections == 0
        scene.store.opt_in()
        allowed = True
        scene.queue(range(COUNT))
        scene.run_until(ProgressKind.IDLE)
        assert server.connections == 0
        assert scene.sent == []


def test_nobody_knows_what_mixture_comes_and_everything_arrives(stage: Stage, clock: FakeClock) -> None:
    """Random trouble of every kind for 300 answers: each event is accepted or is the one that is refused."""
    rng = random.Random(11)
    trouble = [*ANSWERS_THAT_HOLD, *(a for a in ANSWERS_THAT_RETRY if a.drip_s is None), Answer(status=400)]
    bad = event_id(13)
    left = 300

    def script(request: Request) -> Answer:
        nonlocal left
        left -= 1
        if left > 0 and rng.random() < 0.6:
            return rng.choice(trouble)
        return Answer(status=400) if bad in request.ids else OK

    with MisbehavingServer(script) as server:
        scene = stage(server)
        for wave in range(10):
            scene.queue(range(COUNT * wave, COUNT * (wave + 1)))
            scene.run_until(ProgressKind.IDLE)
        everything = {event_id(number) for number in range(COUNT * 10)}
        accepted = set(server.accepted)
        assert len(server.accepted) == len(accepted), "nothing was accepted twice: every trouble here says no"
    assert accepted | set(scene.dead) == everything
    assert accepted & set(scene.dead) == set()
    assert bad in scene.dead
