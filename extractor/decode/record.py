"""A line to a record: one JSON object, or the reason why it is none. Imports `telemetry` only."""

import re
from typing import Final

import orjson

from extractor.telemetry import Reason

MAX_DEPTH: Final = 128
"""Objects and arrays inside each other; the captured logs go seven deep. Whoever walks a record by recursion or
writes it out again (orjson stops at 254) can rely on it."""

_BOM: Final = b"\xef\xbb\xbf"
_STRUCTURE: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)


def decode_json(text: bytes) -> dict[str, object] | Reason:
    """The record that a line holds. Total on any bytes, linear, and strict: what is not JSON is not repaired.

    A byte order mark at the start and a carriage return at the end are tolerated. Invalid UTF-8, half a surrogate
    pair, NaN and numbers beyond a double are not JSON. Where a key stands twice the last one wins. An integer of
    more than 64 bits comes out as the nearest float, so no rule may take it for an id.
    """
    text = text.removeprefix(_BOM)
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        return Reason.TOO_DEEP
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Reason.NOT_JSON
    return record if isinstance(record, dict) else Reason.NOT_AN_OBJECT


def _depth(text: bytes) -> int:
    """How deep brackets outside of strings go; only asked of the few lines that have many of them."""
    deepest = depth = 0
    for token in _STRUCTURE.finditer(text):
        first = text[token.start()]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= 1
    return deepest
