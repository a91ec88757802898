"""Durations and sizes with their units: `10s`, `30d`, `1MiB`. One reader for all keys that take one."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from extractor.config.codes import Code
from extractor.validation import refuse

_DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_SIZES = {
    "B": 1.0,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
    "TiB": 2.0**40,
}
_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,3})?)"
_DURATION = rf"{_NUMBER} ?({'|'.join(_DURATIONS)})"
_SIZE = rf"{_NUMBER} ?({'|'.join(_SIZES)})"


def seconds(text: str) -> float:
    """Seconds of a text like `10s`; units are ms, s, m, h, d, w. Raises `ValueError` on any other text."""
    return _read(text, _DURATION, _DURATIONS)


def size(text: str) -> int:
    """Bytes of a text like `1MiB`; units are B, kB to TB and KiB to TiB. Raises `ValueError` on any other text."""
    return round(_read(text, _SIZE, _SIZES))


def _read(text: str, pattern: str, units: dict[str, float]) -> float:
    found = re.fullmatch(pattern, text)
    if found is None:
        raise ValueError(pattern)
    return float(found[1]) * units[found[2]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of quantity: how it is read, and what is said of a text that is none."""

    name: str
    read: Callable[[str], float]
    pattern: str
    code: Code
    none: str
    hint: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """Annotates a text of a model: a quantity between two others. The text stays as it was written."""

    kind: _Kind
    least: str
    most: str

    def check(self, value: object) -> object:
        """Refuse what is no such quantity or beyond the limits."""
        kind = self.kind
        try:
            within = kind.read(self.least) <= kind.read(str(value)) <= kind.read(self.most)
        except ValueError:
            raise refuse(kind.code, f"{{key}} is {kind.none}", kind.hint) from None
        if not within:
            raise refuse(Code.BEYOND_LIMIT, f"{{key}} must be between {self.least} and {self.most}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return BeforeValidator(self.check).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self.kind.pattern}$"}


Duration = partial(
    Quantity,
    _Kind(
        "duration",
        seconds,
        _DURATION,
        Code.NOT_A_DURATION,
        "no duration",
        "a number with a unit: 500ms, 10s, 5m, 2h, 30d",
    ),
)
Size = partial(
    Quantity,
    _Kind(
        "size", size, _SIZE, Code.NOT_A_SIZE, "no number of bytes", "a number with a unit: 500kB, 1MiB, 2GiB"
    ),
)
