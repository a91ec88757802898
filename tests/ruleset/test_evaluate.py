"""One line to its outcome: total on any bytes, the same fact the same id, nothing that is not allowlisted."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.explain import explain
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.outcome import PendingEvent, resolve
from extractor.ruleset.rule import UnidentifiedUsers
from extractor.ruleset.scope import MAX_ELEMENTS
from extractor.ruleset.value import LAST_TIME
from tests.packs import (
    CONSTANTS,
    ORIGIN,
    Reader,
    assemble,
    logical,
    message,
    messages,
    pack,
    rule,
    shipped_pack,
)

LAGO = ReadyRules(assemble(shipped_pack(), variables={"hosting_type": "self", "version": "v1.51.0"}))
LAGO_LINES = [
    line
    for one in shipped_pack().examples
    for line in ([one.shape.line] if one.shape.line is not None else one.shape.lines or [])
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def meet(line: bytes, time: float | None = None) -> list[Event]:
    """What a line gives in an empty memory."""
    given = resolve(evaluate(logical(line, time=time), ORIGIN, LAGO), PlainMemory())
    return [one for one in given if isinstance(one, Event)]


# ---- total ----


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xef\xbb\xbf{}")
@example(b'{"job":"\\ud800"}')
def test_any_bytes_have_an_outcome(line: bytes) -> None:
    """Whatever stands in a log: an answer, and a reason where it gives nothing."""
    outcome = evaluate(logical(line), ORIGIN, LAGO)
    assert outcome or outcome.reason is not None or outcome.matched
    explain(logical(line), ORIGIN, LAGO)


@given(st.sampled_from(LAGO_LINES), st.data())
def test_a_real_line_with_any_value_anywhere_has_an_outcome(line: str, data: st.DataObject) -> None:
    """One field of a line that matches becomes anything: nothing raises, up to the message."""
    record = json.loads(line)
    where, key = data.draw(st.sampled_from(list(holders(record))))
    where[key] = data.draw(JSON)
    meet(json.dumps(record).encode("utf-8", "surrogatepass"))


@given(st.sampled_from([line for line in LAGO_LINES if "arguments" in line]), st.text(max_size=30), st.data())
def test_broken_arguments_have_an_outcome(line: str, junk: str, data: st.DataObject) -> None:
    """Ruby text cut and filled with anything."""
    record = json.loads(line)
    text = record["arguments"]
    cut = data.draw(st.integers(0, len(text)))
    record["arguments"] = text[:cut] + junk + text[data.draw(st.integers(cut, len(text))) :]
    meet(orjson.dumps(record))


def holders(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value that can be set."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else range(len(value))
    return [(value, key) for key in keys] + [place for key in keys for place in holders(value[key])]


IMPOSSIBLE_TIMES = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "1" + "0" * 600,
    1e300,
    -1,
    True,
    {},
    "never",
]


@pytest.mark.parametrize("time", IMPOSSIBLE_TIMES)
def test_an_impossible_time_is_none(time: object) -> None:
    """No calendar can write it, so it is the origin's time; a property of such a time is left out."""
    reader = Reader(assemble(pack(rule("    time: at\n    properties: {at: {from: at, type: datetime}}\n"))))
    [event] = reader.events({"job": "Order", "at": time})
    assert (event.time, event.time_source) == (ORIGIN.time, TimeSource.READ)
    assert message(event)["properties"] == {}


def test_a_huge_number_in_ruby_text_is_no_time() -> None:
    """Ruby's integers have no end, and no number of seconds is that large."""
    body = "    decode: {call: {ruby_inspect: arguments}}\n    time: call[0]\n    key: [id]\n"
    [event] = Reader(assemble(pack(rule(body)))).events({"job": "Order", "id": 1, "arguments": "9" * 500})
    assert event.time_source is TimeSource.READ


