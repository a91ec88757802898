"""Paths and conditions: what leads where, and what holds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.decode.rubyinspect import GlobalID, Opaque
from extractor.ruleset.condition import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    Contains,
    Equals,
    Exists,
    In,
    Matches,
    Not,
    paths_of,
)
from extractor.ruleset.path import MAX_STEPS, PathError, WildcardError, parse_path
from extractor.ruleset.pattern import PatternError, compile_pattern
from tests.packs import Reader, assemble, pack

RECORD: dict[str, Any] = {
    "job": "Order",
    "status": 200,
    "flag": False,
    "none": None,
    "empty": "",
    "params": {"customer": {"id": "c1"}, "x.y": 1, "items": [{"code": "a"}, {"code": "b"}]},
    "reference": GlobalID("gid://shop/Customer/7"),
    "opaque": Opaque("#<X>"),
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("job", "Order"),
        ("params.customer.id", "c1"),
        ('params["x.y"]', 1),
        ('params["customer"]["id"]', "c1"),
        ("params.items[1].code", "b"),
        ("params.items[2].code", None),
        ("params.items.code", None),
        ("params[0]", None),
        ("job.length", None),
        ("none.x", None),
        ("nothing", None),
        ("reference.model", "Customer"),
        ("reference.id", "7"),
        ("reference.uri", "gid://shop/Customer/7"),
        ("reference.__class__", None),
        ("opaque.text", None),
    ],
)
def test_a_path_leads_to_one_value_or_to_nothing(path: str, value: object) -> None:
    """Through objects, lists and references; never through anything else of a value."""
    assert parse_path(path).find(RECORD) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "[0]",
        "a[",
        "a[x]",
        "a[-1]",
        'a["]',
        "a b",
        "a.[0]",
        "1a",
        ".".join("a" * (MAX_STEPS + 1)),
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    """With a sentence for the rule's author."""
    with pytest.raises(PathError, match=r"path|step|start|dot"):
        parse_path(text)


@pytest.mark.parametrize("text", ["*", "a.*", "a[*]", "a[]", "a.**.b"])
def test_a_path_to_many_values_is_refused(text: str) -> None:
    """A rule says what leaves; a wildcard says whatever is there."""
    with pytest.raises(WildcardError):
        parse_path(text)


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_is_refused(text: str) -> None:
    """And a path finds something or nothing in any record."""
    try:
        path = parse_path(text)
    except PathError:
        return
    path.find(RECORD)


def at(path: str) -> Any:
    """A path."""
    return parse_path(path)


HOLDING: list[Condition] = [
    Equals(at("job"), "Order"),
    Equals(at("status"), 200),
    Equals(at("status"), 200.0),
    Equals(at("flag"), expected=False),
    In(at("job"), ("Visit", "Order")),
    Exists(at("empty"), wanted=True),
    Exists(at("none"), wanted=False),
    Exists(at("nothing"), wanted=False),
    Contains(at("job"), "rde"),
    Between(at("status"), 200, 299),
    Between(at("status"), None, 200),
    Matches(at("job"), compile_pattern("[A-Z][a-z]+")),
    AllOf((Exists(at("job"), wanted=True), Not(Equals(at("job"), "Visit")))),
    AnyOf((Equals(at("job"), "Visit"), Equals(at("status"), 200))),
]
FAILING: list[Condition] = [
    Equals(at("status"), "200"),
    Equals(at("flag"), 0),
    Equals(at("none"), ""),
    Equals(at("params"), "x"),
    In(at("status"), ("200", True)),
    Exists(at("none"), wanted=True),
    Contains(at("status"), "2"),
    Between(at("job"), 0, None),
    Between(at("flag"), 0, 1),
    Between(at("nothing"), None, 5),
    Matches(at("job"), compile_pattern("rde")),
    Matches(at("status"), compile_pattern("200")),
    AllOf((Exists(at("job"), wanted=True), Exists(at("nothing"), wanted=True))),
    Not(Exists(at("job"), wanted=True)),
]


@pytest.mark.parametrize("condition", HOLDING, ids=str)
def test_it_holds(condition: Condition) -> None:
    """Text is no number, false is no zero, null is nothing, a pattern means the whole text."""
    assert condition.holds(RECORD)
    assert not Not(condition).holds(RECORD)


@pytest.mark.parametrize("condition", FAILING, ids=str)
def test_it_does_not_hold(condition: Condition) -> None:
    """A value of another type fails a condition; it never raises."""
    assert not condition.holds(RECORD)


@given(
    st.sampled_from([*HOLDING, *FAILING]),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
)
def test_a_condition_holds_or_not_on_any_record(condition: Condition, record: dict[str, Any]) -> None:
    """Whatever stands at its path."""
    for path in paths_of(condition):
        for value in (record, [record], 10**600, float("nan"), "\x00", RECORD["opaque"]):
            assert condition.holds({path.root: value}) in {True, False}


def test_a_pattern_bomb_is_no_bomb() -> None:
    """RE2 reads every text once; what would take others forever is a plain no."""
    assert not compile_pattern("(a+)+b").matches("a" * 100_000)


@pytest.mark.parametrize("text", ["(", "(?=a)", r"(a)\1", "a{1000}{1000}"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    """Look-around and back-references, too, and what would need too much memory."""
    with pytest.raises(PatternError):
        compile_pattern(text)


def test_half_a_surrogate_matches_nothing() -> None:
    """No line holds one; a value that somebody makes by hand must not raise."""
    assert not compile_pattern(".*").matches("\ud800")


@pytest.mark.parametrize(
    ("when", "line", "holds"),
    [
        ("{field: path, starts_with: /api}", {"path": "/api/v1"}, True),
        ("{field: path, ends_with: v1}", {"path": "/api/v1"}, True),
        ("{field: path, starts_with: v1}", {"path": "/api/v1"}, False),
        ("{field: tags, contains: new}", {"tags": ["old", "new"]}, True),
        ("{field: tags, contains: ne}", {"tags": ["old", "new"]}, False),
        (
            "{any: [{field: a, exists: true}, {all: [{field: b, equals: 1}, {not: {field: c, equals: true}}]}]}",
            {"b": 1},
            True,
        ),
        (
            "{any: [{field: a, exists: true}, {all: [{field: b, equals: 1}, {not: {field: c, equals: true}}]}]}",
            {"b": 1, "c": True},
            False,
        ),
        ("{field: n, between: {min: 1.5}}", {"n": 2}, True),
        ("{field: n, in: [1, two, true]}", {"n": True}, True),
    ],
)
def test_conditions_as_a_pack_writes_them(when: str, line: dict[str, Any], *, holds: bool) -> None:
    """Every operator and group through the loader, on a line."""
    rule = f"    event: order_placed\n    when: [{when}]\n    user: {{constant: nobody}}\n"
    assert bool(Reader(assemble(pack(rule))).events(line)) is holds
