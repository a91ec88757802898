"""The one YAML door: text to a tree in which every key and value knows its place.

Config and rule packs both come in here, so that both refuse the same things in the same words. PyYAML is only
used to cut the text into events; the tree is built here, which leaves no way for a document to build an object,
to share a node (and so to explode), or to hide a key behind an equal one.

Plain scalars are read by the rules of YAML 1.2's core schema, not by those of 1.1 that PyYAML has built in:
only `true` and `false` are booleans, so `country: no` is the text "no", `22:22` is text and not 1342, and `010`
is ten. A number that JSON could not hold (`.inf`, `.nan`, more than 18 digits) stays text, and so does a date.

Imports `problems` only.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Protocol

import yaml

from extractor.problems import Place, Problem, ProblemError

_FAST: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where PyYAML was built with it: the same events in a tenth of the time."""

MAX_DEPTH = 32
"""Nesting of mappings and lists. A pack's deepest condition is about ten deep; the tree is walked by recursion."""

MAX_BYTES = 1024 * 1024
"""Size of one document in UTF-8. The shipped pack is well under a tenth of it."""


MAX_PROBLEMS = 50
"""Nobody mends more at once; a document of nothing but mistakes ends here."""


class Code(StrEnum):
    """Codes of what can be wrong with a document as such. Stable, never reused."""

    UNREADABLE = "E001"
    SYNTAX = "E002"
    DUPLICATE_KEY = "E003"
    ANCHOR = "E004"
    TAG = "E005"
    KEY_NOT_TEXT = "E006"
    TOO_DEEP = "E007"
    TOO_LARGE = "E008"
    NOT_ONE_DOCUMENT = "E009"
    CHARACTER = "E010"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number, boolean or null.

    Attributes:
        value: What it means. Not shown by `repr`: it may be a secret.
        place: Of its first character.
        text: As it is in the document, escapes resolved.
        plain: Written without quotes, and so open to be read as a number, a boolean or null.
    """

    value: str | int | float | bool | None = field(repr=False)
    place: Place
    text: str = field(default="", repr=False)
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys, each of them once, and their values, in the order of the document."""

    entries: tuple[tuple[Scalar, "Node"], ...]
    place: Place

    def __iter__(self) -> Iterator[tuple[str, "Node"]]:
        return ((key.text, value) for key, value in self.entries)

    def find(self, key: str) -> "Node | None":
        """The value under a key, or None where the key is absent."""
        return next((value for name, value in self if name == key), None)

    def key(self, key: str) -> Scalar | None:
        """The key itself, for its place, or None where it is absent."""
        return next((scalar for scalar, _ in self.entries if scalar.text == key), None)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    place: Place


Node = Scalar | Mapping | Sequence
Plain = str | int | float | bool | list["Plain"] | dict[str, "Plain"] | None


def load(text: str, file: str) -> Node:
    """Read one document.

    Args:
        text: The whole document.
        file: Its name in problems; nothing is opened.

    Raises:
        ProblemError: With every problem up to the first one after which reading on makes no sense.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        message = f"the document is larger than {MAX_BYTES // 1024} KiB"
        raise ProblemError([Problem(Place(file), Code.TOO_LARGE, message, "split it into several files")])
    try:
        events = _cut(text)
    except yaml.YAMLError as error:
        raise ProblemError([_located(error, text, file)]) from None
    builder = _Builder(events, file)
    root = builder.document()
    if builder.problems:
        raise ProblemError(builder.problems)
    return root


def load_file(path: Path, file: str | None = None) -> Node:
    """Read one document from disk, never more than `MAX_BYTES` of it. Else as `load`."""
    name = file or str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ProblemError([Problem(Place(name), Code.UNREADABLE, f"cannot be read: {reason}")]) from None
    if len(raw) > MAX_BYTES:
        return load(" " * len(raw), name)  # refused there, in one wording
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before) - (before.rfind(b"\n") + 1) + 1
        place = Place(name, before.count(b"\n") + 1, column)
        message = "the file is not UTF-8 from here on"
        raise ProblemError([Problem(place, Code.UNREADABLE, message, "save it as UTF-8")]) from None
    return load(text, name)


def plain(node: Node) -> Plain:
    """The values without their places, as JSON knows them."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, value in node}


def locate(node: Node, at: Iterable[str | int]) -> Place:
    """Where the value at the end of keys and indexes stands, or the nearest one above it that is there."""
    for step in at:
        match node, step:
            case Mapping(), str() if (below := node.find(step)) is not None:
                node = below
            case Sequence(items=items), int() if step < len(items):
                node = items[step]
            case _:
                break
    return node.place


def without_values(node: Node) -> Node:
    """The same tree with every value gone: keys and places, for problems that are found later."""
    match node:
        case Scalar():
            return Scalar(None, node.place)
        case Sequence():
            return Sequence(tuple(map(without_values, node.items)), node.place)
        case Mapping():
            return Mapping(tuple((key, without_values(value)) for key, value in node.entries), node.place)


