"""Packs: what a rule takes from its fragments, what is refused, and the examples that every rule carries."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from extractor import document, rulepacks
from extractor.problems import ProblemError
from extractor.ruleset.assemble import Choice, Settings, assemble_rules
from extractor.ruleset.examples import check_examples
from extractor.ruleset.load import load_pack
from extractor.ruleset.schema import pack_schema
from extractor.ruleset.value import Type
from tests.packs import CONSTANTS, HEAD, Reader, assemble, messages, pack, rule, shipped_pack

FRAGMENTS = """\
fragments:
  request:
    when: [{field: status, between: {min: 200, max: 299}}]
    user: {constant: nobody}
    group: {from: org}
    properties:
      plan: {from: plan}
      size: {from: size, type: integer}
  nested:
    decode: {call: {ruby_inspect: arguments}}
    for_each: [{in: "call[0].items", as: item}]
"""


def fragmented(*rules: str) -> Reader:
    """Rules that can use the fragments above."""
    return Reader(assemble(pack(*rules, head=HEAD.replace("rules:\n", f"{FRAGMENTS}rules:\n"))))


def test_a_rule_is_its_fragments_and_itself() -> None:
    """Conditions are joined; of a property, a user and a group the rule's own word is the last."""
    reader = fragmented(
        "    event: order_placed\n    use: [request]\n    when: [{field: job, equals: Order}]\n    user: {constant: somebody}\n"
        "    properties: {plan: {from: tier}}\n"
    )
    line = {"job": "Order", "status": 201, "org": "o1", "plan": "no", "tier": "pro", "size": 3}
    [said] = messages(reader.events(line))
    assert (said["userId"], said["context"]["groupId"]) == ("somebody", "o1")
    assert said["properties"] == {"plan": "pro", "size": 3}
    assert reader.events({**line, "status": 404}) == []


def test_conditions_are_met_where_their_names_are_known() -> None:
    """On the line, on what is decoded, on each element: an author writes one list."""
    reader = fragmented(
        "    event: order_placed\n    use: [nested]\n    when:\n      - {field: item.code, starts_with: a}\n"
        '      - {field: "call[0].kind", equals: order}\n      - {field: job, equals: Order}\n'
        "    user: {constant: nobody}\n    properties: {code: {from: item.code}}\n"
    )
    arguments = '{kind: "order", items: [{code: "a1"}, {code: "b1"}, {code: "a2"}]}'
    assert reader.properties({"job": "Order", "arguments": arguments}) == [{"code": "a1"}, {"code": "a2"}]
    assert reader.properties({"job": "Order", "arguments": arguments.replace("order", "visit")}) == []


def test_a_field_that_is_not_what_the_rule_says_is_counted() -> None:
    """Arguments that are no Ruby text are undecodable; a line without arguments is nothing at all."""
    reader = fragmented(
        "    event: order_placed\n    use: [nested]\n    when: [{field: job, equals: Order}]\n    user: {constant: nobody}\n"
    )
    assert reader.reasons({"job": "Order", "arguments": "{{{"}) == ["undecodable_field"]
    assert reader.reasons({"job": "Order", "arguments": {}}) == ["undecodable_field"]
    assert reader.meet({"job": "Order"}) == []


def test_a_mistake_in_a_fragment_is_said_once_and_without_a_use() -> None:
    """Three rules that share it have one mistake; none that uses it yet does not hide it."""
    broken = HEAD.replace("rules:\n", "fragments:\n  bad: {when: [{field: a..b, exists: true}]}\nrules:\n")
    for use in ("", "    use: [bad]\n"):
        with pytest.raises(ProblemError) as raised:
            pack(rule(use), rule(use), rule(use), head=broken)
        assert [problem.code for problem in raised.value.problems] == ["E101"]


def test_python_s_names_are_no_keys() -> None:
    """`from`, `in` and `not` have underscores in the model, and only there."""
    with pytest.raises(ProblemError, match='E011 unknown key "from_"'):
        pack(rule("    properties: {plan: {from_: plan}}\n"))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """In the order of the file, each at its place."""
    with pytest.raises(ProblemError) as raised:
        pack(
            rule("    properties: {amount: {from: plan}, plan: {from: a.*}}\n    key: [x..y]\n"),
            rule("    use: [none]\n"),
        )
    assert [problem.code for problem in raised.value.problems] == ["E119", "E102", "E101", "E107"]


# ---- what the config adds ----


def test_a_variable_stands_where_it_is_set() -> None:
    """And the property is not there where it is not."""
    body = rule("    properties: {hosting: {variable: hosting, enum: [self, cloud]}}\n")
    assert Reader(assemble(pack(body), variables={"hosting": "self"})).properties({"job": "Order"}) == [
        {"hosting": "self"}
    ]
    assert Reader(assemble(pack(body))).properties({"job": "Order"}) == [{}]


def test_a_variable_passes_the_constraints_of_each_property() -> None:
    """Not only its own declaration: what leaves is what the plan says of the property."""
    with pytest.raises(ProblemError, match="E142 the value of variable"):
        assemble(
            pack(rule("    properties: {hosting: {variable: hosting, enum: [cloud]}}\n")),
            variables={"hosting": "self"},
        )


