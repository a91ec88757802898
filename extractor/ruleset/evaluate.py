"""One line to its outcome. Pure and total: no clock, no file, no thread, and no line can make it raise.

`run`, `preview`, `explain`, `backfill` and `check` all go through `evaluate`.
"""

from dataclasses import dataclass

from extractor.decode.assemble import Logical
from extractor.decode.record import decode_json
from extractor.ruleset.condition import ScalarValue
from extractor.ruleset.draft import GROUP_SLOT, USER_SLOT, Draft, as_text
from extractor.ruleset.event import TimeSource
from extractor.ruleset.identity import encode, key_part
from extractor.ruleset.outcome import Changed, Forget, Outcome, PendingEvent, Rejection, Remember
from extractor.ruleset.path import Scope
from extractor.ruleset.rule import ChangedRule, Decode, Entry, Rule, RuleSet
from extractor.ruleset.scope import all_hold, decode_field, elements, key_of
from extractor.ruleset.value import LAST_TIME, Value, is_time, parse_time
from extractor.telemetry import Reason


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
    for entry in rules.index.candidates(record):
        if all_hold(entry.when, record):
            pass_.apply(entry)
    return pass_.outcome()


class _Pass:
    """One line on its way through the rules that may match it. Lives as long as the line."""

    __slots__ = (
        "_digest",
        "_gates",
        "_scopes",
        "events",
        "line",
        "matched",
        "memory",
        "origin",
        "record",
        "rejections",
        "rules",
    )

    def __init__(self, line: Logical, origin: Origin, rules: RuleSet, record: dict[str, object]) -> None:
        self.line = line
        self.origin = origin
        self.rules = rules
        self.record = record
        self.events: list[PendingEvent] = []
        self.rejections: list[Rejection] = []
        self.memory: list[Forget | Remember] = []
        self.matched: list[str] = []
        self._scopes: dict[int, Scope | Reason | None] = {}
        self._gates: dict[int, object] = {}
        self._digest: bytes | None = None

    def outcome(self) -> Outcome:
        """What all rules together gave."""
        reason = None if self.matched or self.rejections else Reason.NO_RULE
        return Outcome(
            tuple(self.events), tuple(self.rejections), tuple(self.memory), tuple(self.matched), reason
        )

    def apply(self, entry: Entry) -> None:
        """Let one rule, whose conditions on the line hold, give what it gives."""
        rule = entry.rule
        scope: Scope = self.record
        if entry.decoding >= 0:
            decoded = self._decoded_scope(entry.decoding)
            if decoded is None:
                return
            if isinstance(decoded, Reason):
                self.rejections.append(Rejection(decoded, rule.id))
                return
            if entry.gate >= 0 and self._at_gate(entry.gate, decoded) != entry.gate_text:
                return
            if not all_hold(rule.when_decoded, decoded):
                return
            scope = decoded
        for position, element in elements(rule, scope):
            if element is None:
                self.rejections.append(Rejection(Reason.TOO_MANY_ELEMENTS, rule.id))
            elif all_hold(rule.when_element, element):
                self.matched.append(rule.id)
                self._give(rule, element, position)

    def _decoded_scope(self, number: int) -> Scope | Reason | None:
        """The record with decoded fields under their names, once a line for all rules that decode alike.

        None where a field is not there: some lines of a job have no arguments at all, and nothing is wrong with them.
        """
        if number not in self._scopes:
            self._scopes[number] = self._decode(self.rules.index.decodings[number])
        return self._scopes[number]

    def _at_gate(self, number: int, decoded: Scope) -> object:
        """What the first decoded field that rules compare leads to; rules of one job differ in nothing else."""
        if number not in self._gates:
            self._gates[number] = self.rules.index.gates[number][1].find(decoded)
        return self._gates[number]

    def _decode(self, steps: tuple[Decode, ...]) -> Scope | Reason | None:
        scope = dict(self.record)
        for step in steps:
            if step.path.find(self.record) is None:
                return None
            value = decode_field(step, self.record)
            if value is None:
                return Reason.UNDECODABLE_FIELD
            scope[step.name] = value
        return scope

    def _line_digest(self) -> bytes:
        """Stands for the line: computed once, since a line of 1 MiB may give 10,000 events."""
        if self._digest is None:
            self._digest = self.rules.identity.digest(self.line.text)
        return self._digest

    def _give(self, rule: Rule, scope: Scope, position: str) -> None:
        identity = self.rules.identity
        for forget in rule.forget:
            if (parts := key_of(forget.key, scope)) is not None:
                self.memory.append(
                    Forget(identity.memory_key("event", forget.event, parts), self._line_digest())
                )
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

    def _pend(self, rule: Rule, event: str, scope: Scope, position: str) -> PendingEvent | Rejection:
        """Read everything that the line says about the event; what memory has to say is asked for."""
        recalls: dict[str, bytes] = {}
        properties: dict[str, ScalarValue] = {}
        for declared in rule.properties:
            value = self._read(rule, declared.value, declared.name, scope, recalls)
            if value is not None:
                properties[declared.name] = value
            elif declared.required and declared.name not in recalls:
                return Rejection(Reason.REQUIRED_MISSING, rule.id, declared.name, whole_event=True)
        group = (
            None if rule.group is None else as_text(self._read(rule, rule.group, GROUP_SLOT, scope, recalls))
        )
        if GROUP_SLOT not in recalls and self.rules.excludes(group):
            return Rejection(Reason.ORGANIZATION_EXCLUDED, rule.id, whole_event=True)
        user = None if rule.user is None else self._read_user(rule.user, scope, recalls)
        once = self._once(rule, event, scope)
        natural_key = self._natural_key(rule, scope, position, once)
        changed = None if rule.changed is None else self._changed(rule.changed, event, scope)
        if natural_key is None or (rule.changed is not None and changed is None):
            return Rejection(Reason.KEY_MISSING, rule.id, whole_event=True)
        time, time_source = self._time(rule, scope)
        draft = Draft(
            rule=rule,
            event=event,
            rules=self.rules,
            properties=properties,
            user=user,
            group=group,
            recalls=recalls,
            natural_key=natural_key,
            time=time,
            time_source=time_source,
            path=self.origin.path,
            offset=self.line.start,
        )
        return PendingEvent(rule.id, draft.build, once, changed, recalls)

    def _read(
        self, rule: Rule, value: Value, slot: str, scope: Scope, recalls: dict[str, bytes]
    ) -> ScalarValue | None:
        found = value.read(scope)
        if type(found) is Reason:
            self.rejections.append(Rejection(found, rule.id, slot))
        elif found is not None:
            return found
        return None if self._recall(value, slot, scope, recalls) else value.fallback

    def _read_user(self, value: Value, scope: Scope, recalls: dict[str, bytes]) -> str | None:
        # What the line says of its user is either of the right form or stands for "nobody": not worth counting. Who
        # stands in for nobody is decided when memory was asked.
        found = value.read(scope)
        if found is None or type(found) is Reason:
            self._recall(value, USER_SLOT, scope, recalls)
            return None
        return as_text(found)

    def _recall(self, value: Value, slot: str, scope: Scope, recalls: dict[str, bytes]) -> bool:
        """Ask memory for what the line does not say, if the rule wants that and the key is there."""
        if value.recall is None or (parts := key_of(value.recall.by, scope)) is None:
            return False
        recalls[slot] = self.rules.identity.memory_key("value", value.recall.memory, parts)
        return True

    def _once(self, rule: Rule, event: str, scope: Scope) -> bytes | None:
        parts = None if rule.once is None else key_of(rule.once, scope)
        return None if parts is None else self.rules.identity.memory_key("event", event, parts)

    def _natural_key(
        self, rule: Rule, scope: Scope, position: str, once: bytes | None
    ) -> tuple[bytes, ...] | None:
        """What makes the fact this one; None where the rule's own key is not there."""
        if rule.once is not None:
            return None if once is None else (b"once", once)
        if rule.key is not None:
            parts = key_of(rule.key, scope)
            return None if parts is None else (b"key", *map(encode, parts))
        return (b"line", self._line_digest(), position.encode())

    def _changed(self, changed: ChangedRule, event: str, scope: Scope) -> Changed | None:
        # Whether the value may leave does not matter here: a plan's code that is not sent has changed all the same.
        identity = self.rules.identity
        parts = key_of(changed.key, scope)
        value = changed.value.find(scope)
        part = None if type(value) is Reason else key_part(value)
        if parts is None or part is None:
            return None
        initial = key_part(changed.initial)
        return Changed(
            identity.memory_key("event", event, parts),
            identity.digest(encode(part)),
            b"" if initial is None else identity.digest(encode(initial)),
        )

    def _time(self, rule: Rule, scope: Scope) -> tuple[float, TimeSource]:
        """The event's time: the envelope's, else the rule's, else the origin's."""
        line, origin = self.line, self.origin
        if line.time is not None and is_time(line.time):
            return line.time, TimeSource.ENVELOPE
        for path in rule.time:
            seconds = parse_time(path.find(scope))
            if seconds is not None:
                return seconds, TimeSource.LINE
        if is_time(origin.time):
            return origin.time, origin.time_source
        # A file's modification time is whatever somebody set it to.
        return (LAST_TIME if origin.time > 0 else 0.0), origin.time_source