@pytest.mark.parametrize("time", [-62_135_647_200.0, 1e12, float("nan"), float("inf")])
def test_an_impossible_time_of_an_envelope_or_a_file_stops_nothing(time: float) -> None:
    """An envelope is written by whoever writes the log; a modification time by whoever can `touch` it."""
    ready = ReadyRules(assemble(pack(rule())))
    origin = Origin(path="x", time=time, time_source=TimeSource.MODIFIED)
    for line in (logical('{"job":"Order"}', time=time), logical('{"job":"Order"}')):
        [event] = resolve(evaluate(line, origin, ready), PlainMemory())
        assert isinstance(event, Event)
        assert 0 <= event.time <= LAST_TIME


# ---- the id ----


@given(
    st.sampled_from(LAGO_LINES),
    st.text(max_size=20),
    st.floats(0, LAST_TIME),
    st.none() | st.floats(0, LAST_TIME),
    st.integers(0, 2**40),
)
def test_the_id_does_not_depend_on_where_and_when_a_line_is_read(
    line: str, path: str, read: float, time: float | None, start: int
) -> None:
    """Live, from a rotated copy, wrapped by Docker or bare, a month later: the same ids."""
    origin = Origin(path=path, time=read, time_source=TimeSource.MODIFIED)
    elsewhere = resolve(evaluate(logical(line, time=time, start=start), origin, LAGO), PlainMemory())
    assert [one.message_id for one in elsewhere if isinstance(one, Event)] == [
        one.message_id for one in meet(line.encode())
    ]


def test_the_form_of_an_id() -> None:
    """Every server that takes the request takes the id as it is."""
    ids = [event.message_id for line in LAGO_LINES for event in meet(line.encode())]
    assert len(ids) > 30
    assert all(len(id_) == 48 and set(id_) <= set("0123456789abcdef") for id_ in ids)


KEYED = assemble(pack(rule("    key: [id, part]\n")))
KEYS = st.tuples(*[st.text(max_size=5) | st.integers(-(2**63), 2**63 - 1)] * 2)


