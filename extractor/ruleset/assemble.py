"""Packs and settings to one rule set: what the config switches on and off, variables, and what it takes away."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from extractor.problems import Place, Problem, ProblemError, did_you_mean
from extractor.ruleset.codes import Code
from extractor.ruleset.condition import ScalarValue
from extractor.ruleset.identity import Identity
from extractor.ruleset.kinds import Kinds
from extractor.ruleset.load import Pack
from extractor.ruleset.rule import (
    EventPlan,
    Funnel,
    MessageConstants,
    Rule,
    RuleSet,
    UnidentifiedUsers,
    Variable,
)
from extractor.telemetry import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A pack as the config wants it: rule ids without the pack's name, and where the config says so."""

    pack: Pack
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    place: Place = Place("config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the config says about messages, beside the packs.

    Attributes:
        installation: Keys every id. Not shown by `repr`.
        constants: What stands in every message.
        variables: The operator's values, by name.
        unidentified_users: See `UnidentifiedUsers`.
        drop_properties: Names that never leave, whatever a rule says.
        only: If not empty, events of these organizations only.
        never: No event of these organizations.
        variables_place: Where the config sets variables.
    """

    installation: str = field(repr=False)
    constants: MessageConstants
    variables: Mapping[str, ScalarValue] = field(default_factory=dict)
    unidentified_users: UnidentifiedUsers = UnidentifiedUsers.APP
    drop_properties: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    variables_place: Place = Place("config")


def assemble_rules(choices: Sequence[Choice], settings: Settings) -> RuleSet:
    """Make the one rule set that everything goes through.

    Raises:
        ProblemError: A pack twice, an unknown rule switched on or off, an unknown variable or one whose value
            breaks its declaration.
    """
    problems: list[Problem] = []
    rules: list[Rule] = []
    disabled: list[str] = []
    events: dict[str, EventPlan] = {}
    declared: dict[str, Variable] = {}
    seen: set[str] = set()
    for choice in choices:
        pack = choice.pack
        if pack.name in seen:
            problems.append(Problem(choice.place, Code.DUPLICATE_PACK, f'rule pack "{pack.name}" again'))
            continue
        seen.add(pack.name)
        problems.extend(_unknown_rules(choice))
        declared |= pack.variables
        events |= pack.events
        for rule in pack.rules:
            short = rule.id.partition("/")[2]
            on = (rule.id not in pack.off or short in choice.enable) and short not in choice.disable
            if on:
                rules.append(rule)
            else:
                disabled.append(rule.id)
    values = _variables(settings, declared, problems)
    bound = [rule.bound(values) for rule in rules]
    problems.extend(problem for rule in bound for problem in _unfit(rule, values, settings.variables_place))
    if problems:
        raise ProblemError(dict.fromkeys(problems))
    return RuleSet(
        rules=tuple(_without(rule, settings.drop_properties) for rule in bound),
        events=events,
        variables={
            name: replace(variable, value=replace(variable.value, fallback=values.get(name)))
            for name, variable in declared.items()
        },
        identity=Identity.of(settings.installation),
        constants=settings.constants,
        unidentified_users=settings.unidentified_users,
        only=settings.only,
        never=settings.never,
        disabled=tuple(disabled),
        cannot_show=tuple(note for choice in choices for note in choice.pack.cannot_show),
        kinds=Kinds(
            tuple(form for choice in choices for form in choice.pack.kinds.forms),
            frozenset().union(*(choice.pack.kinds.known for choice in choices)),
        ),
        funnels=tuple(
            Funnel(pack=choice.pack.name, steps=choice.pack.funnel)
            for choice in choices
            if choice.pack.funnel
        ),
    )


def _unknown_rules(choice: Choice) -> list[Problem]:
    known = [rule.id.partition("/")[2] for rule in choice.pack.rules]
    return [
        Problem(
            choice.place,
            Code.UNKNOWN_RULE,
            f'rule pack "{choice.pack.name}" has no rule "{name}"',
            did_you_mean(name, known),
        )
        for name in (*choice.enable, *choice.disable)
        if name not in known
    ]


def _variables(
    settings: Settings, declared: Mapping[str, Variable], problems: list[Problem]
) -> Mapping[str, ScalarValue]:
    values: dict[str, ScalarValue] = {}
    for name, value in settings.variables.items():
        variable = declared.get(name)
        if variable is None:
            hint = did_you_mean(name, sorted(declared))
            problems.append(
                Problem(settings.variables_place, Code.UNKNOWN_VARIABLE, f'unknown variable "{name}"', hint)
            )
            continue
        admitted = variable.value.constraint.admit(value)
        if type(admitted) is Reason:
            message = f'the value of variable "{name}" breaks its declaration: {admitted.value}'
            hint = f"it is {variable.value.constraint}: {variable.about}"
            problems.append(Problem(settings.variables_place, Code.BAD_VARIABLE, message, hint))
        else:
            values[name] = admitted
    return values


def _unfit(rule: Rule, values: Mapping[str, ScalarValue], place: Place) -> Iterator[Problem]:
    """Variables that a rule puts where its own constraints do not let them: the same variable may stand in many."""
    named = [(f'property "{one.name}"', one.value) for one in rule.properties]
    named += [
        (word, value) for word, value in (("user", rule.user), ("group", rule.group)) if value is not None
    ]
    for what, value in named:
        if value.variable in values and type(value.constraint.admit(value.fallback)) is Reason:
            message = f'the value of variable "{value.variable}" does not fit the {what} of rule "{rule.id}"'
            yield Problem(place, Code.BAD_VARIABLE, message, f"it must be {value.constraint}")


def _without(rule: Rule, dropped: frozenset[str]) -> Rule:
    if not dropped:
        return rule
    return replace(rule, properties=tuple(one for one in rule.properties if one.name not in dropped))
