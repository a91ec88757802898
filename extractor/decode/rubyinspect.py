"""What Ruby's `inspect` prints, read back: the arguments of a job as values, in both notations.

Ruby 3.4 prints `{key: "v", "s" => 1}`, earlier ones `{:key=>"v", "s"=>1}`. A log shows an arguments list: values
joined by `, ` without brackets. `inspect` was never meant to be read back (any class may print anything), so what
has no literal becomes `Opaque` and nothing is guessed. Imports `errors` only.

Two ways through the same notation: `_read_plain` takes the texts that nearly all lines have, in one pass of one
regular expression, and gives up at the first thing that is not plain; `_Reader` knows everything. A property test
holds them equal. Every repetition in a pattern is possessive or bounded, which is what makes the time linear.
"""

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

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

# Ruby takes every character outside ASCII for a letter.
_NAME = r"[A-Za-z_\x80-\U0010ffff][0-9A-Za-z_\x80-\U0010ffff]*+[?!]?"
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

# A key, a scalar, all that closes behind it, and the comma: one match for most entries of a hash.
# The last group takes all the rest, so that what is not plain is met once.
_PLAIN: Final = re.compile(
    r"""
    (?: ([A-Za-z_][0-9A-Za-z_]*+):[ ] | :([A-Za-z_][0-9A-Za-z_]*+)=> )?+
    (?: (?: "([^"\\]*+(?:\\.[^"\\]*+)*+)"
          | (nil|true|false|\[\]|\{\}|-?[0-9]{1,18}(?:\.[0-9]{1,18})?) )
        ([\]}]*+) (?: ,[ ](?!\Z) | \Z )
      | ([\[{]) )
    | (.++)
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSES: Final = {"]": list, "}": dict}


def _read_plain(text: str) -> list[Value] | None:
    """The values, if the whole text is plain: simple keys, strings, small numbers, lists, hashes. Else None."""
    values: list[Value] = []
    inside: list[Value] | dict[str, Value] = values
    outside: list[list[Value] | dict[str, Value]] = []
    escaped = "\\" in text
    value: Value
    for key, old_key, string, word, closing, opening, other in _PLAIN.findall(text):
        if word:
            value = _read_word(word) if word not in _WORDS else _WORDS[word]
        elif opening:
            value = {} if opening == "{" else []
        elif other:
            return None
        else:
            value = _unescape(string) if escaped else string
        if isinstance(inside, dict):
            name = key or old_key
            if not name:
                return None
            inside[name] = value
        elif key or old_key:
            return None
        else:
            inside.append(value)
        if closing:
            for character in closing:
                if not outside or not isinstance(inside, _CLOSES[character]):
                    return None
                inside = outside.pop()
        elif opening and isinstance(value, list | dict):
            if len(outside) == MAX_DEPTH:
                return None
            outside.append(inside)
            inside = value
    return None if outside else values


def _read_word(word: str) -> Value:
    if word == "[]":
        return []
    if word == "{}":
        return {}
    return float(word) if "." in word else int(word)


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