@given(KEYS, KEYS)
@example(("ab", "c"), ("a", "bc"))
@example((12, "x"), ("12", "x"))
def test_two_facts_have_two_ids_and_one_fact_one(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    """The natural key decides, part by part; 12 and "12" are one id to the app, and so here."""
    lines = [{"job": "Order", "id": id_, "part": part, "noise": id_ is part} for id_, part in (one, other)]
    first, second = (event.message_id for event in Reader(KEYED).events(*lines))
    assert (first == second) is ([str(part) for part in one] == [str(part) for part in other])


def test_another_event_another_installation_another_life_another_id() -> None:
    """The event's name, the installation and what reset a *once* key are parts of the id; the rule's name is not."""
    keyed = "    key: [id]\n"
    line = {"job": "Order", "id": 1}
    both = assemble(pack(rule(keyed), rule(keyed, event="order_paid"), rule(keyed)))
    placed, paid, again = (event.message_id for event in Reader(both).events(line))
    elsewhere = (
        Reader(assemble(pack(rule(keyed)), installation="another installation")).events(line)[0].message_id
    )
    assert placed == again
    assert len({placed, paid, elsewhere}) == 3


def test_without_a_key_the_line_and_the_place_in_it_make_the_id() -> None:
    """Two equal elements of one line are two facts; the same line in two files is one."""
    reader = Reader(assemble(pack(rule("    for_each: [{in: items, as: item}]\n"))))
    line = {"job": "Order", "items": [1, 1]}
    first, second = reader.events(line)
    assert first.message_id != second.message_id
    assert [event.message_id for event in reader.events(line)] == [first.message_id, second.message_id]
    assert reader.events({**line, "duration": 2})[0].message_id != first.message_id


def test_a_missing_part_of_a_key_rejects_the_event() -> None:
    """Half a key names nothing: counted, never guessed."""
    for body in ("    key: [id, part]\n", "    once: {key: [id, part]}\n"):
        assert Reader(assemble(pack(rule(body)))).reasons({"job": "Order", "id": 1}) == ["key_missing"]


# ---- what leaves ----


@pytest.mark.parametrize("line", LAGO_LINES)
def test_nothing_of_a_line_leaves_but_what_is_allowlisted(line: str) -> None:
    """A canary in every field of every kind of line: none in the message where no property is read from there."""
    plain = {event.message_id: message(event) for event in meet(line.encode())}
    record = json.loads(line)
    for number, (where, key) in enumerate(holders(record)):
        if isinstance(where[key], dict | list) or key in {"arguments", "query"}:
            continue
        kept, canary = where[key], f"canary{number}x"
        where[key] = canary
        for event in meet(orjson.dumps(record)):
            said = message(event)
            leaked = {name for name, value in said["properties"].items() if canary in str(value)}
            assert leaked <= {name for one in plain.values() for name in one["properties"]} | {
                "addon_code",
                "billing_time",
            }
            del said["properties"]
            assert canary not in json.dumps(said)
        where[key] = kept


TEXTS = {
    "addon_code",
    "addon_name",
    "code",
    "coupon_code",
    "coupon_name",
    "description",
    "name",
    "plan_code",
    "aggregation_property",
}


@pytest.mark.parametrize("line", LAGO_LINES)
def test_only_names_and_codes_are_free_text(line: str) -> None:
    """Of a canary that replaces every text of a line at once, only names and codes carry anything."""
    record = json.loads(line)
    keep = {
        "job",
        "controller",
        "action",
        "organization_id",
        "status",
        "query",
        "type",
        "job_id",
        "id",
        "lago_invoice_id",
    }
    for where, key in holders(record):
        if isinstance(where[key], str) and key not in keep | {"arguments"}:
            where[key] = "canary"
    for event in meet(orjson.dumps(record)):
        said = message(event)
        assert {name for name, value in said.pop("properties").items() if value == "canary"} <= TEXTS
        assert "canary" not in json.dumps(said)


GROUPED = assemble(pack(rule("    group: {from: org}\n    properties: {plan: {from: plan}}\n")))


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5), st.text(min_size=1, max_size=5))
def test_what_a_message_holds_is_known_before_any_line_is_read(noise: dict[str, Any], plan: str) -> None:
    """The keys of a message, at every depth, come from the rule and from us; never from a line."""
    reader = Reader(GROUPED)
    line = json.dumps({**noise, "job": "Order", "plan": plan, "org": "o1"}).encode("utf-8", "surrogatepass")
    for said in messages(reader.events(line)):
        assert said.keys() == {
            "anonymousId", "context", "event", "integrations", "messageId", "properties", "timestamp", "type", "userId",
        }  # fmt: skip
        assert said["context"].keys() == {"app", "groupId", "library"}
        assert said["properties"].keys() <= {"plan"}


def test_a_value_that_breaks_its_constraint_is_left_out_and_counted() -> None:
    """With `required` the event is rejected; names stand in the rejection, values never."""
    body = "    properties:\n      plan: {from: plan, max_length: 5}\n      size: {from: size, type: integer, max: 10, required: true}\n"
    reader = Reader(assemble(pack(rule(body))))
    assert reader.properties({"job": "Order", "plan": "too long", "size": 3}) == [{"size": 3}]
    assert reader.reasons({"job": "Order", "plan": "too long", "size": 30}) == [
        "value_too_long", "out_of_range", "required_missing",
    ]  # fmt: skip
    [rejection, *_] = reader.outcome({"job": "Order", "plan": "canary", "size": 30}).rejections
    assert "canary" not in repr(rejection)


def test_a_null_is_left_out_and_an_empty_text_kept() -> None:
    """Absent and null are the same; an empty text is a value."""
    reader = Reader(assemble(pack(rule("    properties: {plan: {from: plan}, code: {from: code}}\n"))))
    assert reader.properties({"job": "Order", "plan": None, "code": ""}) == [{"code": ""}]


# ---- who ----

