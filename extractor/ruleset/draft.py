"""An event whose values have been read and admitted, and which still has to meet memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from extractor.ruleset.condition import ScalarValue
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.message import MessageTemplate
from extractor.ruleset.outcome import Rejection
from extractor.ruleset.rule import Rule, RuleSet, Step, UnidentifiedUsers
from extractor.ruleset.value import Value
from extractor.telemetry import Reason

_ANONYMOUS = UnidentifiedUsers.ANONYMOUS
USER_SLOT = "user id"  # has a space, so no property can have this name
GROUP_SLOT = "group id"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFrame:
    """What all drafts of one rule share.

    Attributes:
        number: The rule's place in `rules`: stands for the frame where a draft is carried to another process.
        rule: The rule.
        event: The name of its event.
        rules: The rule set, for constants and ids.
        template: Makes messages.
        message_id: Makes ids of natural keys.
        steps: Of the funnels, those of this event that ask for a value.
    """

    number: int
    rule: Rule
    event: str
    rules: RuleSet = field(repr=False)
    template: MessageTemplate = field(repr=False)
    message_id: Callable[[Iterable[bytes]], str] = field(repr=False)
    steps: tuple[Step, ...]


class Draft(NamedTuple):
    """What the line said; `build` adds what memory says, as often as it is asked.

    Attributes:
        frame: What all drafts of the rule share.
        properties: Admitted values, in the order of the rule.
        user: What the line says, or None.
        group: What the line says, or a constant, or None.
        recalls: Slot name to memory key, for what the line does not say.
        natural_key: What makes it this fact and no other.
        time: Unix seconds.
        time_source: Where `time` comes from.
        path: The file.
        offset: Byte at which the line starts.
    """

    frame: DraftFrame
    properties: Mapping[str, ScalarValue]
    user: str | None
    group: str | None
    recalls: Mapping[str, bytes]
    natural_key: tuple[bytes, ...]
    time: float
    time_source: TimeSource
    path: str
    offset: int

    def __repr__(self) -> str:
        return f"Draft({self.frame.event!r}, {self.path}:{self.offset})"

    def build(self, reset: bytes, recalled: Mapping[str, str]) -> Event | Rejection:
        """The event, given what memory said. Recalled values pass the same constraints as any other.

        Args:
            reset: What made the *once* key new again, or b"".
            recalled: Remembered values by slot.
        """
        frame, properties, user, group, recalls, natural_key, time, time_source, path, offset = self
        rule, rules = frame.rule, frame.rules
        if recalls:
            if not recalls.keys() <= _NO_PROPERTIES:
                completed = self._completed(recalled)
                if isinstance(completed, Rejection):
                    return completed
                properties = completed
            if group is None and rule.group is not None:
                group = as_text(_recalled(rule.group, recalled.get(GROUP_SLOT)))
        if rules.excludes(group):
            return Rejection(Reason.ORGANIZATION_EXCLUDED, rule.id, whole_event=True)
        anonymous = None
        if user is None and rule.user is not None:
            user, anonymous = self._stand_in(rule.user, group, recalled.get(USER_SLOT))
        if user is None and anonymous is None:
            return Rejection(Reason.REQUIRED_MISSING, rule.id, USER_SLOT, whole_event=True)
        message_id = frame.message_id((*natural_key, reset) if reset else natural_key)
        message = frame.template.fill(
            message_id=message_id,
            user_id=user,
            anonymous_id=anonymous,
            group_id=group,
            time=time,
            properties=properties,
        )
        return Event(
            message_id,
            frame.event,
            rule.id,
            message,
            time,
            time_source,
            path,
            offset,
            b"" if group is None else rules.identity.organization_key(group),
            (frame.event, *_reached(frame.steps, properties)) if frame.steps else (frame.event,),
        )

    def _completed(self, recalled: Mapping[str, str]) -> Mapping[str, ScalarValue] | Rejection:
        """The properties with those that memory knows."""
        rule = self.frame.rule
        properties: dict[str, ScalarValue] = {}
        for declared in rule.properties:
            value = self.properties.get(declared.name)
            if value is None and declared.name in self.recalls:
                value = _recalled(declared.value, recalled.get(declared.name))
            if value is not None:
                properties[declared.name] = value
            elif declared.required:
                return Rejection(Reason.REQUIRED_MISSING, rule.id, declared.name, whole_event=True)
        return properties

    def _stand_in(
        self, value: Value, group: str | None, recalled: str | None
    ) -> tuple[str | None, str | None]:
        """The user id, or else the anonymous id, where the line does not tell the user."""
        rules = self.frame.rules
        known = _admitted(value, recalled)
        if known is None and rules.unidentified_users is _ANONYMOUS:
            return None, rules.identity.anonymous_id(group or "")
        return as_text(value.fallback if known is None else known), None


def _reached(steps: tuple[Step, ...], properties: Mapping[str, ScalarValue]) -> Iterator[str]:
    """What the event may be the first time of, beside its name."""
    for step in steps:
        if properties.get(step.property_name) == step.equals:
            yield step.milestone


_NO_PROPERTIES = frozenset({USER_SLOT, GROUP_SLOT})


def _admitted(value: Value, recalled: str | None) -> ScalarValue | None:
    admitted = None if recalled is None else value.constraint.admit(recalled)
    return None if type(admitted) is Reason else admitted


def _recalled(value: Value, recalled: str | None) -> ScalarValue | None:
    admitted = _admitted(value, recalled)
    return value.fallback if admitted is None else admitted


def as_text(value: ScalarValue | None) -> str | None:
    """A user or group id: load admits no other type for them."""
    return value if isinstance(value, str) else None
