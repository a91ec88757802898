"""The second gate passes what the pack sends and refuses every mutation of it; the published schema agrees."""

import copy
import json
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor import document, rulepacks
from extractor.decode.assemble import Logical
from extractor.destination.gate import PlanGate, looks_private
from extractor.ruleset.assemble import Choice, Settings, assemble_rules
from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.load import load_pack
from extractor.ruleset.outcome import resolve
from extractor.ruleset.plan import build_plan, plan_as_json
from extractor.ruleset.plan_formats import plan_as_schema
from extractor.ruleset.private import doubt_text
from extractor.ruleset.rule import MessageConstants, RuleSet, UnidentifiedUsers
from tests.packs import ORIGIN, assemble, logical, pack, rule

Message = dict[str, Any]


def lago(unidentified: UnidentifiedUsers = UnidentifiedUsers.APP) -> RuleSet:
    """The shipped pack, as a config with constants of its own would have it."""
    text, file = rulepacks.shipped("lago")
    constants = MessageConstants(
        library=("analytics-python", "2.4.0"),
        app=("extractor", "0.1.0"),
        context={"consent": {"categoryPreferences": {"Analytics": True}}},
        integrations={"Mixpanel": False},
    )
    settings = Settings(
        installation="test",
        constants=constants,
        variables={"hosting_type": "self", "version": "1.51.0"},
        unidentified_users=unidentified,
    )
    return assemble_rules([Choice(pack=load_pack(document.load(text, file)))], settings)


@lru_cache
def plan(unidentified: UnidentifiedUsers = UnidentifiedUsers.APP) -> dict[str, Any]:
    """Its plan as a program reads it."""
    read: dict[str, Any] = json.loads(json.dumps(plan_as_json(build_plan(lago(unidentified)))))
    return read


@lru_cache
def messages(unidentified: UnidentifiedUsers = UnidentifiedUsers.APP) -> tuple[bytes, ...]:
    """What the pack sends for all of its examples."""
    ready = ReadyRules(lago(unidentified))
    text, file = rulepacks.shipped("lago")
    origin = Origin(path="app.log", time=1.0, time_source=TimeSource.READ)
    sent = []
    for example in load_pack(document.load(text, file)).examples:
        memory = PlainMemory()
        for line in example.shape.lines or [example.shape.line or ""]:
            logical = Logical(line.encode(), None, "", (), "f", 0, len(line))
            results = resolve(evaluate(logical, origin, ready), memory)
            sent += [result.message for result in results if isinstance(result, Event)]
    return tuple(sent)


def request(*sent: bytes) -> bytes:
    """A request's body as the destination makes it."""
    return (
        b'{"batch":[' + b",".join(sent) + b'],"sentAt":"2026-11-22T10:00:00.000000+00:00","writeKey":"key"}'
    )


def one(event: str) -> Message:
    """A message of this event, with properties."""
    parsed = [orjson.loads(message) for message in messages()]
    return max(
        (message for message in parsed if message["event"] == event), key=lambda m: len(m["properties"])
    )


@pytest.mark.parametrize("unidentified", list(UnidentifiedUsers))
def test_everything_that_the_pack_sends_passes(unidentified: UnidentifiedUsers) -> None:
    """Honest messages of all eleven events never become dead letters, and the published schema accepts them."""
    gate = PlanGate(plan(unidentified))
    assert list(gate(request(*messages(unidentified)))) == []
    validator = jsonschema.Draft7Validator(plan_as_schema(plan(unidentified)))
    assert [e.message for m in messages(unidentified) for e in validator.iter_errors(orjson.loads(m))] == []
    assert len({orjson.loads(message)["event"] for message in messages(unidentified)}) == 11


