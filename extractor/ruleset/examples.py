"""Run a pack's examples: the same `evaluate` and `resolve` as everything else, an empty memory each time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import orjson

from extractor.decode.assemble import Logical
from extractor.problems import Problem, ProblemError
from extractor.ruleset.assemble import Choice, Settings, assemble_rules
from extractor.ruleset.codes import Code
from extractor.ruleset.condition import same
from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.load import Example, Pack
from extractor.ruleset.model import ExpectedShape
from extractor.ruleset.outcome import Memo, resolve
from extractor.ruleset.rule import MessageConstants, Rule, RuleSet

_ORIGIN = Origin(path="example", time=0.0, time_source=TimeSource.READ)
_CONSTANTS = MessageConstants(library=("example", "0"), app=("example", "0"))


@dataclass(slots=True)
class PlainMemory:
    """Memory that lives as long as the process: for examples and tests."""

    memos: dict[bytes, Memo] = field(default_factory=dict)

    def read(self, key: bytes) -> Memo | None:
        """See `Memory`."""
        return self.memos.get(key)

    def write(self, key: bytes, memo: Memo) -> None:
        """See `Memory`."""
        self.memos[key] = memo


def check_examples(pack: Pack) -> list[Problem]:
    """Every example that gives something else than it says, and every rule that lacks one of each kind."""
    problems: list[Problem] = []
    for rule in pack.rules:
        mine = [example for example in pack.examples if example.rule == rule.id]
        gives = [bool(example.shape.gives) for example in mine]
        if rule.event is not None and not (any(gives) and not all(gives)):
            message = f'rule "{rule.id}" needs a line that matches and a near miss'
            hint = 'give one example with the event under "gives", and one with "gives: []"'
            problems.append(Problem(mine[0].place, Code.EXAMPLES_MISSING, message, hint))
        wrong = [problem for example in mine for problem in _check(pack, rule, example)]
        problems.extend(wrong)
        if rule.event is None and not wrong and not any(_shows(pack, rule, example) for example in mine):
            message = f'no example of rule "{rule.id}" shows what it is for: each gives the same without it'
            hint = "give one with a line that another rule makes an event of, and which this rule changes"
            problems.append(Problem(mine[0].place, Code.EXAMPLES_MISSING, message, hint))
    return problems


def _check(pack: Pack, rule: Rule, example: Example) -> Iterator[Problem]:
    shape = example.shape
    if (shape.line is None) == (shape.lines is None):
        message = 'an example has either "line" or "lines"'
        yield Problem(example.place, Code.EXAMPLE_SHAPE, message, "lines is a list, met in its order")
        return
    try:
        rules = _rules(pack, example)
    except ProblemError as error:  # its variables are not those of the pack
        yield from error.problems
        return
    # A rule that only touches memory gives nothing itself: its example says what all rules make of the lines.
    mine = [event for event in _run(rules, _lines(example)) if rule.event is None or event.rule == rule.id]
    hint = "run `extractor explain` on the line to see every condition"
    for difference in _differences(shape.gives, mine):
        message = f'the example of rule "{rule.id}" {difference}'
        yield Problem(example.place, Code.EXAMPLE_DIFFERS, message, hint)


def _shows(pack: Pack, rule: Rule, example: Example) -> bool:
    """Whether the lines give something else when the rule is not there."""
    with_it = _rules(pack, example)
    without = replace(with_it, rules=tuple(one for one in with_it.rules if one.id != rule.id))
    lines = _lines(example)
    return [event.message for event in _run(with_it, lines)] != [
        event.message for event in _run(without, lines)
    ]


def _lines(example: Example) -> list[str]:
    return [example.shape.line] if example.shape.line is not None else example.shape.lines or []


def _rules(pack: Pack, example: Example) -> RuleSet:
    settings = Settings(
        installation="example",
        constants=_CONSTANTS,
        variables=example.shape.variables,
        variables_place=example.place,
    )
    return assemble_rules([Choice(pack=pack, enable=(example.rule.partition("/")[2],))], settings)


def _run(rules: RuleSet, lines: list[str]) -> Iterator[Event]:
    ready, memory = ReadyRules(rules), PlainMemory()
    seen: set[str] = set()
    for line in lines:
        text = line.strip().encode()
        logical = Logical(text, None, "", (), "example", 0, len(text))
        for result in resolve(evaluate(logical, _ORIGIN, ready), memory):
            if isinstance(result, Event) and result.message_id not in seen:
                seen.add(result.message_id)
                yield result


def _differences(expected: list[ExpectedShape], events: list[Event]) -> Iterator[str]:
    if len(expected) != len(events):
        yield f"gives {len(events)} events, not {len(expected)}"
        return
    for number, (wanted, event) in enumerate(zip(expected, events, strict=True), 1):
        message = orjson.loads(event.message)
        told: Mapping[str, tuple[object, object]] = {
            "event": (wanted.event, event.name),
            "user": (wanted.user, message["userId"]),
            "group": (wanted.group, message["context"].get("groupId")),
            "time": (wanted.time, message["timestamp"]),
        }
        for name, (said, given) in told.items():
            if said is not None and said != given:
                yield f"gives another {name} for event {number}"
        properties = message["properties"]
        for name in sorted(wanted.properties.keys() | properties.keys()):
            if name not in properties:
                yield f'gives no "{name}" for event {number}'
            elif name not in wanted.properties:
                yield f'gives "{name}" for event {number}, which the example does not name'
            elif not same(properties[name], wanted.properties[name]):
                yield f'gives another "{name}" for event {number}'
