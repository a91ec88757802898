"""What tests of the rule language share: a pack from a few lines, a rule set, lines met one after the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from extractor import document, rulepacks
from extractor.decode.assemble import Logical
from extractor.ruleset.assemble import Choice, Settings, assemble_rules
from extractor.ruleset.condition import ScalarValue
from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.load import Pack, load_pack
from extractor.ruleset.outcome import Outcome, Rejection, resolve
from extractor.ruleset.rule import MessageConstants, RuleSet, UnidentifiedUsers

CONSTANTS = MessageConstants(library=("analytics-python", "2.4.0"), app=("extractor", "1.0"))
ORIGIN = Origin(path="/logs/api.log", time=1_800_000_000.0, time_source=TimeSource.READ)
INSTALLATION = "an-installation-of-the-tests"

HEAD = """\
pack: shop
version: 1
about: A shop
variables:
  hosting: {about: Who runs it, enum: [self, cloud]}
events:
  order_placed: {about: Somebody ordered}
  order_paid: {about: Somebody paid}
rules:
"""
EXAMPLES = """\
    examples:
      - {line: '{}', gives: []}
"""


def pack(*rules: str, head: str = HEAD) -> Pack:
    """A pack of these rules: the lines under `- id: ...`, without examples, which are not run."""
    text = head + "".join(f"  - id: rule-{number}\n{rule}{EXAMPLES}" for number, rule in enumerate(rules))
    return load_pack(document.load(text, "pack.yaml"))


def rule(body: str = "", *, job: str = "Order", event: str = "order_placed") -> str:
    """A rule for `{"job": ...}` lines that gives an event of nobody."""
    return f"    event: {event}\n    when: [{{field: job, equals: {job}}}]\n    user: {{constant: nobody}}\n{body}"


def assemble(
    *packs: Pack,
    variables: Mapping[str, ScalarValue] | None = None,
    constants: MessageConstants = CONSTANTS,
    unidentified_users: UnidentifiedUsers = UnidentifiedUsers.APP,
    drop_properties: frozenset[str] = frozenset(),
    only: frozenset[str] = frozenset(),
    never: frozenset[str] = frozenset(),
    installation: str = INSTALLATION,
) -> RuleSet:
    """A rule set of these packs."""
    settings = Settings(
        installation=installation,
        constants=constants,
        variables=variables or {},
        unidentified_users=unidentified_users,
        drop_properties=drop_properties,
        only=only,
        never=never,
    )
    return assemble_rules([Choice(pack=one) for one in packs], settings)


def shipped_pack(name: str = "lago") -> Pack:
    """A pack as it is shipped."""
    return load_pack(document.load(*rulepacks.shipped(name)))


def logical(line: bytes | str | Mapping[str, Any], *, time: float | None = None, start: int = 0) -> Logical:
    """One line, out of any envelope."""
    if isinstance(line, Mapping):
        line = orjson.dumps(line)
    text = line.encode() if isinstance(line, str) else line
    return Logical(text, time, "", (), "file", start, start + len(text) + 1)


@dataclass(slots=True)
class Reader:
    """Meets lines in their order, as the loop does: evaluate, then memory."""

    rules: RuleSet
    memory: PlainMemory = field(default_factory=PlainMemory)
    keep_values: bool = True
    ready: ReadyRules = field(init=False)

    def __post_init__(self) -> None:
        self.ready = ReadyRules(self.rules)

    def outcome(self, line: bytes | str | Mapping[str, Any], **keys: Any) -> Outcome:
        """What the line shows, before memory."""
        return evaluate(logical(line, **keys), ORIGIN, self.ready)

    def meet(self, *lines: bytes | str | Mapping[str, Any]) -> list[Event | Rejection]:
        """What the lines give, rejections of single values included."""
        given: list[Event | Rejection] = []
        for line in lines:
            outcome = self.outcome(line)
            given += [*outcome.rejections, *resolve(outcome, self.memory, keep_values=self.keep_values)]
        return given

    def events(self, *lines: bytes | str | Mapping[str, Any]) -> list[Event]:
        """The events among them."""
        return [one for one in self.meet(*lines) if isinstance(one, Event)]

    def properties(self, *lines: bytes | str | Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the events of the lines carry."""
        return [message(event)["properties"] for event in self.events(*lines)]

    def reasons(self, *lines: bytes | str | Mapping[str, Any]) -> list[str]:
        """Why what is missing is missing."""
        return [one.reason.value for one in self.meet(*lines) if isinstance(one, Rejection)]


def message(event: Event) -> dict[str, Any]:
    """The event's message, read back."""
    read: dict[str, Any] = orjson.loads(event.message)
    return read


def messages(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Their messages, read back."""
    return [message(event) for event in events]
