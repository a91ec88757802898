"""The plan for other programs: what a validator, a spreadsheet and an operator's CI can tell from it."""

import copy
import csv
import io
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from markdown_it import MarkdownIt

from extractor.ruleset.plan import build_plan, plan_as_json
from extractor.ruleset.plan_formats import NotAPlanError, in_words, more_than, plan_as_csv, plan_as_schema
from extractor.ruleset.plan_page import render_markdown
from extractor.ruleset.rule import UnidentifiedUsers
from tests.packs import HEAD, assemble, message, pack, rule, shipped_pack
from tests.test_lago_logs import DATA, VARIABLES, VERSIONS, Sample

Plan = dict[str, Any]


def plan_of(**keys: Any) -> Plan:
    """The plan of the shipped pack, as a program reads it."""
    read: Plan = json.loads(
        json.dumps(plan_as_json(build_plan(assemble(shipped_pack(), variables=VARIABLES, **keys))))
    )
    return read


def event_of(plan: Plan, name: str) -> Plan:
    """One event of a plan."""
    return next(event for event in plan["events"] if event["name"] == name)


def property_of(plan: Plan, event: str, name: str) -> Plan:
    """One property of an event."""
    return next(one for one in event_of(plan, event)["properties"] if one["name"] == name)


# The schema


@pytest.mark.parametrize("unidentified", list(UnidentifiedUsers))
def test_the_schema_is_one_of_draft_7(unidentified: UnidentifiedUsers) -> None:
    """It says so, and an independent implementation agrees; each definition stands for one event."""
    schema = plan_as_schema(plan_of(unidentified_users=unidentified))
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    definitions: Any = schema["definitions"]
    assert [event["name"] for event in plan_of()["events"]] == list(definitions)
    for one in definitions.values():
        assert one["additionalProperties"] is False
        assert one["properties"]["properties"]["additionalProperties"] is False
        assert one["properties"]["context"]["additionalProperties"] is False


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schema_takes_all_that_real_logs_give(version: str) -> None:
    """Every message of both versions' logs; and it is not the empty schema, since it refuses each with a key more."""
    events = Sample(DATA / version).events("api.log", "worker.log")
    validator = jsonschema.Draft7Validator(plan_as_schema(plan_of()))
    assert len(events) > 20
    for event in events:
        given: Any = message(event)
        assert [error.message for error in validator.iter_errors(given)] == []
        given["properties"]["plan_amount_cents"] = 2900
        assert not validator.is_valid(given)


def test_what_the_operator_takes_out_is_not_in_any_format() -> None:
    """`drop_properties` narrows the plan itself."""
    assert "name" in json.dumps(plan_of())
    narrow = plan_of(drop_properties=frozenset({"name", "description"}))
    for event in narrow["events"]:
        assert not {"name", "description"} & {one["name"] for one in event["properties"]}
    assert more_than(narrow, plan_of()) == []
    assert more_than(plan_of(), narrow) != []


# CSV


def test_the_csv_has_a_row_for_each_property() -> None:
    """With commas and quotes where the text has them: any reader of CSV gets the same table back."""
    plan = plan_of()
    heading, *rows = csv.reader(io.StringIO(plan_as_csv(plan)))
    assert heading == ["event", "property", "what it is", "accepted", "always there", "comes from"]
    assert [row[:2] for row in rows] == [
        [event["name"], one["name"]] for event in plan["events"] for one in event["properties"]
    ]
    assert {len(row) for row in rows} == {6}


# What a new plan would send more


def test_the_same_plan_sends_nothing_more() -> None:
    """Nor does one with newer versions of ours in the context, other words, or fewer things."""
    new, old = plan_of(), plan_of()
    new["app"]["version"] = "9.9.9"
    new["events"][0]["about"] = "Other words"
    assert more_than(new, old) == []
    for event in new["events"]:
        event["properties"].pop()
    assert more_than(new, old) == []
    del new["events"][1:]
    assert more_than(new, old) == []


def _add_event(plan: Plan) -> None:
    plan["events"].append({**copy.deepcopy(plan["events"][0]), "name": "organization_left"})


def _add_property(plan: Plan) -> None:
    properties = event_of(plan, "plan_created")["properties"]
    properties.append({**properties[0], "name": "plan_amount_cents"})


def _change(event: str, name: str, **changes: object) -> Callable[[Plan], None]:
    def change(plan: Plan) -> None:
        property_of(plan, event, name)["accepts"][0].update(changes)

    return change


def _in(path: str, value: object) -> Callable[[Plan], None]:
    def change(plan: Plan) -> None:
        *above, last = path.split(".")
        for step in above:
            plan = plan[step]
        plan[last] = value

    return change


def _of_event(key: str, value: object) -> Callable[[Plan], None]:
    def change(plan: Plan) -> None:
        event_of(plan, "plan_created")[key].append(value)

    return change


def _condition(plan: Plan) -> None:
    event_of(plan, "plan_created")["rules"][0]["conditions"].pop()


