import itertools
import random
import threading

import pytest

from extractor.deliver import Deliverer, DeliveryPace, Progress, ProgressKind
from extractor.destination.limits import BatchLimits
from extractor.destination.offenders import BELIEVED, SERVER_AFTER
from extractor.destination.verdict import DeliveryReason, Refusal, Verdict, VerdictKind
from extractor.store import Hold, StatusSnapshot
from tests.delivering import (
    BAD_REQUEST,
    DELIVERED,
    SERVER_ERROR,
    START,
    UNAUTHORIZED,
    FakeClock,
    FakeDestination,
    FakeOutbox,
    FakeStop,
    build_event,
    event_id,
    refusing,
    step_until,
)

NO_PACE = DeliveryPace(requests_per_second=1e9)


def ids(*numbers: int) -> list[str]:
    """Of events by number."""
    return [event_id(number) for number in numbers]


def deliverer_of(
    outbox: FakeOutbox,
    destination: FakeDestination,
    clock: FakeClock,
    *,
    pace: DeliveryPace = NO_PACE,
    **options: object,
) -> Deliverer:
    """A loop that is never paced."""
    return Deliverer(outbox, destination, clock=clock, pace=pace, rng=random.Random(7).random, **options)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> FakeClock:
    """Stands still."""
    return FakeClock()


def outbox_of(count: int, size: int = 0) -> FakeOutbox:
    """Events 0, 1, 2 ..."""
    return FakeOutbox([build_event(number, size) for number in range(count)])


def test_everything_queued_is_delivered_once_and_in_order(clock: FakeClock) -> None:
    """In normal running the order of the outbox is the order of the requests."""
    outbox, destination = outbox_of(250), FakeDestination()
    steps = step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.IDLE)
    assert outbox.delivered == ids(*range(250))
    assert [len(batch) for batch in destination.requests] == [100, 100, 50]
    assert sum(step.acknowledged for step in steps) == 250


@pytest.mark.parametrize("offender", [0, 1, 42, 98, 99])
def test_one_refused_event_of_a_hundred_is_dead_and_the_others_arrive(
    clock: FakeClock, offender: int
) -> None:
    """400 splits down to the offender, which alone becomes a dead letter."""
    outbox, destination = outbox_of(100), FakeDestination(refusing(offender))
    step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.IDLE)
    assert outbox.dead == {event_id(offender): ("bad_request", 400)}
    assert sorted(outbox.delivered) == ids(*(n for n in range(100) if n != offender))
    assert len(destination.requests) < 20


def test_many_refused_events_are_dead_and_no_other(clock: FakeClock) -> None:
    """Every second event refused: the search goes on after each."""
    bad = range(1, 60, 2)
    outbox, destination = outbox_of(100), FakeDestination(refusing(*bad))
    step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.IDLE)
    assert sorted(outbox.dead) == ids(*bad)
    assert len(outbox.delivered) == 100 - len(bad)


def test_a_server_that_refuses_everything_is_held_and_blames_no_event(clock: FakeClock) -> None:
    """When no event of a batch is accepted alone it is the server."""
    outbox, destination = outbox_of(40), FakeDestination(lambda _: BAD_REQUEST)
    deliverer = deliverer_of(outbox, destination, clock)
    last = step_until(deliverer, clock, ProgressKind.HELD)[-1]
    assert last.verdict == Verdict(VerdictKind.HOLD, DeliveryReason.NOTHING_ACCEPTED, 400)
    assert outbox.hold_state == Hold(START, "nothing_accepted", 400)
    assert {batch[0] for batch in destination.requests if len(batch) == 1} == set(ids(*range(40)))
    assert outbox.dead == {}
    destination.script = lambda _: DELIVERED
    step_until(deliverer, clock, ProgressKind.IDLE)
    assert sorted(outbox.delivered) == ids(*range(40))
    assert outbox.hold_state is None
    assert outbox.dead == {}


def test_a_refusing_server_gets_a_bounded_number_of_requests_before_the_hold(clock: FakeClock) -> None:
    """However much is queued, it is the server after so many single refusals."""
    outbox, destination = outbox_of(3000), FakeDestination(lambda _: BAD_REQUEST)
    step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.HELD)
    assert SERVER_AFTER <= len(destination.requests) <= SERVER_AFTER + 10


