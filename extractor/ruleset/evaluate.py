"""One line to its outcome. Pure and total: no clock, no file, no thread, and no line can make it raise.

`run`, `preview`, `explain`, `backfill` and `check` all go through `evaluate`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from extractor.decode.assemble import Logical
from extractor.decode.errors import ParseError
from extractor.decode.graphql import as_record, root_fields
from extractor.decode.record import decode_json
from extractor.decode.rubyinspect import parse_arguments
from extractor.ruleset.condition import Condition, ScalarValue
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.identity import encode, key_part
from extractor.ruleset.message import build_message
from extractor.ruleset.outcome import Changed, Forget, Outcome, PendingEvent, Rejection, Remember
from extractor.ruleset.path import Path
from extractor.ruleset.rule import Decode, Notation, Rule, RuleSet, UnidentifiedUsers
from extractor.ruleset.value import Value, parse_time
from extractor.telemetry import Reason

MAX_ELEMENTS = 10_000
"""Elements of one list that `for_each` looks at: an event takes about 1 kB of memory, and a hostile line of 1 MiB
has room for 300,000 elements. What is beyond is rejected and counted."""

USER_SLOT = "user id"  # has a space, so no property can have this name
GROUP_SLOT = "group id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a line was read, and what its time is if neither its envelope nor its rule knows better.

    Attributes:
        path: The file.
        time: Unix seconds: of reading, or of the file's last modification.
        time_source: Which of the two.
    """

    path: str
    time: float
    time_source: TimeSource


def evaluate(line: Logical, origin: Origin, rules: RuleSet) -> Outcome:
    """What the line shows.

    Returns:
        Events that still have to meet memory, what was left out and why, and what memory is told. Where all three
        are empty, `reason` says why.
    """
    record = decode_json(line.text)
    if isinstance(record, Reason):
        return Outcome(reason=record)
    pass_ = _Pass(line, origin, rules, record)
    for rule in rules.index.candidates(record):
        if all_hold(rule.when, record):
            pass_.apply(rule)
    return pass_.outcome()


def all_hold(conditions: tuple[Condition, ...], scope: Mapping[str, object]) -> bool:
    """Whether every condition holds; a plain loop, since this is where most lines end."""
    for condition in conditions:  # noqa: SIM110: `all()` of a generator costs twice as much here
        if not condition.holds(scope):
            return False
    return True


