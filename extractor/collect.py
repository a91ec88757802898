"""The collect loop: look, read, evaluate, record. Where a line's way ends in one transaction.

Nothing here is kept that the store does not have: whatever moment the process dies at, the next start reads again
from the checkpoints, and what was recorded already has the same message ids.
"""

import contextlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from extractor.checkpoint import Checkpoint
from extractor.gathered import MAX_OUTCOMES, Gathered, RecordStore, stored_incident
from extractor.intake import Intake, Portion, origin_of
from extractor.ruleset.evaluate import Origin
from extractor.ruleset.event import TimeSource
from extractor.source.chunk import Chunk, Looked
from extractor.store import Incident, Recorded, StoreUnavailable

READ_BUDGET_BYTES = 64 * 1024 * 1024
"""Bytes read between two looks: at memory speed some 20 ms, so a big file delays no discovery."""

READ_BUDGET_S = 0.1
"""Seconds for which lines that matter are evaluated between two looks, or little more: as above."""

KEEP_SEEN_S = 10.0
"""How often what lines look like is written: a small transaction of its own."""

SETTLE_S = 1.0
"""Seconds for which checkpoints of lines that gave nothing may wait for company."""


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> float:
        """Unix seconds."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""


class Follower(Protocol):
    """What of `source` the loop needs; see there."""

    def look(self, changed: Collection[str] | None = None, *, settle: bool = False) -> Looked:
        """One stat pass."""

    def read(self, budget_bytes: int) -> Iterator[Chunk]:
        """Chunks, fair over files."""

    def drain(self, *, final: bool = True) -> Iterator[Chunk]:
        """Chunks of every file to its end, one file after the other."""

    def checkpoint(self, file_id: str, offset: int) -> Checkpoint:
        """What to record when everything before `offset` is."""

    def recorded(self, checkpoint: Checkpoint) -> None:
        """The transaction committed."""

    def rewind(self) -> None:
        """It did not: what was read and not recorded will be read again."""


class ProgressKind(StrEnum):
    """How far one step came. Stable strings: log field and metric label."""

    READ = "read"  # something was read; step again
    IDLE = "idle"  # every file is read to its end
    FULL = "outbox_full"  # reading pauses until something was delivered; nothing is shed
    STORE_UNAVAILABLE = "store_unavailable"  # the disk refuses; nothing was recorded, all will be read again


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What one step did.

    Attributes:
        kind: How far it came.
        read_bytes: Bytes read.
        events: Events that entered the outbox.
        suppressed: Events that an opt-out kept from being stored.
        incidents: What an operator must know of.
        unread_bytes: What is left to read, as far as the last look tells.
        owes: Lines that gave nothing were read and are not recorded yet: a further step within `SETTLE_S` is due.
    """

    kind: ProgressKind
    read_bytes: int = 0
    events: int = 0
    suppressed: int = 0
    incidents: tuple[Incident, ...] = ()
    unread_bytes: int = 0
    owes: bool = False


