"""What is taken from a chunk, a portion at a time."""

from collections import Counter
from dataclasses import dataclass, field, replace

from extractor.evaluation.local import Evaluation
from extractor.ruleset.evaluate import Origin
from extractor.ruleset.event import TimeSource
from extractor.ruleset.outcome import Outcome
from extractor.source.chunk import Chunk, Incident
from extractor.telemetry import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a chunk, or a portion of one, gave.

    Attributes:
        outcomes: Of the lines that gave anything, in their order.
        counts: How many lines gave nothing, by reason.
        settled: File id to the offset that a checkpoint may now become, for every file that this chunk moved: its
            own, and one whose unfinished line it finished.
        read_bytes: By how much it moved in its own, bytes that were skipped included.
        incidents: What was met in those.
    """

    outcomes: list[Outcome]
    counts: Counter[Reason]
    settled: dict[str, int] = field(default_factory=dict)
    read_bytes: int = 0
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class Portion:
    """Some lines of a chunk, which may still be evaluated elsewhere.

    Attributes:
        cut: What is known without it.
        evaluation: Of the lines that a rule could match.
    """

    cut: Taken
    evaluation: Evaluation = field(repr=False)

    def take(self) -> Taken:
        """What it gave; waits for that."""
        outcomes, counts = self.evaluation()
        return replace(self.cut, outcomes=outcomes, counts=self.cut.counts + counts)


def origin_of(chunk: Chunk, now: float) -> Origin:
    """Lines that were written while we looked are as old as their reading, all others as their file's last change."""
    if chunk.live:
        return Origin(path=chunk.path, time=now, time_source=TimeSource.READ)
    return Origin(path=chunk.path, time=chunk.modified, time_source=TimeSource.MODIFIED)
