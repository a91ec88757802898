"""What tests of delivery share: a clock that only tests move, events, and an outbox without a disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from extractor.deliver import Deliverer, Progress, ProgressKind
from extractor.destination.limits import BatchLimits
from extractor.destination.verdict import DeliveryReason, Verdict, VerdictKind
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.outcome import Outcome, PendingEvent
from extractor.store import Batch, Hold, StatusSnapshot, StoredEvent, StoreUnavailable

START = 1_700_000_000.0

DELIVERED = Verdict(VerdictKind.DELIVERED, DeliveryReason.ACCEPTED, 200)
BAD_REQUEST = Verdict(VerdictKind.SPLIT, DeliveryReason.BAD_REQUEST, 400)
UNAUTHORIZED = Verdict(VerdictKind.HOLD, DeliveryReason.UNAUTHORIZED, 401)
SERVER_ERROR = Verdict(VerdictKind.RETRY, DeliveryReason.SERVER_ERROR, 503)


class FakeClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def now(self) -> float:
        return START + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    def advance(self, seconds: float) -> None:
        self.elapsed += seconds


class FakeStop:
    """A stop that moves the clock instead of waiting."""

    def __init__(self, clock: FakeClock, after: int = 1_000_000) -> None:
        self._clock = clock
        self._left = after

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.advance(timeout or 0.0)
        return False


def event_id(number: int) -> str:
    """48 hexadecimal characters, the same for the same number."""
    return f"{number:048x}"


def build_event(number: int, size: int = 0) -> Event:
    """An event whose message has at least `size` bytes."""
    head = f'{{"type":"track","event":"plan_created","messageId":"{event_id(number)}"'
    filler = ',"pad":"' + "x" * max(0, size - len(head) - 10) + '"' if size else ""
    return Event(
        message_id=event_id(number),
        name="plan_created",
        rule="test/plan_created",
        message=f"{head}{filler}}}".encode(),
        time=START,
        time_source=TimeSource.READ,
        path="app.log",
        offset=number,
    )


def outcome_of(event: Event) -> Outcome:
    """What `evaluate` would have given for the event's line."""
    return Outcome(events=(PendingEvent(event.rule, lambda _reset, _recalled: event),))


class FakeOutbox:
    """The deliver loop's view of a store, in lists. `broken` makes the next so many calls fail."""

    def __init__(
        self, events: Sequence[Event] = (), *, hold: Hold | None = None, retry_at: float | None = None
    ) -> None:
        self.waiting = [StoredEvent(number, event, START) for number, event in enumerate(events)]
        self.leased: set[int] = set()
        self.delivered: list[str] = []
        self.dead: dict[str, tuple[str, int | None]] = {}
        self.hold_state = hold
        self.retry_at = retry_at
        self.broken = 0

    def lease(self, max_events: int, max_bytes: int) -> Batch:
        self._may_fail()
        taken: list[StoredEvent] = []
        for stored in self.waiting:
            if stored.sequence in self.leased:
                continue
            max_bytes -= len(stored.event.message)
            if taken and (len(taken) >= max_events or max_bytes < 0):
                break
            taken.append(stored)
        self.leased |= {stored.sequence for stored in taken}
        return Batch(tuple(taken))

    def acknowledge(self, batch: Batch) -> None:
        self._may_fail()
        self._take(batch.events)
        self.delivered.extend(stored.event.message_id for stored in batch.events)
        self.hold_state = self.retry_at = None

    def release(self, batch: Batch, retry_at: float | None = None) -> None:
        self._may_fail()
        self.retry_at = retry_at
        self.leased -= {stored.sequence for stored in batch.events}

    def bury(self, event: StoredEvent, *, reason: str, status: int | None = None) -> None:
        self._may_fail()
        self._take((event,))
        self.dead[event.event.message_id] = (reason, status)

    def hold(self, reason: str, status: int | None = None) -> None:
        self._may_fail()
        self.hold_state = Hold(START, reason, status)

    def status(self) -> StatusSnapshot:
        self._may_fail()
        return StatusSnapshot(
            at=START, files=(), outbox_rows=len(self.waiting), outbox_bytes=0, outbox_oldest=None, delivered=0,
            destination="", dead_letters=0, rules=(), counters=(), hold=self.hold_state, retry_at=self.retry_at,
            incidents=(), opt_out=None, suppressed=0,
        )  # fmt: skip

    @property
    def waiting_ids(self) -> list[str]:
        return [stored.event.message_id for stored in self.waiting]

    def _take(self, events: Sequence[StoredEvent]) -> None:
        gone = {stored.sequence for stored in events}
        assert gone <= self.leased, "only what is on lease can leave the outbox"
        self.leased -= gone
        self.waiting = [stored for stored in self.waiting if stored.sequence not in gone]

    def _may_fail(self) -> None:
        if self.broken:
            self.broken -= 1
            raise StoreUnavailable("the disk is full")


@dataclass
class FakeDestination:
    """Answers by script; keeps the ids of every request."""

    script: Callable[[list[str]], Verdict] = lambda _: DELIVERED
    limits: BatchLimits = field(
        default_factory=lambda: BatchLimits(
            max_event_bytes=32_768, max_batch_bytes=500_000, max_batch_events=100
        )
    )
    requests: list[list[str]] = field(default_factory=list)

    def send(self, messages: Sequence[bytes], within_s: float | None = None) -> Verdict:
        ids = [message.partition(b'"messageId":"')[2][:48].decode() for message in messages]
        self.requests.append(ids)
        return self.script(ids)


def refusing(*bad: int) -> Callable[[list[str]], Verdict]:
    """A server that answers 400 to every batch with one of these events."""
    ids = {event_id(number) for number in bad}
    return lambda batch: BAD_REQUEST if ids & set(batch) else DELIVERED


def step_until(
    deliverer: Deliverer, clock: FakeClock, *kinds: ProgressKind, steps: int = 10_000
) -> list[Progress]:
    """Step, letting the time pass that each step asks for, until one of these kinds; all steps taken."""
    taken = []
    for _ in range(steps):
        progress = deliverer.step()
        taken.append(progress)
        if progress.kind in kinds:
            return taken
        clock.advance(progress.wait_s)
    raise AssertionError(f"no {kinds} in {steps} steps")
