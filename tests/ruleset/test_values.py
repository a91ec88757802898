"""Values: each type takes its own and nothing else, and what leaves is within its constraints."""

import datetime as dt
import tracemalloc
from operator import add
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.decode.rubyinspect import Opaque
from extractor.ruleset.explain import explain
from extractor.ruleset.identity import Identity
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.pattern import compile_pattern
from extractor.ruleset.plan import build_plan, plan_as_json
from extractor.ruleset.plan_page import render_markdown
from extractor.ruleset.value import LAST_TIME, Constraint, Type, parse_time, render_time
from extractor.telemetry import Reason
from tests.packs import ORIGIN, Reader, assemble, logical, pack, rule, shipped_pack

UUID = "0eb22b12-d903-4cfa-b55f-77e5847bf330"
TAKEN: dict[Type, list[Any]] = {
    Type.STRING: ["", "Storage GB", "日本語", "tab\tname"],
    Type.INTEGER: [0, -5, 2**63 - 1, -(2**63)],
    Type.NUMBER: [0, 1.5, -0.0, 2**63 - 1],
    Type.BOOLEAN: [True, False],
    Type.UUID: [UUID, UUID.upper()],
    Type.DATETIME: [
        1_795_347_878,
        1_795_347_878_000,
        "2026-11-22T11:44:38Z",
        "2026-11-22 11:44:38.5 UTC",
        "2026-11-22T12:44:38+0100",
    ],
}
REFUSED: dict[Type, list[Any]] = {
    Type.STRING: [None, 1, True, [], {}, "\ud800", Opaque("x")],
    Type.INTEGER: [None, "1", 1.0, True, 2**63, 10**600],
    Type.NUMBER: [None, "1.5", False, float("nan"), float("inf"), 2**64],
    Type.BOOLEAN: [None, 0, "true"],
    Type.UUID: [None, "", UUID[:-1], f"{UUID}\n", f" {UUID}", 5],
    Type.DATETIME: [
        None,
        True,
        "",
        "2026-13-01T00:00:00Z",
        "2026-11-22",
        "1969-12-31T23:59:59Z",
        -1,
        1e300,
        float("nan"),
        10**600,
    ],
}


def constraint(kind: Type, **more: Any) -> Constraint:
    """A constraint of this type."""
    return Constraint(type=kind, max_length=255, **more)


@pytest.mark.parametrize("kind", Type)
def test_a_type_takes_its_own_values_and_no_others(kind: Type) -> None:
    """Nothing is converted to fit: text stays text, and a boolean is no number."""
    assert [type(constraint(kind).admit(value)) is Reason for value in TAKEN[kind]] == [False] * len(
        TAKEN[kind]
    )
    assert [constraint(kind).admit(value) for value in REFUSED[kind]] == [Reason.WRONG_TYPE] * len(
        REFUSED[kind]
    )


@pytest.mark.parametrize(
    ("kind", "more", "value", "reason"),
    [
        (Type.STRING, {"enum": ("a", "b")}, "c", Reason.NOT_IN_ENUM),
        (Type.INTEGER, {"enum": (1, 2)}, 3, Reason.NOT_IN_ENUM),
        (Type.BOOLEAN, {"enum": (True,)}, False, Reason.NOT_IN_ENUM),
        (Type.STRING, {"pattern": compile_pattern("[a-z]+")}, "a1", Reason.PATTERN_MISMATCH),
        (Type.STRING, {}, "x" * 256, Reason.VALUE_TOO_LONG),
        (Type.INTEGER, {"low": 0}, -1, Reason.OUT_OF_RANGE),
        (Type.NUMBER, {"high": 1.5}, 1.6, Reason.OUT_OF_RANGE),
        (Type.STRING, {}, "Ask ops@hooli.example", Reason.LOOKS_PRIVATE),
        (Type.STRING, {"pattern": compile_pattern(".*")}, "+33197828348", Reason.LOOKS_PRIVATE),
    ],
)
def test_what_breaks_a_constraint_does_not_leave(
    kind: Type, more: dict[str, Any], value: object, reason: Reason
) -> None:
    """With the reason that is counted."""
    assert constraint(kind, **more).admit(value) is reason


def test_a_word_of_the_rule_s_own_is_not_looked_at() -> None:
    """An enum says every text that may leave; and a rule may say why it need not be looked at."""
    assert constraint(Type.STRING, enum=("+33197828348",)).admit("+33197828348") == "+33197828348"
    assert constraint(Type.STRING, check_text=False).admit("+33197828348") == "+33197828348"


ROUNDED = st.builds(
    add,
    st.integers(0, int(LAST_TIME) - 1),
    st.sampled_from([0.0005, 0.001, 0.9994999, 0.9999994, 0.9999996]),
)


@given(st.floats(0, LAST_TIME) | ROUNDED)
def test_a_time_is_written_as_datetime_writes_it(seconds: float) -> None:
    """Rounded to microseconds, then cut to milliseconds: the library's `track()` does the same."""
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    assert render_time(seconds) == moment.isoformat(timespec="milliseconds")


@given(st.floats(0, LAST_TIME))
def test_a_time_that_is_written_is_read_back(seconds: float) -> None:
    """To the millisecond, which is what leaves."""
    assert parse_time(render_time(seconds)) == pytest.approx(seconds, abs=0.001)