class _Pass:
    """One line on its way through the rules that may match it. Lives as long as the line."""

    __slots__ = ("_decoded", "_digest", "events", "line", "matched", "memory", "origin", "record", "rejections", "rules")

    def __init__(self, line: Logical, origin: Origin, rules: RuleSet, record: dict[str, object]) -> None:
        self.line = line
        self.origin = origin
        self.rules = rules
        self.record = record
        self.events: list[PendingEvent] = []
        self.rejections: list[Rejection] = []
        self.memory: list[Forget | Remember] = []
        self.matched: list[str] = []
        self._decoded: dict[tuple[Notation, str], object] = {}
        self._digest: bytes | None = None

    def outcome(self) -> Outcome:
        reason = None if self.matched or self.rejections else Reason.NO_RULE
        return Outcome(tuple(self.events), tuple(self.rejections), tuple(self.memory), tuple(self.matched), reason)

    def apply(self, rule: Rule) -> None:
        """Let one rule, whose conditions on the line hold, give what it gives."""
        scope: Mapping[str, object] = self.record
        if rule.decode:
            decoded = dict(self.record)
            for step in rule.decode:
                if step.path.find(self.record) is None:
                    return  # some lines of a job have no arguments at all: nothing is wrong with them
                value = self.decode(step)
                if value is None:
                    self.rejections.append(Rejection(Reason.UNDECODABLE_FIELD, rule.id))
                    return
                decoded[step.name] = value
            scope = decoded
            if not all_hold(rule.when_decoded, scope):
                return
        for position, element in elements(rule, scope):
            if element is None:
                self.rejections.append(Rejection(Reason.TOO_MANY_ELEMENTS, rule.id))
            elif all_hold(rule.when_element, element):
                self.matched.append(rule.id)
                self._give(rule, element, position)

    def decode(self, step: Decode) -> object:
        """The decoded field; once a line, whatever the number of rules that want it."""
        key = (step.notation, step.path.text)
        if key not in self._decoded:
            self._decoded[key] = decode_field(step, self.record)
        return self._decoded[key]

    def line_digest(self) -> bytes:
        """Stands for the line, in what a *forget* leaves behind."""
        if self._digest is None:
            self._digest = self.rules.identity.digest(self.line.text)
        return self._digest

    def _give(self, rule: Rule, scope: Mapping[str, object], position: str) -> None:
        identity = self.rules.identity
        for forget in rule.forget:
            if (parts := key_of(forget.key, scope)) is not None:
                self.memory.append(Forget(identity.memory_key("event", forget.event, parts), self.line_digest()))
        for remember in rule.remember:
            parts = key_of(remember.by, scope)
            value = remember.value.read(scope)
            if parts is not None and type(value) is str:
                key = identity.memory_key("value", remember.memory, parts)
                self.memory.append(Remember(key, identity.digest(encode(value)), value))
        if rule.event is not None:
            pending = self._pend(rule, rule.event, scope, position)
            if isinstance(pending, Rejection):
                self.rejections.append(pending)
            else:
                self.events.append(pending)

    def _pend(
        self, rule: Rule, event: str, scope: Mapping[str, object], position: str
    ) -> PendingEvent | Rejection:
        identity = self.rules.identity
        draft = _Draft(rule, event, self.rules)
        broken = draft.fill(scope, self.rejections)
        if broken is not None:
            return broken
        draft.when(rule, scope, self.line, self.origin)

        once = None
        if rule.once is not None:
            parts = key_of(rule.once, scope)
            if parts is None:
                return Rejection(Reason.KEY_MISSING, rule.id, whole_event=True)
            once = identity.memory_key("event", event, parts)
            draft.natural_key = (b"once", once)
        elif rule.key is not None:
            parts = key_of(rule.key, scope)
            if parts is None:
                return Rejection(Reason.KEY_MISSING, rule.id, whole_event=True)
            draft.natural_key = (b"key", *map(encode, parts))
        else:
            draft.natural_key = (b"line", self.line.text, position.encode())

        changed = None
        if rule.changed is not None:
            parts = key_of(rule.changed.key, scope)
            value = next(one.value.find(scope) for one in rule.properties if one.name == rule.changed.property)
            if parts is None or value is None or type(value) is Reason:
                return Rejection(Reason.KEY_MISSING, rule.id, rule.changed.property, whole_event=True)
            initial = rule.changed.initial
            changed = Changed(
                identity.memory_key("event", event, parts),
                identity.digest(encode(key_part(value) or "")),
                b"" if initial is None else identity.digest(encode(key_part(initial) or "")),
            )
        draft.path, draft.offset = self.origin.path, self.line.start
        return PendingEvent(rule.id, draft.build, once, changed, draft.recalls)


