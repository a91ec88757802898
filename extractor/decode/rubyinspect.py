"""What Ruby's `inspect` prints, read back: the arguments of a job as values, in both notations.

Ruby 3.4 prints `{key: "v", "s" => 1}`, earlier ones `{:key=>"v", "s"=>1}`. A log shows an arguments list: values
joined by `, ` without brackets. `inspect` was never meant to be read back (any class may print anything), so what
has no literal becomes `Opaque` and nothing is guessed. Of the package it imports `errors` only.

Two ways through the same notation: `_read_plain` takes the texts that nearly all lines have, turns them into JSON and
gives up at the first thing that is not plain; `_Reader` knows everything. A property test holds them equal. Every repetition in a pattern is possessive or bounded, which is what makes the time linear.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeAlias, cast

import orjson

from extractor.decode.errors import Fault, ParseError

MAX_DEPTH: Final = 64
"""Arrays and hashes inside each other, not counting an empty one; ActiveJob's arguments in the captured logs go three deep."""

MAX_DIGITS: Final = 600
"""Digits of an integer; a longer one is `Opaque`. CPython promises to convert 640 whatever its settings."""


@dataclass(frozen=True, slots=True)
class GlobalID:
    """Rails' reference to one record of the app: `gid://app/Model/id`. The parts are None in any other URI."""

    uri: str = field(repr=False)

    @property
    def app(self) -> str | None:
        """The application's name."""
        return self._part(1)

    @property
    def model(self) -> str | None:
        """The class of the record, with its modules (`Invoices::Draft`)."""
        return self._part(2)

    @property
    def id(self) -> str | None:
        """The record's primary key, as it stands in the URI."""
        return self._part(3)

    def _part(self, number: int) -> str | None:
        parts = _GID_PARTS.fullmatch(self.uri)
        return parts[number] if parts else None


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value without a literal (a time, a range, an object), as Ruby printed it."""

    text: str = field(repr=False)


Value: TypeAlias = bool | int | float | str | GlobalID | Opaque | list["Value"] | dict[str, "Value"] | None


def parse_arguments(text: str) -> list[Value]:
    r"""Read a list of values that Ruby's `inspect` printed, joined by `, `.

    Total on any text and linear in its length. Symbols become strings; so do all keys of a hash (`1`, `nil` and
    `:a` become "1", "nil" and "a"), and where two become equal the last one wins. BigDecimals print like floats and
    become floats. `\xNN` bytes are read as UTF-8, what is no UTF-8 becomes U+FFFD. An empty text is an empty list;
    `{}`, which the app prints for a job without arguments, is one empty hash.

    Raises:
        ParseError: Nothing else. Unfinished or unbalanced text, a missing value or key, depth over `MAX_DEPTH`.
    """
    values = _read_plain(text)
    return _Reader(text).read() if values is None else values


# ---- the pieces of the notation ----

# Ruby takes every character outside ASCII for a letter. `[A-Za-z_...]` by what it is not: all of Unicode takes 5 ms to
# compile, each time that the program starts.
_NAME = r"[^\x00-@\x5b-^`{-\x7f][^\x00-/:-@\x5b-^`{-\x7f]*+[?!]?"
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OPERATOR = r"\[\]=?|\*\*|[+\-!~]@|<=>|===?|=~|![=~]?|<<|>>|[<>]=?|[+\-*/%&|^~`]"
# `:c==>1` is the key `:c=`; `:c=>1` is the key `:c`.
_SYMBOL = rf":(?:(?:(?:@@?|\$)?{_NAME}(?:=(?!>))?)|{_OPERATOR}|\$(?:-\w|\d++|[^\w\s]))"
_FLOAT = r"-?[0-9]++\.[0-9]++(?:e[+-]?[0-9]++)?"
_END_OF_VALUE = r"(?=, |[\]}]|\Z)"
_END_OF_KEY = r"(?= ?=>)"
_GLOBAL_ID = r'\#<GlobalID:0x[0-9a-f]++ @uri=\#<URI::GID (?P<gid>[^\s<>"]++)>'

_GID_PARTS: Final = re.compile(r"gid://([^/?#\s]+)/([^/?#\s]+)/([^/?#\s]+)(?:[?#].*)?", re.DOTALL)

_WORDS: Final[dict[str, bool | float | None]] = {
    "nil": None,
    "true": True,
    "false": False,
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
    "NaN": float("nan"),
    **{str(number): number for number in range(10)},
    "0.0": 0.0,
}

# ---- the short way ----

# What stands between the strings of a plain text, piece by piece: what opens, keys, small scalars, what closes. Numbers
# are those that JSON spells alike.
_BETWEEN: Final = re.compile(
    r"""
      ([A-Za-z_][0-9A-Za-z_]*+):[ ] | :([A-Za-z_][0-9A-Za-z_]*+)=>
    | (?: (nil) | (true|false|-?(?:0|[1-9][0-9]{0,17}+)(?:\.[0-9]{1,18}+)?+) ) (?=,[ ]|[\]}]|\Z)
    | ([\[\]{}]|,[ ])
    | (.++)
    """,
    re.VERBOSE | re.DOTALL,
)
_KNOWN_PIECES: Final = 1024
_SHORT: Final = 1000
_FEW: Final = 200
"""Pieces that are kept at hand, of texts of so many characters and quotes: 2 MB at most. What is longer does not come
again, and would push out what does."""
# One without an end goes to the end of the text: else each of its escaped quotes would begin one more.
_STRINGS: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+\\?+)(?:"|\Z)', re.DOTALL)


def _read_plain(text: str) -> list[Value] | None:
    """The values, if the whole text is plain: simple keys, strings, small numbers, lists, hashes. Else None.

    Such a text is JSON but for its keys and its `nil`, and what stands between its strings is the same on thousands of
    lines: it is spelled as JSON, and a parser of machine speed reads it.
    """
    if text.count("{") + text.count("[") > MAX_DEPTH:
        return None
    escaped = "\\" in text
    parts = _STRINGS.split(text) if escaped else text.split('"')
    quotes = len(parts) - 1
    if quotes % 2 or (escaped and sum(map(len, parts)) + quotes != len(text)):
        return None  # a string without an end
    spell = _spell if quotes <= _FEW and len(text) <= _SHORT else _spell.__wrapped__
    between = list(map(spell, parts[::2]))
    if None in between:
        return None
    parts[::2] = cast("list[str]", between)
    try:
        if escaped:
            parts[1::2] = [_spell_string(part) if "\\" in part else part for part in parts[1::2]]
        joined = '"'.join(parts)
        values: list[Value] = orjson.loads(f"[{joined}]")
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return values


@lru_cache(_KNOWN_PIECES)
def _spell(between: str) -> str | None:
    """What stands between two strings, as JSON; None where it is not plain."""
    spelled = []
    for name, old_name, nil, scalar, bracket, other in _BETWEEN.findall(between):
        if other:
            return None
        spelled.append(scalar or bracket or ("null" if nil else f'"{name or old_name}":'))
    return "".join(spelled)


def _spell_string(string: str) -> str:
    """What stands between the quotes of a string with escapes, as JSON escapes it."""
    return orjson.dumps(_unescape(string)).decode()[1:-1]


# ---- the long way ----

_SCALAR: Final = re.compile(
    rf"(?:(?P<word>nil|true|false|-?Infinity|NaN)|(?P<integer>-?[0-9]++)|(?P<float>{_FLOAT})"
    rf"|:?(?P<string>{_STRING})|(?P<symbol>{_SYMBOL})|{_GLOBAL_ID}>){_END_OF_VALUE}",
    re.DOTALL,
)
_KEY: Final = re.compile(
    rf"(?P<name>{_NAME}):[ ]|(?P<quoted>{_STRING}):[ ]"
    rf"|(?:(?P<symbol>{_SYMBOL})|:?(?P<string>{_STRING})){_END_OF_KEY}",
    re.DOTALL,
)
_GLOBAL_ID_OBJECT: Final = re.compile(_GLOBAL_ID)
# What ActiveSupport prints with commas inside: `1 year, 2 months, and 3 days` and `Sun, 22 Nov 2026`.
_SPAN = r"-?[0-9]{1,18}(?:\.[0-9]{1,18})? (?:second|minute|hour|day|week|month|year)s?"
_DURATION: Final = re.compile(rf"{_SPAN}(?:, {_SPAN}){{0,6}},? and {_SPAN}(?:{_END_OF_VALUE}|{_END_OF_KEY})")
_DATE_COMMA: Final = re.compile(
    r"(?<=Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?=[0-9]{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) )"
)
_STEP: Final = re.compile(rf'[^"\\#<>\[\](){{}},= ]++|{_STRING}|\\.|#<| ?=>|, |.', re.DOTALL)
# After an arrow comes a value; where none can start, `=>` was the end of an object: `#<URI::HTTP http://x/?a=>`.
_NO_VALUE: Final = re.compile(r", |[>\]}]| ?=>|\Z")


class _Reader:
    """One reading of one text, from left to right, with the open lists and hashes on a stack of its own."""

    __slots__ = ("_inside", "_outside", "_position", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._inside: list[Value] | dict[str, Value] = []
        self._outside: list[list[Value] | dict[str, Value]] = []

    def read(self) -> list[Value]:
        """All values.

        Raises:
            ParseError: See `parse_arguments`.
        """
        text = self._text
        while True:
            key = self._read_key() if isinstance(self._inside, dict) else ""
            value = self._read_value()
            if isinstance(self._inside, dict):
                self._inside[key] = value
            else:
                self._inside.append(value)
            if isinstance(value, list | dict):
                empty = text.startswith(("]", "}"), self._position)
                if len(self._outside) == MAX_DEPTH and not empty:
                    raise ParseError(self._position, Fault.TOO_DEEP)
                self._outside.append(self._inside)
                self._inside = value
                if not empty:
                    continue
            self._close()
            if self._position == len(text):
                break
            if not text.startswith(", ", self._position):
                raise ParseError(self._position, Fault.UNEXPECTED)
            self._position += 2
        if self._outside or isinstance(self._inside, dict):
            raise ParseError(self._position, Fault.UNFINISHED)
        return self._inside

    def _close(self) -> None:
        while closes := _CLOSES.get(self._text[self._position : self._position + 1]):
            if not self._outside or not isinstance(self._inside, closes):
                raise ParseError(self._position, Fault.UNBALANCED)
            self._inside = self._outside.pop()
            self._position += 1

    def _read_key(self) -> str:
        start = self._position
        if found := _KEY.match(self._text, start):
            self._position = found.end()
            name = found["name"]
            if name is not None:
                return name
            if (quoted := found["quoted"]) is not None:
                return _unescape(quoted[1:-1])
            string = found["string"]
            key = found["symbol"][1:] if string is None else _unescape(string[1:-1])
        else:
            self._skip_opaque(key=True)
            key = self._text[start : self._position]
            if reference := _GLOBAL_ID_OBJECT.match(key):
                key = reference[1]
        arrow = 4 if self._text.startswith(" => ", self._position) else 2
        if arrow == 2 and not self._text.startswith("=>", self._position):
            raise ParseError(self._position, Fault.UNEXPECTED)
        self._position += arrow
        return key

    def _read_value(self) -> Value:
        text, start = self._text, self._position
        if found := _SCALAR.match(text, start):
            self._position = found.end()
            return _scalar(found)
        if text.startswith(("[", "{"), start) and not text.startswith("...", start + 1):
            self._position += 1
            return [] if text[start] == "[" else {}
        self._skip_opaque(key=False)
        reference = _GLOBAL_ID_OBJECT.match(text, start, self._position)
        # A GlobalID that was asked for its class before carries more than its URI.
        if reference and text.startswith(", @", reference.end()):
            return GlobalID(reference[1])
        return Opaque(text[start : self._position])

    def _skip_opaque(self, *, key: bool) -> None:
        """Move behind something without a literal: to the end of the value, or to the arrow behind a key."""
        text, start = self._text, self._position
        duration = _DURATION.match(text, start)
        position, objects, brackets = duration.end() if duration else start, 0, 0
        while position < len(text):
            step = _STEP.match(text, position)
            token = step[0] if step else ""
            if token == '"':
                raise ParseError(position, Fault.UNFINISHED)
            if token == "#<":
                objects += 1
            elif objects:
                closed_by_arrow = token in _ARROWS and _NO_VALUE.match(text, position + len(token))
                objects -= bool(token == ">" or closed_by_arrow)
            elif token in _OPENS:
                brackets += 1
            elif brackets:
                brackets -= token in _ENDS
            elif (
                token in _CLOSES
                or (token == ", " and not _DATE_COMMA.match(text, position))
                or (key and token in _ARROWS)
            ):
                break
            position += len(token)
        if objects or brackets:
            raise ParseError(position, Fault.UNFINISHED)
        if position == start:
            raise ParseError(start, Fault.UNFINISHED if start == len(text) else Fault.UNEXPECTED)
        self._position = position


_CLOSES: Final = {"]": list, "}": dict}
_ARROWS: Final = frozenset({"=>", " =>"})
_OPENS: Final = frozenset("([{")
_ENDS: Final = frozenset(")]}")


def _scalar(found: re.Match[str]) -> Value:
    text = found[found.lastgroup or 0]
    match found.lastgroup:
        case "word":
            return _WORDS[text]
        case "integer":
            return int(text) if len(text) <= MAX_DIGITS else Opaque(text)
        case "float":
            number = float(text)
            return Opaque(text) if number in (_WORDS["Infinity"], _WORDS["-Infinity"]) else number
        case "string":
            return _unescape(text[1:-1])
        case "symbol":
            return text[1:]
        case _:
            return GlobalID(text)


# ---- escapes ----

_ESCAPE: Final = re.compile(
    r"((?:\\x[0-9A-Fa-f]{1,2}|\\[0-7]{1,3})+)"
    r"|\\(?:u([0-9A-Fa-f]{4})|[ux]\{([0-9A-Fa-f ]{1,999})\}|(.))",
    re.DOTALL,
)
_BYTE: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3}))")
_LETTERS: Final = {
    "n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "a": "\a", "b": "\b", "v": "\v", "f": "\f", "s": " ",
}  # fmt: skip


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_unescape_one, text) if "\\" in text else text


def _unescape_one(found: re.Match[str]) -> str:
    run, code, codes, letter = found.groups()
    if letter:
        # An unknown letter stands for itself, which also covers \" \\ \# and an escaped end of line.
        return _LETTERS.get(letter, letter)
    if code:
        return _character(code)
    if codes:
        return "".join(map(_character, codes.split()))
    octets = bytes(int(x, 16) if x else int(o, 8) & 0xFF for x, o in _BYTE.findall(run))
    return octets.decode("utf-8", "replace")


def _character(digits: str) -> str:
    """A code point; U+FFFD for what is none or only half a pair, since no encoder takes those."""
    code = int(digits, 16)
    return chr(code) if code < 0xD800 or 0xDFFF < code <= 0x10FFFF else "\ufffd"
