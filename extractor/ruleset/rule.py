"""Rules as they are evaluated: compiled, checked, frozen. `load` is the only maker."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from extractor.ruleset.condition import Condition, ScalarValue
from extractor.ruleset.identity import Identity
from extractor.ruleset.kinds import Kinds
from extractor.ruleset.path import Path
from extractor.ruleset.value import Value


class Notation(StrEnum):
    """Notations that a field can hold and a rule can have decoded."""

    RUBY_INSPECT = "ruby_inspect"
    GRAPHQL = "graphql"


@dataclass(frozen=True, slots=True)
class Decode:
    """The field at `path`, read as `notation`, is called `name` in the rule.

    Attributes:
        name: Conditions and values find it under this name.
        notation: See `Notation`.
        path: Leads to a text.
        variables: Of a GraphQL request: where its variables stand.
        operation_name: Of a GraphQL request: what tells which of several operations of a document is meant.
    """

    name: str
    notation: Notation
    path: Path
    variables: Path | None = None
    operation_name: Path | None = None


@dataclass(frozen=True, slots=True)
class ForEach:
    """The rule is evaluated once for each element of the list at `path`, called `name`."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class KeyedMemory:
    """A key of *once*, *changed* or *forget*: whose event it is, and the paths that make it."""

    event: str
    key: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ChangedRule:
    """The event is one only when `value` differs from the last under the key; at first from `initial`.

    Attributes:
        key: Paths that make the key.
        property: Name of the property, for the plan and for counting.
        value: Where it is read: `drop_properties` can take the property away, the change stays one.
        initial: In the words that are sent, after `map`.
    """

    key: tuple[Path, ...]
    property: str
    value: Value
    initial: ScalarValue | None


@dataclass(frozen=True, slots=True)
class RememberRule:
    """Keeps `value` under the key of `memory`."""

    memory: str
    by: tuple[Path, ...]
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One allowlisted property."""

    name: str
    value: Value
    required: bool = False
    about: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way in which an event, or a change of memory, shows.

    Conditions are sorted by what they need: `when` looks at the line as it is, `when_decoded` at decoded fields,
    `when_element` at the elements of `for_each`; each is met only if the one before holds.
    """

    id: str
    event: str | None
    about: str = ""
    when: tuple[Condition, ...] = ()
    decode: tuple[Decode, ...] = ()
    when_decoded: tuple[Condition, ...] = ()
    for_each: tuple[ForEach, ...] = ()
    when_element: tuple[Condition, ...] = ()
    user: Value | None = None
    group: Value | None = None
    time: tuple[Path, ...] = ()
    key: tuple[Path, ...] | None = None
    once: tuple[Path, ...] | None = None
    changed: ChangedRule | None = None
    forget: tuple[KeyedMemory, ...] = ()
    remember: tuple[RememberRule, ...] = ()
    properties: tuple[Property, ...] = ()

    def bound(self, values: Mapping[str, ScalarValue]) -> "Rule":
        """The rule with the operator's values in place of variables."""
        return replace(
            self,
            user=self.user and self.user.bound(values),
            group=self.group and self.group.bound(values),
            properties=tuple(replace(one, value=one.value.bound(values)) for one in self.properties),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPlan:
    """What the tracking plan says of an event, in the pack's words."""

    name: str
    about: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the way to activation: the first event of a name, or the first that says something.

    Attributes:
        event: The event's name.
        about: What an organization has done then, in the pack's words.
        property_name: Property that must have a value, or "" for any event of the name.
        equals: That value.
    """

    event: str
    about: str
    property_name: str = ""
    equals: ScalarValue | None = None

    @property
    def milestone(self) -> str:
        """What the state keeps first times under: only words of the pack."""
        return f"{self.event} {self.property_name}={self.equals}" if self.property_name else self.event


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """The steps of one pack, in the order in which they are usually taken; see `Step`."""

    pack: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A value that the operator sets once in the config."""

    name: str
    about: str
    value: Value


class UnidentifiedUsers(StrEnum):
    """What is sent where the log does not tell the user."""

    APP = "app"  # `membership/unidentifiable`, as the app itself does
    ANONYMOUS = "anonymous"  # no user id, an anonymous id derived from installation and organization


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageConstants:
    """What stands in every message: never anything of a line.

    Attributes:
        library: Name and version of the Segment library, as its `track()` writes them into `context.library`.
        app: Our own name and version, for `context.app`.
        context: The operator's own constants for `context` (consent ...).
        integrations: Which of Segment's destinations get the event.
    """

    library: tuple[str, str]
    app: tuple[str, str]
    context: Mapping[str, object] = field(default_factory=dict)
    integrations: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """Everything that `evaluate` needs beside the line, as data: `ReadyRules` are made of it.

    Attributes:
        rules: Enabled rules, in the order of the config and of their packs.
        events: What the plan says of each event, by name.
        variables: Declared variables, by name, with the operator's values.
        identity: Keyed hashes of the installation.
        constants: What stands in every message.
        unidentified_users: See `UnidentifiedUsers`.
        only: If not empty, events of these organizations only.
        never: No event of these organizations.
        disabled: Ids of rules that are there and switched off, for `plan`.
        cannot_show: What the packs say that a log cannot show.
        kinds: What the packs say about kinds of lines.
        funnels: The way to activation, of each pack that says one.
    """

    rules: tuple[Rule, ...]
    events: Mapping[str, EventPlan]
    variables: Mapping[str, Variable]
    identity: Identity
    constants: MessageConstants
    unidentified_users: UnidentifiedUsers = UnidentifiedUsers.APP
    only: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    disabled: tuple[str, ...] = ()
    cannot_show: tuple[str, ...] = ()
    kinds: Kinds = field(default_factory=Kinds)
    funnels: tuple[Funnel, ...] = ()

    def steps_with_value(self, event: str) -> tuple[Step, ...]:
        """The steps of all funnels that an event takes only when it has the value that they ask for."""
        return tuple(
            step
            for funnel in self.funnels
            for step in funnel.steps
            if step.property_name and step.event == event
        )

    def excludes(self, organization: str | None) -> bool:
        """Whether the config takes the events of an organization (None: of nobody knows which) away."""
        return organization in self.never or bool(self.only and organization not in self.only)