def test_a_lone_refused_event_waits_until_another_is_accepted(clock: FakeClock) -> None:
    """One event and a 400: nobody can say yet whose fault it is; the next accepted event can."""
    outbox, destination = outbox_of(1), FakeDestination(refusing(0))
    deliverer = deliverer_of(outbox, destination, clock)
    clock.advance(step_until(deliverer, clock, ProgressKind.HELD)[-1].wait_s)
    assert outbox.dead == {}
    outbox.waiting.extend(FakeOutbox([build_event(n) for n in range(3)]).waiting[1:])
    step_until(deliverer, clock, ProgressKind.IDLE)
    assert outbox.dead == {event_id(0): ("bad_request", 400)}
    assert outbox.delivered == ids(1, 2)
    assert not deliverer.held


def test_refused_events_at_the_head_never_block_those_behind(clock: FakeClock) -> None:
    """A wall of bad events is probed past, one probe at a time, and then known for what it is."""
    bad = range(SERVER_AFTER + 5)
    outbox, destination = outbox_of(len(bad) + 20), FakeDestination(refusing(*bad))
    step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.IDLE)
    assert sorted(outbox.dead) == ids(*bad)
    assert len(outbox.delivered) == 20


def test_a_server_that_turns_to_refusing_everything_in_mid_search_buries_few(clock: FakeClock) -> None:
    """Earlier acceptance is no evidence for long: what is refused in a row after it is held, not dead."""
    answers = iter([BAD_REQUEST, DELIVERED])
    outbox, destination = outbox_of(100), FakeDestination(lambda _: next(answers, BAD_REQUEST))
    step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.HELD)
    assert outbox.dead == {}
    assert len(outbox.delivered) == 50
    assert len(outbox.waiting) > BELIEVED


def test_a_search_survives_a_server_that_fails_every_third_time(clock: FakeClock) -> None:
    """A 503 in the middle of a search neither ends nor confuses it."""
    refuse, turn = refusing(17, 63), iter(range(10_000))
    outbox = outbox_of(100)
    destination = FakeDestination(lambda batch: SERVER_ERROR if next(turn) % 3 == 0 else refuse(batch))
    step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.IDLE)
    assert sorted(outbox.dead) == ids(17, 63)
    assert len(outbox.delivered) == 98


def test_a_hold_sends_single_probes_with_growing_pauses_and_resumes_by_itself(clock: FakeClock) -> None:
    """H19: 401 for ten minutes, then 200: nothing lost, nobody had to do anything."""
    outbox = outbox_of(300)
    destination = FakeDestination(lambda _: UNAUTHORIZED if clock.monotonic() < 600 else DELIVERED)
    deliverer = deliverer_of(outbox, destination, clock)
    step_until(deliverer, clock, ProgressKind.HELD)
    assert outbox.hold_state == Hold(START, "unauthorized", 401)
    step_until(deliverer, clock, ProgressKind.IDLE)
    assert outbox.delivered == ids(*range(300))
    assert outbox.hold_state is None
    probes = [batch for batch in destination.requests[1:] if len(batch) == 1]
    assert 2 <= len(probes) <= 30
    assert clock.monotonic() < 600 + NO_PACE.hold_cap_s + 1


def test_retries_never_end_and_never_drop(clock: FakeClock) -> None:
    """503 for three days, then 200."""
    until = 3 * 86_400
    outbox = outbox_of(10)
    destination = FakeDestination(lambda _: SERVER_ERROR if clock.monotonic() < until else DELIVERED)
    step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.IDLE, steps=100_000)
    assert outbox.delivered == ids(*range(10))
    assert len(destination.requests) < 2 * until / (NO_PACE.retry_cap_s / 2)


