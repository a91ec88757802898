"""Run a pack's examples: the same `evaluate` and `resolve` as everything else, an empty memory each time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from extractor.decode.assemble import Logical
from extractor.problems import Problem
from extractor.ruleset.assemble import Choice, Settings, assemble_rules
from extractor.ruleset.codes import Code
from extractor.ruleset.condition import same
from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.load import Example, Pack
from extractor.ruleset.model import ExpectedShape
from extractor.ruleset.outcome import Memo, resolve
from extractor.ruleset.rule import MessageConstants, RuleSet

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
    problems = []
    for rule in pack.rules:
        mine = [example for example in pack.examples if example.rule == rule.id]
        gives = [bool(example.shape.gives) for example in mine]
        place = mine[0].place
        if rule.event is not None and not (any(gives) and not all(gives)):
            problems.append(
                Problem(
                    place,
                    Code.EXAMPLES_MISSING,
                    f'rule "{rule.id}" needs a line that matches and a near miss',
                    'give one example with the event under "gives", and one with "gives: []"',
                )
            )
    for example in pack.examples:
        problems.extend(_check(pack, example))
    return problems


def _check(pack: Pack, example: Example) -> Iterator[Problem]:
    shape = example.shape
    if (shape.line is None) == (shape.lines is None):
        message = 'an example has either "line" or "lines"'
        yield Problem(example.place, Code.EXAMPLE_SHAPE, message, "lines is a list, met in its order")
        return
    rule = next(one for one in pack.rules if one.id == example.rule)
    rules = _rules(pack, example)
    events = list(_run(rules, [shape.line] if shape.line is not None else shape.lines or []))
    # A rule that only touches memory gives nothing itself: its example says what all rules make of the lines.
    mine = [event for event in events if rule.event is None or event.rule == rule.id]
    for difference in _differences(shape.gives, mine):
        yield Problem(
            example.place,
            Code.EXAMPLE_DIFFERS,
            f'the example of rule "{example.rule}" {difference}',
            "run `extractor explain` on the line to see every condition",
        )


def _rules(pack: Pack, example: Example) -> RuleSet:
    settings = Settings(installation="example", constants=_CONSTANTS, variables=example.shape.variables)
    return assemble_rules([Choice(pack=pack, enable=(example.rule.partition("/")[2],))], settings)


def _run(rules: RuleSet, lines: list[str]) -> Iterator[Event]:
    memory = PlainMemory()
    seen = set()
    for line in lines:
        text = line.strip().encode()
        logical = Logical(text, None, "", (), "example", 0, len(text))
        for result in resolve(evaluate(logical, _ORIGIN, rules), memory):
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
