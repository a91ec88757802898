"""The kind of a line: what a pack says tells the lines of its app apart, such as `OrdersController#create POST`.

A kind is shown, counted and kept, so it must never hold a value: each part of its name is a short word of an app's
own code. A line whose parts are anything else has no kind.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from extractor.ruleset.path import Path, PathError, parse_path
from extractor.ruleset.pattern import Pattern

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_WORD = re.compile(r"(?!.{0,80}\d{5})[A-Za-z_][A-Za-z0-9_:./-]{0,79}")
"""Classes, methods and verbs are spelled so; an address has an @, a number of five digits is somebody's."""


@dataclass(frozen=True, slots=True)
class Form:
    """How kinds of lines are named: text with the fields of the line in braces.

    Attributes:
        text: As the pack writes it, `{controller}#{action} {method}`.
        parts: Text and paths in turn, as they stand in `text`.
        activation: What kinds look like that could be an activation; None: nothing does.
    """

    text: str
    parts: tuple[str | Path, ...]
    activation: Pattern | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The fields that make the name."""
        return tuple(part for part in self.parts if isinstance(part, Path))

    def name(self, record: Mapping[str, object]) -> str | None:
        """The kind of a line, or None where a field is not there or no word."""
        said = []
        for part in self.parts:
            if isinstance(part, str):
                said.append(part)
                continue
            value = part.find(record)
            if not isinstance(value, str) or _WORD.fullmatch(value) is None:
                return None
            said.append(value)
        return "".join(said)


def parse_form(text: str, activation: Pattern | None = None) -> Form:
    """Read a form.

    Raises:
        PathError: It names no field, or what stands in braces is no path.
    """
    parts: list[str | Path] = []
    for number, piece in enumerate(_PLACEHOLDER.split(text)):
        if number % 2:
            parts.append(parse_path(piece))
        elif piece:
            parts.append(piece)
    if not any(isinstance(part, Path) for part in parts):
        raise PathError(f'"{text}" names no field')
    return Form(text, tuple(parts), activation)


@dataclass(frozen=True, slots=True)
class Kinds:
    """All that the packs say about kinds of lines.

    Attributes:
        forms: Met in order; the first that fits names the line.
        known: Kinds that look like activations and are known to be none.
    """

    forms: tuple[Form, ...] = ()
    known: frozenset[str] = field(default=frozenset())

    def name(self, record: Mapping[str, object]) -> str | None:
        """The kind of a line, or None where no form fits."""
        for form in self.forms:
            if (name := form.name(record)) is not None:
                return name
        return None

    def looks_like_activation(self, kind: str) -> bool:
        """Whether somebody should look at this kind, if no rule takes it. Known kinds do not."""
        return kind not in self.known and any(
            form.activation is not None and form.activation.matches(kind) for form in self.forms
        )

    def heads(self) -> Iterator[Path]:
        """The first field of each form: the noun, such as a controller or a job."""
        for form in self.forms:
            yield form.paths[0]