@pytest.mark.parametrize(("draw", "expected"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_backoff_is_fully_jittered_doubles_and_is_capped(
    clock: FakeClock, draw: float, expected: float
) -> None:
    """Each wait is uniform between nothing and the capped exponential."""
    deliverer = Deliverer(
        outbox_of(1), FakeDestination(lambda _: SERVER_ERROR), clock=clock, pace=NO_PACE, rng=lambda: draw
    )
    waits = []
    for _ in range(40):
        progress = deliverer.step()
        waits.append(progress.wait_s)
        clock.advance(progress.wait_s + 1)
    assert waits == [expected * min(60.0, 2.0**n) for n in range(40)]


def test_at_most_one_request_is_made_in_each_retry_after_window(clock: FakeClock) -> None:
    """H20: `Retry-After: 30` twenty times; whoever steps meanwhile sends nothing."""
    asked = Verdict(VerdictKind.RETRY, DeliveryReason.RATE_LIMITED, 429, wait_s=30.0)
    answers = iter([asked] * 20)
    times: list[float] = []

    def answer(_: list[str]) -> Verdict:
        times.append(clock.monotonic())
        return next(answers, DELIVERED)

    outbox = outbox_of(5)
    deliverer = deliverer_of(outbox, FakeDestination(answer), clock)
    while outbox.waiting:
        deliverer.step()
        clock.advance(1.0)
    assert len(times) == 21
    assert all(later - earlier >= 30 for earlier, later in itertools.pairwise(times))
    assert outbox.delivered == ids(*range(5))


def test_a_wait_that_the_server_asks_for_goes_before_the_backoff(clock: FakeClock) -> None:
    """After twenty failures the backoff would be a minute; the server says two seconds, and knows better."""
    waits = [None] * 20 + [2.0, 0.001]
    answers = iter([Verdict(VerdictKind.RETRY, DeliveryReason.SERVER_ERROR, 503, wait_s) for wait_s in waits])
    deliverer = Deliverer(
        outbox_of(1), FakeDestination(lambda _: next(answers)), clock=clock, pace=NO_PACE, rng=lambda: 0.75
    )
    waited = []
    for _ in waits:
        waited.append(deliverer.step().wait_s)
        clock.advance(waited[-1])
    assert waited[-3:] == [45.0, 2.0, 0.75]


def test_a_silence_that_was_asked_for_outlives_the_process(clock: FakeClock) -> None:
    """After a restart the window is still the window."""
    asked = Verdict(VerdictKind.RETRY, DeliveryReason.RATE_LIMITED, 429, wait_s=30.0)
    outbox = outbox_of(1)
    deliverer_of(outbox, FakeDestination(lambda _: asked), clock).step()
    destination = FakeDestination()
    restarted = deliverer_of(outbox, destination, clock)
    assert restarted.step() == Progress(kind=ProgressKind.RESTING, wait_s=30.0)
    assert destination.requests == []
    clock.advance(30)
    assert restarted.step().kind is ProgressKind.SENT


@pytest.mark.parametrize("retry_at", [START + 1e9, START - 1e9])
def test_an_absurd_stored_silence_neither_blocks_for_ever_nor_matters(
    clock: FakeClock, retry_at: float
) -> None:
    """A clock that was set wrongly when the process died must not silence the next one for years."""
    outbox = FakeOutbox([build_event(0)], retry_at=retry_at)
    assert deliverer_of(outbox, FakeDestination(), clock).step().wait_s <= 3600


def test_a_hold_outlives_the_process_and_is_probed_by_one_event(clock: FakeClock) -> None:
    """After a restart the first request is a probe, not the whole backlog."""
    outbox = FakeOutbox([build_event(n) for n in range(50)], hold=Hold(START, "unauthorized", 401))
    destination = FakeDestination()
    deliverer = deliverer_of(outbox, destination, clock)
    deliverer.step()
    assert [len(batch) for batch in destination.requests] == [1]
    step_until(deliverer, clock, ProgressKind.IDLE)
    assert outbox.delivered == ids(*range(50))


def test_a_retry_during_a_hold_does_not_end_it(clock: FakeClock) -> None:
    """Only an accepted probe ends a hold."""
    answers = iter([UNAUTHORIZED, SERVER_ERROR, SERVER_ERROR])
    outbox = outbox_of(3)
    deliverer = deliverer_of(outbox, FakeDestination(lambda _: next(answers, DELIVERED)), clock)
    kinds = []
    for _ in range(3):
        progress = deliverer.step()
        kinds.append(progress.kind)
        clock.advance(progress.wait_s)
    assert kinds == [ProgressKind.HELD] * 3
    assert outbox.hold_state is not None
    deliverer.step()
    assert not deliverer.held
    assert outbox.hold_state is None


def test_an_event_that_no_request_can_carry_is_dead_before_any_request(clock: FakeClock) -> None:
    """32 KB is checked on the serialized message; its neighbours go."""
    outbox = FakeOutbox([build_event(0), build_event(1, 32_769), build_event(2, 32_760)])
    destination = FakeDestination()
    step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.IDLE)
    assert outbox.dead == {event_id(1): ("event_too_large", None)}
    assert destination.requests == [ids(0, 2)]


def test_no_request_passes_the_byte_limit_separators_included(clock: FakeClock) -> None:
    """The messages of a batch and their commas fit the limit to the byte."""
    size = len(build_event(0, 1000).message)
    limits = BatchLimits(max_event_bytes=32_768, max_batch_bytes=10 * (size + 1), max_batch_events=100)
    outbox, destination = outbox_of(25, 1000), FakeDestination(limits=limits)
    step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.IDLE)
    assert [len(batch) for batch in destination.requests] == [10, 10, 5]
    outbox, tighter = (
        outbox_of(25, 1000),
        BatchLimits(max_event_bytes=32_768, max_batch_bytes=10 * (size + 1) - 1, max_batch_events=100),
    )
    destination = FakeDestination(limits=tighter)
    step_until(deliverer_of(outbox, destination, clock), clock, ProgressKind.IDLE)
    assert [len(batch) for batch in destination.requests] == [9, 9, 7]
    assert outbox.delivered == ids(*range(25))


