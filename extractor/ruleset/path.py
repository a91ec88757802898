"""Paths into a record: `params.customer.external_id`, `call[0].properties.code`, `headers["x.y"]`.

A path leads to one value or to nothing; absent and null are the same. There are no wildcards.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from extractor.decode.rubyinspect import GlobalID

Scope = Mapping[str, object]
"""A record together with the names that a rule has bound (decoded fields, elements)."""

_STEP = re.compile(
    r'(?:(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|\["(?P<quoted>[^"\\]+)"\]|\[(?P<index>[0-9]{1,4})\])'
)
_GLOBAL_ID_PARTS = frozenset({"uri", "app", "model", "id"})
MAX_STEPS = 16


class PathError(ValueError):
    """The text is no path; the message says why, in words for the rule's author."""


class WildcardError(PathError):
    """The path asks for more than one value."""


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path.

    Attributes:
        text: How the author wrote it.
        steps: Names and list positions.
        find: The value that the path leads to in a scope, or None. Made for the steps: every line that is looked at
            is asked some twenty times.
    """

    text: str
    steps: tuple[str | int, ...]
    find: Callable[[Scope], object] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "find", _finder(self.steps))

    def __reduce__(self) -> tuple[type["Path"], tuple[object, ...]]:
        return Path, (self.text, self.steps)  # what it has made for itself is no data

    @property
    def root(self) -> str:
        """The first name: a field of the line, or a name that the rule has bound."""
        return str(self.steps[0])


def step_into(value: object, step: str | int) -> object:
    """What one step leads to from a value, or None."""
    if type(value) is dict:
        return value.get(step)
    if type(value) is list:
        return value[step] if type(step) is int and step < len(value) else None
    return getattr(value, str(step)) if isinstance(value, GlobalID) and step in _GLOBAL_ID_PARTS else None


def _finder(steps: tuple[str | int, ...]) -> Callable[[Scope], object]:
    first, *rest = steps
    name = str(first)
    if not rest:
        return lambda scope: scope.get(name)

    def find(scope: Scope) -> object:
        value = scope.get(name)
        for step in rest:
            # `type() is` and not `isinstance`: the values come from our own decoders, and this is the hot path.
            if type(value) is dict:
                value = value.get(step)
            elif type(value) is list:
                if type(step) is not int or step >= len(value):
                    return None
                value = value[step]
            elif isinstance(value, GlobalID) and step in _GLOBAL_ID_PARTS:
                value = getattr(value, str(step))
            else:
                return None
        return value

    return find


def parse_path(text: str) -> Path:
    """Parse a path.

    Raises:
        WildcardError: It contains `*` or `[]`.
        PathError: It is not a path.
    """
    if "*" in text or "[]" in text:
        raise WildcardError(f'"{text}" asks for more than one value')
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        if steps and text[position] == ".":
            position += 1
            if position < len(text) and text[position] == "[":
                raise PathError(f'"{text}" has a dot before a bracket')
        elif steps and text[position] != "[":
            raise PathError(f'"{text}" is no path at character {position + 1}')
        match = _STEP.match(text, position)
        if match is None:
            raise PathError(f'"{text}" is no path at character {position + 1}')
        index = match["index"]
        steps.append(int(index) if index is not None else match["name"] or match["quoted"])
        position = match.end()
    if not steps or text.endswith("."):
        raise PathError(f'"{text}" is no path')
    if isinstance(steps[0], int):
        raise PathError(f'"{text}" must start with the name of a field')
    if len(steps) > MAX_STEPS:
        raise PathError(f'"{text}" has more than {MAX_STEPS} steps')
    return Path(text, tuple(steps))