def test_what_the_gate_remembers_does_not_grow_with_organizations() -> None:
    """Of thousands of customers it keeps a few hundred kilobytes, though each message names another one."""
    gate = PlanGate(plan())
    names = ("invoice_created", "plan_created", "customer_created")
    bodies = []
    for name in names:
        batch = [one(name) for _ in range(1000)]
        for message in batch:
            message["context"]["groupId"] = str(uuid.uuid4())
        bodies.append(request(*map(orjson.dumps, batch)))
    tracemalloc.start()
    assert not any(gate(body) for body in bodies)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000


def _set(path: str, value: object) -> Callable[[Message], None]:
    def mutate(message: Message) -> None:
        *above, last = path.split(".")
        for step in above:
            message = message[step]
        message[last] = value

    return mutate


def _drop(path: str) -> Callable[[Message], None]:
    def mutate(message: Message) -> None:
        *above, last = path.split(".")
        for step in above:
            message = message[step]
        del message[last]

    return mutate


def _rename(old: str, new: str) -> Callable[[Message], None]:
    def mutate(message: Message) -> None:
        message["properties"][new] = message["properties"].pop(old)

    return mutate


STRUCTURAL: dict[str, tuple[str, Callable[[Message], None], str]] = {
    "an extra property": ("plan_created", _set("properties.plan_amount_cents", 2900), "unknown_property"),
    "a renamed property": ("plan_created", _rename("code", "plan_code"), "unknown_property"),
    "a longer value": ("plan_created", _set("properties.name", "x" * 256), "property_value"),
    "another type": ("plan_created", _set("properties.nb_charges", "1"), "property_value"),
    "a fraction for a whole number": ("plan_created", _set("properties.nb_charges", 1.5), "property_value"),
    "true for a number": ("plan_created", _set("properties.trial", value=True), "property_value"),
    "a number out of range": ("plan_created", _set("properties.nb_charges", -1), "property_value"),
    "a nested object": ("plan_created", _set("properties.name", {"first": "Erlich"}), "property_value"),
    "a list": ("plan_created", _set("properties.name", ["Erlich"]), "property_value"),
    "null": ("plan_created", _set("properties.name", None), "property_value"),
    "a word that is not in the enum": (
        "payment_status_changed",
        _set("properties.payment_status", "paid"),
        "property_value",
    ),
    "no UUID": ("invoice_created", _set("properties.invoice_id", "INV-0001"), "property_value"),
    "a required property missing": ("invoice_created", _drop("properties.invoice_id"), "required_property"),
    "an unknown event": ("invoice_created", _set("event", "invoice_paid"), "unknown_event"),
    "another call": ("invoice_created", _set("type", "identify"), "message_shape"),
    "an extra key beside the properties": (
        "invoice_created",
        _set("traits", {"email": "x"}),
        "message_shape",
    ),
    "a user id that is an e-mail address": (
        "invoice_created",
        _set("userId", "gavin@hooli.example"),
        "user_id",
    ),
    "an anonymous id beside the user id": ("invoice_created", _set("anonymousId", "a" * 32), "user_id"),
    "an extra key in the context": ("invoice_created", _set("context.ip", "10.0.0.1"), "context"),
    "another constant in the context": (
        "invoice_created",
        _set("context.consent", {"note": "Erlich"}),
        "context",
    ),
    "a group that is no organization": ("invoice_created", _set("context.groupId", "Hooli SAS"), "group_id"),
    "text in the library's version": (
        "invoice_created",
        _set("context.library.version", "Erlich Bachman"),
        "context",
    ),
    "a number for a constant that is false": (
        "invoice_created",
        _set("integrations", {"Mixpanel": 0}),
        "message_shape",
    ),
    "a number for a constant in the context": (
        "invoice_created",
        _set("context.consent.categoryPreferences.Analytics", 1),
        "context",
    ),
    "null for a group": ("invoice_created", _set("context.groupId", None), "group_id"),
    "another destination": ("invoice_created", _set("integrations", {"All": True}), "message_shape"),
    "no constants where there are some": (
        "invoice_created",
        _set("integrations", {}),
        "message_shape",
    ),
    "text in the message id": ("invoice_created", _set("messageId", "erlich"), "message_shape"),
    "text in the time": ("invoice_created", _set("timestamp", "Erlich, today"), "message_shape"),
    "properties that are a text": ("invoice_created", _set("properties", "Erlich"), "properties"),
}

