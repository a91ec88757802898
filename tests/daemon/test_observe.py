"""What the loops did is counted, told where it changes, and judged."""

import json
from dataclasses import replace

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from extractor import collect, deliver, telemetry
from extractor.daemon.expose import Running, Scrape
from extractor.daemon.observe import MAX_TOLD, STALLED_S, Health, Loop, ObservedStore, Observer
from extractor.destination.verdict import DeliveryReason, Verdict, VerdictKind
from extractor.gathered import LINES, READ_BYTES
from extractor.learning.seen import KIND, Seen
from extractor.store import Incident, Store, StoreUnavailable, Tally
from extractor.telemetry import IncidentKind, Trouble
from tests.delivering import DELIVERED, SERVER_ERROR, UNAUTHORIZED, FakeClock, build_event, outcome_of

IDLE = collect.Progress(kind=collect.ProgressKind.IDLE)
FULL = collect.Progress(kind=collect.ProgressKind.FULL)
REFUSED = collect.Progress(kind=collect.ProgressKind.STORE_UNAVAILABLE)


@pytest.fixture
def clock() -> FakeClock:
    """Stands still."""
    return FakeClock()


@pytest.fixture
def observer(clock: FakeClock) -> Observer:
    """Both loops run, and the first look is over."""
    observer = Observer(clock)
    observer.begun(Loop.COLLECT)
    observer.begun(Loop.DELIVER, still_s=30.0)
    observer.collected(IDLE)
    return observer


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """The lines of the log since the last call."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_process_that_starts_is_alive_but_not_ready(clock: FakeClock) -> None:
    """Until the first look at the files is over."""
    observer = Observer(clock)
    observer.begun(Loop.COLLECT)
    assert observer.health() == Health(alarms=(Trouble.STARTING,))
    observer.collected(IDLE)
    assert observer.health() == Health()


@pytest.mark.parametrize(
    ("loop", "still_s", "trouble"),
    [(Loop.COLLECT, 0.0, Trouble.COLLECT_STALLED), (Loop.DELIVER, 30.0, Trouble.DELIVER_STALLED)],
)
def test_a_loop_that_does_not_move_fails_health_and_recovers(
    observer: Observer, clock: FakeClock, loop: Loop, still_s: float, trouble: Trouble
) -> None:
    """Only after the longest time that a step may take; the other loop's moves do not hide it."""
    other = Loop.DELIVER if loop is Loop.COLLECT else Loop.COLLECT
    clock.advance(STALLED_S + still_s)
    observer.moved(other)
    assert observer.health().broken == ()
    clock.advance(1)
    assert observer.health().broken == (trouble,)
    observer.moved(loop)
    assert observer.health().broken == ()


def test_a_loop_that_said_that_it_rests_is_not_stalled(observer: Observer, clock: FakeClock) -> None:
    """A server that asks for an hour of silence does not get the process killed."""
    observer.delivered(deliver.Progress(kind=deliver.ProgressKind.RESTING, wait_s=3600.0))
    clock.advance(3600)
    observer.moved(Loop.COLLECT)
    assert observer.health().broken == ()
    clock.advance(STALLED_S + 31)
    assert Trouble.DELIVER_STALLED in observer.health().broken