def test_requests_keep_the_configured_distance(clock: FakeClock) -> None:
    """Requests per second hold also when every answer is a success."""
    times: list[float] = []

    def answer(_: list[str]) -> Verdict:
        times.append(clock.monotonic())
        return DELIVERED

    pace = DeliveryPace(requests_per_second=4)
    step_until(
        deliverer_of(outbox_of(1000), FakeDestination(answer), clock, pace=pace), clock, ProgressKind.IDLE
    )
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == pytest.approx([0.25] * 9)


def test_events_that_the_gate_refuses_are_dead_and_the_others_go(clock: FakeClock) -> None:
    """The gate names positions; nothing else of the batch is blamed or lost."""

    def answer(batch: list[str]) -> Verdict:
        refused = tuple(Refusal(at, "unknown_key") for at, id_ in enumerate(batch) if id_ == event_id(3))
        return Verdict(VerdictKind.DEAD, DeliveryReason.GATE, refusals=refused) if refused else DELIVERED

    outbox = outbox_of(6)
    step_until(deliverer_of(outbox, FakeDestination(answer), clock), clock, ProgressKind.IDLE)
    assert outbox.dead == {event_id(3): ("gate:unknown_key", None)}
    assert outbox.delivered == ids(0, 1, 2, 4, 5)


@pytest.mark.parametrize("failing_call", range(1, 12))
def test_what_was_accepted_is_never_sent_again_because_the_disk_refused(
    clock: FakeClock, failing_call: int
) -> None:
    """A full disk at any call of the store: delivery waits for the disk, and nothing is doubled, lost or stuck."""
    outbox, destination = outbox_of(30), FakeDestination(refusing(7))
    deliverer, calls = deliverer_of(outbox, destination, clock), 0
    real = outbox._may_fail

    def fail_there() -> None:
        nonlocal calls
        calls += 1
        if failing_call <= calls < failing_call + 5:
            outbox.broken = 1
        real()

    outbox._may_fail = fail_there  # type: ignore[method-assign]
    steps = step_until(deliverer, clock, ProgressKind.IDLE)
    assert any(step.kind is ProgressKind.STORE_UNAVAILABLE for step in steps)
    assert outbox.delivered == ids(*range(7), *range(8, 30))
    assert list(outbox.dead) == ids(7)
    accepted = [id_ for batch in destination.requests if event_id(7) not in batch for id_ in batch]
    assert sorted(accepted) == ids(*range(7), *range(8, 30))


def test_nothing_is_sent_once_it_is_not_allowed(clock: FakeClock) -> None:
    """Opted out: no request, and what was on lease is given back to be purged."""
    allowed = True
    outbox, destination = outbox_of(5), FakeDestination(lambda _: BAD_REQUEST)
    deliverer = deliverer_of(outbox, destination, clock, allowed=lambda: allowed)
    for _ in range(4):
        deliverer.step()
    before = len(destination.requests)
    allowed = False
    assert deliverer.step().kind is ProgressKind.OPTED_OUT
    assert deliverer.step().kind is ProgressKind.OPTED_OUT
    assert len(destination.requests) == before
    assert outbox.leased == set()
    assert len(outbox.waiting) == 5


