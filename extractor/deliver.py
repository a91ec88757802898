"""The deliver loop: lease from the outbox, send, and do with the events what the verdict says.

Exactly one request is under way at any time, in the order of the outbox. What the answer decided is written before
anything else is sent; where the disk refuses, delivery waits for the disk rather than send what was accepted again.
See `docs/delivery.md` for what each answer means and ADR 0005 for what is promised.
"""

import random
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import accumulate
from typing import Protocol

from extractor.destination.limits import BatchLimits
from extractor.destination.offenders import MAX_SUSPECTS, OffenderSearch, Suspect
from extractor.destination.verdict import MAX_WAIT_S, DeliveryReason, Verdict, VerdictKind
from extractor.store import Batch, StatusSnapshot, StoredEvent, StoreUnavailable

PROBE_EVENTS = 1
"""What a probe risks while delivery is held."""


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> float:
        """Unix seconds."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""


class Stop(Protocol):
    """A `threading.Event`."""

    def is_set(self) -> bool:
        """Whether to stop."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, at most so many seconds."""


class OutboxStore(Protocol):
    """What of the store delivery needs. Each call is one transaction and may raise `StoreUnavailable`."""

    def lease(self, max_events: int, max_bytes: int) -> Batch:
        """The first events that are on no lease, in order; at least one if there is any."""

    def acknowledge(self, batch: Batch) -> None:
        """They were accepted; ends a hold."""

    def release(self, batch: Batch, retry_at: float | None = None) -> None:
        """They wait again, at their old place; nothing is to be sent before `retry_at` (unix seconds)."""

    def bury(self, event: StoredEvent, *, reason: str, status: int | None = None) -> None:
        """It becomes a dead letter."""

    def hold(self, reason: str, status: int | None = None) -> None:
        """Note that delivery is held."""

    def status(self) -> StatusSnapshot:
        """Read once at the start: the hold and the silence that a process before this one was told to keep."""


class Destination(Protocol):
    """Takes batches that fit its limits and gives verdicts."""

    @property
    def limits(self) -> BatchLimits:
        """What fits."""

    def send(self, messages: Sequence[bytes], within_s: float | None = None) -> Verdict:
        """Send once; never raises for what the world does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPace:
    """How fast to send and how long to wait. All our own choices, but for the first.

    Attributes:
        requests_per_second: At most; Segment recommends no more than 1,000 a workspace. With 200 an event waits at
            most 5 ms for its turn.
        backoff_base_s: Mean wait after the first failure is half of it; doubles with each.
        retry_cap_s: Longest wait between two attempts, unless the server asks for more.
        hold_cap_s: The same for the probes of a hold.
        idle_s: How long an empty outbox is left alone where nobody calls `wake`.
    """

    requests_per_second: float = 200.0
    backoff_base_s: float = 1.0
    retry_cap_s: float = 60.0
    hold_cap_s: float = 300.0
    idle_s: float = 1.0


class ProgressKind(StrEnum):
    """How far one step came. Stable strings: log field and metric label."""

    SENT = "sent"  # there was an answer that moved something; step again
    IDLE = "idle"  # nothing waits
    PACED = "paced"  # the next request has to keep its distance from the last one
    RESTING = "resting"  # after a failure, or as the server asked
    HELD = "held"  # paused until a probe is accepted
    OPTED_OUT = "opted_out"  # nothing may leave
    STORE_UNAVAILABLE = "store_unavailable"  # the disk refuses; nothing is sent until it takes the answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What one step did.

    Attributes:
        kind: How far it came.
        wait_s: Seconds until a further step makes sense; 0 for at once.
        verdict: Of the request, if one was made or attempted.
        tried: Events in that request.
        acknowledged: Events accepted.
        buried: Events that became dead letters, by reason.
    """

    kind: ProgressKind
    wait_s: float = 0.0
    verdict: Verdict | None = None
    tried: int = 0
    acknowledged: int = 0
    buried: tuple[str, ...] = ()


