"""The tracking plan: what can leave, derived from the rules themselves, so that it cannot differ from them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from extractor.ruleset.path import Path
from extractor.ruleset.rule import Property, Rule, RuleSet, UnidentifiedUsers
from extractor.ruleset.value import Constraint, Type, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedProperty:
    """A property of an event, as all rules of the event together may send it.

    Attributes:
        name: Its name.
        about: What it is, in the pack's words.
        constraints: What a value must be: one of these, one for each way in which it shows.
        sources: Where values come from: a field of the line, a variable, a constant, memory.
        required: Whether every event of this name has it.
        reason: Why it is not what its name looks like, where a rule had to say so.
    """

    name: str
    about: str
    constraints: tuple[Constraint, ...]
    sources: tuple[str, ...]
    required: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRule:
    """One way in which an event shows, in words."""

    id: str
    about: str
    conditions: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEvent:
    """An event that may be sent."""

    name: str
    about: str
    why: str
    rules: tuple[PlannedRule, ...]
    properties: tuple[PlannedProperty, ...]
    users: tuple[Constraint, ...]
    groups: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingPlan:
    """Everything that can leave.

    Attributes:
        events: In the order of their packs; only those that some enabled rule gives.
        context: The operator's constants in `context`, besides `app`, `library` and `groupId`.
        integrations: The operator's constants in `integrations`.
        app: Our name and version in `context.app`.
        library: The Segment library's name and version in `context.library`.
        unidentified_users: What is sent where the log does not tell the user.
        disabled: Rules that are there and switched off.
        cannot_show: What a log cannot show.
    """

    events: tuple[PlannedEvent, ...]
    context: Mapping[str, object] = field(default_factory=dict)
    integrations: Mapping[str, object] = field(default_factory=dict)
    app: tuple[str, str]
    library: tuple[str, str]
    unidentified_users: UnidentifiedUsers
    disabled: tuple[str, ...] = ()
    cannot_show: tuple[str, ...] = ()


def build_plan(rules: RuleSet) -> TrackingPlan:
    """The plan of a rule set."""
    return TrackingPlan(
        events=tuple(_events(rules)),
        context=rules.constants.context,
        integrations=rules.constants.integrations,
        app=rules.constants.app,
        library=rules.constants.library,
        unidentified_users=rules.unidentified_users,
        disabled=rules.disabled,
        cannot_show=rules.cannot_show,
    )


def _events(rules: RuleSet) -> Iterator[PlannedEvent]:
    for name, plan in rules.events.items():
        mine = [rule for rule in rules.rules if rule.event == name]
        if not mine:
            continue
        yield PlannedEvent(
            name=name,
            about=plan.about,
            why=plan.why,
            rules=tuple(map(_rule, mine)),
            properties=tuple(_properties(mine)),
            users=_distinct(rule.user.constraint for rule in mine if rule.user),
            groups=_distinct(rule.group.constraint for rule in mine if rule.group),
        )


def _rule(rule: Rule) -> PlannedRule:
    conditions = (*rule.when, *rule.when_decoded, *rule.when_element)
    return PlannedRule(id=rule.id, about=rule.about, conditions=tuple(map(str, conditions)), key=_key(rule))


def _key(rule: Rule) -> str:
    def words(paths: tuple[Path, ...]) -> str:
        return ", ".join(path.text for path in paths)

    if rule.once is not None:
        return f"once for each {words(rule.once)}"
    if rule.key is not None:
        return f"one for each {words(rule.key)}"
    each = "one for each line"
    if rule.for_each:
        each = f"one for each element of {rule.for_each[-1].path.text}"
    if rule.changed is not None:
        each += f", when {rule.changed.property} differs from the last one of {words(rule.changed.key)}"
    return each


def _properties(rules: list[Rule]) -> Iterator[PlannedProperty]:
    names = dict.fromkeys(one.name for rule in rules for one in rule.properties)
    for name in names:
        mine: list[tuple[Rule, Property]] = [
            (rule, one) for rule in rules for one in rule.properties if one.name == name
        ]
        # A property that only a variable could fill, and none does, is never sent.
        mine = [(rule, one) for rule, one in mine if _can_give(one.value)]
        if not mine:
            continue
        yield PlannedProperty(
            name=name,
            about=next((one.about for _, one in mine if one.about), ""),
            constraints=_distinct(one.value.constraint for _, one in mine),
            sources=tuple(dict.fromkeys(source for _, one in mine for source in _sources(one.value))),
            required=len(mine) == len(rules) and all(one.required for _, one in mine),
            reason=next((one.reason for _, one in mine if one.reason), ""),
        )


def _can_give(value: Value) -> bool:
    return bool(value.paths or value.recall is not None or value.fallback is not None)


def _sources(value: Value) -> Iterator[str]:
    for path in value.paths:
        yield path.text
    if value.recall is not None:
        yield f"memory {value.recall.memory}"
    if value.variable is not None:
        yield f"variable {value.variable}"
    elif value.fallback is not None:
        yield "a constant"


def _distinct(constraints: Iterator[Constraint]) -> tuple[Constraint, ...]:
    return tuple(dict.fromkeys(constraints))


def plan_as_json(plan: TrackingPlan) -> dict[str, object]:
    """The plan for programs; keys are documented in `docs/rules.md`."""
    return {
        "events": [
            {
                "name": event.name,
                "about": event.about,
                "why": event.why,
                "rules": [
                    {"id": rule.id, "about": rule.about, "conditions": list(rule.conditions), "key": rule.key}
                    for rule in event.rules
                ],
                "properties": [
                    {
                        "name": one.name,
                        "about": one.about,
                        "required": one.required,
                        "accepts": [constraint_as_json(constraint) for constraint in one.constraints],
                        "sources": list(one.sources),
                        **({"reason": one.reason} if one.reason else {}),
                    }
                    for one in event.properties
                ],
                "user_id": [constraint_as_json(constraint) for constraint in event.users],
                "group_id": [constraint_as_json(constraint) for constraint in event.groups],
            }
            for event in plan.events
        ],
        "context": dict(plan.context),
        "integrations": dict(plan.integrations),
        "app": {"name": plan.app[0], "version": plan.app[1]},
        "library": {"name": plan.library[0], "version": plan.library[1]},
        "unidentified_users": plan.unidentified_users.value,
        "disabled_rules": list(plan.disabled),
        "cannot_show": list(plan.cannot_show),
    }


def constraint_as_json(constraint: Constraint) -> dict[str, object]:
    """One constraint; only what it says."""
    said: dict[str, object] = {"type": constraint.type.value}
    if constraint.enum:
        said["enum"] = list(constraint.enum)
    if constraint.pattern is not None:
        said["pattern"] = constraint.pattern.text
    if constraint.type is Type.STRING:
        said["max_length"] = constraint.max_length
        said["private_text"] = "left out" if constraint.check_text else "not checked"
    if constraint.low is not None:
        said["min"] = constraint.low
    if constraint.high is not None:
        said["max"] = constraint.high
    return said
