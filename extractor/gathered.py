"""What was read and is not recorded yet: gathered until it fills a transaction.

For files that are followed and for whole ones.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from extractor.checkpoint import Checkpoint
from extractor.intake import Taken
from extractor.learning.seen import Seen
from extractor.ruleset.outcome import Outcome
from extractor.source.chunk import Incident as SourceIncident
from extractor.store import Incident, Recorded, Tally
from extractor.telemetry import IncidentKind, Reason

MAX_OUTCOMES = 2000
"""Outcomes of one transaction: past that a commit's fsync is a small part of its cost, and memory stays bounded."""

LINES = "lines"  # tally: lines that gave nothing, by reason
READ_BYTES = "read_bytes"  # tally: bytes read


class RecordStore(Protocol):
    """What of the store the loop needs. Each call is one transaction and may raise `StoreUnavailable`."""

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
        """THE one write."""

    def outbox_full(self) -> bool:
        """Whether reading must pause."""

    def keep_seen(self, rows: Sequence[Seen], gone: Sequence[Seen]) -> None:
        """Keep what the app's lines look like."""


@dataclass(slots=True)
class Gathered:
    """What was read since the last transaction."""

    outcomes: list[Outcome] = field(default_factory=list, repr=False)
    counts: Counter[Reason] = field(default_factory=Counter)
    settled: dict[str, int] = field(default_factory=dict)
    incidents: list[Incident] = field(default_factory=list)
    read_bytes: int = 0

    def add(self, taken: Taken, now: float) -> None:
        """What lines gave, and what was met in bytes that were skipped."""
        self.outcomes.extend(taken.outcomes)
        self.counts.update(taken.counts)
        self.settled.update(taken.settled)
        self.read_bytes += taken.read_bytes
        self.incidents.extend(stored_incident(incident, now) for incident in taken.incidents)

    def tallies(self) -> list[Tally]:
        """What is counted of it."""
        tallies = [Tally(LINES, count, label=reason.value) for reason, count in self.counts.items()]
        return [*tallies, Tally(READ_BYTES, self.read_bytes)] if self.read_bytes else tallies


_LOSSES = {IncidentKind.LOST, IncidentKind.TRUNCATED, IncidentKind.VANISHED, IncidentKind.UNOPENED}
"""Kinds whose size is of bytes that are gone: exactly, or at least so many."""


def stored_incident(incident: SourceIncident, now: float) -> Incident:
    """An incident as the store keeps it: with its time, and in words."""
    lost = incident.size if incident.kind in _LOSSES else 0
    return Incident(
        kind=incident.kind.value,
        at=now,
        path=incident.path,
        lost_bytes=lost,
        detail=f"{incident.size} bytes"
        if incident.kind is IncidentKind.RECOVERED
        else f"at byte {incident.offset}",
    )
