"""Patterns in linear time only (RE2), always for the whole text."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import re2

_ANSWERS = 1024
"""Answers that a pattern keeps: user ids and enumerations repeat, and asking costs twenty times as much."""

_SHORT = 200
"""Characters of the texts whose answers are kept: a condition may look at a query of a megabyte."""


class PatternError(ValueError):
    """The pattern does not compile; the message is RE2's reason."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. RE2 has no back-references and no look-around, and so no pattern bombs."""

    text: str
    _full: Callable[[str], bool] = field(repr=False, compare=False)
    _known: Callable[[str], bool] = field(repr=False, compare=False)

    def __reduce__(self) -> "tuple[Callable[[str], Pattern], tuple[str]]":
        return compile_pattern, (self.text,)

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole text."""
        try:
            return self._known(text) if len(text) <= _SHORT else self._full(text)
        except UnicodeEncodeError:
            # A lone surrogate, which Ruby text can spell and UTF-8 cannot: no pattern means it.
            return False


def compile_pattern(text: str) -> Pattern:
    """Compile a pattern.

    Raises:
        PatternError: It is no RE2 pattern, or needs more than 1 MiB when compiled.
    """
    options = re2.Options()
    options.max_mem = 1 << 20
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except re2.error as error:
        raise PatternError(_reason(error)) from None

    def full(value: str) -> bool:
        return compiled.fullmatch(value) is not None

    return Pattern(text, full, lru_cache(_ANSWERS)(full))


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else "not a pattern"
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)
