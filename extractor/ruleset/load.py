"""A rule pack's document to compiled rules: every problem of it at its place.

Shape is checked by `validation` against `model`; here are rules, the fragments they use and the order in which a
line meets their parts. `load_condition` and `load_value` have the parts, `references` what the rules must know of
each other. All problems are collected; a pack with one is not loaded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from extractor.document import Node
from extractor.problems import Place, did_you_mean
from extractor.ruleset.codes import Code
from extractor.ruleset.condition import Condition, paths_of
from extractor.ruleset.findings import Findings, Location
from extractor.ruleset.kinds import Kinds, parse_form
from extractor.ruleset.load_condition import load_condition
from extractor.ruleset.load_value import load_constraint, load_id, load_property
from extractor.ruleset.model import (
    ChangedShape,
    DecodeShape,
    ExampleShape,
    FragmentShape,
    PackShape,
    RuleShape,
    ValueShape,
)
from extractor.ruleset.path import Path, PathError
from extractor.ruleset.references import check_funnel, check_references, check_rule
from extractor.ruleset.rule import (
    ChangedRule,
    Decode,
    EventPlan,
    ForEach,
    KeyedMemory,
    Notation,
    Property,
    RememberRule,
    Rule,
    Step,
    Variable,
)
from extractor.ruleset.value import Value
from extractor.validation import validate


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Lines and what they must give; `place` is where the pack says so."""

    rule: str
    shape: ExampleShape = field(repr=False)
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A compiled rule pack.

    Attributes:
        name: Its name, the part of a rule's id before the slash.
        file: The document it comes from, as it is named in problems.
        version: The pack's own.
        about: What it is for.
        cannot_show: What a log cannot show, in the pack's words.
        kinds: Kinds of lines: how they are named, and which look like activations and are known to be none.
        variables: What the operator may set, by name.
        events: What the tracking plan says of each event, by name.
        funnel: The steps to activation; empty where the pack says none.
        rules: All of them, switched on or not.
        off: Ids of those that are off by default.
        examples: Of all rules, in the order of the file.
    """

    name: str
    file: str
    version: int
    about: str
    cannot_show: tuple[str, ...]
    kinds: Kinds
    variables: Mapping[str, Variable]
    events: Mapping[str, EventPlan]
    funnel: tuple[Step, ...]
    rules: tuple[Rule, ...]
    off: frozenset[str]
    examples: tuple[Example, ...] = field(repr=False)


def load_pack(node: Node) -> Pack:
    """Compile a pack.

    Raises:
        ProblemError: With everything that is wrong with it.
    """
    shape = validate(node, PackShape)
    findings = Findings(node)
    loader = _Loader(shape, findings)
    rules = loader.rules()
    variables = {name: loader.variable(name) for name in shape.variables}
    check_references(shape, rules, findings)
    check_funnel(shape, rules, findings)
    kinds = _kinds(shape, findings)
    findings.settle()
    return Pack(
        name=shape.pack,
        file=node.place.file,
        version=shape.version,
        about=shape.about,
        cannot_show=tuple(shape.cannot_show),
        kinds=kinds,
        variables=variables,
        events={
            name: EventPlan(name=name, about=one.about, why=one.why or "")
            for name, one in shape.events.items()
        },
        funnel=tuple(
            Step(event=one.event, about=one.about, property_name=one.property or "", equals=one.equals)
            for one in shape.funnel
        ),
        rules=tuple(rules),
        off=frozenset(f"{shape.pack}/{rule.id}" for rule in shape.rules if not rule.enabled),
        examples=tuple(_examples(shape, findings)),
    )


def _kinds(shape: PackShape, findings: Findings) -> Kinds:
    forms = []
    for number, one in enumerate(shape.kinds):
        at: Location = ("kinds", number)
        activation = one.activation and findings.pattern(one.activation, (*at, "activation"))
        try:
            forms.append(parse_form(one.form, activation or None))
        except PathError as error:
            hint = 'fields of the line stand in braces: "{controller}#{action}"'
            findings.refuse((*at, "form"), Code.KIND_FORM, str(error), hint)
    return Kinds(tuple(forms), frozenset(shape.known_kinds))


def _examples(shape: PackShape, findings: Findings) -> Iterator[Example]:
    for number, rule in enumerate(shape.rules):
        for position, example in enumerate(rule.examples):
            place = findings.place(("rules", number, "examples", position))
            yield Example(rule=f"{shape.pack}/{rule.id}", shape=example, place=place)


@dataclass(frozen=True, slots=True)
class _Part:
    """A rule or a fragment that it uses, and where it stands."""

    shape: FragmentShape
    at: Location


class _Loader:
    """Compiles the rules of one pack.

    A rule is read together with its fragments, in the order of `use` and the rule itself last: lists are joined, of
    decoded fields and properties the last of a name counts, and of everything else the last that is said.
    """

    def __init__(self, shape: PackShape, findings: Findings) -> None:
        self._shape = shape
        self._findings = findings

    def variable(self, name: str) -> Variable:
        """A declared variable."""
        shape = self._shape.variables[name]
        constraint = load_constraint(shape, ("variables", name), self._findings)
        return Variable(name=name, about=shape.about, value=Value(variable=name, constraint=constraint))

    def rules(self) -> list[Rule]:
        """All rules, as far as they make sense."""
        seen: set[str] = set()
        used: set[str] = set()
        rules = []
        for number, shape in enumerate(self._shape.rules):
            at: Location = ("rules", number)
            if shape.id in seen:
                message = f'rule "{shape.id}" again'
                self._findings.refuse((*at, "id"), Code.DUPLICATE_RULE, message, "give it another id")
            seen.add(shape.id)
            used.update(shape.use)
            rule = self._compile(
                shape.id, shape.event, shape.about, [*self._fragments(shape, at), _Part(shape, at)]
            )
            check_rule(shape, rule, self._shape.events, at, self._findings)
            rules.append(rule)
        for name, fragment in self._shape.fragments.items():
            if (
                name not in used
            ):  # it is looked at all the same: a mistake in it must not wait for its first use
                self._compile("", None, None, [_Part(fragment, ("fragments", name))])
        return rules

    def _fragments(self, shape: RuleShape, at: Location) -> Iterator[_Part]:
        for number, name in enumerate(shape.use):
            fragment = self._shape.fragments.get(name)
            if fragment is None:
                hint = did_you_mean(name, sorted(self._shape.fragments))
                message = f'unknown fragment "{name}"'
                self._findings.refuse((*at, "use", number), Code.UNKNOWN_FRAGMENT, message, hint)
            else:
                yield _Part(fragment, ("fragments", name))

    def _compile(self, id_: str, event: str | None, about: str | None, parts: list[_Part]) -> Rule:
        decode = self._decode(parts)
        for_each = tuple(self._for_each(parts, {step.name for step in decode}))
        when, when_decoded, when_element = self._conditions(parts, decode, for_each)
        properties = tuple(self._properties(parts))
        return Rule(
            id=f"{self._shape.pack}/{id_}",
            event=event,
            about=about or "",
            when=when,
            decode=decode,
            when_decoded=when_decoded,
            for_each=for_each,
            when_element=when_element,
            user=self._id(parts, "user"),
            group=self._id(parts, "group"),
            time=self._time(parts),
            key=self._key(parts),
            once=self._once(parts),
            changed=self._changed(parts, properties),
            forget=tuple(self._forget(parts)),
            remember=tuple(self._remember(parts)),
            properties=properties,
        )

    def _conditions(
        self, parts: list[_Part], decode: Sequence[Decode], for_each: Sequence[ForEach]
    ) -> tuple[tuple[Condition, ...], tuple[Condition, ...], tuple[Condition, ...]]:
        """Conditions on the line as it is, on decoded fields, and on elements: the cheap ones are met first."""
        elements = {step.name for step in for_each}
        decoded = {step.name for step in decode}
        when, when_decoded, when_element = [], [], []
        for part in parts:
            for number, shape in enumerate(part.shape.when):
                condition = load_condition(shape, (*part.at, "when", number), self._findings)
                if condition is None:
                    continue
                roots = {path.root for path in paths_of(condition)}
                if roots & elements:
                    when_element.append(condition)
                elif roots & decoded:
                    when_decoded.append(condition)
                else:
                    when.append(condition)
        return tuple(when), tuple(when_decoded), tuple(when_element)

    def _decode(self, parts: list[_Part]) -> tuple[Decode, ...]:
        steps: dict[str, Decode] = {}
        for part in parts:
            for name, shape in part.shape.decode.items():
                step = self._decode_step(name, shape, (*part.at, "decode", name))
                if step is not None:
                    steps[name] = step
        return tuple(steps.values())

    def _decode_step(self, name: str, shape: DecodeShape, at: Location) -> Decode | None:
        texts = {Notation.RUBY_INSPECT: shape.ruby_inspect, Notation.GRAPHQL: shape.graphql}
        given = [(notation, text) for notation, text in texts.items() if text is not None]
        of_graphql = shape.variables is not None or shape.operation_name is not None
        if len(given) != 1 or (of_graphql and shape.graphql is None):
            message = "a decode step names one notation and the field that holds it"
            hint = 'for example {ruby_inspect: arguments}; "variables" and "operation_name" go with "graphql"'
            self._findings.refuse(at, Code.DECODER_SHAPE, message, hint)
            return None
        notation, text = given[0]
        path = self._findings.path(text, (*at, notation.value))
        variables = self._optional_path(shape.variables, (*at, "variables"))
        operation = self._optional_path(shape.operation_name, (*at, "operation_name"))
        return None if path is None else Decode(name, notation, path, variables, operation)

    def _optional_path(self, text: str | None, at: Location) -> Path | None:
        return None if text is None else self._findings.path(text, at)

    def _for_each(self, parts: list[_Part], names: set[str]) -> Iterator[ForEach]:
        outer: str | None = None
        for part in parts:
            for number, shape in enumerate(part.shape.for_each):
                at = (*part.at, "for_each", number)
                path = self._findings.path(shape.in_, (*at, "in"))
                if shape.as_ in names:
                    message = f'the rule calls two things "{shape.as_}"'
                    self._findings.refuse((*at, "as"), Code.NAME_TWICE, message, "give each its own name")
                names.add(shape.as_)
                if path is None:
                    continue
                if outer is not None and path.root != outer:
                    message = f'a second "for_each" goes over a list inside "{outer}"'
                    self._findings.refuse(
                        (*at, "in"), Code.FOR_EACH_SHAPE, message, f'for example "in: {outer}.fees"'
                    )
                outer = shape.as_
                yield ForEach(path, shape.as_)

    def _time(self, parts: list[_Part]) -> tuple[Path, ...]:
        for part in reversed(parts):
            if part.shape.time is not None:
                texts = [part.shape.time] if isinstance(part.shape.time, str) else part.shape.time
                return self._findings.paths(texts, (*part.at, "time"))
        return ()

    def _key(self, parts: list[_Part]) -> tuple[Path, ...] | None:
        for part in reversed(parts):
            if part.shape.key is not None:
                return self._findings.paths(part.shape.key, (*part.at, "key"))
        return None

    def _once(self, parts: list[_Part]) -> tuple[Path, ...] | None:
        for part in reversed(parts):
            if part.shape.once is not None:
                return self._findings.paths(part.shape.once.key, (*part.at, "once", "key"))
        return None

    def _changed(self, parts: list[_Part], properties: tuple[Property, ...]) -> ChangedRule | None:
        for part in reversed(parts):
            if part.shape.changed is not None:
                return self._changed_rule(part.shape.changed, (*part.at, "changed"), properties)
        return None

    def _changed_rule(
        self, shape: ChangedShape, at: Location, properties: tuple[Property, ...]
    ) -> ChangedRule | None:
        key = self._findings.paths(shape.key, (*at, "key"))
        by_name = {one.name: one.value for one in properties}
        if shape.property not in by_name:
            message = f'"{shape.property}" is no property of the rule'
            hint = did_you_mean(shape.property, sorted(by_name))
            self._findings.refuse((*at, "property"), Code.UNKNOWN_PROPERTY, message, hint)
            return None
        return ChangedRule(key, shape.property, by_name[shape.property], shape.initial)

    def _forget(self, parts: list[_Part]) -> Iterator[KeyedMemory]:
        for part in parts:
            for number, shape in enumerate(part.shape.forget):
                yield KeyedMemory(
                    shape.event, self._findings.paths(shape.key, (*part.at, "forget", number, "key"))
                )

    def _remember(self, parts: list[_Part]) -> Iterator[RememberRule]:
        for part in parts:
            for number, shape in enumerate(part.shape.remember):
                at = (*part.at, "remember", number)
                if (
                    shape.value.from_ is None
                    or shape.value.recall
                    or shape.value.variable
                    or shape.value.constant
                ):
                    message = 'what is remembered comes from the line: "from", and nothing else'
                    self._findings.refuse((*at, "value"), Code.REMEMBER_SHAPE, message)
                value = load_id(shape.value, (*at, "value"), self._shape.variables, self._findings)
                yield RememberRule(shape.memory, self._findings.paths(shape.by, (*at, "by")), value)

    def _properties(self, parts: list[_Part]) -> Iterator[Property]:
        last: dict[str, tuple[ValueShape, Location]] = {}
        for part in parts:
            for name, shape in part.shape.properties.items():
                last[name] = (shape, (*part.at, "properties", name))
        for name, (shape, at) in last.items():
            yield load_property(name, shape, at, self._shape.variables, self._findings)

    def _id(self, parts: list[_Part], key: str) -> Value | None:
        for part in reversed(parts):
            shape = part.shape.user if key == "user" else part.shape.group
            if shape is not None:
                return load_id(shape, (*part.at, key), self._shape.variables, self._findings)
        return None
