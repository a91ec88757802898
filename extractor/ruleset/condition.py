"""Conditions: what must hold for a rule to match. Trees of frozen values; each can say itself in words.

Those that are asked of most lines make `holds`, whether the condition holds in a scope, for their path and value; it is made
anew where they are carried to another process.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from extractor.ruleset.path import Path, Scope
from extractor.ruleset.pattern import Pattern

ScalarValue = str | bool | int | float
Test = Callable[[Scope], bool]


def same(value: object, expected: ScalarValue) -> bool:
    """Equality without surprises: text is no number, a boolean is no number, 1 equals 1.0."""
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    if isinstance(value, str) or isinstance(expected, str):
        return isinstance(value, str) and value == expected
    return value == expected


@dataclass(frozen=True, slots=True)
class Equals:
    """The value is this one."""

    path: Path
    expected: ScalarValue
    holds: Test = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        find, expected = self.path.find, self.expected
        # Nothing that a line can hold equals a text but a text.
        plain = isinstance(expected, str)
        object.__setattr__(
            self,
            "holds",
            (lambda scope: find(scope) == expected) if plain else (lambda scope: same(find(scope), expected)),
        )

    def __reduce__(self) -> tuple[type["Equals"], tuple[object, ...]]:
        return Equals, (self.path, self.expected)

    def __str__(self) -> str:
        return f"{self.path.text} equals {self.expected!r}"


@dataclass(frozen=True, slots=True)
class In:
    """The value is one of these."""

    path: Path
    accepted: tuple[ScalarValue, ...]

    def holds(self, scope: Scope) -> bool:
        """Whether the condition holds."""
        value = self.path.find(scope)
        if type(value) is str:  # which nothing but a text equals
            return value in self.accepted
        return any(same(value, one) for one in self.accepted)

    def __str__(self) -> str:
        return f"{self.path.text} in {', '.join(map(repr, self.accepted))}"


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value, and it is not null; or, with `wanted` false, there is none."""

    path: Path
    wanted: bool
    holds: Test = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        find, wanted = self.path.find, self.wanted
        object.__setattr__(self, "holds", lambda scope: (find(scope) is not None) is wanted)

    def __reduce__(self) -> tuple[type["Exists"], tuple[object, ...]]:
        return Exists, (self.path, self.wanted)

    def __str__(self) -> str:
        return f"{self.path.text} {'exists' if self.wanted else 'does not exist'}"


@dataclass(frozen=True, slots=True)
class StartsWith:
    """The text starts with this."""

    path: Path
    expected: str

    def holds(self, scope: Scope) -> bool:
        """Whether the condition holds."""
        value = self.path.find(scope)
        return isinstance(value, str) and value.startswith(self.expected)

    def __str__(self) -> str:
        return f"{self.path.text} starts with {self.expected!r}"


@dataclass(frozen=True, slots=True)
class EndsWith:
    """The text ends with this."""

    path: Path
    expected: str

    def holds(self, scope: Scope) -> bool:
        """Whether the condition holds."""
        value = self.path.find(scope)
        return isinstance(value, str) and value.endswith(self.expected)

    def __str__(self) -> str:
        return f"{self.path.text} ends with {self.expected!r}"


@dataclass(frozen=True, slots=True)
class Contains:
    """The text contains this, or the list has an element that equals it."""

    path: Path
    expected: str

    def holds(self, scope: Scope) -> bool:
        """Whether the condition holds."""
        value = self.path.find(scope)
        return isinstance(value, str | list) and self.expected in value

    def __str__(self) -> str:
        return f"{self.path.text} contains {self.expected!r}"


@dataclass(frozen=True, slots=True)
class Between:
    """The number lies in this range, both ends included."""

    path: Path
    low: float | None
    high: float | None
    holds: Test = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        find, low, high = self.path.find, self.low, self.high

        def holds(scope: Scope) -> bool:
            value = find(scope)
            if type(value) is not int and type(value) is not float:
                return False
            return (low is None or value >= low) and (high is None or value <= high)

        object.__setattr__(self, "holds", holds)

    def __reduce__(self) -> tuple[type["Between"], tuple[object, ...]]:
        return Between, (self.path, self.low, self.high)

    def __str__(self) -> str:
        low = "" if self.low is None else f" at least {self.low}"
        high = "" if self.high is None else f" at most {self.high}"
        return f"{self.path.text} is{low}{' and' if low and high else ''}{high}"


@dataclass(frozen=True, slots=True)
class Matches:
    """The pattern matches the whole text."""

    path: Path
    pattern: Pattern

    def holds(self, scope: Scope) -> bool:
        """Whether the condition holds."""
        value = self.path.find(scope)
        return isinstance(value, str) and self.pattern.matches(value)

    def __str__(self) -> str:
        return f"{self.path.text} matches {self.pattern.text!r}"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one holds."""

    conditions: tuple["Condition", ...]

    def holds(self, scope: Scope) -> bool:
        """Whether the condition holds."""
        return all(condition.holds(scope) for condition in self.conditions)

    def __str__(self) -> str:
        return f"all of ({'; '.join(map(str, self.conditions))})"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one holds."""

    conditions: tuple["Condition", ...]

    def holds(self, scope: Scope) -> bool:
        """Whether the condition holds."""
        return any(condition.holds(scope) for condition in self.conditions)

    def __str__(self) -> str:
        return f"any of ({'; '.join(map(str, self.conditions))})"


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    condition: "Condition"

    def holds(self, scope: Scope) -> bool:
        """Whether the condition holds."""
        return not self.condition.holds(scope)

    def __str__(self) -> str:
        return f"not ({self.condition})"


Leaf = Equals | In | Exists | StartsWith | EndsWith | Contains | Between | Matches
Condition = Leaf | AllOf | AnyOf | Not


def paths_of(condition: Condition) -> Iterator[Path]:
    """Every path that the condition looks at."""
    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            for one in conditions:
                yield from paths_of(one)
        case Not(one):
            yield from paths_of(one)
        case _:
            yield condition.path
