"""What the loops do: counted, told to the log where something changes, and judged: is all well?

Hears of each step from the thread that made it; serving it to the outside is the part of `expose`.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from extractor import collect, deliver, telemetry
from extractor.checkpoint import Checkpoint
from extractor.destination.verdict import VerdictKind
from extractor.gathered import LINES, READ_BYTES, RecordStore
from extractor.learning.seen import Seen
from extractor.logs import tell, tell_death
from extractor.ruleset.outcome import Outcome
from extractor.store import Incident, Recorded, StoreError, Tally
from extractor.telemetry import Metric, Trouble

STALLED_S = 120.0
"""A loop that has not moved for so long, beyond what it said that it would rest, does not move at all. It moves with
each chunk of at most some MiB; a disk that needs two minutes for that is broken. Our choice."""

MAX_TOLD = 20
"""Incidents of one step that get a line each: ten thousand unreadable files need no more to be seen."""


class Loop(StrEnum):
    """The two loops. Stable strings: metric label and log field."""

    COLLECT = "collect"
    DELIVER = "deliver"


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> float:
        """Unix seconds."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong, if anything.

    Attributes:
        broken: Why this process cannot do its work; a supervisor may end it.
        alarms: Why the work does not get on, though ending the process would not help.
    """

    broken: tuple[Trouble, ...] = ()
    alarms: tuple[Trouble, ...] = ()


@dataclass(slots=True)
class _Pulse:
    """When a loop last moved, how long it may stay still, and whether the disk refused its last step."""

    at: float
    still_s: float
    rest_until: float
    refused: bool = False


class Observer:
    """Counts, tells and judges. Any thread."""

    def __init__(self, clock: Clock) -> None:
        """Nothing has happened yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[tuple[Metric, tuple[str, ...]]] = Counter()
        self._pulses: dict[Loop, _Pulse] = {}
        self._last_step: dict[Loop, float] = {}
        self._looked = False
        self._died = False
        self._full = False
        self._failing = False
        self._held = False

    # The life of the loops

    def begun(self, loop: Loop, still_s: float = 0.0) -> None:
        """A loop runs now; one step of it may take `still_s` seconds longer than `STALLED_S`."""
        now = self._clock.monotonic()
        with self._lock:
            self._pulses[loop] = _Pulse(now, still_s, now)

    def moved(self, loop: Loop, rest_s: float = 0.0) -> None:
        """It got on, and may rest for so long now."""
        now = self._clock.monotonic()
        with self._lock:
            pulse = self._pulses.get(loop)
            if pulse is not None:
                pulse.at, pulse.rest_until = now, now + rest_s

    def ended(self, loop: Loop, error: BaseException | None = None) -> None:
        """It ended: as it should, or by an error."""
        with self._lock:
            self._pulses.pop(loop, None)
            self._looked = False
            self._died = self._died or error is not None
        if isinstance(error, StoreError):
            tell(telemetry.STATE_REFUSED, loop=loop, problem=error)
        elif error is not None:
            tell_death(error)

    def health(self) -> Health:
        """How it is now. Takes no disk and no network to answer."""
        now = self._clock.monotonic()
        broken, alarms = [], []
        with self._lock:
            if self._died:
                broken.append(Trouble.DIED)
            for loop, stalled in _STALLED.items():
                pulse = self._pulses.get(loop)
                if pulse is not None and now > max(pulse.at, pulse.rest_until) + STALLED_S + pulse.still_s:
                    broken.append(stalled)
            if any(pulse.refused for pulse in self._pulses.values()):
                broken.append(Trouble.STATE_UNAVAILABLE)
            if not self._looked:
                alarms.append(Trouble.STARTING)
            if self._held:
                alarms.append(Trouble.HELD)
            if self._full:
                alarms.append(Trouble.OUTBOX_FULL)
        return Health(tuple(broken), tuple(alarms))

    def last_steps(self) -> dict[Loop, float]:
        """When each loop last finished a step, in unix seconds."""
        with self._lock:
            return dict(self._last_step)

    # Their steps

    def collected(self, progress: collect.Progress, rest_s: float = 0.0) -> None:
        """A step of reading; the next may be `rest_s` away."""
        self._step(Loop.COLLECT, progress.kind, rest_s)
        self.tell_incidents(progress.incidents)
        if progress.kind is collect.ProgressKind.STORE_UNAVAILABLE:
            return
        with self._lock:
            self._looked = True
            full = progress.kind is collect.ProgressKind.FULL
            changed, self._full = full is not self._full, full
        if changed:
            tell(telemetry.READING_PAUSED if full else telemetry.READING_RESUMED)
        if progress.read_bytes:
            tell(
                telemetry.RECORDED,
                read_bytes=progress.read_bytes,
                events=progress.events,
                unread_bytes=progress.unread_bytes,
            )

    def delivered(self, progress: deliver.Progress) -> None:
        """A step of delivery."""
        self._step(Loop.DELIVER, progress.kind, progress.wait_s)
        for reason in progress.buried:
            self.count(telemetry.DEAD_EVENTS, 1, reason)
            tell(telemetry.DEAD_LETTER, reason=reason)
        verdict = progress.verdict
        if verdict is None:
            return
        self.count(telemetry.REQUESTS, 1, verdict.kind, verdict.reason)
        said = {"reason": verdict.reason.value, "status": verdict.status, "wait_s": round(progress.wait_s, 1)}
        if progress.acknowledged:
            self.count(telemetry.DELIVERED_EVENTS, progress.acknowledged)
            tell(telemetry.DELIVERED, events=progress.acknowledged)
            if self._failing:
                tell(telemetry.DELIVERY_RESUMED)
            self._failing = self._held = False
        elif progress.kind is deliver.ProgressKind.HELD:
            self._failing = self._held = True
            tell(telemetry.DELIVERY_HELD, **said)
        elif verdict.kind is VerdictKind.RETRY:
            self._failing = True
            tell(telemetry.DELIVERY_RETRIED, **said)

    def _step(self, loop: Loop, kind: StrEnum, rest_s: float) -> None:
        self.count(telemetry.STEPS, 1, loop, kind)
        self.moved(loop, rest_s)
        refused = kind.value == collect.ProgressKind.STORE_UNAVAILABLE.value
        with self._lock:
            self._last_step[loop] = self._clock.now()
            pulse = self._pulses.get(loop)
            if pulse is None or pulse.refused is refused:
                return
            pulse.refused = refused
        tell(telemetry.STATE_REFUSED if refused else telemetry.STATE_BACK, loop=loop)

    # What was recorded

    def count(self, metric: Metric, number: int = 1, *labels: str) -> None:
        """Add to a counter."""
        if len(labels) != len(metric.labels):
            message = f"{metric.name} has the labels {metric.labels}"
            raise TypeError(message)
        with self._lock:
            self._counts[metric, labels] += number

    def counts(self) -> dict[tuple[Metric, tuple[str, ...]], int]:
        """All counters that ever moved, with their labels."""
        with self._lock:
            return dict(self._counts)

    def recorded(self, outcomes: Sequence[Outcome], recorded: Recorded, tallies: Iterable[Tally]) -> None:
        """A transaction committed. Of an opt-out nothing is counted but what it suppressed."""
        if recorded.suppressed:
            self.count(telemetry.SUPPRESSED_EVENTS, recorded.suppressed)
        if recorded.repeats:
            self.count(telemetry.REPEATED_EVENTS, recorded.repeats)
        for name, number in Counter(event.name for event in recorded.events).items():
            self.count(telemetry.EVENTS, number, name)
        for rule, number in Counter(rule for outcome in outcomes for rule in outcome.matched).items():
            self.count(telemetry.MATCHED_LINES, number, rule)
        rejections = Counter((each.rule or "", each.reason.value) for each in recorded.rejections)
        for labels, number in rejections.items():
            self.count(telemetry.REJECTIONS, number, *labels)
        for tally in tallies:
            if tally.name == READ_BYTES:
                self.count(telemetry.READ_BYTES, tally.count)
            elif tally.name == LINES:
                self.count(telemetry.LINES, tally.count, tally.label)

    def tell_incidents(self, incidents: Sequence[Incident]) -> None:
        """What happened to files: each counted, the first ones told."""
        for incident in incidents:
            self.count(telemetry.INCIDENTS, 1, incident.kind)
            self.count(telemetry.LOST_BYTES, incident.lost_bytes)
        for incident in incidents[:MAX_TOLD]:
            tell(
                telemetry.INCIDENT,
                kind=incident.kind,
                path=incident.path,
                lost_bytes=incident.lost_bytes,
                detail=incident.detail,
            )
        if len(incidents) > MAX_TOLD:
            tell(telemetry.MORE_INCIDENTS, count=len(incidents) - MAX_TOLD)


