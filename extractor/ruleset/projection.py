"""What one rule makes of a line that it matches, with all that can be worked out before the first one.

A rule reads nearly everything from a few objects (`call[0].properties`): each is looked up once a line, and what is
in it is found by one step. What the rule itself says (names, keys, texts) is hashed and spelled once.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from extractor.ruleset.condition import ScalarValue
from extractor.ruleset.draft import GROUP_SLOT, USER_SLOT, Draft, DraftFrame, as_text
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.identity import Identity, encode, key_part
from extractor.ruleset.message import MessageTemplate
from extractor.ruleset.outcome import Changed, Forget, PendingEvent, Rejection, Remember
from extractor.ruleset.path import Path, Scope, step_into
from extractor.ruleset.rule import ChangedRule, RuleSet
from extractor.ruleset.showing import Showing
from extractor.ruleset.value import LAST_TIME, SHORT_TEXT, Value, is_ignored, is_time, parse_time
from extractor.telemetry import Reason

Held = list[Any]
"""The objects that a rule reads from, on one line; the first is the scope itself."""

_ENVELOPE = TimeSource.ENVELOPE
_LINE = TimeSource.LINE

_KNOWN_MEMBERS = 4096
"""Of what memory is told under one short text, that many are kept at hand: some 4 MB at most."""

Find = Callable[[Held], object]
Read = Callable[[Held], ScalarValue | Reason | None]
Key = Callable[[Held], tuple[str, ...] | None]


class _Slot(NamedTuple):
    """Something that the rule reads: a property, or the group."""

    name: str
    read: Read
    value: Value
    recall: Key | None
    required: bool


class Projection:
    """A rule, made ready to be met by lines whose conditions all hold.

    Attributes:
        frame: What its drafts share; None where it only touches memory.
    """

    def __init__(self, number: int, rules: RuleSet) -> None:
        """Make it ready.

        Args:
            number: The rule's place in `rules`.
            rules: The rule set.
        """
        rule = rules.rules[number]
        self._rule = rule
        self._rules = rules
        self._chooses = bool(rules.only or rules.never)
        self.frame: DraftFrame | None = None
        self._ways: list[tuple[int, str | int]] = []
        self._places: dict[tuple[str | int, ...], int] = {(): 0}
        self._forget = [
            (rules.identity.memory_keys("event", forget.event), self._key(forget.key))
            for forget in rule.forget
        ]
        self._remember = [
            (_rememberer(one.memory, rules.identity), self._key(one.by), self._reader(one.value))
            for one in rule.remember
        ]
        if rule.event is None:
            return
        slots = [self._slot(one.name, one.value, required=one.required) for one in rule.properties]
        # One that nobody set and nothing can show is on no event.
        self._properties = [
            (one.name, one.read, one) for one in slots if one.required or not _is_nothing(one.value)
        ]
        # The organization is a property, too, nearly always: what is read alike is read once.
        self._group_twin = next(
            (one.name for one in rule.properties if replace(one.value, as_text=True) == rule.group), ""
        )
        self._group = None if rule.group is None else self._slot(GROUP_SLOT, rule.group)
        self._user = None if rule.user is None else self._slot(USER_SLOT, rule.user)
        self._once = None if rule.once is None else self._key(rule.once)
        self._own_key = None if rule.key is None else self._key(rule.key)
        self._changed_key = None if rule.changed is None else self._key(rule.changed.key)
        initial = None if rule.changed is None else key_part(rule.changed.initial)
        self._initial = b"" if initial is None else rules.identity.digest(encode(initial))
        self._times = [self._finder(path) for path in rule.time]
        kind = b"once" if rule.once is not None else b"key" if rule.key is not None else b"line"
        self._event_key = rules.identity.memory_keys("event", rule.event)
        self.frame = DraftFrame(
            number=number,
            rule=rule,
            event=rule.event,
            rules=rules,
            template=MessageTemplate(rules.constants, rule.event),
            message_id=rules.identity.message_ids(rule.event, kind),
            steps=rules.steps_with_value(rule.event),
        )

    # What is made ready

    def _place(self, path: Path) -> tuple[int, str | int]:
        """Which of the held objects the last step of a path is taken in, and that step."""
        *way, leaf = path.steps
        number = 0
        for end, step in enumerate(way, 1):
            before, number = number, self._places.get(tuple(way[:end]), 0)
            if not number:
                self._ways.append((before, step))
                number = self._places[tuple(way[:end])] = len(self._ways)
        return number, leaf

    def _finder(self, path: Path) -> Find:
        """What a path leads to."""
        number, leaf = self._place(path)

        def find(held: Held) -> object:
            inner = held[number]
            return inner.get(leaf) if type(inner) is dict else step_into(inner, leaf)

        return find

    def _reader(self, value: Value) -> Read:
        """`Value.read`, for a value of one path."""
        if not value.paths:
            return _nothing
        if len(value.paths) != 1 or value.map is not None:
            return lambda held: value.read(held[0])
        number, leaf = self._place(value.paths[0])
        ignore, as_text = value.ignore, value.as_text
        admit, admit_short = value.constraint.admit, value.constraint.admit_short

        def read(held: Held) -> ScalarValue | Reason | None:
            inner = held[number]
            found = inner.get(leaf) if type(inner) is dict else step_into(inner, leaf)
            if found is None or (found in ignore and is_ignored(found, ignore)):
                return None
            if type(found) is str and len(found) <= SHORT_TEXT:
                return admit_short(found)
            return admit(str(found) if as_text and type(found) is int else found)

        return read

    def _key(self, paths: tuple[Path, ...]) -> Key:
        """The parts of a key, or None where one is missing: half a key names nothing."""
        finders = [self._finder(path) for path in paths]
        if len(finders) == 1:
            (only,) = finders

            def single(held: Held) -> tuple[str, ...] | None:
                found = only(held)
                part = found if type(found) is str else key_part(found)
                return None if part is None else (part,)

            return single

        def key(held: Held) -> tuple[str, ...] | None:
            parts = []
            for find in finders:
                part = key_part(find(held))
                if part is None:
                    return None
                parts.append(part)
            return tuple(parts)

        return key

    def _slot(self, name: str, value: Value, *, required: bool = False) -> _Slot:
        recall = None if value.recall is None else self._key(value.recall.by)
        return _Slot(name, self._reader(value), value, recall, required)

    # On a line

    def give(self, scope: Scope, position: str, showing: Showing) -> None:
        """Add what the rule gives in a scope to what the line shows."""
        held: Held = [scope]
        for number, step in self._ways:
            inner = held[number]
            held.append(inner.get(step) if type(inner) is dict else step_into(inner, step))
        for memory_key, key in self._forget:
            if (parts := key(held)) is not None:
                showing.memory.append(Forget(memory_key(parts), showing.digest()))
        for remember, key, read in self._remember:
            parts, value = key(held), read(held)
            if parts is not None and type(value) is str:
                showing.memory.append(remember(parts, value))
        if self.frame is not None:
            given = self._pend(self.frame, held, position, showing)
            if isinstance(given, Rejection):
                showing.rejections.append(given)
            else:
                showing.events.append(given)

    def _pend(
        self, frame: DraftFrame, held: Held, position: str, showing: Showing
    ) -> PendingEvent | Event | Rejection:
        """Read everything that the line says about the event; what memory has to say is asked for, if anything."""
        rule = self._rule
        recalls: dict[str, bytes] = {}
        properties: dict[str, ScalarValue] = {}
        for name, read, slot in self._properties:
            value = read(held)
            if value is None or type(value) is Reason:
                value = self._instead(slot, value, held, recalls, showing)
                if value is None:
                    if slot.required and name not in recalls:
                        return Rejection(Reason.REQUIRED_MISSING, rule.id, name, whole_event=True)
                    continue
            properties[name] = value
        group = properties.get(self._group_twin)
        if group is None and self._group is not None:
            found = self._group.read(held)
            if found is None or type(found) is Reason:
                found = self._instead(self._group, found, held, recalls, showing)
            group = found
        group = as_text(group)
        if self._chooses and GROUP_SLOT not in recalls and self._rules.excludes(group):
            return Rejection(Reason.ORGANIZATION_EXCLUDED, rule.id, whole_event=True)
        user = None if self._user is None else self._read_user(self._user, held, recalls)
        once, natural_key = self._natural_key(held, position, showing)
        changed = None if rule.changed is None else self._changed(rule.changed, held)
        if natural_key is None or (rule.changed is not None and changed is None):
            return Rejection(Reason.KEY_MISSING, rule.id, whole_event=True)
        time, time_source = self._time(held, showing)
        draft = Draft(
            frame,
            properties,
            user,
            group,
            recalls,
            natural_key,
            time,
            time_source,
            showing.path,
            showing.line.start,
        )
        if once is None and changed is None and not recalls:
            return draft.build(b"", {})
        return PendingEvent(rule.id, draft.build, once, changed, recalls)

    def _instead(
        self, slot: _Slot, found: Reason | None, held: Held, recalls: dict[str, bytes], showing: Showing
    ) -> ScalarValue | None:
        """What stands in for what the line does not say, or says in a way that may not leave."""
        if found is not None:
            showing.rejections.append(Rejection(found, self._rule.id, slot.name))
        return None if self._recall(slot, held, recalls) else slot.value.fallback

    def _read_user(self, slot: _Slot, held: Held, recalls: dict[str, bytes]) -> str | None:
        # What the line says of its user is either of the right form or stands for "nobody": not worth counting. Who
        # stands in for nobody is decided when memory was asked.
        found = slot.read(held)
        if found is None or type(found) is Reason:
            self._recall(slot, held, recalls)
            return None
        return as_text(found)

    def _recall(self, slot: _Slot, held: Held, recalls: dict[str, bytes]) -> bool:
        """Ask memory for what the line does not say, if the rule wants that and the key is there."""
        if slot.value.recall is None or slot.recall is None or (parts := slot.recall(held)) is None:
            return False
        recalls[slot.name] = self._rules.identity.memory_key("value", slot.value.recall.memory, parts)
        return True

    def _natural_key(
        self, held: Held, position: str, showing: Showing
    ) -> tuple[bytes | None, tuple[bytes, ...] | None]:
        """The *once* key, and what makes the fact this one, behind what tells kinds of keys apart.

        None where the rule's own key is not there.
        """
        if self._once is not None:
            if (parts := self._once(held)) is None:
                return None, None
            once = self._event_key(parts)
            return once, (once,)
        if self._own_key is not None:
            parts = self._own_key(held)
            return None, None if parts is None else tuple(map(encode, parts))
        return None, (showing.digest(), position.encode())

    def _changed(self, changed: ChangedRule, held: Held) -> Changed | None:
        # Whether the value may leave does not matter here: a plan's code that is not sent has changed all the same.
        parts = None if self._changed_key is None else self._changed_key(held)
        value = changed.value.find(held[0])
        part = None if type(value) is Reason else key_part(value)
        if parts is None or part is None:
            return None
        return Changed(
            self._event_key(parts),
            self._rules.identity.text_digest(part),
            self._initial,
        )

    def _time(self, held: Held, showing: Showing) -> tuple[float, TimeSource]:
        """The event's time: the envelope's, else the rule's, else that of reading or of the file."""
        enveloped = showing.line.time
        if enveloped is not None and is_time(enveloped):
            return enveloped, _ENVELOPE
        for find in self._times:
            seconds = parse_time(find(held))
            if seconds is not None:
                return seconds, _LINE
        if is_time(showing.time):
            return showing.time, showing.time_source
        # A file's modification time is whatever somebody set it to.
        return (LAST_TIME if showing.time > 0 else 0.0), showing.time_source


def _rememberer(memory: str, identity: Identity) -> Callable[[tuple[str, ...], str], Remember]:
    """What is told memory. The member of an organization is told it with every line: that is kept at hand."""
    memory_key = identity.memory_keys("value", memory)

    def remember(parts: tuple[str, ...], value: str) -> Remember:
        return Remember(memory_key(parts), identity.text_digest(value), value)

    known = lru_cache(_KNOWN_MEMBERS)(remember)

    def remember_any(parts: tuple[str, ...], value: str) -> Remember:
        # The value is no longer than its constraint lets it be.
        short = len(parts) == 1 and len(parts[0]) <= SHORT_TEXT
        return known(parts, value) if short else remember(parts, value)

    return remember_any


def _nothing(_: Held) -> None:
    """What a value without a path finds on any line."""


def _is_nothing(value: Value) -> bool:
    return not value.paths and value.recall is None and value.fallback is None