class Collector:
    """The loop's state: what was read and is not recorded yet. One thread."""

    def __init__(
        self,
        follower: Follower,
        intake: Intake,
        store: RecordStore,
        *,
        clock: Clock,
        opted_out: Callable[[], bool] = lambda: False,
        budget_bytes: int = READ_BUDGET_BYTES,
        others: Mapping[str, Checkpoint] | None = None,
    ) -> None:
        """Make a loop; nothing is read yet.

        Args:
            follower: Gives chunks.
            intake: Makes outcomes of them.
            store: Takes them.
            clock: Time.
            opted_out: Asked for each transaction: if so, nothing is stored but what makes sure that it never will be.
            budget_bytes: How much is read between two looks.
            others: Rows of files that are not followed, in which a line may have begun that ends in one that is.
        """
        self._follower = follower
        self._intake = intake
        self._store = store
        self._clock = clock
        self._opted_out = opted_out
        self._budget_bytes = budget_bytes
        self._others = {} if others is None else others
        self._owed = Gathered()
        self._recorded_at = float("-inf")
        self._lineages: dict[str, tuple[str, int, str]] = {}
        self._looked: Looked | None = None
        self._seen_kept_at = float("-inf")

    def step(self, changed: Collection[str] | None = None) -> Progress:
        """Look once, read what the budget allows, record it.

        Args:
            changed: Paths that a notification named; None for a look at everything.
        """
        looked = self._looked or self._follower.look(changed)
        return self._advance(looked, lambda: self._follower.read(self._budget_bytes))

    def drain(self) -> Progress:
        """Read every file to its end, one after the other: `--once`. Stops early where the outbox is full."""
        looked = self._looked or self._follower.look(settle=True)
        return self._advance(looked, self._follower.drain, at_the_end=True)

    def _advance(
        self, looked: Looked, chunks: Callable[[], Iterator[Chunk]], *, at_the_end: bool = False
    ) -> Progress:
        # Until its transaction has committed, what a look found is kept: a full disk must not eat an incident.
        self._looked = looked
        incidents = tuple(self._incidents(looked))
        tally = _Sum()
        try:
            self._record_look(looked, incidents, tally)
            self._looked = None
            full = self._store.outbox_full() or not self._read(chunks(), tally, at_the_end=at_the_end)
            self._settle(tally, now=at_the_end)
            self._keep_seen(at_the_end=at_the_end)
            if full:
                return tally.progress(ProgressKind.FULL, incidents, looked.unread_bytes)
        except StoreUnavailable:
            self._rewind()
            return tally.progress(ProgressKind.STORE_UNAVAILABLE, incidents, looked.unread_bytes)
        kind = ProgressKind.READ if tally.read_bytes else ProgressKind.IDLE
        if not tally.left and looked.unread_bytes <= tally.read_bytes:
            self._intake.evaluator.rest()
        tally.owes = bool(self._owed.settled)
        return tally.progress(kind, incidents, max(looked.unread_bytes - tally.read_bytes, 0))

    def settle(self) -> None:
        """Record what is owed: before the loop ends. What the disk refuses will be read again."""
        with contextlib.suppress(StoreUnavailable):
            self._settle(_Sum(), now=True)

    def _settle(self, tally: "_Sum", *, now: bool) -> None:
        """Record how far lines were read that gave nothing; no more often than `SETTLE_S`, unless it must be now.

        A commit for each of them would cost more than to read some of them again after a crash.
        """
        if self._owed.settled and (now or self._clock.now() - self._recorded_at >= SETTLE_S):
            owed, self._owed = self._owed, Gathered()
            self._record(owed, tally)

    def _keep_seen(self, *, at_the_end: bool) -> None:
        """What was seen of the lines, now and then: a kill may lose some seconds of it."""
        drift, now = self._intake.drift, self._clock.now()
        if drift is None or not (at_the_end or now - self._seen_kept_at >= KEEP_SEEN_S):
            return
        if (rows := drift.changes()) or drift.gone:
            self._store.keep_seen(rows, drift.gone)
            drift.kept()
            self._seen_kept_at = now

    def _rewind(self) -> None:
        """Back to what is recorded; pieces of an unfinished line will come again, too."""
        self._follower.rewind()
        self._intake.rewind()
        self._owed = Gathered()

    def _record_look(self, looked: Looked, incidents: tuple[Incident, ...], tally: "_Sum") -> None:
        pending = Gathered()
        for file_id in looked.ended:
            self._end(file_id, pending)
        self._intake.forget(looked.forgotten)
        checkpoints = {checkpoint.file_id: checkpoint for checkpoint in looked.checkpoints}
        if checkpoints or incidents or pending.outcomes or pending.settled or looked.forgotten:
            more = list(checkpoints.values())
            self._record(pending, tally, incidents=incidents, more=more, forgotten=looked.forgotten)

    def _end(self, file_id: str, pending: Gathered) -> None:
        known = self._lineages.pop(file_id, None)
        if known is None or any(lineage == known[0] for lineage, _, _ in self._lineages.values()):
            return  # a rotated sibling goes on where this file ended
        lineage, source, path = known
        origin = Origin(path=path, time=self._clock.now(), time_source=TimeSource.READ)
        pending.add(self._intake.end(lineage, origin, source), self._clock.now())

    def _read(self, chunks: Iterator[Chunk], tally: "_Sum", *, at_the_end: bool) -> bool:
        """Whether all chunks were read that there is time for; else the outbox is full."""
        pending, self._owed = self._owed, Gathered()
        for taken in self._intake.take_ahead(self._portions(chunks, tally, at_the_end=at_the_end)):
            pending.add(taken, self._clock.now())
            tally.read_bytes += taken.read_bytes
            if len(pending.outcomes) >= MAX_OUTCOMES:
                self._record(pending, tally)
                tally.filled = True
                pending = Gathered()
                if self._store.outbox_full():
                    self._rewind()
                    return False
        if pending.outcomes or pending.incidents or tally.left:
            self._record(pending, tally)
        else:
            self._owed = pending
        if tally.left:
            self._rewind()
        return True

    def _portions(self, chunks: Iterator[Chunk], tally: "_Sum", *, at_the_end: bool) -> Iterator[Portion]:
        """The lines of chunks, until the time of one step is over; what is left of a chunk then is given back."""
        until = math.inf if at_the_end else self._clock.monotonic() + READ_BUDGET_S
        for chunk in chunks:
            self._lineages[chunk.file_id] = (chunk.lineage, chunk.source, chunk.path)
            now = self._clock.now()
            if self._intake.drift is not None:
                self._intake.drift.now = now
            left = chunk.end - chunk.start + chunk.skipped
            for portion in self._intake.portions(chunk, origin_of(chunk, now), torn_stays=at_the_end):
                yield portion
                left -= portion.cut.read_bytes
                # Only where much matters: what fits into one transaction is not torn apart by a slow machine.
                if left and tally.filled and self._clock.monotonic() >= until:
                    tally.left = left
                    return
            if self._clock.monotonic() >= until:
                return

    def _record(
        self,
        pending: Gathered,
        tally: "_Sum",
        *,
        incidents: Sequence[Incident] = (),
        more: Sequence[Checkpoint] = (),
        forgotten: Sequence[str] = (),
    ) -> None:
        checkpoints = [
            *more,
            *(self._checkpoint(file_id, offset) for file_id, offset in pending.settled.items()),
        ]
        recorded = self._store.record(
            checkpoints,
            pending.outcomes,
            suppress=self._opted_out(),
            tallies=pending.tallies(),
            incidents=[*incidents, *pending.incidents],
            forgotten=forgotten,
        )
        self._recorded_at = self._clock.now()
        for checkpoint in checkpoints:
            self._follower.recorded(checkpoint)
        tally.add(pending, recorded)

    def _checkpoint(self, file_id: str, offset: int) -> Checkpoint:
        other = self._others.get(file_id)
        return (
            replace(other, offset=offset) if other is not None else self._follower.checkpoint(file_id, offset)
        )

    def _incidents(self, looked: Looked) -> Iterator[Incident]:
        now = self._clock.now()
        for incident in looked.incidents:
            yield stored_incident(incident, now)


@dataclass(slots=True)
class _Sum:
    """What a step did so far."""

    read_bytes: int = 0
    events: int = 0
    suppressed: int = 0
    owes: bool = False
    left: int = 0  # of a chunk that was given back unread: there is more to do at once
    filled: bool = False  # a transaction, as far as it may be
    met: list[Incident] = field(default_factory=list)

    def add(self, pending: Gathered, recorded: Recorded) -> None:
        self.met += pending.incidents
        self.events += len(recorded.events)
        self.suppressed += recorded.suppressed

    def progress(self, kind: ProgressKind, incidents: tuple[Incident, ...], unread_bytes: int) -> Progress:
        return Progress(
            kind=kind,
            read_bytes=self.read_bytes,
            events=self.events,
            suppressed=self.suppressed,
            incidents=(*incidents, *self.met),
            unread_bytes=max(unread_bytes, self.left),
            owes=self.owes,
        )