def test_rules_are_switched_on_and_off() -> None:
    """By the config's word; the plan says which are off."""
    off = pack(rule(), rule("    enabled: false\n"))
    settings = Settings(installation="an-installation", constants=CONSTANTS)
    as_it_is, enabled, disabled = (
        assemble_rules([choice], settings)
        for choice in (
            Choice(pack=off),
            Choice(pack=off, enable=("rule-1",)),
            Choice(pack=off, disable=("rule-0",)),
        )
    )
    assert [one.id for one in as_it_is.rules] == ["shop/rule-0"]
    assert [one.id for one in enabled.rules] == ["shop/rule-0", "shop/rule-1"]
    assert (as_it_is.disabled, enabled.disabled) == (("shop/rule-1",), ())
    assert (disabled.rules, disabled.disabled) == ((), ("shop/rule-0", "shop/rule-1"))


def test_a_dropped_property_does_not_leave_and_still_tells_a_change() -> None:
    """The config can take away; it cannot make one event into three, nor break a rule."""
    body = rule(
        "    changed: {key: [id], property: state}\n    properties: {state: {from: state, required: true}, plan: {from: plan}}\n"
    )
    reader = Reader(assemble(pack(body), drop_properties=frozenset({"state"})))
    line = {"job": "Order", "id": 1, "plan": "pro"}
    assert (
        reader.properties({**line, "state": "a"}, {**line, "state": "a"}, {**line, "state": "b"})
        == [{"plan": "pro"}] * 2
    )


def test_a_change_is_told_by_the_words_that_are_sent() -> None:
    """After `map`, with an initial value of these words; a word that is not in the map is no change."""
    body = rule(
        "    changed: {key: [id], property: state, initial: open}\n"
        "    properties: {state: {from: state, map: {opened: open, paid: done, settled: done}}}\n"
    )
    reader = Reader(assemble(pack(body)))
    lines = [
        {"job": "Order", "id": 1, "state": state}
        for state in ("opened", "paid", "settled", "nonsense", "opened")
    ]
    assert reader.properties(*lines) == [{"state": "done"}, {"state": "open"}]


# ---- examples ----


@pytest.mark.parametrize("name", rulepacks.shipped_names())
def test_the_examples_of_a_shipped_pack_hold(name: str) -> None:
    """What `extractor check` runs."""
    assert check_examples(shipped_pack(name)) == []


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("payment_status: succeeded", "payment_status: failed"),
        ("coupon_code: welcome", "coupon_code: goodbye"),
        ("because: two members were seen", "because: two members were seen\n        x: 1"),
        ("user: membership/7db1e4be-02be-4994-b5ae-66e384ce9270", "user: membership/unidentifiable"),
        ("trial: 0.0", "trial: 14"),
        ("equals: plan_created}", "equals: plan_updated}"),
    ],
)
def test_a_falsified_example_fails_the_check(true: str, false: str) -> None:
    """One word of the shipped pack is changed: the check names the rule and the place."""
    text, file = rulepacks.shipped("lago")
    assert true in text
    try:
        problems = check_examples(load_pack(document.load(text.replace(true, false, 1), file)))
    except ProblemError as error:
        problems = list(error.problems)
    assert problems
    assert all(problem.place.file == "rules/lago.yaml" and problem.place.line > 0 for problem in problems)


def test_an_example_with_a_wrong_variable_is_a_problem_at_its_place() -> None:
    """Not an error of the check itself."""
    text = f"{HEAD}  - id: a\n{rule()}    examples:\n"
    text += '      - {line: \'{"job": "Order"}\', variables: {hosting: mine, other: 1}, gives: [{properties: {}}]}\n'
    text += "      - {line: '{}', gives: []}\n"
    problems = check_examples(load_pack(document.load(text, "pack.yaml")))
    assert {problem.code for problem in problems} == {"E113", "E142"}
    assert {problem.place.line for problem in problems} == {15}


def test_no_problem_shows_a_line_or_a_value() -> None:
    """Examples are cut from real logs: what differs is named, not printed."""
    body = rule("    properties: {plan: {from: plan}}\n")
    text = f"{HEAD}  - id: a\n{body}    examples:\n"
    text += '      - {line: \'{"job": "Order", "plan": "canary"}\', gives: [{user: canary, properties: {plan: canary2}}]}\n'
    problems = check_examples(load_pack(document.load(text, "pack.yaml")))
    assert len(problems) == 3
    assert "canary" not in "".join(map(str, problems))


# ---- for editors ----


def test_the_schema_takes_the_shipped_pack_and_names_the_types() -> None:
    """Checked by an independent validator; an editor offers the six types by name."""
    schema = pack_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    whole: Any = document.plain(document.load(*rulepacks.shipped("lago")))
    assert list(validator.iter_errors(whole)) == []
    assert schema["$defs"]["ValueShape"]["properties"]["type"]["enum"] == [one.value for one in Type]
    whole["rules"][1]["whn"] = []
    assert [error.validator for error in validator.iter_errors(whole)] == ["additionalProperties"]


def test_the_schema_in_the_docs_is_this_one() -> None:
    """Editors load it from there."""
    path = Path(__file__).parents[2] / "docs" / "schema" / "pack.json"
    assert document.plain(document.load_file(path)) == pack_schema()