OF_CONTENT: dict[str, tuple[str, Callable[[Message], None], str]] = {
    "an e-mail address in a name": (
        "plan_created",
        _set("properties.name", "Plan for a.b@c.example"),
        "property_value",
    ),
    "a phone number in a name": (
        "plan_created",
        _set("properties.name", "Call +33 5 61 40 79 82"),
        "property_value",
    ),
    "a card number in a name": (
        "plan_created",
        _set("properties.name", "4111 1111 1111 1111"),
        "property_value",
    ),
}


def _cases(*tables: dict[str, Any]) -> list[Any]:
    return [pytest.param(*case, id=name) for table in tables for name, case in table.items()]


@pytest.mark.parametrize(("event", "mutate", "reason"), _cases(STRUCTURAL, OF_CONTENT))
def test_a_mutated_message_is_refused_alone(
    event: str, mutate: Callable[[Message], None], reason: str
) -> None:
    """Whatever the projection might do wrong, the event is refused, with a reason and without its neighbours."""
    message = copy.deepcopy(one(event))
    mutate(message)
    gate = PlanGate(plan())
    first, last = messages()[0], messages()[-1]
    refusals = list(gate(request(first, orjson.dumps(message), last)))
    assert [(refusal.position, refusal.reason) for refusal in refusals] == [(1, reason)]


@pytest.mark.parametrize(("event", "mutate", "reason"), _cases(STRUCTURAL))
def test_the_published_schema_refuses_it_too(
    event: str, mutate: Callable[[Message], None], reason: str
) -> None:
    """What an auditor checks with any validator of draft 7 is what the gate checks."""
    del reason
    message = copy.deepcopy(one(event))
    validator = jsonschema.Draft7Validator(plan_as_schema(plan()))
    assert validator.is_valid(message)
    mutate(message)
    assert not validator.is_valid(message)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"[]", "request_shape"),
        (b'{"batch":{},"sentAt":"","writeKey":""}', "request_shape"),
        (b'{"batch":[],"sentAt":"","writeKey":"","note":"Erlich"}', "request_shape"),
        (b'{"sentAt":"","batch":[],"writeKey":""}', "not_as_parsed"),
    ],
)
def test_a_request_that_is_not_understood_is_refused_whole(body: bytes, reason: str) -> None:
    """What cannot be read cannot be let through, and nobody can say which event it was."""
    assert [(refusal.position, refusal.reason) for refusal in PlanGate(plan())(body)] == [(None, reason)]


def test_a_key_that_stands_twice_hides_nothing() -> None:
    """Of two equal keys a parser sees one; the bytes would carry both."""
    twice = messages()[0].replace(b'"properties":{', b'"properties":{"organization_id":"Erlich",', 1)
    assert [refusal.reason for refusal in PlanGate(plan())(request(twice))] == ["not_as_parsed"]


@pytest.mark.parametrize(
    "tail",
    [
        b',"sentAt":"gavin@hooli.example","writeKey":"key"}',
        b',"sentAt":"gavin@hooli.example","sentAt":"2026","writeKey":"key"}',
        b',"sentAt":"2026","writeKey":"Erlich Bachman"}',
        b',"sentAt":"2026","writeKey":{"name":"Erlich"}}',
        b',"sentAt":"2026","writeKey":"key","batch":[]}',
        b',"sentAt":"2026","writeKey":"key"}  ',
        b',"writeKey":"key","sentAt":"2026"}',
    ],
)
def test_nothing_stands_behind_the_batch_but_a_time_and_a_key(tail: bytes) -> None:
    """Whatever a parser makes of it: a text in the time, a second time, a name for a key, a second batch."""
    body = b'{"batch":[' + messages()[0] + b"]"
    assert PlanGate(plan())(body + b',"sentAt":"2026-11-22T10:00:00.000000+00:00","writeKey":"a:\\"b"}') == []
    refusals = PlanGate(plan())(body + tail)
    assert [(refusal.position, refusal.reason) for refusal in refusals] == [(None, "not_as_parsed")]