MEMBER = """\
    when: [{field: job, equals: Member}]
    remember: [{memory: member, by: [org], value: {from: who}}]
"""
ASKING = """\
    event: order_placed
    when: [{field: job, equals: Order}]
    user: {from: who, recall: {memory: member, by: [org]}, constant: nobody}
    group: {from: org}
"""


def test_the_user_is_the_line_s_else_the_remembered_one_else_nobody() -> None:
    """In this order."""
    reader = Reader(assemble(pack(MEMBER, ASKING)))
    lines = [
        {"job": "Order", "org": "o1"},
        {"job": "Member", "org": "o1", "who": "anne"},
        {"job": "Order", "org": "o1"},
        {"job": "Order", "org": "o1", "who": "bob"},
        {"job": "Order", "org": "o2"},
    ]
    assert [said["userId"] for said in messages(reader.events(*lines))] == ["nobody", "anne", "bob", "nobody"]


def test_anonymous_users_are_one_for_each_organization() -> None:
    """Segment must not melt all organizations into one person; whoever is known keeps the id."""
    rules = assemble(pack(MEMBER, ASKING), unidentified_users=UnidentifiedUsers.ANONYMOUS)
    said = messages(
        Reader(rules).events(
            {"job": "Order", "org": "o1"},
            {"job": "Order", "org": "o2"},
            {"job": "Order", "org": "o1", "n": 1},
        )
    )
    assert [one["userId"] for one in said] == [None] * 3
    assert said[0]["anonymousId"] == said[2]["anonymousId"] != said[1]["anonymousId"]
    [known] = messages(Reader(rules).events({"job": "Order", "org": "o1", "who": "anne"}))
    assert (known["userId"], known["anonymousId"]) == ("anne", None)


def test_a_number_is_an_id_too() -> None:
    """Most apps count their users; ids are texts at Segment."""
    reader = Reader(assemble(pack(MEMBER, ASKING)))
    assert messages(reader.events({"job": "Order", "org": 7, "who": 42}))[0]["userId"] == "42"
    [said] = messages(reader.events({"job": "Member", "org": 7, "who": 42}, {"job": "Order", "org": 7}))
    assert (said["userId"], said["context"]["groupId"]) == ("42", "7")


def test_a_remembered_value_passes_the_constraints_of_who_recalls_it() -> None:
    """What one rule remembers another may not be allowed to send."""
    strict = ASKING.replace("constant: nobody", "pattern: '[a-z]{1,6}', constant: nobody")
    reader = Reader(assemble(pack(MEMBER, strict)))
    said = messages(
        reader.events({"job": "Member", "org": "o", "who": "Anne!"}, {"job": "Order", "org": "o"})
    )
    assert [one["userId"] for one in said] == ["nobody"]


RECALLED_GROUP = """\
    event: order_placed
    when: [{field: job, equals: Order}]
    user: {constant: nobody}
    group: {recall: {memory: member, by: [org]}}
    properties: {plan: {from: plan, recall: {memory: member, by: [org]}, required: true}}
"""


@pytest.mark.parametrize(
    ("keys", "given"),
    [
        ({"never": frozenset({"acme"})}, 0),
        ({"only": frozenset({"acme"})}, 1),
        ({"only": frozenset({"other"})}, 0),
    ],
)
def test_an_excluded_organization_is_excluded_however_its_name_is_found(
    keys: dict[str, Any], given: int
) -> None:
    """From the line, or from memory: the answer is the same."""
    remember, order = {"job": "Member", "org": "o", "who": "acme"}, {"job": "Order", "org": "o"}
    assert len(Reader(assemble(pack(MEMBER, RECALLED_GROUP), **keys)).events(remember, order)) == given
    assert (
        len(Reader(assemble(pack(ASKING, MEMBER), **keys)).events({"job": "Order", "org": "acme"})) == given
    )


