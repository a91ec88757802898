"""What a GraphQL request asks for is read from its root, whatever its client calls it and whatever stands inside."""

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.decode.errors import Fault, ParseError
from extractor.decode.graphql import RootField, as_record, root_fields

FROM_THE_WEB_INTERFACE = """mutation addCoupon($input: CreateAppliedCouponInput!) {
  createAppliedCoupon(input: $input) {
    id
    __typename
  }
}"""

names = st.from_regex(r"[A-Za-z_][0-9A-Za-z_]{0,8}", fullmatch=True).filter(
    # Reserved by the language in one place or another.
    lambda name: name not in {"on", "true", "false", "null"}
)
blanks = st.sampled_from([" ", ", ", "\n", "\t,", "\r\n  ", " # } mutation { x(\n", "\ufeff "])
strings = st.sampled_from(
    ['""', '"}"', '"a\\"){"', '"\\\\"', '"#"', '"""}"""', '"""a "b" \\""" }{ """', '"é😀"']
)
scalars = strings | st.sampled_from(["1", "-1.5e+3", "true", "null", "ENUM", "$other"])
literals = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda them: f"[{' '.join(them)}]")
        | st.dictionaries(names, inner, max_size=3).map(
            lambda them: "{" + ",".join(f"{k}: {v}" for k, v in them.items()) + "}"
        )
    ),
    max_leaves=6,
)
inline = literals.filter(lambda text: not text.startswith("$"))
selections = st.sampled_from(
    [
        "",
        "{id}",
        "{ a: id(x: {y: [1]}) { ...F ... on T @d { id } } }",
        '{ id(q: "}}") # }\n }',
        "{id __typename}",
    ]
)
directives = st.sampled_from(["", "@client", '@a(if: $other, s: "{") @b', "@skip(if: true)"])
definitions = st.sampled_from(
    [
        "",
        "($input: X!)",
        '($input: X = {b: [1, "}"]}, $other: [Y!]! = [] @d(x: {}))',
        '($a: Int = -1 $b: String = "){")',
    ]
)


@st.composite
def fields(draw: st.DrawFn) -> tuple[str, tuple[str, dict[str, str | None]]]:
    """A root field as a client may print it; and its name, with the variable that each argument is taken from."""
    name = draw(names)
    arguments: dict[str, str | None] = {}
    printed: list[str] = []
    for argument in draw(st.lists(names, unique=True, max_size=3)):
        if draw(st.booleans()):
            variable = draw(names)
            arguments[argument] = variable
            value = f"${variable}"
        else:
            arguments[argument] = None
            value = draw(inline)
        printed.append(f"{argument}{draw(st.sampled_from([': ', ':']))}{value}")
    alias = draw(st.none() | names)
    parts = [f"{alias}:" if alias else "", name]
    parts += [f"({draw(blanks).join(printed)})" if printed else "", draw(directives), draw(selections)]
    return draw(blanks).join(parts), (name, arguments)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[tuple[str, str, dict[str, str | None]]]]:
    """A document with some operations and fragments; and the root fields that it has."""
    printed: list[str] = []
    wanted: list[tuple[str, str, dict[str, str | None]]] = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["query", "mutation", "subscription", ""]))
        inside: list[str] = []
        for text, (name, arguments) in draw(st.lists(fields(), min_size=1, max_size=3)):
            inside.append(text)
            wanted.append((kind or "query", name, arguments))
        inside.insert(
            draw(st.integers(0, len(inside))),
            draw(st.sampled_from(["", "...F", "... @d { a }", "... on M { b(x: 1) }"])),
        )
        head = [kind, draw(st.just("") | names), draw(definitions), draw(directives)] if kind else []
        printed.append(draw(blanks).join([*head, "{", *inside, "}"]))
    printed.insert(
        draw(st.integers(0, len(printed))),
        draw(st.sampled_from(["", "fragment F on M @d { createX(a: 1) { id } }"])),
    )
    return draw(blanks).join(printed), wanted


@given(documents(), st.dictionaries(names, st.integers()))
def test_the_root_fields_of_any_document_are_found(
    document: tuple[str, list[tuple[str, str, dict[str, str | None]]]], variables: dict[str, int]
) -> None:
    """Fields, not aliases; arguments by the variables they name; nothing from inside, from comments or strings."""
    query, wanted = document
    assert root_fields(query, variables) == [
        RootField(
            kind, name, {key: variables.get(value) if value else None for key, value in arguments.items()}
        )
        for kind, name, arguments in wanted
    ]