def test_a_truth_that_the_plan_does_not_list_is_refused() -> None:
    """A rule that lets only `true` out is held to it here, too."""
    rules = assemble(pack(rule("    properties: {paid: {from: paid, type: boolean, enum: [true]}}\n")))
    line = logical(b'{"job":"Order","paid":true}')
    (sent,) = (
        one.message
        for one in resolve(evaluate(line, ORIGIN, ReadyRules(rules)), PlainMemory())
        if isinstance(one, Event)
    )
    gate = PlanGate(json.loads(json.dumps(plan_as_json(build_plan(rules)))))
    assert list(gate(request(sent))) == []
    assert b'"paid":true' in sent
    refusals = gate(request(sent.replace(b'"paid":true', b'"paid":false')))
    assert [refusal.reason for refusal in refusals] == ["property_value"]


def test_a_refusal_names_no_value() -> None:
    """What is refused is private for all we know: reasons are words of ours."""
    message = copy.deepcopy(one("plan_created"))
    message["properties"]["canary_key"] = "canary-value"
    refusals = PlanGate(plan())(request(orjson.dumps(message)))
    assert "canary" not in repr(refusals)


@given(st.text(alphabet="ab 4+@.-()é_@123567890", max_size=40) | st.text(max_size=40))
def test_the_gate_suspects_no_text_that_the_projection_lets_through(text: str) -> None:
    """An honest event must never die at the gate: its eyes for private texts are the narrower ones."""
    if looks_private(text):
        assert doubt_text(text) is not None


def _paths(document: Message, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in document.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))


VALUES = [
    None, True, False, 0, 1, -1, 1.0, 1.5, 2**63, "", "x", "x" * 256, "x" * 1001, "𝒳" * 255, "a\nb", [], {}, [1],
    "paid", "succeeded", "monthly", "self", "1.51.0", "track", "a" * 48, "f" * 32, {"a": 1}, "2026-11-22T10:00:00Z",
    "0eb22b12-d903-4cfa-b55f-77e5847bf330", "membership/unidentifiable", "2026-11-22T10:00:00.000+00:00",
]  # fmt: skip


@pytest.mark.parametrize("unidentified", list(UnidentifiedUsers))
@given(data=st.data())
def test_what_the_gate_passes_the_published_schema_takes(
    unidentified: UnidentifiedUsers, data: st.DataObject
) -> None:
    """Whatever is changed where in an honest message: an auditor's validator is never the stricter one."""
    message: Message = orjson.loads(data.draw(st.sampled_from(messages(unidentified))))
    for _ in range(data.draw(st.integers(1, 2))):
        *above, last = data.draw(st.sampled_from(sorted(_paths(message))))
        inner = message
        for step in above:
            inner = inner[step]
        match data.draw(st.sampled_from(["set", "drop", "add"])):
            case "set":
                inner[last] = data.draw(st.sampled_from(VALUES))
            case "drop":
                del inner[last]
            case _:
                inner[data.draw(st.sampled_from(["extra", "name", "code", "ip"]))] = data.draw(
                    st.sampled_from(VALUES)
                )
    if not list(gate_of(unidentified)(request(orjson.dumps(message)))):
        assert schema_of(unidentified).is_valid(message)


@lru_cache
def gate_of(unidentified: UnidentifiedUsers) -> PlanGate:
    """The gate of the shipped pack's plan."""
    return PlanGate(plan(unidentified))


@lru_cache
def schema_of(unidentified: UnidentifiedUsers) -> jsonschema.Draft7Validator:
    """What is published of the same plan."""
    return jsonschema.Draft7Validator(plan_as_schema(plan(unidentified)))