class Deliverer:
    """The loop's state: when the next request may go, whether delivery is held, whom a refusal is blamed on.

    All of it may be lost at any time without losing or blaming an event. One thread at a time, but for `wake`.
    """

    def __init__(
        self,
        store: OutboxStore,
        destination: Destination,
        *,
        clock: Clock,
        pace: DeliveryPace | None = None,
        allowed: Callable[[], bool] = lambda: True,
        listen: Callable[[Progress], None] = lambda _: None,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """Make a loop; nothing is read or sent yet.

        Args:
            store: Holds the outbox.
            destination: Takes batches.
            clock: Time.
            pace: Rates and waits.
            allowed: Whether anything may leave, asked right before each request (opt-out).
            listen: Told of each step, for logs and metrics.
            rng: Uniform in [0, 1), for the jitter.
        """
        self._store = store
        self._destination = destination
        self._clock = clock
        self._pace = pace or DeliveryPace()
        self._allowed = allowed
        self._listen = listen
        self._rng = rng
        self._bell = threading.Event()
        self._search: OffenderSearch[StoredEvent] = OffenderSearch()
        self._owed: deque[Callable[[], None]] = deque()
        self._failures = 0
        self._store_failures = 0
        self._held: bool | None = None  # None until the store was asked
        self._rest_until = clock.monotonic()
        self._pace_until = self._rest_until

    @property
    def held(self) -> bool:
        """Whether delivery is paused until a probe is accepted."""
        return bool(self._held)

    def wake(self) -> None:
        """Say that there is something new in the outbox, or that it is time to stop. From any thread."""
        self._bell.set()

    def run(self, stop: Stop) -> None:
        """Step until told to stop. What `step` raises ends the loop, and with it the process."""
        while not stop.is_set():
            progress = self.step()
            if progress.kind is ProgressKind.IDLE:
                self.rest(progress.wait_s)
            elif progress.wait_s > 0:
                stop.wait(progress.wait_s)

    def rest(self, wait_s: float) -> None:
        """Wait for so long, or until woken."""
        if wait_s > 0:
            self._bell.wait(wait_s)
            self._bell.clear()

    def drain(self, within_s: float, leave: Stop) -> None:
        """Send what can still be sent in so many seconds; no request outlasts them.

        Ends sooner where the outbox is empty, delivery is held or must keep silence for longer, or `leave` is set.
        What the disk has refused until then of the last answer is lost: those events are sent again, with their ids.
        """
        until = self._clock.monotonic() + within_s
        while not leave.is_set() and (left_s := until - self._clock.monotonic()) > 0:
            progress = self.step(within_s=left_s)
            ended = (ProgressKind.IDLE, ProgressKind.HELD, ProgressKind.OPTED_OUT)
            if progress.kind in ended or progress.wait_s >= left_s:
                return
            if progress.wait_s > 0:
                leave.wait(progress.wait_s)

    def step(self, within_s: float | None = None) -> Progress:
        """Make at most one request and write down what its answer decided.

        Raises:
            StoreBroken: The state is damaged; the next start sets it aside.
        """
        progress = Progress(kind=ProgressKind.STORE_UNAVAILABLE)
        try:
            self._settle()
            progress = self._advance(within_s)
            self._settle()
            self._store_failures = 0
        except StoreUnavailable:
            # An answer that is not written down yet is owed, and settled before anything else is sent.
            self._store_failures += 1
            wait_s = self._backoff_s(self._store_failures, self._pace.retry_cap_s)
            progress = replace(progress, kind=ProgressKind.STORE_UNAVAILABLE, wait_s=wait_s)
        self._listen(progress)
        return progress

    # One step

    def _advance(self, within_s: float | None) -> Progress:
        if not self._allowed():
            return self._stand_back(Batch())
        if self._held is None:
            self._remember()
        now = self._clock.monotonic()
        if now < self._rest_until:
            return Progress(kind=self._waiting(), wait_s=self._rest_until - now)
        if now < self._pace_until:
            return Progress(kind=ProgressKind.PACED, wait_s=self._pace_until - now)
        batch, too_large = self._lease()
        if too_large:
            return self._bury(batch, dict.fromkeys(too_large, DeliveryReason.EVENT_TOO_LARGE))
        if not batch.events:
            return self._conclude()
        if not self._allowed():
            return self._stand_back(batch)
        self._pace_until = now + 1 / self._pace.requests_per_second
        verdict = self._destination.send(batch.messages, within_s)
        return self._decide(batch, verdict)

    def _remember(self) -> None:
        """Go on with the hold and the silence that the process before this one left."""
        status = self._store.status()
        self._held = status.hold is not None
        if status.retry_at is not None:
            left_s = min(status.retry_at - self._clock.now(), MAX_WAIT_S)
            self._rest_until = max(self._rest_until, self._clock.monotonic() + left_s)

    def _lease(self) -> tuple[Batch, list[int]]:
        """The next events that fit into one request, and the positions of those that no request could carry."""
        limits = self._destination.limits
        count = self._search.size(PROBE_EVENTS if self._held else limits.max_batch_events)
        batch = self._store.lease(count, limits.max_batch_bytes)
        sizes = list(map(len, batch.messages))
        if sizes and max(sizes) > limits.max_event_bytes:
            return batch, [at for at, size in enumerate(sizes) if size > limits.max_event_bytes]
        # Each with its comma.
        fitting = bisect_right(list(accumulate(size + 1 for size in sizes)), limits.max_batch_bytes) or 1
        if fitting < len(batch):
            self._owe(partial(self._store.release, Batch(batch.events[fitting:])))
            batch = Batch(batch.events[:fitting])
        return batch, []

    def _decide(self, batch: Batch, verdict: Verdict) -> Progress:
        match verdict.kind:
            case VerdictKind.DELIVERED:
                return self._accept(batch, verdict)
            case VerdictKind.SPLIT:
                return self._refuse(batch, verdict)
            case VerdictKind.DEAD:
                reasons = {
                    r.position: f"{verdict.reason}:{r.reason}"
                    for r in verdict.refusals
                    if r.position is not None
                }
                return self._bury(batch, reasons, verdict)
            case VerdictKind.HOLD:
                return self._hold(batch, verdict)
            case VerdictKind.RETRY:
                wait_s = self._rest(batch, verdict.wait_s, self._pace.retry_cap_s)
                return Progress(kind=self._waiting(), wait_s=wait_s, verdict=verdict, tried=len(batch))

    def _accept(self, batch: Batch, verdict: Verdict) -> Progress:
        self._owe(partial(self._store.acknowledge, batch))
        guilty, untested = self._search.accept(len(batch))
        buried = self._owe_burial(guilty)
        self._owe_release(untested)
        self._failures = 0
        self._held = False
        return Progress(
            kind=ProgressKind.SENT, verdict=verdict, tried=len(batch), acknowledged=len(batch), buried=buried
        )

    def _refuse(self, batch: Batch, verdict: Verdict) -> Progress:
        """Something in the batch, or everything: look for it in a smaller one."""
        suspected = self._search.refuse(batch.events, verdict.reason, verdict.status)
        if not suspected:
            self._owe(partial(self._store.release, batch))
        elif self._held or self._search.points_to_server:
            if len(self._search.suspects) >= MAX_SUSPECTS:
                self._owe_release(self._search.give_up())
            return self._hold(
                Batch(), Verdict(VerdictKind.HOLD, DeliveryReason.NOTHING_ACCEPTED, verdict.status)
            )
        return Progress(kind=ProgressKind.SENT, verdict=verdict, tried=len(batch))

    def _conclude(self) -> Progress:
        """Nothing is left to try: the suspects are guilty if anything was accepted; else it is the server."""
        if not self._search.suspects:
            return Progress(kind=ProgressKind.IDLE, wait_s=self._pace.idle_s)
        status = self._search.suspects[-1].status
        guilty, cleared = self._search.conclude()
        if guilty:
            return Progress(kind=ProgressKind.SENT, buried=self._owe_burial(guilty))
        self._owe_release(cleared)
        return self._hold(Batch(), Verdict(VerdictKind.HOLD, DeliveryReason.NOTHING_ACCEPTED, status))

    def _bury(self, batch: Batch, reasons: Mapping[int, str], verdict: Verdict | None = None) -> Progress:
        """Some of a batch, by position, may never be sent, so none was; the others are next."""
        dead = [Suspect(stored, reasons[at], None) for at, stored in enumerate(batch.events) if at in reasons]
        rest = Batch(tuple(stored for at, stored in enumerate(batch.events) if at not in reasons))
        buried = self._owe_burial(dead)
        self._owe(partial(self._store.release, rest))
        return Progress(kind=ProgressKind.SENT, verdict=verdict, buried=buried)

    def _hold(self, batch: Batch, verdict: Verdict) -> Progress:
        wait_s = self._rest(batch, verdict.wait_s, self._pace.hold_cap_s)
        self._owe(partial(self._store.hold, verdict.reason, verdict.status))
        self._held = True
        return Progress(kind=ProgressKind.HELD, wait_s=wait_s, verdict=verdict, tried=len(batch))

    def _stand_back(self, batch: Batch) -> Progress:
        """Nothing may leave. What is on lease is given back, to be purged; nothing is remembered about it."""
        self._owe_release(self._search.give_up())
        if batch.events:
            self._owe(partial(self._store.release, batch))
        return Progress(kind=ProgressKind.OPTED_OUT, wait_s=self._pace.idle_s)

    # Waiting

    def _rest(self, batch: Batch, asked_s: float | None, cap_s: float) -> float:
        """Send nothing for a while: as long as the server asked, or else a random part of the growing backoff."""
        self._failures += 1
        if asked_s is None:
            wait_s = self._backoff_s(self._failures, cap_s)
        else:
            # It knows better than any backoff; but a server that asks for a millisecond is not asked in a busy loop.
            wait_s = max(asked_s, self._backoff_s(1, cap_s))
        self._rest_until = self._clock.monotonic() + wait_s
        # Only a silence that was asked for outlives this process: whoever restarts it wants to see it try.
        retry_at = None if asked_s is None else self._clock.now() + wait_s
        self._owe(partial(self._store.release, batch, retry_at))
        return wait_s

    def _backoff_s(self, failures: int, cap_s: float) -> float:
        """Full jitter: uniform between nothing and the capped exponential, so that restarts do not march in step."""
        return self._rng() * min(cap_s, self._pace.backoff_base_s * 2.0 ** min(failures - 1, 32))

    def _waiting(self) -> ProgressKind:
        return ProgressKind.HELD if self._held else ProgressKind.RESTING

    # What is owed to the store

    def _owe(self, write: Callable[[], None]) -> None:
        self._owed.append(write)

    def _owe_burial(self, guilty: Sequence[Suspect[StoredEvent]]) -> tuple[str, ...]:
        for suspect in guilty:
            self._owe(partial(self._store.bury, suspect.item, reason=suspect.reason, status=suspect.status))
        return tuple(str(suspect.reason) for suspect in guilty)

    def _owe_release(self, suspects: Sequence[Suspect[StoredEvent]]) -> None:
        if suspects:
            self._owe(partial(self._store.release, Batch(tuple(suspect.item for suspect in suspects))))

    def _settle(self) -> None:
        while self._owed:
            self._owed[0]()
            self._owed.popleft()
