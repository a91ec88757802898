"""A rule pack's document to compiled rules: what the words mean together, every problem at its place.

Shape is checked by `validation` against `model`; here are paths, patterns, names, references between rules, and
what is refused for the sake of privacy. All problems are collected; a pack with one is not loaded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from extractor.document import Mapping as MappingNode
from extractor.document import Node, Scalar
from extractor.document import Sequence as SequenceNode
from extractor.problems import Place, Problem, ProblemError, did_you_mean
from extractor.ruleset import condition as conditions
from extractor.ruleset.codes import Code
from extractor.ruleset.condition import Condition, ScalarValue
from extractor.ruleset.model import (
    OPERATORS,
    ConditionShape,
    ExampleShape,
    FragmentShape,
    PackShape,
    RuleShape,
    ValueShape,
    VariableShape,
)
from extractor.ruleset.path import Path, PathError, WildcardError, parse_path
from extractor.ruleset.pattern import Pattern, PatternError, compile_pattern
from extractor.ruleset.private import NameDoubt, doubt_name
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
    Variable,
)
from extractor.ruleset.value import Constraint, Recall, Type, Value
from extractor.validation import validate

Location = tuple[str | int, ...]
"""Keys and positions from the root of a document to one of its nodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Lines and what they must give; `place` is where the pack says so."""

    rule: str
    shape: ExampleShape
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A compiled rule pack: its rules (switched on or not), its plan and its examples."""

    name: str
    file: str
    version: int
    about: str
    cannot_show: tuple[str, ...]
    known_kinds: tuple[str, ...]
    variables: Mapping[str, Variable]
    events: Mapping[str, EventPlan]
    rules: tuple[Rule, ...]
    off: frozenset[str]
    examples: tuple[Example, ...] = field(repr=False)


def load_pack(node: Node) -> Pack:
    """Compile a pack.

    Raises:
        ProblemError: With everything that is wrong with it.
    """
    return _Loader(node, validate(node, PackShape)).pack()


@dataclass(frozen=True, slots=True)
class _Part:
    """A rule or a fragment of one, and where it stands."""

    shape: FragmentShape
    at: Location


