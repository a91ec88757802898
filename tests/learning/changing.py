"""Lines as an app writes them after an update: a field under another name, a value of another type, a class renamed."""

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path as File

from extractor.decode.record import decode_json
from extractor.learning.alarm import judge
from extractor.learning.drift import LEARNING_LINES, Drift
from extractor.learning.watch import Watch
from extractor.ruleset.condition import Exists, paths_of
from extractor.ruleset.evaluate import evaluate
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.path import Path
from extractor.ruleset.prefilter import Pieces, Scanner, build_scanner, derive_literals
from extractor.ruleset.rule import Notation, Rule, RuleSet
from extractor.ruleset.scope import decode_field, elements
from extractor.telemetry import Reason
from tests.packs import ORIGIN, logical

LATEST = 5
"""By this line that the rule would have taken the alarm is there."""
BATCH = 20
"""Lines between two looks at a live log."""
LEAST_BEFORE = 6
"""Lines of a rule before anything changes: of fewer nobody can say what is usual."""

Record = Mapping[str, object]


class What(StrEnum):
    """What an update changes."""

    FIELD = "a field's name"
    TYPE = "a value's type"
    CLASS = "a controller's or job's name"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one rule's lines, changed."""

    rule: Rule
    path: Path
    what: What

    def __str__(self) -> str:
        return f"{self.rule.id}: {self.what} at {self.path.text}"

    def apply(self, record: Record) -> Record | None:
        """The line after the update; None where it has nothing that changes."""
        decoded = {step.name: step for step in self.rule.decode}
        loops = {step.name: step for step in self.rule.for_each}
        steps = self.path.steps
        if self.what is What.CLASS:
            renamed = re.sub(r"(?=Controller$|Job$)", "Renamed", str(record[self.path.root]))
            return {**record, self.path.root: renamed}
        if self.path.root in decoded:
            step = decoded[self.path.root]
            return self._in_ruby(record, step.path.root) if step.notation is Notation.RUBY_INSPECT else None
        if self.path.root in loops:
            over = loops[self.path.root].path
            if (
                over.root in decoded
            ):  # a field of a GraphQL root field: its arguments are the request's variables
                inner = ("params", "variables", *steps[2:]) if steps[1] == "arguments" else ()
                return self._at(record, inner) if inner else None
            found = over.find(record)
            if not isinstance(found, list):
                return None
            changed = [self._at(one, steps[1:]) for one in found]
            return None if None in changed else _put(record, over.steps, changed)
        return self._at(record, steps)

    def _at(self, record: object, steps: Sequence[str | int]) -> Record | None:
        name = str(steps[0])
        if not isinstance(record, dict) or record.get(name) is None:
            return None
        if len(steps) > 1:
            inner = self._at(record[name], steps[1:])
            return None if inner is None else {**record, name: inner}
        if self.what is What.TYPE:
            return {**record, name: _other(record[name])}
        return {f"{key}_renamed" if key == name else key: value for key, value in record.items()}

    def _in_ruby(self, record: Record, field: str) -> Record | None:
        text, name = record.get(field), self.path.steps[-1]
        if not isinstance(text, str) or not isinstance(name, str):
            return None
        if self.what is What.TYPE:
            value = rf'(?<!\w)({name}(?:: |=>))("(?:[^"\\]|\\.)*"|[0-9.]+)'
            new = re.sub(value, lambda found: found[1] + ("7" if found[2][0] == '"' else '"7"'), text)
        else:
            new = re.sub(rf"(?<!\w){name}(?=: |=>)", f"{name}_renamed", text)
        return None if new == text else {**record, field: new}


def _put(record: Record, steps: Sequence[str | int], value: object) -> Record:
    name = str(steps[0])
    inner = record[name]
    return {
        **record,
        name: _put(inner, steps[1:], value) if len(steps) > 1 and isinstance(inner, dict) else value,
    }


def _other(value: object) -> object:
    match value:
        case str():
            return 7
        case list():
            return {"items": value}
        case dict():
            return [value]
        case _:
            return str(value)


def changes(rule: Rule) -> Iterator[Change]:
    """All of a rule: each field that it reads, each type, the class that it is about."""
    watch = Watch(rule)
    asked = (*rule.when, *rule.when_decoded, *rule.when_element)
    paths = [path for one in asked if not _asks_for_none(one) for path in paths_of(one)]
    paths += [*(step.path for step in rule.decode), *(step.path for step in rule.for_each)]
    known = {path.text: path for path in paths}
    told = {field for field in watch.fields if field} - known.keys()
    known |= {path.text: path for path in _read(rule) if path.text in told}
    for path in known.values():
        yield Change(rule, path, What.FIELD)
        if path.text not in {
            "controller",
            "job",
            "params.query",
        }:  # else no line is found by what stands there
            yield Change(rule, path, What.TYPE)
        if path.text in {"controller", "job"}:
            yield Change(rule, path, What.CLASS)


