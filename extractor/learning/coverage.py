"""Which kinds of lines a log has, and which rules take them. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from extractor.decode.assemble import Logical
from extractor.decode.record import decode_json
from extractor.learning.watch import Watch
from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.event import TimeSource
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.rule import RuleSet
from extractor.telemetry import Reason

_ORIGIN = Origin(path="", time=0.0, time_source=TimeSource.READ)

MAX_KINDS = 10_000
"""Kinds kept apart; more of them are no kinds of an app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCoverage:
    """One kind of line.

    Attributes:
        kind: Its name; "" for lines that no form of the packs names.
        lines: How many there are.
        rules: How many of them each rule took.
        unknown_activation: It looks like an activation, is not known to be none, and no rule is about it.
    """

    kind: str
    lines: int
    rules: Mapping[str, int]
    unknown_activation: bool


class Coverage:
    """Lines, counted by their kind."""

    def __init__(self, rules: RuleSet) -> None:
        """Nothing was read yet."""
        self._kinds = rules.kinds
        self._ready = ReadyRules(rules)
        self._watches = [Watch(rule) for rule in rules.rules]
        self._lines: Counter[str] = Counter()
        self._taken: dict[str, Counter[str]] = {}
        self._unknown: set[str] = set()
        self.no_records: Counter[Reason] = Counter()
        """Lines that are no JSON object, by why."""

    def add(self, line: Logical) -> None:
        """Count a line."""
        record = decode_json(line.text)
        if isinstance(record, Reason):
            self.no_records[record] += 1
            return
        kind = self._kinds.name(record) or ""
        if kind not in self._lines:
            if len(self._lines) >= MAX_KINDS:
                kind = ""
            elif self._kinds.looks_like_activation(kind):
                self._unknown.add(kind)
        self._lines[kind] += 1
        matched = evaluate(line, _ORIGIN, self._ready).matched
        if matched:
            self._taken.setdefault(kind, Counter()).update(dict.fromkeys(matched, 1))
        if kind in self._unknown and (matched or any(watch.is_about(record) for watch in self._watches)):
            self._unknown.discard(kind)

    def kinds(self) -> list[KindCoverage]:
        """Those that look like an activation first, then by the number of lines."""
        rows = [
            KindCoverage(
                kind=kind,
                lines=lines,
                rules=dict(self._taken.get(kind, Counter()).most_common()),
                unknown_activation=kind in self._unknown,
            )
            for kind, lines in self._lines.items()
        ]
        return sorted(rows, key=lambda row: (not row.unknown_activation, -row.lines, row.kind))