_STALLED = {Loop.COLLECT: Trouble.COLLECT_STALLED, Loop.DELIVER: Trouble.DELIVER_STALLED}


class ObservedStore:
    """A store whose records are counted, in the place of the store itself: see `RecordStore`."""

    def __init__(
        self, store: RecordStore, observer: Observer, wake: Callable[[], None] = lambda: None
    ) -> None:
        """Both are used, none is owned; `wake` is called at once when events have entered the outbox."""
        self._store = store
        self._observer = observer
        self._wake = wake

    def record(
        self,
        checkpoints: Iterable[Checkpoint],
        outcomes: Iterable[Outcome],
        *,
        suppress: bool = False,
        tallies: Sequence[Tally] = (),
        incidents: Sequence[Incident] = (),
        forgotten: Sequence[str] = (),
    ) -> Recorded:
        """See `Store.record`."""
        given = list(outcomes)
        recorded = self._store.record(
            checkpoints, given, suppress=suppress, tallies=tallies, incidents=incidents, forgotten=forgotten
        )
        if recorded.events:
            self._wake()
        self._observer.recorded(() if suppress else given, recorded, () if suppress else tallies)
        return recorded

    def outbox_full(self) -> bool:
        """See `Store.outbox_full`."""
        return self._store.outbox_full()

    def keep_seen(self, rows: Sequence[Seen], gone: Sequence[Seen]) -> None:
        """See `Store.keep_seen`."""
        self._store.keep_seen(rows, gone)
