"""Located diagnostics: what is wrong, where, and what to do next.

A problem is a value; loaders collect all of them before they give up. Codes are stable, never reused, and
each has a golden text under `tests/golden/problems/`. Imports nothing of the package.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in which document. Lines and columns start at 1; 0 means "the document as a whole"."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


def spell_out(text: str) -> str:
    """The text in one line, with nothing that a terminal could act on: what is not printable is spelled out."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        place: Where.
        code: Stable, like `E103`; the catalogue is `docs/problems.md`.
        message: What is wrong, in one line. Names keys and rules; never a value of a log line or a secret.
        hint: What to do next, or "".
    """

    place: Place
    code: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        # A key of somebody else's pack may hold whatever it likes, such as the end of a line or a terminal's escapes.
        head = spell_out(f"{self.place}: {self.code} {self.message}")
        return f"{head}\n    hint: {spell_out(self.hint)}" if self.hint else head


class ProblemError(Exception):
    """Raised by loaders with every problem found, sorted by place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(word: str, accepted: Sequence[str]) -> str:
    """A hint for a misspelt word: the nearest accepted one, if any is near, and all accepted ones."""
    if not accepted:
        return ""
    near = get_close_matches(word, accepted, n=1, cutoff=0.6)
    choice = f"did you mean {near[0]!r}? " if near else ""
    return f"{choice}accepted: {', '.join(accepted)}".replace("'", '"')
