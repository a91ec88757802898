"""What is wrong with a rule pack, and where: collected while it is compiled, reported all at once."""

from extractor.document import Mapping, Node, Scalar, Sequence
from extractor.problems import Place, Problem, ProblemError
from extractor.ruleset.codes import Code
from extractor.ruleset.path import Path, PathError, WildcardError, parse_path
from extractor.ruleset.pattern import Pattern, PatternError, compile_pattern

Location = tuple[str | int, ...]
"""Keys and positions from the root of a document to one of its nodes."""


class Findings:
    """The problems of one pack so far. Also parses the two small notations that may stand anywhere in it."""

    def __init__(self, root: Node) -> None:
        self._root = root
        # A dictionary as an ordered set: a fragment is compiled once for each rule that uses it.
        self._problems: dict[Problem, None] = {}

    def refuse(self, at: Location, code: Code, message: str, hint: str = "") -> None:
        """Note a problem."""
        self._problems[Problem(self.place(at), code, message, hint)] = None

    def settle(self) -> None:
        """Go on only if nothing is wrong.

        Raises:
            ProblemError: With everything that is.
        """
        if self._problems:
            raise ProblemError(self._problems)

    def path(self, text: str, at: Location) -> Path | None:
        """The path that is written at a place, or None and a problem."""
        try:
            return parse_path(text)
        except WildcardError as error:
            self.refuse(
                at, Code.WILDCARD, str(error), "a path leads to one value; for lists there is for_each"
            )
        except PathError as error:
            self.refuse(
                at, Code.BAD_PATH, str(error), 'like params.customer.id, call[0].code or headers["x.y"]'
            )
        return None

    def paths(self, texts: list[str], at: Location) -> tuple[Path, ...]:
        """Those of a list that are paths."""
        found = (self.path(text, (*at, number)) for number, text in enumerate(texts))
        return tuple(path for path in found if path is not None)

    def pattern(self, text: str, at: Location) -> Pattern | None:
        """The pattern that is written at a place, or None and a problem."""
        try:
            return compile_pattern(text)
        except PatternError as error:
            hint = "RE2 has no look-around and no back-references; a pattern matches the whole value"
            self.refuse(at, Code.BAD_PATTERN, f"not an RE2 pattern: {error}", hint)
        return None

    def place(self, at: Location) -> Place:
        """Where a text stands, or the key of a mapping or list; the nearest one above it that is there."""
        node, place = self._root, self._root.place
        for step in at:
            if isinstance(node, Mapping) and isinstance(step, str) and (key := node.key(step)) is not None:
                below = node.find(step)
                assert below is not None
                node, place = below, below.place if isinstance(below, Scalar) else key.place
            elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                place = node.place
            else:
                break
        return place