class _Draft:
    """An event whose values have been read and admitted; memory may still add to it."""

    __slots__ = (
        "anonymous", "event", "group", "natural_key", "offset", "path", "properties", "recalls", "rule", "rules", "time",
        "time_source", "user",
    )  # fmt: skip

    def __init__(self, rule: Rule, event: str, rules: RuleSet) -> None:
        self.rule = rule
        self.event = event
        self.rules = rules
        self.properties: dict[str, ScalarValue] = {}
        self.recalls: dict[str, bytes] = {}
        self.user: str | None = None
        self.group: str | None = None
        self.natural_key: tuple[bytes, ...] = ()
        self.time = 0.0
        self.time_source = TimeSource.READ
        self.path = ""
        self.offset = 0

    def fill(self, scope: Mapping[str, object], rejections: list[Rejection]) -> Rejection | None:
        """Read every value; returns why there can be no event, if so."""
        rule = self.rule
        for declared in rule.properties:
            value = self._read(declared.value, declared.name, scope, rejections)
            if value is not None:
                self.properties[declared.name] = value
            elif declared.required and declared.name not in self.recalls:
                return Rejection(Reason.REQUIRED_MISSING, rule.id, declared.name, whole_event=True)
        if rule.group is not None:
            self.group = _text(self._read(rule.group, GROUP_SLOT, scope, rejections))
        if rule.user is not None:
            # What the line says of its user is either of the right form or stands for "nobody": not worth counting.
            self.user = _text(self._read(rule.user, USER_SLOT, scope, []))
        return self._unwanted()

    def _unwanted(self) -> Rejection | None:
        group = self.group
        if (self.rules.never and group in self.rules.never) or (self.rules.only and group not in self.rules.only):
            return Rejection(Reason.ORGANIZATION_EXCLUDED, self.rule.id, whole_event=True)
        return None

    def _read(
        self, value: Value, slot: str, scope: Mapping[str, object], rejections: list[Rejection]
    ) -> ScalarValue | None:
        found = value.read(scope)
        if type(found) is Reason:
            rejections.append(Rejection(found, self.rule.id, slot))
        elif found is not None:
            return found
        if value.recall is not None and (parts := key_of(value.recall.by, scope)) is not None:
            self.recalls[slot] = self.rules.identity.memory_key("value", value.recall.memory, parts)
            return None
        return value.fallback if slot != USER_SLOT else None

    def when(self, rule: Rule, scope: Mapping[str, object], line: Logical, origin: Origin) -> None:
        """The event's time: the envelope's, else the rule's, else the origin's."""
        if line.time is not None:
            self.time, self.time_source = line.time, TimeSource.ENVELOPE
            return
        for path in rule.time:
            seconds = parse_time(path.find(scope))
            if seconds is not None:
                self.time, self.time_source = seconds, TimeSource.LINE
                return
        self.time, self.time_source = origin.time, origin.time_source

    def build(self, reset: bytes, recalled: Mapping[str, str]) -> Event | Rejection:
        """The event, given what memory said. Recalled values pass the same constraints as any other."""
        properties = self.properties
        for declared in self.rule.properties:
            if declared.name in properties or declared.name not in self.recalls:
                continue
            value = self._recalled(declared.value, recalled.get(declared.name))
            if value is not None:
                properties[declared.name] = value
            elif declared.required:
                return Rejection(Reason.REQUIRED_MISSING, self.rule.id, declared.name, whole_event=True)
        group = self.group
        if group is None and self.rule.group is not None:
            group = _text(self._recalled(self.rule.group, recalled.get(GROUP_SLOT)))
        user = self.user
        anonymous = None
        if user is None and self.rule.user is not None:
            known = recalled.get(USER_SLOT)
            user = _text(self._recalled(self.rule.user, known))
            if known is None and self.rules.unidentified_users is UnidentifiedUsers.ANONYMOUS:
                user, anonymous = None, self.rules.identity.anonymous_id(group or "")
        if user is None and anonymous is None:
            return Rejection(Reason.REQUIRED_MISSING, self.rule.id, USER_SLOT, whole_event=True)
        identity = self.rules.identity
        natural_key = (*self.natural_key, reset) if reset else self.natural_key
        message_id = identity.message_id(self.event, natural_key)
        message = build_message(
            self.rules.constants,
            event=self.event,
            message_id=message_id,
            user_id=user,
            anonymous_id=anonymous,
            group_id=group,
            time=self.time,
            properties=properties,
        )
        return Event(
            message_id=message_id,
            name=self.event,
            rule=self.rule.id,
            message=message,
            time=self.time,
            time_source=self.time_source,
            path=self.path,
            offset=self.offset,
        )

    def _recalled(self, value: Value, recalled: str | None) -> ScalarValue | None:
        if recalled is not None:
            admitted = value.constraint.admit(recalled)
            if type(admitted) is not Reason:
                return admitted
        return value.fallback


def decode_field(step: Decode, record: Mapping[str, object]) -> object:
    """The field as the value that its notation spells, or None where it is no such text."""
    text = step.path.find(record)
    try:
        match step.notation:
            case Notation.RUBY_INSPECT:
                return parse_arguments(text) if isinstance(text, str) else None
            case Notation.GRAPHQL:
                variables = step.variables.find(record) if step.variables is not None else None
                if not isinstance(text, str):
                    return None
                return as_record(root_fields(text, variables if isinstance(variables, dict) else {}))
    except ParseError:
        return None


def elements(rule: Rule, scope: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object] | None]]:
    """The scopes in which a rule is met, with their positions: one, or one for each element of its lists.

    None stands for what lies beyond `MAX_ELEMENTS`.
    """
    if not rule.for_each:
        return iter((("0", scope),))
    return _fan_out(rule, 0, "", scope)


def _fan_out(
    rule: Rule, level: int, position: str, scope: Mapping[str, object]
) -> Iterator[tuple[str, Mapping[str, object] | None]]:
    if level == len(rule.for_each):
        yield position[1:], scope
        return
    step = rule.for_each[level]
    found = step.path.find(scope)
    if isinstance(found, list):
        for number, element in enumerate(found[:MAX_ELEMENTS]):
            inner = dict(scope)
            inner[step.name] = element
            yield from _fan_out(rule, level + 1, f"{position}.{number}", inner)
        if len(found) > MAX_ELEMENTS:
            yield "", None


def key_of(paths: tuple[Path, ...], scope: Mapping[str, object]) -> list[str] | None:
    """The parts of a key, or None where one is missing: half a key names nothing."""
    parts = []
    for path in paths:
        part = key_part(path.find(scope))
        if part is None:
            return None
        parts.append(part)
    return parts




def _text(value: ScalarValue | None) -> str | None:
    return value if isinstance(value, str) else None
