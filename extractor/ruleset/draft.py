"""An event whose values have been read and admitted, and which still has to meet memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from extractor.ruleset.condition import ScalarValue
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.message import build_message
from extractor.ruleset.outcome import Rejection
from extractor.ruleset.rule import Rule, RuleSet, UnidentifiedUsers
from extractor.ruleset.value import Value
from extractor.telemetry import Reason

USER_SLOT = "user id"  # has a space, so no property can have this name
GROUP_SLOT = "group id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the line said; `build` adds what memory says, as often as it is asked.

    Attributes:
        rule: The rule that found it.
        event: Its name.
        rules: The rule set, for constants and ids.
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

    rule: Rule
    event: str
    rules: RuleSet = field(repr=False)
    properties: Mapping[str, ScalarValue] = field(repr=False)
    user: str | None = field(repr=False)
    group: str | None
    recalls: Mapping[str, bytes] = field(repr=False)
    natural_key: tuple[bytes, ...] = field(repr=False)
    time: float
    time_source: TimeSource
    path: str
    offset: int

    def build(self, reset: bytes, recalled: Mapping[str, str]) -> Event | Rejection:
        """The event, given what memory said. Recalled values pass the same constraints as any other.

        Args:
            reset: What made the *once* key new again, or b"".
            recalled: Remembered values by slot.
        """
        properties = self._properties(recalled)
        if isinstance(properties, Rejection):
            return properties
        group = self.group
        if group is None and self.rule.group is not None:
            group = as_text(_recalled(self.rule.group, recalled.get(GROUP_SLOT)))
        if self.rules.excludes(group):
            return Rejection(Reason.ORGANIZATION_EXCLUDED, self.rule.id, whole_event=True)
        user, anonymous = self._user(group, recalled.get(USER_SLOT))
        if user is None and anonymous is None:
            return Rejection(Reason.REQUIRED_MISSING, self.rule.id, USER_SLOT, whole_event=True)
        natural_key = (*self.natural_key, reset) if reset else self.natural_key
        message_id = self.rules.identity.message_id(self.event, natural_key)
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
            organization=b"" if group is None else self.rules.identity.organization_key(group),
            milestones=self.rules.milestones(self.event, properties),
        )

    def _properties(self, recalled: Mapping[str, str]) -> Mapping[str, ScalarValue] | Rejection:
        if self.recalls.keys() <= {USER_SLOT, GROUP_SLOT}:
            return self.properties
        properties: dict[str, ScalarValue] = {}
        for declared in self.rule.properties:
            value = self.properties.get(declared.name)
            if value is None and declared.name in self.recalls:
                value = _recalled(declared.value, recalled.get(declared.name))
            if value is not None:
                properties[declared.name] = value
            elif declared.required:
                return Rejection(Reason.REQUIRED_MISSING, self.rule.id, declared.name, whole_event=True)
        return properties

    def _user(self, group: str | None, recalled: str | None) -> tuple[str | None, str | None]:
        """The user id, or else the anonymous id."""
        if self.user is not None or self.rule.user is None:
            return self.user, None
        known = _admitted(self.rule.user, recalled)
        if known is None and self.rules.unidentified_users is UnidentifiedUsers.ANONYMOUS:
            return None, self.rules.identity.anonymous_id(group or "")
        return as_text(self.rule.user.fallback if known is None else known), None


def _admitted(value: Value, recalled: str | None) -> ScalarValue | None:
    admitted = None if recalled is None else value.constraint.admit(recalled)
    return None if type(admitted) is Reason else admitted


def _recalled(value: Value, recalled: str | None) -> ScalarValue | None:
    admitted = _admitted(value, recalled)
    return value.fallback if admitted is None else admitted


def as_text(value: ScalarValue | None) -> str | None:
    """A user or group id: load admits no other type for them."""
    return value if isinstance(value, str) else None