def test_the_permission_is_asked_again_right_before_sending(clock: FakeClock) -> None:
    """An opt-out between the lease and the request is in time."""
    answers = iter([True, False])
    outbox, destination = outbox_of(5), FakeDestination()
    deliverer = deliverer_of(outbox, destination, clock, allowed=lambda: next(answers, False))
    assert deliverer.step().kind is ProgressKind.OPTED_OUT
    assert destination.requests == []
    assert outbox.leased == set()


def test_drain_sends_until_the_deadline_and_no_longer(clock: FakeClock) -> None:
    """H21: each request is told what is left; when it is over, the rest stays in the outbox."""
    left: list[float | None] = []

    class Slow(FakeDestination):
        def send(self, messages: object, within_s: float | None = None) -> Verdict:
            left.append(within_s)
            clock.advance(4.0)
            return DELIVERED

    outbox = outbox_of(500)
    deliverer_of(outbox, Slow(), clock).drain(10.0, FakeStop(clock))
    assert left == [10.0, 6.0, 2.0]
    assert len(outbox.waiting) == 200


@pytest.mark.parametrize(
    "verdict", [UNAUTHORIZED, Verdict(VerdictKind.RETRY, DeliveryReason.RATE_LIMITED, 429, 60.0)]
)
def test_drain_does_not_wait_for_what_outlasts_it(clock: FakeClock, verdict: Verdict) -> None:
    """A hold or a long silence ends the drain at once: nothing is lost by leaving."""
    outbox, destination = outbox_of(5), FakeDestination(lambda _: verdict)
    deliverer_of(outbox, destination, clock).drain(10.0, FakeStop(clock))
    assert len(destination.requests) == 1
    assert clock.monotonic() < 1
    assert len(outbox.waiting) == 5


def test_drain_writes_down_what_was_accepted_once_the_disk_takes_it(clock: FakeClock) -> None:
    """A disk that is full for a moment during the shutdown does not make the next start send again."""
    outbox = outbox_of(5)

    def full_from_now_on(_: list[str]) -> Verdict:
        outbox.broken = 3
        return DELIVERED

    destination = FakeDestination(full_from_now_on)
    deliverer_of(outbox, destination, clock).drain(10.0, FakeStop(clock))
    assert outbox.delivered == ids(*range(5))
    assert len(destination.requests) == 1


def test_run_stops_when_told_and_wakes_when_rung(clock: FakeClock) -> None:
    """The real loop in a real thread: a new event is sent on `wake`, and `stop` ends it."""
    sent, stop = threading.Event(), threading.Event()
    outbox = FakeOutbox()
    pace = DeliveryPace(requests_per_second=1e9, idle_s=60.0)

    def listen(progress: Progress) -> None:
        if progress.kind is ProgressKind.SENT:
            sent.set()

    deliverer = deliverer_of(outbox, FakeDestination(), clock, pace=pace, listen=listen)
    loop = threading.Thread(target=deliverer.run, args=(stop,))
    loop.start()
    outbox.waiting.extend(FakeOutbox([build_event(0)]).waiting)
    deliverer.wake()
    assert sent.wait(10)
    stop.set()
    deliverer.wake()
    loop.join(10)
    assert not loop.is_alive()
    assert outbox.delivered == ids(0)


def test_a_stop_during_a_long_silence_is_obeyed_at_once(clock: FakeClock) -> None:
    """An hour of `Retry-After` does not delay a shutdown."""
    rested, stop = threading.Event(), threading.Event()
    verdict = Verdict(VerdictKind.RETRY, DeliveryReason.RATE_LIMITED, 429, 3600.0)
    deliverer = deliverer_of(
        outbox_of(1), FakeDestination(lambda _: verdict), clock, listen=lambda _: rested.set()
    )
    loop = threading.Thread(target=deliverer.run, args=(stop,))
    loop.start()
    assert rested.wait(10)
    stop.set()
    loop.join(10)
    assert not loop.is_alive()


def test_a_mistake_of_ours_ends_the_loop(clock: FakeClock) -> None:
    """Only the world's errors are waited out."""

    class Broken(FakeOutbox):
        def status(self) -> StatusSnapshot:
            raise KeyError("a mistake")

    with pytest.raises(KeyError):
        deliverer_of(Broken([build_event(0)]), FakeDestination(), clock).step()