def test_the_field_tells_what_was_asked_not_the_operation() -> None:
    """The web interface's `addCoupon` is the server's `createAppliedCoupon`, with its input."""
    found = root_fields(FROM_THE_WEB_INTERFACE, {"input": {"couponId": "c"}})
    assert found == [RootField("mutation", "createAppliedCoupon", {"input": {"couponId": "c"}})]
    assert as_record(found) == [
        {"operation": "mutation", "field": "createAppliedCoupon", "arguments": {"input": {"couponId": "c"}}}
    ]


def test_an_inline_argument_is_known_to_be_there_but_not_read() -> None:
    """Its key is present with None, so that a rule can ask for it and cannot leak it."""
    query = 'mutation quick { createCoupon(input: {name: "Inline", code: "x", rates: [1]}) { id } }'
    assert root_fields(query, {}) == [RootField("mutation", "createCoupon", {"input": None})]


def test_a_variable_that_was_not_given_is_none() -> None:
    """Its default is the server's business."""
    assert root_fields("query ($a: Int = 1) { x(a: $a) }", {}) == [RootField("query", "x", {"a": None})]


def test_of_several_operations_the_named_one_counts() -> None:
    """A server runs one operation: where the request names it, the others have not happened."""
    query = "mutation a { x } mutation b { y } fragment F on M { z }"
    assert [found.name for found in root_fields(query, {}, "b")] == ["y"]
    assert [found.name for found in root_fields(query, {})] == ["x", "y"]
    assert [found.name for found in root_fields(query, {}, "c")] == []
    assert [found.name for found in root_fields("mutation a { x }", {}, "other")] == ["x"]


@given(st.text() | st.text('{}()[]"\\#\n$:@!.,= amutionqery1'))
def test_any_text_gives_fields_or_a_parse_error(text: str) -> None:
    """A client's text can make it raise one error, which never quotes the text."""
    error = ParseError(0, Fault.UNEXPECTED)
    try:
        root_fields(text, {})
    except ParseError as caught:
        error = caught
    assert 0 <= error.position <= len(text)
    assert str(error) == f"character {error.position}: {error.fault}"


@pytest.mark.parametrize(
    ("text", "position", "fault"),
    [
        ("", 0, Fault.UNFINISHED),
        (" # only a comment", 17, Fault.UNFINISHED),
        ("mutation", 8, Fault.UNFINISHED),
        ("mutation { x(a: 1", 17, Fault.UNFINISHED),
        ('mutation { x(a: "b) { id } }', 28, Fault.UNFINISHED),
        ("mutation { x(a: ) }", 16, Fault.UNEXPECTED),
        ("mutation { x(a 1) }", 15, Fault.UNEXPECTED),
        ("mutation { 1 }", 11, Fault.UNEXPECTED),
        ("mutation ) { x }", 9, Fault.UNEXPECTED),
        ("type X { y: Z }", 0, Fault.UNEXPECTED),
        ("{ x } }", 6, Fault.UNEXPECTED),
    ],
)
def test_what_is_no_document_says_where(text: str, position: int, fault: Fault) -> None:
    """The place is that of the token that does not fit."""
    with pytest.raises(ParseError) as caught:
        root_fields(text, {})
    assert (caught.value.position, caught.value.fault) == (position, fault)


def calls_made_by(work: Callable[[], object]) -> int:
    """How many function calls, of Python and of C, something costs."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        work()
    except ParseError:
        pass
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "unit",
    [
        "{a",
        "{a(b:[{c:1}])",
        '"\\',
        '"""\\',
        '"""x\\"""',
        '"',
        "#\n",
        "a:b ",
        "@a(b:1)",
        "mutation{a}",
        "...on A{b}",
        ",",
    ],
)
def test_a_hostile_document_costs_no_more_than_its_length(unit: str) -> None:
    """Depth does not recurse, and twice the text is at most twice the calls. What is square hangs here, at 400 kB."""
    small = calls_made_by(lambda: root_fields("{" + unit * 1000, {}))
    large = calls_made_by(lambda: root_fields("{" + unit * 2000, {}))
    assert large <= 2 * small + 50
    calls_made_by(lambda: root_fields("{" + unit * (400_000 // len(unit)), {}))


def test_arguments_are_not_shown() -> None:
    """A `repr` names the field and never what was given to it."""
    assert "secret" not in repr(root_fields("{ a(b: $c) }", {"c": "secret"}))
