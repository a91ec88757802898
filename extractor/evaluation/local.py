"""Evaluates many lines, and says how others may do it: at once, or elsewhere while the caller goes on."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from extractor.decode.assemble import Logical
from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.outcome import Outcome
from extractor.telemetry import Reason


class Evaluated(NamedTuple):
    """What lines showed.

    Attributes:
        outcomes: Of the lines that gave anything, in their order.
        counts: How many lines gave nothing, by reason.
    """

    outcomes: list[Outcome]
    counts: Counter[Reason]


Evaluation = Callable[[], Evaluated]
"""Lines that are being evaluated: the result when it is asked for, which may have to be waited for."""


class Evaluator(Protocol):
    """What evaluates lines. One thread."""

    @property
    def ahead(self) -> int:
        """How many portions are best begun before the first of them is asked for."""

    def begin(self, lines: Sequence[Logical], origin: Origin) -> Evaluation:
        """Evaluate lines of one origin. Results are asked for in the order in which they were begun, or never."""

    def rest(self) -> None:
        """Nothing is left to read for now: what was started to keep up may end."""

    def close(self) -> None:
        """End what was started; what was begun can still be asked for."""


def evaluate_all(lines: Sequence[Logical], origin: Origin, rules: ReadyRules) -> Evaluated:
    """Evaluate lines of one origin, now."""
    outcomes: list[Outcome] = []
    counts: Counter[Reason] = Counter()
    for line in lines:
        outcome = evaluate(line, origin, rules)
        if outcome:
            outcomes.append(outcome)
        elif outcome.reason is not None:
            counts[outcome.reason] += 1
    return Evaluated(outcomes, counts)


class LocalEvaluator:
    """Evaluates in the caller's thread, at once."""

    ahead = 0

    def __init__(self, rules: ReadyRules) -> None:
        """Make one.

        Args:
            rules: What lines are evaluated against.
        """
        self._rules = rules

    def begin(self, lines: Sequence[Logical], origin: Origin) -> Evaluation:
        """See `Evaluator`."""
        evaluated = evaluate_all(lines, origin, self._rules)
        return lambda: evaluated

    def rest(self) -> None:
        """See `Evaluator`."""

    def close(self) -> None:
        """See `Evaluator`."""