_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_BASED = re.compile(r"0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(
    r"(?![-+]?[0-9]+\Z)[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,3})?"
)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def resolve(text: str) -> str | int | float | bool | None:
    """What a scalar without quotes means: YAML 1.2's core schema, without what JSON could not hold."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    return number if _FLOAT.fullmatch(text) and isfinite(number := float(text)) else text


class _Parser(Protocol):
    def get_event(self) -> yaml.Event | None: ...


def _cut(text: str) -> Iterator[yaml.Event]:
    """The parser's events, all of them made first: a syntax error hides everything else."""
    try:
        return iter(list(_events(_FAST(text))))
    except (yaml.YAMLError, UnicodeEncodeError):
        pass  # the Python parser has the last word: what it says does not depend on the machine
    parser = yaml.SafeLoader(text)
    try:
        return iter(list(_events(parser)))
    except (ValueError, OverflowError):  # PyYAML hands the number of an escape to chr() unchecked
        mark = parser.get_mark()
        raise yaml.MarkedYAMLError(problem="this escape is no character", problem_mark=mark) from None


def _events(parser: _Parser) -> Iterator[yaml.Event]:
    depth = 0
    while (event := parser.get_event()) is not None:
        yield event
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            # Nobody reads on after that, and the parser's own time grows with the square of the depth.
            return


def _located(error: yaml.YAMLError, text: str, file: str) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        place = Place(file, before.count("\n") + 1, error.position - before.rfind("\n"))
        message = f"character U+{ord(text[error.position]):04X} cannot stand in a document"
        return Problem(place, Code.CHARACTER, message, 'write it as an escape inside "double quotes"')
    if not isinstance(error, yaml.MarkedYAMLError) or (mark := error.problem_mark) is None:
        return Problem(Place(file), Code.SYNTAX, "not a YAML document")
    start = error.context_mark
    begun = f" {error.context} that starts at {start.line + 1}:{start.column + 1}" if start else ""
    message = f"not YAML: {error.problem}{begun}"
    place = Place(file, mark.line + 1, mark.column + 1)
    return Problem(place, Code.SYNTAX, message, _syntax_hint(text, mark.index))


def _syntax_hint(text: str, index: int) -> str:
    line = text[text.rfind("\n", 0, index) + 1 :].partition("\n")[0]
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces, not with tabs"
    if "${" in line and text[index - 1 : index + 1] == "${":
        return 'inside { } or [ ] write a variable in quotes: "${NAME}"'
    if text[index : index + 1] in tuple("*&@`%|>!{}[]"):
        return 'a text that starts with a special character needs "quotes"'
    return ""


class _Builder:
    """Builds the tree from events and keeps what is wrong on the way."""

    def __init__(self, events: Iterator[yaml.Event], file: str) -> None:
        self._events = events
        self._file = file
        self.problems: list[Problem] = []

    def document(self) -> Node:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    message = "a second document begins here"
                    self._refuse(event, Code.NOT_ONE_DOCUMENT, message, "keep one document a file")
                    break
                root = self._node(next(self._events), 0)
        if root is None:
            root = Scalar(None, Place(self._file))
            self.problems.append(Problem(root.place, Code.NOT_ONE_DOCUMENT, "the document is empty"))
        return root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        place = self._place(event)
        # Every event that begins a node has these two; an alias is nothing but its anchor.
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            message = f'"{anchor}" is an anchor or a reference to one; neither is read here'
            self._refuse(event, Code.ANCHOR, message, "write the value out wherever it is needed")
        if tag is not None:
            self._refuse(event, Code.TAG, "tags are not read here", "leave the word that starts with ! out")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        if isinstance(event, yaml.AliasEvent):
            return Scalar(None, place)
        if depth == MAX_DEPTH:
            message = f"more than {MAX_DEPTH} mappings and lists inside each other"
            self._refuse(event, Code.TOO_DEEP, message)
            raise ProblemError(self.problems)
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(tuple(self._items(depth)), place)
        return Mapping(tuple(self._entries(depth)), place)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Scalar:
        text: str = event.value
        if _SURROGATE.search(text):
            # JSON spells a character beyond U+FFFF as two escapes, which YAML does not put together.
            try:
                text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            except UnicodeDecodeError:
                message = "half of a surrogate pair is no character"
                hint = r"write the character itself, or \U and its eight digits"
                self._refuse(event, Code.CHARACTER, message, hint)
        is_plain = bool(event.implicit[0])
        return Scalar(resolve(text) if is_plain else text, place, text, is_plain)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _entries(self, depth: int) -> Iterator[tuple[Scalar, Node]]:
        seen: dict[str, Place] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if not isinstance(key, Scalar) or not isinstance(key.value, str):
                self._refuse(event, Code.KEY_NOT_TEXT, "a key must be a text", "put the key in quotes")
            elif (first := seen.get(key.text)) is not None:
                message = f'key "{key.text}" again; it stands in line {first.line} already'
                self._refuse(event, Code.DUPLICATE_KEY, message, "keep one of the two")
            else:
                seen[key.text] = key.place
                yield key, value

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file)

    def _refuse(self, event: yaml.Event, code: Code, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self._place(event), code, message, hint))
        if len(self.problems) == MAX_PROBLEMS:
            raise ProblemError(self.problems)
