"""A line is one JSON object or a named reason, whatever its bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.decode.record import MAX_DEPTH, decode_json
from extractor.telemetry import Reason

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@given(st.binary())
def test_any_bytes_give_a_record_or_a_reason(text: bytes) -> None:
    """No line of a log can make decoding raise."""
    assert isinstance(decode_json(text), dict | Reason)


@given(st.dictionaries(texts, values, max_size=4), st.booleans())
def test_what_was_written_comes_back(record: dict[str, object], ascii_only: bool) -> None:
    """Any object survives, whichever way its encoder spells characters, with a mark before and a return behind."""
    text = json.dumps(record, ensure_ascii=ascii_only).encode()
    assert decode_json(text) == record
    assert decode_json(b"\xef\xbb\xbf" + text + b"\r") == record


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (b"=> Booting Puma", Reason.NOT_JSON),
        (b'{"a":1', Reason.NOT_JSON),
        (b'{"a":NaN}', Reason.NOT_JSON),
        (b'{"a":1e400}', Reason.NOT_JSON),
        (b'{"a":' + b"9" * 5000 + b"}", Reason.NOT_JSON),
        (b'{"a":"\xff"}', Reason.NOT_JSON),
        (b'{"a":"\\ud800"}', Reason.NOT_JSON),
        (b'{"a":1}{"b":2}', Reason.NOT_JSON),
        (b"[1]", Reason.NOT_AN_OBJECT),
        (b'"text"', Reason.NOT_AN_OBJECT),
        (b"null", Reason.NOT_AN_OBJECT),
        (b"[" * 200_000, Reason.TOO_DEEP),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), Reason.TOO_DEEP),
    ],
)
def test_what_is_no_record_says_why(text: bytes, reason: Reason) -> None:
    """Banners, cut lines, invalid UTF-8 and bombs are counted under a name."""
    assert decode_json(text) is reason


def test_depth_is_that_of_nesting_not_of_characters() -> None:
    """Brackets side by side or inside strings are no depth; `MAX_DEPTH` levels still are a record."""
    assert (
        decode_json(json.dumps({"a": [[] for _ in range(500)], "b": '[{\\"' * 500}).encode())
        is not Reason.TOO_DEEP
    )
    assert isinstance(decode_json(b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH), dict)


def test_of_a_key_that_stands_twice_the_last_value_wins() -> None:
    """The same as every other reader of JSON logs does, so that rules see what the app's own tools see."""
    assert decode_json(b'{"a":1,"a":2}') == {"a": 2}


def test_an_integer_beyond_64_bits_becomes_a_float() -> None:
    """It loses its last digits, and so its type says that it is no id."""
    record = decode_json(b'{"a":1180591620717411303424}')
    assert record == {"a": 1180591620717411303424.0}
    assert isinstance(record, dict)
    assert isinstance(record["a"], float)