class _Loader:
    """Compiles one pack and keeps what is wrong on the way."""

    def __init__(self, root: Node, shape: PackShape) -> None:
        self.root = root
        self.shape = shape
        self.problems: list[Problem] = []

    def pack(self) -> Pack:
        shape = self.shape
        variables = {name: self.variable(name, one, ("variables", name)) for name, one in shape.variables.items()}
        rules = []
        seen: dict[str, int] = {}
        for number, rule in enumerate(shape.rules):
            at: Location = ("rules", number)
            if rule.id in seen:
                self.refuse((*at, "id"), Code.DUPLICATE_RULE, f'rule "{rule.id}" again', "give it another id")
            seen[rule.id] = number
            rules.append(self.rule(rule, at))
        self.check_references(rules)
        if self.problems:
            raise ProblemError(self.problems)
        return Pack(
            name=shape.pack,
            file=self.root.place.file,
            version=shape.version,
            about=shape.about,
            cannot_show=tuple(shape.cannot_show),
            known_kinds=tuple(shape.known_kinds),
            variables=variables,
            events={
                name: EventPlan(name=name, about=one.about, why=one.why or "") for name, one in shape.events.items()
            },
            rules=tuple(rules),
            off=frozenset(f"{shape.pack}/{rule.id}" for rule in shape.rules if not rule.enabled),
            examples=tuple(self.examples()),
        )

    # One rule

    def rule(self, shape: RuleShape, at: Location) -> Rule:
        parts = [*self.fragments(shape, at), _Part(shape, at)]
        decode = tuple(self.decoders(parts))
        for_each = tuple(self.for_each(parts))
        decoded = {step.name for step in decode}
        element_names = {step.name for step in for_each}
        when, when_decoded, when_element = [], [], []
        for condition in self.conditions(parts):
            roots = {path.root for path in conditions.paths_of(condition)}
            if roots & element_names:
                when_element.append(condition)
            elif roots & decoded:
                when_decoded.append(condition)
            else:
                when.append(condition)
        compiled = Rule(
            id=f"{self.shape.pack}/{shape.id}",
            event=shape.event,
            about=shape.about or "",
            when=tuple(when),
            decode=decode,
            when_decoded=tuple(when_decoded),
            for_each=for_each,
            when_element=tuple(when_element),
            user=self.last_value(parts, "user"),
            group=self.last_value(parts, "group"),
            time=self.time(parts),
            key=self.last_paths(parts, "key"),
            once=self.once(parts),
            changed=self.changed(parts),
            forget=tuple(self.forget(parts)),
            remember=tuple(self.remember(parts)),
            properties=tuple(self.properties(parts)),
        )
        self.check_rule(shape, compiled, at)
        return compiled

    def fragments(self, shape: RuleShape, at: Location) -> Iterator[_Part]:
        for number, name in enumerate(shape.use):
            fragment = self.shape.fragments.get(name)
            if fragment is None:
                hint = did_you_mean(name, sorted(self.shape.fragments))
                self.refuse((*at, "use", number), Code.UNKNOWN_FRAGMENT, f'unknown fragment "{name}"', hint)
            else:
                yield _Part(fragment, ("fragments", name))

    def check_rule(self, shape: RuleShape, rule: Rule, at: Location) -> None:
        if rule.event is None:
            if not rule.forget and not rule.remember:
                self.refuse(at, Code.POINTLESS_RULE, f'rule "{shape.id}" gives no event and touches no memory',
                            'say "event:", "remember:" or "forget:"')  # fmt: skip
            return
        if rule.event not in self.shape.events:
            hint = did_you_mean(rule.event, sorted(self.shape.events))
            self.refuse((*at, "event"), Code.UNKNOWN_EVENT, f'event "{rule.event}" is not listed under "events"', hint)
        if rule.user is None:
            self.refuse(at, Code.NO_USER, f'rule "{shape.id}" gives an event without a user',
                        'say "user:", with a "constant:" for lines that name nobody')  # fmt: skip
        if not rule.when:
            self.refuse(at, Code.NO_CONDITION, f'rule "{shape.id}" has no condition on the line itself',
                        'say "when:", for example which controller or job it is about')  # fmt: skip
        if rule.key is not None and rule.once is not None:
            self.refuse((*at, "once"), Code.TWO_KEYS, f'rule "{shape.id}" has "key" and "once"; each names the fact',
                        'keep "once" if a later line may make the key new again, else "key"')  # fmt: skip
        if rule.changed is not None and rule.changed.property not in {one.name for one in rule.properties}:
            known = sorted(one.name for one in rule.properties)
            hint = did_you_mean(rule.changed.property, known)
            self.refuse((*at, "changed"), Code.UNKNOWN_PROPERTY, f'"{rule.changed.property}" is no property of the rule', hint)

    # Its parts

    def conditions(self, parts: list[_Part]) -> Iterator[Condition]:
        for part in parts:
            for number, shape in enumerate(part.shape.when):
                condition = self.condition(shape, (*part.at, "when", number))
                if condition is not None:
                    yield condition

    def condition(self, shape: ConditionShape, at: Location) -> Condition | None:
        operators = [name for name in OPERATORS if _operand(shape, name) is not None]
        groups = [name for name in ("all", "any", "not") if _operand(shape, name) is not None]
        if groups:
            if len(groups) > 1 or operators or shape.field is not None:
                self.refuse(at, Code.CONDITION_SHAPE, f'"{groups[0]}" stands alone in its condition',
                            "make each its own entry of the list")  # fmt: skip
                return None
            return self.group(shape, groups[0], at)
        if shape.field is None or len(operators) != 1:
            said = ", ".join(f'"{name}"' for name in operators) or "none"
            self.refuse(at, Code.CONDITION_SHAPE, f'a condition has "field" and one operator; here: {said}',
                        f"accepted: {', '.join(OPERATORS)}; or all, any, not")  # fmt: skip
            return None
        path = self.path(shape.field, (*at, "field"))
        return None if path is None else self.leaf(shape, operators[0], path, at)

    def group(self, shape: ConditionShape, name: str, at: Location) -> Condition | None:
        if shape.not_ is not None:
            inner = self.condition(shape.not_, (*at, "not"))
            return None if inner is None else conditions.Not(inner)
        members = shape.all_ if name == "all" else shape.any_
        compiled = [self.condition(one, (*at, name, number)) for number, one in enumerate(members or ())]
        known = tuple(one for one in compiled if one is not None)
        return conditions.AllOf(known) if name == "all" else conditions.AnyOf(known)

    def leaf(self, shape: ConditionShape, operator: str, path: Path, at: Location) -> Condition | None:
        operand = _operand(shape, operator)
        match operator, operand:
            case "equals", _:
                return conditions.Equals(path, _scalar(operand))
            case "in", list():
                return conditions.In(path, tuple(operand))
            case "exists", bool():
                return conditions.Exists(path, operand)
            case "starts_with", str():
                return conditions.StartsWith(path, operand)
            case "ends_with", str():
                return conditions.EndsWith(path, operand)
            case "contains", str():
                return conditions.Contains(path, operand)
            case "matches", str():
                pattern = self.pattern(operand, (*at, "matches"))
                return None if pattern is None else conditions.Matches(path, pattern)
        assert shape.between is not None
        low, high = shape.between.min, shape.between.max
        if (low is None and high is None) or (low is not None and high is not None and low > high):
            self.refuse((*at, "between"), Code.EMPTY_RANGE, "a range needs min, max or both, min not above max")
        return conditions.Between(path, low, high)

    def decoders(self, parts: list[_Part]) -> Iterator[Decode]:
        for part in parts:
            for name, shape in part.shape.decode.items():
                at = (*part.at, "decode", name)
                given = [word for word in ("ruby_inspect", "graphql") if getattr(shape, word) is not None]
                if len(given) != 1 or (shape.variables is not None and given != ["graphql"]):
                    self.refuse(at, Code.DECODER_SHAPE, "a decode step names one notation and the field that holds it",
                                'for example {ruby_inspect: arguments}; "variables" goes with "graphql"')  # fmt: skip
                    continue
                notation = Notation(given[0])
                path = self.path(getattr(shape, given[0]), (*at, given[0]))
                variables = None if shape.variables is None else self.path(shape.variables, (*at, "variables"))
                if path is not None:
                    yield Decode(name, notation, path, variables)

    def for_each(self, parts: list[_Part]) -> Iterator[ForEach]:
        outer: str | None = None
        for part in parts:
            for number, shape in enumerate(part.shape.for_each):
                at = (*part.at, "for_each", number, "in")
                path = self.path(shape.in_, at)
                if path is None:
                    continue
                if outer is not None and path.root != outer:
                    self.refuse(at, Code.FOR_EACH_SHAPE, f'a second "for_each" goes over a list inside "{outer}"',
                                f'for example "in: {outer}.fees"')  # fmt: skip
                outer = shape.as_
                yield ForEach(path, shape.as_)

    def time(self, parts: list[_Part]) -> tuple[Path, ...]:
        for part in reversed(parts):
            if part.shape.time is not None:
                texts = [part.shape.time] if isinstance(part.shape.time, str) else part.shape.time
                return self.paths(texts, (*part.at, "time"))
        return ()

    def last_paths(self, parts: list[_Part], name: str) -> tuple[Path, ...] | None:
        for part in reversed(parts):
            texts = getattr(part.shape, name)
            if texts is not None:
                return self.paths(texts, (*part.at, name))
        return None

    def last_value(self, parts: list[_Part], name: str) -> Value | None:
        for part in reversed(parts):
            shape = getattr(part.shape, name)
            if shape is not None:
                return self.value(shape, (*part.at, name))
        return None

    def once(self, parts: list[_Part]) -> tuple[Path, ...] | None:
        for part in reversed(parts):
            if part.shape.once is not None:
                return self.paths(part.shape.once.key, (*part.at, "once", "key"))
        return None

    def changed(self, parts: list[_Part]) -> ChangedRule | None:
        for part in reversed(parts):
            if (shape := part.shape.changed) is not None:
                key = self.paths(shape.key, (*part.at, "changed", "key"))
                return ChangedRule(key, shape.property, shape.initial)
        return None

    def forget(self, parts: list[_Part]) -> Iterator[KeyedMemory]:
        for part in parts:
            for number, shape in enumerate(part.shape.forget):
                at = (*part.at, "forget", number)
                yield KeyedMemory(shape.event, self.paths(shape.key, (*at, "key")))

    def remember(self, parts: list[_Part]) -> Iterator[RememberRule]:
        for part in parts:
            for number, shape in enumerate(part.shape.remember):
                at = (*part.at, "remember", number)
                value = self.value(shape.value, (*at, "value"))
                yield RememberRule(shape.memory, self.paths(shape.by, (*at, "by")), value)

    def properties(self, parts: list[_Part]) -> Iterator[Property]:
        merged: dict[str, tuple[ValueShape, Location]] = {}
        for part in parts:
            for name, shape in part.shape.properties.items():
                merged[name] = (shape, (*part.at, "properties", name))
        for name, (shape, at) in merged.items():
            self.check_name(name, shape, at)
            yield Property(
                name=name,
                value=self.value(shape, at),
                required=shape.required,
                about=shape.about or "",
                reason=shape.reason or "",
            )

    # Values

    def value(self, shape: ValueShape, at: Location) -> Value:
        texts = [shape.from_] if isinstance(shape.from_, str) else (shape.from_ or [])
        paths = self.paths(texts, (*at, "from"))
        recall = None
        if shape.recall is not None:
            recall = Recall(shape.recall.memory, self.paths(shape.recall.by, (*at, "recall", "by")))
        if not paths and recall is None and shape.variable is None and shape.constant is None:
            self.refuse(at, Code.NO_SOURCE, "nothing says where the value comes from",
                        'say "from:", "recall:", "variable:" or "constant:"')  # fmt: skip
        if shape.variable is not None and shape.variable not in self.shape.variables:
            hint = did_you_mean(shape.variable, sorted(self.shape.variables))
            message = f'unknown variable "{shape.variable}"'
            self.refuse((*at, "variable"), Code.UNKNOWN_VARIABLE, message, hint)
        for path in paths:
            self.check_source(path, shape, at)
        constraint = self.constraint(shape, at)
        constant = shape.constant
        if constant is not None and constraint.admit(constant) != constant:
            self.refuse((*at, "constant"), Code.BAD_CONSTANT, "the constant breaks the property's own constraints")
        return Value(
            paths=paths,
            ignore=tuple(shape.ignore),
            map=shape.map,
            recall=recall,
            fallback=constant,
            variable=shape.variable,
            constraint=constraint,
        )

    def variable(self, name: str, shape: VariableShape, at: Location) -> Variable:
        return Variable(name=name, about=shape.about, value=Value(variable=name, constraint=self.constraint(shape, at)))

    def constraint(self, shape: ValueShape | VariableShape, at: Location) -> Constraint:
        kind = self.type(shape, at)
        numeric = kind in (Type.INTEGER, Type.NUMBER)
        wrong = []
        if shape.pattern is not None and kind is not Type.STRING:
            wrong.append("pattern")
        if (shape.min is not None or shape.max is not None) and not numeric:
            wrong.append("min" if shape.min is not None else "max")
        for key in wrong:
            message = f'"{key}" says nothing about a {kind.value}'
            self.refuse((*at, key), Code.UNFIT_CONSTRAINT, message, 'pattern is for "string", min and max for numbers')
        if shape.min is not None and shape.max is not None and shape.min > shape.max:
            self.refuse((*at, "min"), Code.EMPTY_RANGE, "a range needs min, max or both, min not above max")
        unchecked = isinstance(shape, ValueShape) and shape.free_text == "unchecked"
        if unchecked and isinstance(shape, ValueShape) and not shape.reason:
            self.refuse((*at, "free_text"), Code.UNREASONED, "unchecked free text may carry e-mail addresses",
                        'say why it cannot with "reason:"; it stands in the tracking plan')  # fmt: skip
        return Constraint(
            type=kind,
            max_length=shape.max_length,
            enum=tuple(shape.enum or ()),
            pattern=None if shape.pattern is None else self.pattern(shape.pattern, (*at, "pattern")),
            low=shape.min,
            high=shape.max,
            check_text=not unchecked,
        )

    def type(self, shape: ValueShape | VariableShape, at: Location) -> Type:
        try:
            return Type(shape.type)
        except ValueError:
            accepted = [one.value for one in Type]
        if shape.type in ("object", "map", "hash", "dict", "array", "list", "any"):
            self.refuse((*at, "type"), Code.WHOLE_OBJECT, f'"{shape.type}" would copy whatever stands there',
                        "name each value that may leave as a property of its own")  # fmt: skip
        else:
            message = f'unknown type "{shape.type}"'
            self.refuse((*at, "type"), Code.UNKNOWN_TYPE, message, did_you_mean(shape.type, accepted))
        return Type.STRING

    def check_name(self, name: str, shape: ValueShape, at: Location) -> None:
        doubt = doubt_name(name)
        if doubt is NameDoubt.RESERVED:
            self.refuse(at, Code.RESERVED_NAME, f'"{name}" is a name that Segment reads as money',
                        "no reason helps: give the property another name, or do not send it")  # fmt: skip
        elif doubt is not None and not shape.reason:
            self.refuse(at, Code.PRIVATE_NAME, f'"{name}" looks like {_DOUBTS[doubt]}',
                        'do not send it, or say why it is none with "reason:"')  # fmt: skip

    def check_source(self, path: Path, shape: ValueShape, at: Location) -> None:
        doubt = doubt_name(path.last_name)
        if doubt is not None and not shape.reason:
            kind = _DOUBTS[NameDoubt.AMOUNT if doubt is NameDoubt.RESERVED else doubt]
            self.refuse((*at, "from"), Code.PRIVATE_SOURCE, f'the field "{path.last_name}" looks like {kind}',
                        'do not send it, or say why it is none with "reason:"')  # fmt: skip

    # References between rules

    def check_references(self, rules: list[Rule]) -> None:
        remembered = {one.memory for rule in rules for one in rule.remember}
        keyed = {rule.event for rule in rules if rule.once is not None or rule.changed is not None}
        for number, rule in enumerate(rules):
            at: Location = ("rules", number)
            values = [one.value for one in rule.properties] + [one for one in (rule.user, rule.group) if one]
            for value in values:
                if value.recall is not None and value.recall.memory not in remembered:
                    message = f'rule "{self.shape.rules[number].id}" recalls "{value.recall.memory}", which no rule remembers'
                    self.refuse(at, Code.NEVER_REMEMBERED, message, did_you_mean(value.recall.memory, sorted(remembered)))
            for forget in rule.forget:
                if forget.event not in keyed:
                    message = f'"{forget.event}" has no rule with "once" or "changed": there is nothing to forget'
                    hint = did_you_mean(forget.event, sorted(one for one in keyed if one))
                    self.refuse((*at, "forget"), Code.NOTHING_TO_FORGET, message, hint)

    def examples(self) -> Iterator[Example]:
        for number, rule in enumerate(self.shape.rules):
            for position, shape in enumerate(rule.examples):
                place = self.place(("rules", number, "examples", position))
                yield Example(rule=f"{self.shape.pack}/{rule.id}", shape=shape, place=place)

    # Small things

    def paths(self, texts: list[str], at: Location) -> tuple[Path, ...]:
        found = [self.path(text, (*at, number)) for number, text in enumerate(texts)]
        return tuple(path for path in found if path is not None)

    def path(self, text: str, at: Location) -> Path | None:
        try:
            return parse_path(text)
        except WildcardError as error:
            self.refuse(at, Code.WILDCARD, str(error), "a path leads to one value; for lists there is for_each")
        except PathError as error:
            self.refuse(at, Code.BAD_PATH, str(error), 'like params.customer.id, call[0].code or headers["x.y"]')
        return None

    def pattern(self, text: str, at: Location) -> Pattern | None:
        try:
            return compile_pattern(text)
        except PatternError as error:
            self.refuse(at, Code.BAD_PATTERN, f"not an RE2 pattern: {error}",
                        "RE2 has no look-around and no back-references; a pattern matches the whole value")  # fmt: skip
        return None

    def refuse(self, at: Location, code: Code, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.place(at), code, message, hint))

    def place(self, at: Location) -> Place:
        """Where a node stands, or the nearest one above it that is there."""
        node, place = self.root, self.root.place
        for step in at:
            below: Node | None = None
            if isinstance(node, MappingNode) and isinstance(step, str):
                below = node.find(step)
                key = node.key(step)
                place = key.place if key is not None and not isinstance(below, Scalar) else place
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
                below = node.items[step]
                place = below.place
            if below is None:
                return place
            if isinstance(below, Scalar):
                place = below.place
            node = below
        return place


_DOUBTS = {NameDoubt.AMOUNT: "an amount", NameDoubt.PERSONAL: "personal data"}


def _operand(shape: ConditionShape, name: str) -> object:
    return getattr(shape, f"{name}_" if name in ("in", "all", "any", "not") else name)


def _scalar(value: object) -> ScalarValue:
    assert isinstance(value, str | bool | int | float)
    return value