def _asks_for_none(condition: object) -> bool:
    return isinstance(condition, Exists) and not condition.wanted


def _read(rule: Rule) -> Iterator[Path]:
    for found in (rule.key, rule.once, rule.changed.key if rule.changed else None):
        yield from found or ()
    for forget in rule.forget:
        yield from forget.key
    for remember in rule.remember:
        yield from remember.by
    for value in (rule.group, *(one.value for one in rule.properties)):
        yield from value.paths if value is not None else ()


@dataclass(slots=True)
class Log:
    """Lines of an app, and which of them each rule takes."""

    rules: RuleSet
    lines: list[bytes]
    scanner: Scanner | None
    records: list[Record | None]
    takes: dict[str, list[int]]

    @classmethod
    def of(cls, rules: RuleSet, *files: File, times: int = 1) -> "Log":
        """Files that were written side by side, and as often as told."""
        found = []
        for file in files:
            lines = [line for line in file.read_bytes().split(b"\n") if line]
            found += [(number / len(lines), line) for number, line in enumerate(lines)]
        return cls.made(rules, [line for _, line in sorted(found, key=lambda one: one[0])] * times)

    @classmethod
    def made(cls, rules: RuleSet, lines: list[bytes]) -> "Log":
        """Of these lines."""
        ready = ReadyRules(rules)
        log = cls(rules, lines, build_scanner(derive_literals(rules.rules), Pieces.NONE), [], {})
        for number, line in enumerate(lines):
            record = decode_json(line)
            log.records.append(None if isinstance(record, Reason) else record)
            if log.is_candidate(line):
                for rule in set(evaluate(logical(line), ORIGIN, ready).matched):
                    log.takes.setdefault(rule, []).append(number)
        return log

    def about(self, rule: Rule) -> "Log":
        """Some lines of everything, then those of the rule's kind, as often as there must be."""
        watch = Watch(rule)
        known = [
            (line, record is not None and watch.is_about(record))
            for line, record in zip(self.lines, self.records, strict=True)
        ]
        mine, others = [line for line, its in known if its], [line for line, its in known if not its]
        times = -(-2 * LEAST_BEFORE // len(self.takes[rule.id]))
        return self.made(self.rules, others[: 2 * LEARNING_LINES] + mine * times)

    def is_candidate(self, line: bytes) -> bool:
        """Whether the prefilter lets it pass."""
        return self.scanner is None or bool(self.scanner.find(memoryview(line)))

    def feed(self, drift: Drift, number: int, line: bytes) -> None:
        """Show it a line as `Intake` does."""
        drift.now = float(number)  # a line a second
        if number % BATCH == 0:
            drift.begin_chunk(BATCH)
        if self.is_candidate(line):
            drift.look(line, float(number))
        drift.glance(line, float(number))

    def late(self, rule: Rule, *shares: float) -> Iterator[str]:
        """What is not named in time, wherever in the rule's lines it changes; a false alarm before, too."""
        taken = self.takes.get(rule.id, [])
        drift, number = Drift(self.rules), 0
        for at in sorted({max(int(len(taken) * share), LEAST_BEFORE) for share in shares}):
            if at + LATEST > len(taken):
                yield f"{rule.id}: {len(taken)} lines are too few"
                continue
            while number < taken[at]:
                self.feed(drift, number, self.lines[number])
                number += 1
            yield from (f"{rule.id}: {one.words}" for one in judge(drift.rows, now=float(number)))
            for change in changes(rule):
                if not self._is_named(copy.deepcopy(drift), change, number, set(taken)):
                    yield f"{change}, after {at} of {len(taken)} lines"

    def _is_named(self, drift: Drift, change: Change, start: int, taken: set[int]) -> bool:
        watch, changed = Watch(change.rule), 0
        for number in range(start, len(self.lines)):
            line, record = self.lines[number], self.records[number]
            new = None
            if record is not None and (number in taken or _is_alike(watch, change, record)):
                new = change.apply(record)
            if new is not None:
                line = _spelled(new)
                changed += number in taken
            self.feed(drift, number, line)
            if new is not None and number in taken:
                alarms = judge(drift.rows, now=float(number))
                if (change.rule.id, change.path.text) in {(one.rule, one.field) for one in alarms}:
                    return True
                if changed == LATEST:
                    return False
        return not changed  # nothing of the log has it


def _is_alike(watch: Watch, change: Change, record: Record) -> bool:
    """Whether the same part of the app wrote the line: an update changes refused requests, too."""
    if not watch.is_about(record):
        return False
    rule = change.rule
    if change.path.root not in {step.name for step in rule.decode} | {step.name for step in rule.for_each}:
        return True
    scope = {**record, **{step.name: decode_field(step, record) for step in rule.decode}}
    asked = [one for one in (*rule.when_decoded, *rule.when_element) if not isinstance(one, Exists)]
    return any(
        element is not None and all(one.holds(element) for one in asked)
        for _, element in elements(rule, scope)
    )


def _spelled(record: Record) -> bytes:
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()
