"""Values: where a property comes from, and what it must be to leave.

A value is never converted to fit: text stays text, a number a number. What does not fit is left out and counted.
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import lru_cache, partial

from extractor.ruleset.condition import ScalarValue, same
from extractor.ruleset.path import Path, Scope
from extractor.ruleset.pattern import Pattern
from extractor.ruleset.private import doubt_text
from extractor.telemetry import Reason

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ](?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d)(\.\d{1,9})?\s?(?:Z|UTC|([+-])(\d{2}):?(\d{2}))?",
    re.ASCII,
)
LAST_TIME = 9_999_999_999.0
"""Unix seconds, in the year 2286. Times outside of 1970 to there are somebody's mistake, and some of them no calendar
can write; a greater number in a line is one of milliseconds."""


_doubt = lru_cache(512)(doubt_text)
_ANSWERS = 2048
SHORT_TEXT = 255
"""Answers that are kept for equal constraints, and characters of their texts: codes, organizations and members come
again and again. At most 2 MB each, and as much for longer texts that something private may stand in."""


class Type(StrEnum):
    """What a property is. `uuid` and `datetime` are texts of that form."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    UUID = "uuid"
    DATETIME = "datetime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What a value must be to leave.

    Attributes:
        type: See `Type`.
        max_length: Characters; always one for texts.
        enum: The only values accepted, or ().
        pattern: Matches the whole text, or None.
        low: Least number, or None.
        high: Greatest number, or None.
        check_text: Whether a text in which something private stands is left out.
        admit: The value as it may leave, or why it may not. Made for the constraint: most events ask some ten times.
            `Reason` is a text too: callers tell it apart by `type(...) is Reason`, so no value may be one.
        admit_short: The same for a text of at most `SHORT_TEXT` characters: answers are at hand.
    """

    type: Type
    max_length: int
    enum: tuple[ScalarValue, ...] = ()
    pattern: Pattern | None = None
    low: float | None = None
    high: float | None = None
    check_text: bool = True
    admit: "Admit" = field(init=False, repr=False, compare=False)
    admit_short: "Admit" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        admit, admit_short = _text_admitters(self) if self.type in _FIT_TEXT else _admitters(self)
        object.__setattr__(self, "admit", admit)
        object.__setattr__(self, "admit_short", admit_short)

    def __reduce__(self) -> "tuple[Callable[[], Constraint], tuple[()]]":
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.init}
        return partial(Constraint, **given), ()

    def __str__(self) -> str:
        """In words, for people who read the plan."""
        words = [self.type.value]
        if self.enum:
            words.append(f"one of {', '.join(map(str, self.enum))}")
        if self.pattern is not None:
            words.append(f"matching {self.pattern.text}")
        if self.type is Type.STRING and not self.enum:
            words.append(f"at most {self.max_length} characters")
        if self.low is not None:
            words.append(f"at least {self.low}")
        if self.high is not None:
            words.append(f"at most {self.high}")
        return ", ".join(words)


Admit = Callable[[object], ScalarValue | Reason]


def _admitters(constraint: Constraint) -> tuple[Admit, Admit]:
    fit = _FIT[constraint.type]
    enum, low, high = constraint.enum, constraint.low, constraint.high

    def admit(value: object) -> ScalarValue | Reason:
        fitted = fit(value)
        if fitted is None:
            return Reason.WRONG_TYPE
        if not isinstance(fitted, bool) and (
            (low is not None and fitted < low) or (high is not None and fitted > high)
        ):
            return Reason.OUT_OF_RANGE
        if enum and not any(same(fitted, one) for one in enum):
            return Reason.NOT_IN_ENUM
        return fitted

    return admit, admit


@lru_cache(64)
def _text_admitters(constraint: Constraint) -> tuple[Admit, Admit]:
    """What admits texts; the same for all constraints that are alike, with the answers that it keeps at hand."""
    fit = _FIT_TEXT[constraint.type]
    max_length, enum = constraint.max_length, constraint.enum
    matches = None if constraint.pattern is None else constraint.pattern.matches
    checked = constraint.check_text and constraint.type is Type.STRING
    doubt = doubt_text if max_length <= SHORT_TEXT else _doubt

    def admit(value: object) -> ScalarValue | Reason:
        text = fit(value)
        if text is None:
            return Reason.WRONG_TYPE
        if len(text) > max_length:
            return Reason.VALUE_TOO_LONG
        if enum:
            return text if text in enum else Reason.NOT_IN_ENUM
        if matches is not None and not matches(text):
            return Reason.PATTERN_MISMATCH
        if checked and doubt(text) is not None:
            return Reason.LOOKS_PRIVATE
        return text

    if constraint.type is Type.DATETIME:  # hardly any comes again
        return admit, admit
    admit_short = lru_cache(_ANSWERS)(admit)

    def admit_any(value: object) -> ScalarValue | Reason:
        return admit_short(value) if type(value) is str and len(value) <= SHORT_TEXT else admit(value)

    return admit_any, admit_short


def _fit_string(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # a lone surrogate cannot be sent as UTF-8
            return None
    return value


def _fit_integer(value: object) -> int | None:
    # 64 bits are what JSON readers on the other side can be trusted with.
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _fit_number(value: object) -> float | None:
    if type(value) is int:
        return _fit_integer(value)
    # NaN and infinities are no JSON: one of them costs the whole batch at Segment.
    return value if type(value) is float and math.isfinite(value) else None


def _fit_boolean(value: object) -> bool | None:
    return value if type(value) is bool else None


def _fit_uuid(value: object) -> str | None:
    return value if isinstance(value, str) and _UUID.fullmatch(value) else None


def _fit_datetime(value: object) -> str | None:
    seconds = parse_time(value)
    return None if seconds is None else render_time(seconds)


_FIT_TEXT: dict[Type, Callable[[object], str | None]] = {
    Type.STRING: _fit_string,
    Type.UUID: _fit_uuid,
    Type.DATETIME: _fit_datetime,
}
_FIT: dict[Type, Callable[[object], float | None]] = {
    Type.INTEGER: _fit_integer,
    Type.NUMBER: _fit_number,
    Type.BOOLEAN: _fit_boolean,
}


def is_time(seconds: float) -> bool:
    """Whether these Unix seconds are a time that can be written: 1970 to `LAST_TIME`. NaN is none."""
    return 0 <= seconds <= LAST_TIME


def parse_time(value: object) -> float | None:
    """Unix seconds of an ISO 8601 text (UTC where it names no zone) or of an epoch number; None if `is_time` says no.

    A number greater than `LAST_TIME` is one of milliseconds.
    """
    if type(value) is int or type(value) is float:
        if not 0 <= value <= LAST_TIME * 1000:  # an integer of 600 digits cannot even be divided
            return None
        return value / 1000 if value > LAST_TIME else float(value)
    if not isinstance(value, str) or (match := _DATETIME.fullmatch(value)) is None:
        return None
    minute, second, fraction, sign, hours, minutes = match.groups()
    begun = _parse_minute(minute)
    if begun is None:
        return None
    east = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1) if sign else 0
    seconds = begun + int(second) - east + float(fraction or 0)
    return seconds if is_time(seconds) else None


@lru_cache(256)
def _parse_minute(text: str) -> float | None:
    """Unix seconds of `2026-11-22T10:00`, in UTC; None on a day that no month has. Lines of one time stand together."""
    try:
        return dt.datetime.fromisoformat(f"{text}:00+00:00").timestamp()
    except ValueError:
        return None


def render_time(seconds: float) -> str:
    """A time (see `is_time`) as ISO 8601 in UTC with milliseconds, exactly as the library's `track()` writes it."""
    whole = int(seconds)
    microseconds = round((seconds - whole) * 1_000_000)
    if microseconds == 1_000_000:
        whole, microseconds = whole + 1, 0
    return _render_second(whole) + _MILLISECONDS[microseconds // 1000]


_MILLISECONDS = [f".{number:03}+00:00" for number in range(1000)]


@lru_cache(256)
def _render_second(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def is_ignored(found: object, ignore: tuple[ScalarValue, ...]) -> bool:
    """Whether a value is one of those that mean "none"."""
    # `in` compares faster than `same`, and finds at least as much.
    return found in ignore and any(same(found, one) for one in ignore)


@dataclass(frozen=True, slots=True)
class Recall:
    """A remembered value: the memory's name, and the paths that make its key."""

    memory: str
    by: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Where a value comes from, in this order: paths, recall, variable, constant. The first that is there counts.

    Attributes:
        paths: Fields of the line; the first that leads to a value.
        ignore: Values of the line that mean "none" (a placeholder such as `[FILTERED]`).
        map: The log's words to ours; a word that is not in it is no value. Empty: as it is.
        recall: What memory is asked when the line has none.
        fallback: A variable's value or a constant, already admitted.
        variable: Name of the variable behind `fallback`, for the plan.
        constraint: What the value must be.
        as_text: A whole number in the line becomes a text: for ids of users and groups, which are texts at Segment.
    """

    paths: tuple[Path, ...] = ()
    ignore: tuple[ScalarValue, ...] = ()
    map: Mapping[str, ScalarValue] | None = None
    recall: Recall | None = None
    fallback: ScalarValue | None = None
    variable: str | None = None
    constraint: Constraint
    as_text: bool = False

    def bound(self, values: Mapping[str, ScalarValue]) -> "Value":
        """The value with the operator's variable in place, if it names one that is set."""
        if self.variable is None or self.variable not in values:
            return self
        return replace(self, fallback=values[self.variable])

    def find(self, scope: Scope) -> object:
        """What the line itself says, in our words where there is a map, whether it may leave or not; or None."""
        for path in self.paths:
            found = path.find(scope)
            if found is None or is_ignored(found, self.ignore):
                continue
            if self.map is not None:
                return (
                    self.map.get(found, Reason.NOT_IN_ENUM) if isinstance(found, str) else Reason.NOT_IN_ENUM
                )
            return found
        return None

    def read(self, scope: Scope) -> ScalarValue | Reason | None:
        """What the line itself says, admitted; why it may not leave; or None where the line says nothing."""
        found = self.find(scope)
        if found is None or type(found) is Reason:
            return found
        return self.constraint.admit(str(found) if self.as_text and type(found) is int else found)
