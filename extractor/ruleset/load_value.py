"""Values as a pack writes them to values that can be read, and what is refused for the sake of privacy."""

from collections.abc import Mapping

from extractor.problems import did_you_mean
from extractor.ruleset.codes import Code
from extractor.ruleset.condition import ScalarValue
from extractor.ruleset.findings import Findings, Location
from extractor.ruleset.model import ValueShape, VariableShape
from extractor.ruleset.path import Path
from extractor.ruleset.private import NameDoubt, doubt_name
from extractor.ruleset.rule import Property
from extractor.ruleset.value import Constraint, Recall, Type, Value
from extractor.telemetry import Reason

_WHOLE = frozenset({"object", "map", "hash", "dict", "array", "list", "any"})
_TEXTS = frozenset({Type.STRING, Type.UUID, Type.DATETIME})
_DOUBTS = {
    NameDoubt.RESERVED: "an amount",
    NameDoubt.AMOUNT: "an amount",
    NameDoubt.PERSONAL: "personal data",
}
_REASON_HINT = 'do not send it, or say why it is none with "reason:"'
_RANGE = "a range needs min, max or both, min not above max"


def load_property(
    name: str, shape: ValueShape, at: Location, declared: Mapping[str, VariableShape], findings: Findings
) -> Property:
    """An allowlisted property: its name is looked at, too."""
    doubt = doubt_name(name)
    if doubt is NameDoubt.RESERVED:
        message = f'"{name}" is a name that Segment reads as money'
        hint = "no reason helps: give the property another name, or do not send it"
        findings.refuse(at, Code.RESERVED_NAME, message, hint)
    elif doubt is not None and not shape.reason:
        findings.refuse(at, Code.PRIVATE_NAME, f'"{name}" looks like {_DOUBTS[doubt]}', _REASON_HINT)
    return Property(
        name=name,
        value=load_value(shape, at, declared, findings),
        required=shape.required,
        about=shape.about or "",
        reason=shape.reason or "",
    )


def load_id(
    shape: ValueShape, at: Location, declared: Mapping[str, VariableShape], findings: Findings
) -> Value:
    """A user, a group or what is remembered: a text, or a whole number that becomes one."""
    value = load_value(shape, at, declared, findings, as_text=True)
    if value.constraint.type not in _TEXTS:
        message = f"an id is a text; here it is declared as {value.constraint.type.value}"
        hint = 'leave "type" out: a whole number in the log is written as a text'
        findings.refuse((*at, "type"), Code.NOT_TEXT, message, hint)
    return value


def load_value(
    shape: ValueShape,
    at: Location,
    declared: Mapping[str, VariableShape],
    findings: Findings,
    *,
    as_text: bool = False,
) -> Value:
    """Where a value comes from and what it must be.

    Args:
        shape: As the pack says it.
        at: Where it says so.
        declared: The pack's variables.
        findings: Where problems go.
        as_text: See `Value`.
    """
    texts = [shape.from_] if isinstance(shape.from_, str) else (shape.from_ or [])
    paths = findings.paths(texts, (*at, "from"))
    recall = None
    if shape.recall is not None:
        recall = Recall(shape.recall.memory, findings.paths(shape.recall.by, (*at, "recall", "by")))
    if not texts and recall is None and shape.variable is None and shape.constant is None:
        hint = 'say "from:", "recall:", "variable:" or "constant:"'
        findings.refuse(at, Code.NO_SOURCE, "nothing says where the value comes from", hint)
    if shape.variable is not None and shape.variable not in declared:
        hint = did_you_mean(shape.variable, sorted(declared))
        message = f'unknown variable "{shape.variable}"'
        findings.refuse((*at, "variable"), Code.UNKNOWN_VARIABLE, message, hint)
    for path in paths:
        _check_source(path, shape, at, findings)
    constraint = load_constraint(shape, at, findings)
    return Value(
        paths=paths,
        ignore=tuple(shape.ignore),
        map=_map(shape, constraint, at, findings),
        recall=recall,
        fallback=_constant(shape.constant, constraint, (*at, "constant"), findings),
        variable=shape.variable,
        constraint=constraint,
        as_text=as_text,
    )


def _map(
    shape: ValueShape, constraint: Constraint, at: Location, findings: Findings
) -> Mapping[str, ScalarValue] | None:
    for word, meaning in (shape.map or {}).items():
        _constant(meaning, constraint, (*at, "map", word), findings)
    return shape.map


def _constant(
    constant: ScalarValue | None, constraint: Constraint, at: Location, findings: Findings
) -> ScalarValue | None:
    admitted = None if constant is None else constraint.admit(constant)
    if type(admitted) is not Reason:
        return admitted
    message = (
        f"what the rule itself says breaks the constraints beside it: {admitted.value.replace('_', ' ')}"
    )
    findings.refuse(at, Code.BAD_CONSTANT, message, f"the constraints say: {constraint}")
    return None


def load_constraint(shape: ValueShape | VariableShape, at: Location, findings: Findings) -> Constraint:
    """What a value must be."""
    kind = _type(shape.type, (*at, "type"), findings)
    numeric = kind in {Type.INTEGER, Type.NUMBER}
    given = {"pattern": shape.pattern, "min": shape.min, "max": shape.max}
    fitting = {"pattern": kind is Type.STRING, "min": numeric, "max": numeric}
    for key, constraint in given.items():
        if constraint is not None and not fitting[key]:
            message = f'"{key}" says nothing about {kind.value}s'
            hint = 'pattern is for "string", min and max for numbers'
            findings.refuse((*at, key), Code.UNFIT_CONSTRAINT, message, hint)
    if shape.min is not None and shape.max is not None and shape.min > shape.max:
        findings.refuse((*at, "min"), Code.EMPTY_RANGE, _RANGE)
    unchecked = isinstance(shape, ValueShape) and shape.free_text == "unchecked"
    if unchecked and isinstance(shape, ValueShape) and not shape.reason:
        message = "unchecked free text may carry e-mail addresses"
        hint = 'say why it cannot with "reason:"; it stands in the tracking plan'
        findings.refuse((*at, "free_text"), Code.UNREASONED, message, hint)
    return Constraint(
        type=kind,
        max_length=shape.max_length,
        enum=tuple(shape.enum or ()),
        pattern=None if shape.pattern is None else findings.pattern(shape.pattern, (*at, "pattern")),
        low=shape.min,
        high=shape.max,
        check_text=not unchecked,
    )


def _type(name: str, at: Location, findings: Findings) -> Type:
    accepted = [one.value for one in Type]
    if name in accepted:
        return Type(name)
    if name in _WHOLE:
        hint = "name each value that may leave as a property of its own"
        findings.refuse(at, Code.WHOLE_OBJECT, f'"{name}" would copy whatever stands there', hint)
    else:
        findings.refuse(at, Code.UNKNOWN_TYPE, f'unknown type "{name}"', did_you_mean(name, accepted))
    return Type.STRING


def _check_source(path: Path, shape: ValueShape, at: Location, findings: Findings) -> None:
    """Refuse a field that looks private by its own name, or by what it lies in (`address.line2`)."""
    if shape.reason:
        return
    names = [step for step in path.steps if isinstance(step, str)]
    doubts = [(name, doubt_name(name)) for name in names]
    for name, doubt in doubts:
        if doubt is NameDoubt.PERSONAL or (doubt is not None and name == names[-1]):
            message = f'the field "{name}" looks like {_DOUBTS[doubt]}'
            findings.refuse((*at, "from"), Code.PRIVATE_SOURCE, message, _REASON_HINT)
            return