def test_building_an_event_twice_gives_what_memory_says_each_time() -> None:
    """A transaction that is rolled back is tried again: nothing of the first try may stay."""
    ready = ReadyRules(assemble(pack(MEMBER, RECALLED_GROUP)))
    [pending] = evaluate(logical({"job": "Order", "org": "o"}), ORIGIN, ready).events
    assert isinstance(pending, PendingEvent)
    built = [pending.build(b"", dict.fromkeys(pending.recalls, who)) for who in ("anne", "bob")]
    assert [message(one)["properties"] for one in built if isinstance(one, Event)] == [
        {"plan": "anne"},
        {"plan": "bob"},
    ]


# ---- how much ----


def test_a_list_of_too_many_elements_is_cut_and_counted() -> None:
    """A hostile line cannot fill the memory; what is left out is said."""
    reader = Reader(
        assemble(pack(rule("    for_each: [{in: outer, as: inner}, {in: inner.items, as: item}]\n")))
    )
    line = {"job": "Order", "outer": [{"items": [0] * 6_000}] * 2}
    outcome = reader.outcome(line)
    assert len(outcome.events) == MAX_ELEMENTS
    assert [one.reason.value for one in outcome.rejections] == ["too_many_elements"]
    line["outer"] = [{"items": [0] * (MAX_ELEMENTS // 2)}] * 2
    assert reader.outcome(line).rejections == ()


def test_many_fields_and_many_elements_do_not_multiply() -> None:
    """The record is not copied, and the line not hashed, for each of its elements: both are done once."""
    conditions = "    when: [{field: job, equals: Order}, {field: item.no, exists: true}]\n"
    body = f"    event: order_placed\n{conditions}    user: {{constant: nobody}}\n    for_each: [{{in: items, as: item}}]\n"
    reader = Reader(assemble(pack(body)))
    line = {
        **{f"field {number}": number for number in range(50_000)},
        "job": "Order",
        "items": [{}] * MAX_ELEMENTS,
    }
    # Copied for each element these would be 500 million entries: minutes, and not the blink it takes.
    assert reader.outcome(line).reason is not None


def test_a_field_is_decoded_by_its_own_instructions() -> None:
    """Two rules may read one GraphQL document with variables from different places."""
    query = "mutation($a: X){ createOrder(input: $a) { id } }"
    body = "    decode: {{asked: {{graphql: query, variables: {where}}}}}\n    properties: {{plan: {{from: 'asked[0].arguments.input'}}}}\n"
    reader = Reader(assemble(pack(*(rule(body.format(where=where)) for where in ("one", "two")))))
    line = {"job": "Order", "query": query, "one": {"a": "first"}, "two": {"a": "second"}}
    assert reader.properties(line) == [{"plan": "first"}, {"plan": "second"}]


def test_of_several_graphql_operations_the_named_one_counts() -> None:
    """A document may hold more than the server was asked to run."""
    body = "    decode: {asked: {graphql: query, operation_name: name}}\n    for_each: [{in: asked, as: one}]\n    properties: {plan: {from: one.field}}\n"
    line = {"job": "Order", "query": "mutation a { first } mutation b { second }", "name": "b"}
    assert Reader(assemble(pack(rule(body)))).properties(line) == [{"plan": "second"}]


def test_the_order_of_the_lines_does_not_matter_to_the_outcome() -> None:
    """`evaluate` keeps nothing between lines."""
    forth = [evaluate(logical(line), ORIGIN, LAGO).matched for line in LAGO_LINES]
    back = [evaluate(logical(line), ORIGIN, LAGO).matched for line in reversed(LAGO_LINES)]
    assert forth == back[::-1]


def test_constants_are_no_line_s() -> None:
    """The operator's own objects stand in every message as they are."""
    constants = type(CONSTANTS)(
        library=CONSTANTS.library,
        app=CONSTANTS.app,
        context={"consent": {"a": True}},
        integrations={"All": False},
    )
    [said] = messages(Reader(assemble(pack(rule()), constants=constants)).events({"job": "Order"}))
    assert said["context"]["consent"] == {"a": True}
    assert said["integrations"] == {"All": False}