@given(st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2286, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_a_time_with_a_zone_is_the_same_moment(naive: dt.datetime, minutes: int) -> None:
    """East is earlier."""
    moment = naive.replace(microsecond=0, tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))
    assert parse_time(moment.isoformat()) == moment.timestamp()


@given(st.text() | st.integers() | st.floats())
def test_whatever_a_time_is_read_from_can_be_written(value: object) -> None:
    """A time is one between 1970 and 2286, or none."""
    seconds = parse_time(value)
    assert seconds is None or render_time(seconds)


def test_ids_are_keyed_and_kept_apart() -> None:
    """Nobody outside can compute one, and no purpose meets another."""
    one, other = Identity.of("one installation"), Identity.of("another installation")
    ids = [
        one.message_id("event", (b"key",)),
        other.message_id("event", (b"key",)),
        one.message_id("even", (b"t", b"key")),
        one.memory_key("event", "event", ("key",)).hex(),
        one.memory_key("value", "event", ("key",)).hex(),
        one.digest(b"key").hex(),
        one.anonymous_id("key"),
    ]
    assert len(set(ids)) == len(ids)
    assert one.message_id("event", (b"key",)) == Identity.of("one installation").message_id(
        "event", (b"key",)
    )
    assert "one" not in repr(one)


def test_the_id_of_a_fact_never_changes() -> None:
    """A changed hash would send everything that was ever delivered once more: these are frozen."""
    identity = Identity.of("an-installation-of-the-tests")
    assert (
        identity.message_id("order_placed", (b"key", b"1"))
        == "b83dd4c513a3ee36c912d7a0b77951afd3c26fa681589a67"
    )
    assert identity.memory_key("event", "order_placed", ("1",)).hex() == "b010670f26c2e368206bce74a759fd52"
    assert identity.digest(b"line").hex() == "2e4c7ddc362936119321967f16844242"
    assert identity.anonymous_id("acme") == "f9f3e60efdd620bbf6e34b3dfbd8e89d"


# ---- the same, in words ----


def test_an_explanation_names_the_condition_and_no_value() -> None:
    """Of the nearest rules the condition that failed; of those that matched what became of each property."""
    rules = assemble(
        pack(rule("    properties: {plan: {from: plan, max_length: 3}, size: {from: size, type: integer}}\n"))
    )
    matched = explain(logical({"job": "Order", "plan": "canary", "size": 1}), ORIGIN, ReadyRules(rules))
    [tried] = matched.matched
    assert [(kept.name, kept.value, kept.reason) for kept in tried.kept] == [
        ("plan", None, Reason.VALUE_TOO_LONG), ("size", 1, None),
    ]  # fmt: skip
    lago = ReadyRules(assemble(shipped_pack()))
    missed = explain(
        logical({"controller": "Api::V1::CustomersController", "action": "create", "status": 422, "organization_id": "canary"}),
        ORIGIN, lago,
    )  # fmt: skip
    assert missed.matched == ()
    assert any(one.failed == "status is at least 200 and at most 299" for one in missed.nearest)
    assert "canary" not in repr(matched) + repr(missed)


@pytest.mark.parametrize("line", [b"", b"not json", b"[]", b'{"job":"SegmentTrackJob","arguments":"{{{"}'])
def test_any_line_can_be_explained(line: bytes) -> None:
    """Whatever it is, by the same outcome as everywhere."""
    explanation = explain(logical(line), ORIGIN, ReadyRules(assemble(shipped_pack())))
    assert explanation.matched == ()
    assert explanation.outcome.reason is not None or explanation.outcome.rejections


def test_the_plan_names_everything_that_can_leave() -> None:
    """Of every event of the shipped pack: each property with what it may be; what no variable fills is not there."""
    plan = plan_as_json(build_plan(assemble(shipped_pack())))
    events: Any = plan["events"]
    by_name = {event["name"]: {one["name"] for one in event["properties"]} for event in events}
    assert len(by_name) == 11
    assert by_name["customer_created"] == {"organization_id", "payment_provider"}
    assert all("hosting_type" not in names for names in by_name.values())
    with_variable: Any = plan_as_json(
        build_plan(assemble(shipped_pack(), variables={"hosting_type": "self"}))
    )["events"]
    assert all("hosting_type" in {one["name"] for one in event["properties"]} for event in with_variable)
    accepts = [one["accepts"] for event in events for one in event["properties"]]
    assert all("type" in constraint for constraints in accepts for constraint in constraints)


def test_the_plan_as_a_page_names_every_event_and_property() -> None:
    """Rendered from the same plan, so it cannot say less."""
    plan = build_plan(assemble(shipped_pack()))
    page = render_markdown(plan)
    for event in plan.events:
        assert f"## {event.name}" in page
        assert all(f"| `{one.name}` |" in page for one in event.properties)
    assert all(note in page for note in plan.cannot_show)


def test_what_is_kept_at_hand_is_short() -> None:
    """A line can hold a key, a value or a member of a megabyte: thousands of them would fill the memory."""
    long = "x" * (1 << 20)
    body = (
        "    remember: [{memory: member, by: [org], value: {from: who}}]\n"
        "    properties: {friend: {recall: {memory: member, by: [org]}, enum: [anne]}}\n"
    )
    rules = assemble(pack(rule(body)))
    reader = Reader(rules)
    tracemalloc.start()
    try:
        for number in range(20):
            for org, who in ((f"{number}{long}", "anne"), ("o1", f"{number}{long}"), (f"{number}", "anne")):
                reader.outcome({"job": "Order", "org": org, "who": who})
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 5 << 20
