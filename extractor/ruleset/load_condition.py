"""Conditions as a pack writes them to conditions that can be asked."""

from extractor.ruleset import condition as conditions
from extractor.ruleset.codes import Code
from extractor.ruleset.condition import Condition
from extractor.ruleset.findings import Findings, Location
from extractor.ruleset.model import ConditionShape
from extractor.ruleset.path import Path

OPERATORS = ("equals", "in", "exists", "starts_with", "ends_with", "contains", "between", "matches")
"""What a condition can say about a field."""
_GROUPS = ("all", "any", "not")


def load_condition(shape: ConditionShape, at: Location, findings: Findings) -> Condition | None:
    """The condition, or None where something about it is wrong and has been noted."""
    operators = [name for name in OPERATORS if _is_said(shape, name)]
    groups = [name for name in _GROUPS if _is_said(shape, name)]
    if groups:
        if len(groups) > 1 or operators or shape.field is not None:
            message = f'"{groups[0]}" stands alone in its condition'
            findings.refuse(at, Code.CONDITION_SHAPE, message, "make each its own entry of the list")
            return None
        return _group(shape, at, findings)
    if shape.field is None or len(operators) != 1:
        said = ", ".join(f'"{name}"' for name in operators) or "none"
        message = f'a condition has "field" and one operator; here: {said}'
        hint = f'accepted: {", ".join(OPERATORS)}; or all, any, not. For "not there" say exists: false'
        findings.refuse(at, Code.CONDITION_SHAPE, message, hint)
        return None
    path = findings.path(shape.field, (*at, "field"))
    return None if path is None else _leaf(shape, path, at, findings)


def _is_said(shape: ConditionShape, name: str) -> bool:
    # Python's own words have an underscore behind them in the model.
    return getattr(shape, f"{name}_" if name in ("in", *_GROUPS) else name) is not None


def _group(shape: ConditionShape, at: Location, findings: Findings) -> Condition | None:
    if shape.not_ is not None:
        inner = load_condition(shape.not_, (*at, "not"), findings)
        return None if inner is None else conditions.Not(inner)
    name, members = ("all", shape.all_) if shape.all_ is not None else ("any", shape.any_)
    compiled = [
        load_condition(one, (*at, name, number), findings) for number, one in enumerate(members or ())
    ]
    known = tuple(one for one in compiled if one is not None)
    return conditions.AllOf(known) if name == "all" else conditions.AnyOf(known)


def _leaf(shape: ConditionShape, path: Path, at: Location, findings: Findings) -> Condition | None:
    if shape.equals is not None:
        return conditions.Equals(path, shape.equals)
    if shape.in_ is not None:
        return conditions.In(path, tuple(shape.in_))
    if shape.exists is not None:
        return conditions.Exists(path, shape.exists)
    if shape.starts_with is not None:
        return conditions.StartsWith(path, shape.starts_with)
    if shape.ends_with is not None:
        return conditions.EndsWith(path, shape.ends_with)
    if shape.contains is not None:
        return conditions.Contains(path, shape.contains)
    if shape.matches is not None:
        pattern = findings.pattern(shape.matches, (*at, "matches"))
        return None if pattern is None else conditions.Matches(path, pattern)
    assert shape.between is not None
    low, high = shape.between.min, shape.between.max
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        findings.refuse(
            (*at, "between"), Code.EMPTY_RANGE, "a range needs min, max or both, min not above max"
        )
    return conditions.Between(path, low, high)
