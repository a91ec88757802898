r"""Which bytes every line that a rule could match must contain, found in whole buffers before any line is cut.

A pure optimisation: `evaluate(line)` gives anything ⇒ the line is a candidate. It holds because

- a literal is taken from the rule's conditions on the line itself, never from a decoded field, and only from runs
  of `A-Z a-z _`, which no JSON encoder needs to escape;
- a line in which an encoder escaped one of those characters all the same (`\u0041` to `\u007a`) is a candidate,
  while the app's ever-present `\u003c`, `\u003e` and `\u0026` make none;
- what an envelope does to quotes and backslashes never touches a literal, and a piece that a runtime cut is a
  candidate, as is everything until its line has ended (see `Intake`).

How a literal is cut to a window decides how fast it is found: engines look for its last bytes first, so a window ends
where its last three characters are rare in logs (`CustomersC` of `CustomersController`, which every request has).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Protocol

from extractor.ruleset import condition as conditions
from extractor.ruleset.condition import Condition
from extractor.ruleset.path import Path
from extractor.ruleset.rule import Rule

MIN_LITERAL = 4
"""A shorter one would be found everywhere."""

MIN_WINDOW = 7
"""A window is not cut shorter than this, where the literal allows."""

_RUN = re.compile(rf"[A-Za-z_]{{{MIN_LITERAL},}}")
_ESCAPES = (rb"\\u004", rb"\\u005", rb"\\u006", rb"\\u007")
# A Docker piece whose text does not end in `\n`: the two characters, not a backslash of the app's before an n.
_DOCKER_PIECE = (rb'[^n]","stream":"', rb'[^\\]n","stream":"', rb'\\\\n","stream":"')
_CRI_PIECE = (rb"stdout P", rb"stderr P")

# Occurrences in 10,000 characters of English text and code-like identifiers, roughly; only their order matters.
_COMMON = dict(zip("etaoinsrhldcumfpgwybvk_xjqz", range(27, 0, -1), strict=True))


class Pieces(Flag):
    """Which envelopes may cut lines into pieces in a buffer."""

    NONE = 0
    DOCKER = auto()
    CRI = auto()


@dataclass(frozen=True, slots=True)
class Literals:
    """What to look for, derived from rules.

    Attributes:
        windows: Every line that a rule could match contains one of these. Sorted.
        unsound: Rules from which no literal follows; if there is one, every line is a candidate.
    """

    windows: tuple[str, ...]
    unsound: tuple[str, ...]

    @property
    def pass_everything(self) -> bool:
        """Whether nothing can be skipped."""
        return bool(self.unsound)


@dataclass(frozen=True, slots=True)
class _Need:
    """A line that a condition holds for contains one of these. `keys`: they are names of fields, found often."""

    literals: frozenset[str]
    keys: bool = False


def derive_literals(rules: Iterable[Rule]) -> Literals:
    """The literals of a rule set: for each rule the most selective that follow soundly from its conditions."""
    needs: dict[str, list[_Need]] = {}
    unsound = []
    for rule in rules:
        found = [need for condition in rule.when for need in _needs(condition)]
        if found:
            needs[rule.id] = found
        else:
            unsound.append(rule.id)
    shared = Counter(literal for found in needs.values() for need in found for literal in need.literals)

    def rank(need: _Need) -> tuple[bool, int, int, list[str]]:
        # Not the name of a field; shared by few rules, and so about few of them; long.
        widest = max(shared[literal] for literal in need.literals)
        return (need.keys, widest, -min(map(len, need.literals)), sorted(need.literals))

    chosen = {name: min(found, key=rank) for name, found in needs.items()}
    for name, found in needs.items():
        # What other rules need anyway costs nothing.
        elsewhere = {literal for other, need in chosen.items() if other != name for literal in need.literals}
        free = [need for need in found if not need.keys and need.literals <= elsewhere]
        if free:
            chosen[name] = min(free, key=rank)
    windows = {window(literal) for need in chosen.values() for literal in need.literals}
    return Literals(tuple(sorted(_minimal(windows))), tuple(unsound))


def window(literal: str) -> str:
    """The part of a literal, from its start, that is found fastest: its last three characters are rare."""
    ends = range(min(MIN_WINDOW, len(literal)), len(literal) + 1)
    return literal[: min(ends, key=lambda end: (_commonness(literal[end - 3 : end]), -end))]


def _commonness(ending: str) -> int:
    product = 1
    for character in ending:
        product *= _COMMON.get(character, 1)  # capitals are rare
    return product


def _minimal(windows: set[str]) -> Iterator[str]:
    """Without those that contain another one."""
    for one in windows:
        if not any(other != one and other in one for other in windows):
            yield one


def _needs(condition: Condition) -> Iterator[_Need]:
    """What a line must contain for the condition to hold: each of these alone."""
    match condition:
        case conditions.Equals(path, str() as text):
            yield from _runs(text)
            yield from _keys(path)
        case (
            conditions.StartsWith(path, text)
            | conditions.EndsWith(path, text)
            | conditions.Contains(path, text)
        ):
            yield from _runs(text)
            yield from _keys(path)
        case conditions.In(path, accepted):
            runs = [max(_runs(text), key=_length, default=None) for text in accepted if isinstance(text, str)]
            known = [run for run in runs if run is not None]
            if len(known) == len(accepted):
                yield _Need(frozenset().union(*(run.literals for run in known)))
            yield from _keys(path)
        case conditions.Equals(path) | conditions.Between(path) | conditions.Matches(path):
            yield from _keys(path)
        case conditions.Exists(path, wanted):
            if wanted:
                yield from _keys(path)
        case conditions.AllOf(inner):
            for one in inner:
                yield from _needs(one)
        case conditions.AnyOf(inner):
            yield from _any(inner)
        case conditions.Not():
            pass  # what must not be there says nothing about what is


def _any(inner: Sequence[Condition]) -> Iterator[_Need]:
    best = [min(_needs(one), key=lambda need: (need.keys, -_length(need)), default=None) for one in inner]
    known = [need for need in best if need is not None]
    if inner and len(known) == len(inner):
        literals: frozenset[str] = frozenset().union(*(need.literals for need in known))
        yield _Need(literals, any(need.keys for need in known))


def _runs(text: str) -> Iterator[_Need]:
    for run in _RUN.findall(text):
        yield _Need(frozenset({run}))


def _keys(path: Path) -> Iterator[_Need]:
    for step in path.steps:
        if isinstance(step, str):
            for need in _runs(step):
                yield _Need(need.literals, keys=True)


def _length(need: _Need) -> int:
    return min(map(len, need.literals))


class Scanner(Protocol):
    """Finds candidates in a buffer. Not thread-safe: one for each thread."""

    def find(self, data: memoryview) -> list[int]:
        """Positions, ascending: each lies in a candidate line, and every candidate line has one."""


def build_scanner(literals: Literals, pieces: Pieces) -> Scanner | None:
    """A scanner for buffers whose lines may be cut by these envelopes; None where every line is a candidate."""
    if literals.pass_everything:
        return None
    patterns = [re.escape(text).encode() for text in literals.windows]
    patterns += _ESCAPES
    if Pieces.DOCKER in pieces:
        patterns += _DOCKER_PIECE
    if Pieces.CRI in pieces:
        patterns += _CRI_PIECE
    return _BUILD(patterns)


class _RegexScanner:
    """The standard library's engine, where Hyperscan has no wheel."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self._pattern = re.compile(b"|".join(patterns), re.DOTALL)

    def find(self, data: memoryview) -> list[int]:
        """See `Scanner`."""
        return [match.end() - 1 for match in self._pattern.finditer(data)]


def _build_hyperscan(patterns: Sequence[bytes]) -> Scanner:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=list(patterns),
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=[hyperscan.HS_FLAG_DOTALL] * len(patterns),
    )
    return _HyperscanScanner(database.scan)


class _HyperscanScanner:
    """Intel's multi-pattern engine; releases the interpreter while it scans."""

    def __init__(self, scan: Callable[..., object]) -> None:
        self._scan = scan

    def find(self, data: memoryview) -> list[int]:
        """See `Scanner`."""
        found: list[int] = []
        append = found.append

        def note(_id: int, _start: int, end: int, _flags: int, _context: object) -> None:
            append(end - 1)

        self._scan(data, match_event_handler=note)
        # Ends of different patterns are not reported in strict order.
        found.sort()
        return found


try:
    import hyperscan
except ImportError:  # no wheel for this platform: slower, nothing else
    _BUILD: Callable[[Sequence[bytes]], Scanner] = _RegexScanner
else:
    _BUILD = _build_hyperscan