MORE: dict[str, tuple[Callable[[Plan], None], str]] = {
    "an event": (_add_event, "event organization_left is new, with hosting_type, version, organization_id"),
    "a property": (_add_property, "plan_created.plan_amount_cents is new: "),
    "longer texts": (_change("plan_created", "name", max_length=256), "plan_created.name accepts more: "),
    "unchecked texts": (
        _change("plan_created", "name", private_text="not checked"),
        "plan_created.name accepts more: ",
    ),
    "a word more": (
        _change("plan_created", "hosting_type", enum=["self", "cloud", "moon"]),
        "plan_created.hosting_type accepts more: ",
    ),
    "another pattern": (_change("plan_created", "version", pattern=".*"), "plan_created.version accepts more: "),
    "another type": (
        _change("plan_created", "name", type="number"),
        "plan_created.name accepts more: number",
    ),
    "another source": (
        lambda plan: property_of(plan, "plan_created", "name")["sources"].append("params.email"),
        "plan_created.name also comes from params.email",
    ),
    "another user": (_of_event("user_id", {"type": "string"}), "plan_created: user_id accepts more: string"),
    "another group": (_of_event("group_id", {"type": "string"}), "plan_created: group_id accepts more: string"),
    "another rule": (
        _of_event("rules", {"id": "x/y", "about": "", "conditions": [], "key": "one for each line"}),
        "plan_created is also found by x/y",
    ),
    "a condition less": (_condition, "plan_created: lago/plan-created has other conditions"),
    "a constant": (_in("context.ip", "10.0.0.1"), "context.ip is new in every message"),
    "another destination": (_in("integrations.All", value=True), "integrations.All is new in every message"),
    "another name of ours": (_in("app.name", "x"), "context.app.name has another value in every message"),
    "anonymous ids": (
        _in("unidentified_users", "anonymous"),
        "users that the log does not tell are sent otherwise: anonymous",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("widen", "said"), [pytest.param(*case, id=name) for name, case in MORE.items()])
def test_whatever_is_more_is_said_and_only_that(widen: Callable[[Plan], None], said: str) -> None:
    """One change, one sentence; the other way round, where it only takes away, nothing."""
    old, new = plan_of(), plan_of()
    widen(new)
    sentences = more_than(new, old)
    assert len(sentences) == 1
    assert sentences[0].startswith(said)


@pytest.mark.parametrize(
    ("narrow", "event", "name"),
    [
        ({"max_length": 10}, "plan_created", "name"),
        ({"enum": ["self"]}, "plan_created", "hosting_type"),
        ({"min": 2, "max": 5}, "plan_created", "nb_charges"),
    ],
)
def test_a_narrower_constraint_is_not_more(narrow: dict[str, object], event: str, name: str) -> None:
    """And its way back is."""
    wide, small = plan_of(), plan_of()
    property_of(small, event, name)["accepts"][0].update(narrow)
    assert more_than(small, wide) == []
    assert len(more_than(wide, small)) == 1


@pytest.mark.parametrize("broken", [[], {}, None, 7, "plan", {"events": 7}, {"events": [{"name": 7}]}])
def test_what_is_no_plan_is_told_apart_from_a_plan_with_less(broken: Any) -> None:
    """Else a typing mistake in an operator's CI would pass."""
    with pytest.raises(NotAPlanError):
        more_than(plan_of(), broken)


def test_a_constraint_in_words_says_all_its_limits() -> None:
    """As the sentences and the CSV have it."""
    accepts = {"type": "string", "pattern": "[a-z]+", "max_length": 40, "private_text": "left out"}
    assert in_words(accepts) == "string, pattern [a-z]+, max length 40"
    assert in_words({"type": "integer", "min": 0, "max": 9}) == "integer, min 0, max 9"


# The page


def test_the_page_says_what_is_never_collected_and_how_to_opt_out() -> None:
    """In the spirit of the app's own page; what nobody checks is marked."""
    plan = build_plan(assemble(shipped_pack(), variables=VARIABLES))
    page = render_markdown(plan, opt_out_variables=("LAGO_DISABLE_SEGMENT",))
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings[:3] == ["## What is collected, and why", "## What never is", "## How to opt out"]
    assert "`LAGO_DISABLE_SEGMENT=true`" in page
    assert all(event.why and event.why in page for event in plan.events)
    assert "| `name` | Its name | free text: string, at most 255 characters |" in page
    unchecked = pack(
        rule(
            "    properties: {note: {from: note, max_length: 9, free_text: unchecked, reason: 'ours | own'}}\n"
        )
    )
    page = render_markdown(build_plan(assemble(unchecked)))
    assert r"(reason: ours \| own) | free text, not checked: string, at most 9 characters |" in page


HOSTILE = [
    "<!-- ",
    "--> ",
    "\n\n# What never is\n\nnothing",
    "~~~\n",
    "[click](https://evil.example)",
    "![seen](https://evil.example/pixel)",
    "<script>alert(1)</script>",
    "`` ` ```",
    "| a | b |\n|---|---|",
    "\x1b[31m\u202e",
    "=HYPERLINK(A1)",
    "\\",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_pack_shapes_neither_page_nor_spreadsheet(text: str) -> None:
    """Its words are words: they hide no event, add no heading, link, picture or formula, and act on no terminal."""
    told = json.dumps(text)
    head = HEAD.replace("about: Somebody ordered", f"about: {told}, why: {told}")
    assert told in head
    conditions = f"[{{field: job, equals: {told}}}]"
    rules_ = rule(f"    properties: {{note: {{from: note, max_length: 9, about: {told}}}}}\n")
    plan = build_plan(assemble(pack(rules_.replace("[{field: job, equals: Order}]", conditions), head=head)))

    page = render_markdown(plan)
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(page)
    inner = [child for token in tokens for child in token.children or ()]
    plain = (
        MarkdownIt("commonmark").enable("table").parse(render_markdown(build_plan(assemble(pack(rule())))))
    )
    assert [token.tag for token in tokens if token.type == "heading_open"] == [
        token.tag for token in plain if token.type == "heading_open"
    ]
    assert {token.type for token in (*tokens, *inner)}.isdisjoint(
        {"html_block", "html_inline", "image", "fence"}
    )
    assert {child.attrs["href"] for child in inner if child.type == "link_open"} == {"#order_placed"}
    assert all(letter == "\n" or letter.isprintable() for letter in page)

    read: Plan = json.loads(json.dumps(plan_as_json(plan)))
    table = plan_as_csv(read)
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert all(letter == "\n" or letter.isprintable() for letter in table)
