"""What a rule looks at on one line: the record, the fields it decodes, the elements of the lists it goes over."""

from collections.abc import Iterator
from typing import Final

from extractor.decode.errors import ParseError
from extractor.decode.graphql import as_record, root_fields
from extractor.decode.rubyinspect import parse_arguments
from extractor.ruleset.condition import Condition
from extractor.ruleset.path import Scope
from extractor.ruleset.rule import Decode, ForEach, Notation, Rule

MAX_ELEMENTS = 10_000
"""How often a rule is met on one line: an event takes about 1 kB of memory, and a hostile line of 1 MiB has room for
300,000 elements. What is beyond is rejected and counted."""

_RUBY_INSPECT: Final = Notation.RUBY_INSPECT
"""By a name of its own, as other members that every line needs: Python 3.11 takes 100 ns to find one in its class."""


def all_hold(conditions: tuple[Condition, ...], scope: Scope) -> bool:
    """Whether every condition holds; a plain loop, at half the cost of `all()`: here most lines end."""
    for condition in conditions:  # noqa: SIM110
        if not condition.holds(scope):
            return False
    return True


def decode_field(step: Decode, record: Scope) -> object:
    """The field as the value that its notation spells, or None where it is no such text."""
    text = step.path.find(record)
    if not isinstance(text, str):
        return None
    try:
        if step.notation is _RUBY_INSPECT:
            return parse_arguments(text)
        variables = step.variables.find(record) if step.variables is not None else None
        name = step.operation_name.find(record) if step.operation_name is not None else None
        known = variables if isinstance(variables, dict) else {}
        return as_record(root_fields(text, known, name if isinstance(name, str) else None))
    except ParseError:
        return None


def elements(rule: Rule, scope: Scope) -> Iterator[tuple[str, Scope | None]]:
    """The scopes in which a rule is met, with their positions: one, or one for each element of its lists.

    A scope holds until the next one is asked for: it is the same dictionary every time, since copying a record of
    100,000 fields for each of 10,000 elements would be an attack. None stands for what lies beyond `MAX_ELEMENTS`.
    """
    if not rule.for_each:
        yield "0", scope
        return
    bound = dict(scope)
    for number, position in enumerate(_positions(rule.for_each, bound, "")):
        if number == MAX_ELEMENTS:
            yield "", None
            return
        yield position, bound


def _positions(steps: tuple[ForEach, ...], scope: dict[str, object], outer: str) -> Iterator[str]:
    step, *inner = steps
    found = step.path.find(scope)
    if not isinstance(found, list):
        return
    for number, element in enumerate(found):
        scope[step.name] = element
        if inner:
            yield from _positions(tuple(inner), scope, f"{outer}{number}.")
        else:
            yield f"{outer}{number}"