def test_a_loop_that_died_fails_health_for_good(
    observer: Observer, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told with type and place, never with the text of the error."""
    observer.ended(Loop.COLLECT, ValueError("canary"))
    assert Trouble.DIED in observer.health().broken
    (line,) = told(capsys)
    assert (line["event"], line["error"]) == ("died", "ValueError")
    assert "canary" not in json.dumps(line)


def test_a_state_that_refuses_fails_health_until_it_takes_again(
    observer: Observer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told once each way, however often it is tried."""
    for progress in (REFUSED, REFUSED, REFUSED, IDLE, IDLE):
        observer.collected(progress)
        refused = progress is REFUSED
        assert observer.health().broken == ((Trouble.STATE_UNAVAILABLE,) if refused else ())
    assert [line["event"] for line in told(capsys)] == ["state_unavailable", "state_available"]


def test_a_full_outbox_is_an_alarm_until_it_is_drained(
    observer: Observer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reading pauses: told once, seen in readiness, and over by itself."""
    for progress in (FULL, FULL, IDLE):
        observer.collected(progress)
    assert observer.health() == Health()
    observer.collected(FULL)
    assert observer.health() == Health(alarms=(Trouble.OUTBOX_FULL,))
    assert [line["event"] for line in told(capsys)] == ["outbox_full", "outbox_drained", "outbox_full"]


def answered(kind: deliver.ProgressKind, verdict: Verdict, acknowledged: int = 0) -> deliver.Progress:
    """A step with a request."""
    return deliver.Progress(kind=kind, verdict=verdict, tried=1, acknowledged=acknowledged, wait_s=2.0)


def test_a_hold_is_an_alarm_until_a_batch_is_accepted(
    observer: Observer, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its reason and status, and the good news when it is over."""
    observer.delivered(answered(deliver.ProgressKind.HELD, UNAUTHORIZED))
    assert observer.health() == Health(alarms=(Trouble.HELD,))
    observer.delivered(answered(deliver.ProgressKind.SENT, DELIVERED, 1))
    assert observer.health() == Health()
    held, resumed = told(capsys)
    assert (held["event"], held["reason"], held["status"]) == ("held", "unauthorized", 401)
    assert resumed["event"] == "delivering"


def test_requests_and_what_became_of_events_are_counted(observer: Observer) -> None:
    """By verdict and reason."""
    observer.delivered(answered(deliver.ProgressKind.RESTING, SERVER_ERROR))
    observer.delivered(answered(deliver.ProgressKind.SENT, DELIVERED, 7))
    dead = deliver.Progress(kind=deliver.ProgressKind.SENT, buried=(DeliveryReason.EVENT_TOO_LARGE,))
    observer.delivered(dead)
    counts = observer.counts()
    assert counts[telemetry.REQUESTS, (VerdictKind.RETRY, DeliveryReason.SERVER_ERROR)] == 1
    assert counts[telemetry.REQUESTS, (VerdictKind.DELIVERED, DeliveryReason.ACCEPTED)] == 1
    assert counts[telemetry.DELIVERED_EVENTS, ()] == 7
    assert counts[telemetry.DEAD_EVENTS, (DeliveryReason.EVENT_TOO_LARGE,)] == 1


def test_ten_thousand_incidents_are_counted_and_a_few_told(
    observer: Observer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log is not drowned by a folder without permission, and the loss is summed up."""
    incidents = tuple(Incident(IncidentKind.LOST, 1.0, f"/log/{n}", lost_bytes=3) for n in range(10_000))
    observer.collected(replace(IDLE, incidents=incidents))
    lines = told(capsys)
    assert len(lines) == MAX_TOLD + 1
    assert lines[-1]["count"] == 10_000 - MAX_TOLD
    assert observer.counts()[telemetry.INCIDENTS, ("lost",)] == 10_000
    assert observer.counts()[telemetry.LOST_BYTES, ()] == 30_000


def test_a_counter_takes_exactly_its_labels(observer: Observer) -> None:
    """A label too many would make series without end."""
    with pytest.raises(TypeError):
        observer.count(telemetry.EVENTS, 1, "plan_created", "customer-7")


def test_what_is_recorded_is_counted_and_what_is_suppressed_is_not(
    observer: Observer, clock: FakeClock
) -> None:
    """Under an opt-out only the number of suppressed events is."""
    store = ObservedStore(Store.in_memory(clock=clock), observer)
    tallies = [Tally(READ_BYTES, 100), Tally(LINES, 4, label="not_json")]
    store.record([], [outcome_of(build_event(1)), outcome_of(build_event(2))], tallies=tallies)
    store.record([], [outcome_of(build_event(2))])
    before = observer.counts()
    store.record([], [outcome_of(build_event(3))], suppress=True, tallies=tallies)
    assert before[telemetry.EVENTS, ("plan_created",)] == 2
    assert before[telemetry.REPEATED_EVENTS, ()] == 1
    assert before[telemetry.READ_BYTES, ()] == 100
    assert before[telemetry.LINES, ("not_json",)] == 4
    assert observer.counts() == {**before, (telemetry.SUPPRESSED_EVENTS, ()): 1}


def scrape(observer: Observer, running: Running | None) -> dict[str, set[str]]:
    """The names of all families on the page, and of their labels."""
    registry = CollectorRegistry()
    page = Scrape(observer)
    if running is not None:
        page.attach(running)
    registry.register(page)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def test_the_page_has_every_declared_metric_and_no_other(observer: Observer, clock: FakeClock) -> None:
    """With everything happening at once, each of the catalogue is there, with its labels."""
    store = Store.in_memory(clock=clock)
    seen = ObservedStore(store, observer)
    seen.record([], [outcome_of(build_event(1))], tallies=[Tally(LINES, 4, label="not_json")])
    with store._database.transaction() as connection:
        connection.execute("INSERT INTO rule_seen VALUES ('lago/plan', 1)")
    store.keep_seen(
        [Seen(kind="X#create", sort=KIND, lines=1, run=1, since=clock.now(), last_at=clock.now())], []
    )
    store.hold("unauthorized", 401)
    observer.delivered(answered(deliver.ProgressKind.HELD, UNAUTHORIZED))
    for metric in telemetry.METRICS:
        if metric.kind is telemetry.MetricKind.COUNTER:
            observer.count(metric, 1, *metric.labels)
    page = scrape(observer, Running(store, lambda: 3, lambda: True))
    assert page == {metric.name: set(metric.labels) for metric in telemetry.METRICS}


class Refusing:
    """A state that cannot be read."""

    def status(self) -> None:
        """Never answers."""
        message = "gone"
        raise StoreUnavailable(message)


def test_the_page_is_there_when_the_state_is_not(observer: Observer) -> None:
    """Counters and health are told before a start, during a reload, and with a state that cannot be read."""
    for running in (None, Running(Refusing(), lambda: 3, lambda: True)):  # type: ignore[arg-type]
        page = scrape(observer, running)
        assert "extractor_healthy" in page
        assert "extractor_delivered_events_total" in page
        assert "extractor_outbox_events" not in page
