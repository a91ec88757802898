"""What Ruby printed is read back exactly; any other text is refused in one way, in linear time."""

import json
import math
import os
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from extractor.decode import rubyinspect
from extractor.decode.errors import Fault, ParseError
from extractor.decode.rubyinspect import MAX_DEPTH, GlobalID, Opaque, Value, parse_arguments

DATA = Path(__file__).parent.parent / "data"
SAMPLES = Path(os.environ.get("EXTRACTOR_RUBY_INSPECT_DIR", DATA))


def recorded(value: Value) -> Any:
    """A value as the recordings spell it."""
    match value:
        case GlobalID(uri):
            return {"__gid__": uri}
        case Opaque(text):
            return {"__opaque__": text}
        case list():
            return [recorded(element) for element in value]
        case dict():
            return {key: recorded(element) for key, element in value.items()}
        case _:
            return value


def read_slowly(text: str) -> list[Value]:
    """The long way through, also for texts that the short way takes."""
    return rubyinspect._Reader(text).read()


@pytest.mark.parametrize("version", ["3.3", "3.4"])
def test_every_recorded_row_gives_its_recorded_values(version: str) -> None:
    """What Ruby printed comes back with the same values and types, by both ways through."""
    lines = (SAMPLES / f"ruby-inspect-{version}.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    assert len(rows) >= 100
    for row in rows:
        for read in (parse_arguments, read_slowly):
            # `repr` tells 1 from 1.0 and from True, which `==` does not.
            assert repr([recorded(value) for value in read(row["arguments"])]) == repr(row["values"])


# ---- a small model of Ruby's `inspect` ----

ESCAPES = {
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\x1b": "\\e",
    "\a": "\\a",
    "\b": "\\b",
    "\v": "\\v",
    "\f": "\\f",
}
ESCAPES |= {'"': '\\"', "\\": "\\\\"}
SIMPLE_SYMBOL = re.compile(r"[A-Za-z_\u00a1-\u2fff][0-9A-Za-z_\u00a1-\u2fff]*[?!=]?")
SIMPLE_KEY = re.compile(r"[A-Za-z_\u00a1-\u2fff][0-9A-Za-z_\u00a1-\u2fff]*[?!]?")
OPERATORS = ["[]", "[]=", "+", "-", "*", "**", "/", "%", "+@", "-@", "!", "!=", "~", "==", "===", "=~"]
OPERATORS += ["<=>", "<", "<=", ">", ">=", "<<", ">>", "&", "|", "^", "`"]
OPAQUE = [
    "2026-11-22 10:48:18.349 UTC",
    "2026-11-22 11:45:38.115115590 UTC +00:00",
    "Sun, 22 Nov 2026 11:49:04.934079608 UTC +00:00",
    "Sun, 22 Nov 2026",
    "Sun, 22 Nov 2026..Mon, 23 Nov 2026",
    "1..5",
    "1...",
    "nil..1.5",
    '"a, b".."c"',
    "(1/2)",
    "(1+2i)",
    "1 day and 2.5 hours",
    "1 year, 2 months, and 3 days",
    "#<Foo>",
    '#<Foo:0x1 @a="x>\\"", @b=#<Bar {:c=>"}", d: [1, 2]}>>',
    "#<Foo a->b>",
    "#<URI::HTTP http://x/?a=>",
    '#<Set: {1, "a, b"}>',
    'Set[1, {a: "]"}]',
    "#<struct A b=1, c=[1, 2]>",
    "#<Proc:0x1 a.rb:1 (lambda)>",
    "Foo::Bar",
    "User(id: integer, name: string)",
    "main",
]


@dataclass(frozen=True)
class Symbol:
    """What is printed as a symbol and comes back as a string."""

    name: str


@dataclass(frozen=True)
class Printed:
    """Something printed, and what it must come back as."""

    text: str
    value: Value = None
    key: str = ""


def inspect_string(text: str) -> str:
    """As Ruby prints a UTF-8 string."""
    printed = []
    for number, character in enumerate(text):
        if character in ESCAPES:
            printed.append(ESCAPES[character])
        elif character == "#" and text[number + 1 : number + 2] in {"{", "$", "@"}:
            printed.append("\\#")
        elif unicodedata.category(character)[0] == "C" or unicodedata.category(character) in {"Zl", "Zp"}:
            printed.append(
                f"\\u{ord(character):04X}" if ord(character) < 0x10000 else f"\\u{{{ord(character):X}}}"
            )
        else:
            printed.append(character)
    return '"' + "".join(printed) + '"'


def inspect_symbol(name: str) -> str:
    """As Ruby prints a symbol."""
    return f":{name}" if SIMPLE_SYMBOL.fullmatch(name) or name in OPERATORS else f":{inspect_string(name)}"


def inspect_hash(pairs: list[tuple[Printed | Symbol, Printed]], *, modern: bool) -> Printed:
    """As Ruby 3.4 (`modern`) or an earlier one prints a hash."""
    printed = []
    values: dict[str, Value] = {}
    for key, value in pairs:
        if isinstance(key, Symbol):
            values[key.name] = value.value
            if modern:
                name = key.name if SIMPLE_KEY.fullmatch(key.name) else inspect_string(key.name)
                printed.append(f"{name}: {value.text}")
            else:
                printed.append(f"{inspect_symbol(key.name)}=>{value.text}")
        else:
            values[key.key] = value.value
            printed.append(f"{key.text}{' => ' if modern else '=>'}{value.text}")
    return Printed("{" + ", ".join(printed) + "}", values)


def inspect_float(number: float) -> str:
    """As Ruby prints a float: always with a point, from 1e16 and below 1e-4 with an exponent of two digits."""
    if math.isinf(number) or math.isnan(number):
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[str(number)]
    mantissa, _, exponent = repr(number).partition("e")
    point = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{point}e{exponent}" if exponent else point


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.text(
    '"\\#{$@\n:,[]}=> <', max_size=8
)
symbols = (texts | st.sampled_from([*OPERATORS, "nil", "c=", "q?", "b!", "", "a b", "A", "é", "9x"])).map(
    Symbol
)
references = st.sampled_from(
    ["gid://lago-api/Customer/0884087d-e482", "gid://a/B::C/1?x=1", "gid://a/B/eA=="]
)
keys = st.one_of(
    texts.map(lambda text: Printed(inspect_string(text), text, text)),
    st.integers().map(lambda number: Printed(str(number), number, str(number))),
    st.floats().map(lambda number: Printed(inspect_float(number), number, inspect_float(number))),
    st.sampled_from([(None, "nil"), (True, "true"), (False, "false")]).map(
        lambda pair: Printed(pair[1], pair[0], pair[1])
    ),
    st.sampled_from(OPAQUE).map(lambda text: Printed(text, Opaque(text), text)),
    references.map(lambda uri: Printed(f"#<GlobalID:0x00007f @uri=#<URI::GID {uri}>>", GlobalID(uri), uri)),
    references.map(
        lambda uri: Printed(
            f"#<GlobalID:0x00007f @uri=#<URI::GID {uri}>, @model_class=B(id: uuid)>", GlobalID(uri), uri
        )
    ),
)
scalars = keys | symbols.map(lambda symbol: Printed(inspect_symbol(symbol.name), symbol.name))


def containers(*, modern: bool) -> Callable[[st.SearchStrategy[Printed]], st.SearchStrategy[Printed]]:
    """Lists and hashes of what is inside."""

    def extend(inner: st.SearchStrategy[Printed]) -> st.SearchStrategy[Printed]:
        lists = st.lists(inner, max_size=4).map(
            lambda them: Printed("[" + ", ".join(p.text for p in them) + "]", [p.value for p in them])
        )
        pairs = st.lists(st.tuples(symbols | keys, inner), max_size=4)
        return lists | pairs.map(lambda them: inspect_hash(them, modern=modern))

    return extend


def arguments_lists(*, modern: bool) -> st.SearchStrategy[list[Printed]]:
    """What a job may be given, printed by one of the two notations."""
    return st.lists(st.recursive(scalars, containers(modern=modern), max_leaves=12), max_size=4)


@given(arguments_lists(modern=True) | arguments_lists(modern=False))
def test_whatever_ruby_prints_comes_back(arguments: list[Printed]) -> None:
    """Any values, nested in any way, come back from both notations; both ways through agree."""
    text = ", ".join(printed.text for printed in arguments)
    wanted = repr([recorded(printed.value) for printed in arguments])
    assert repr([recorded(value) for value in parse_arguments(text)]) == wanted
    if text:
        assert repr([recorded(value) for value in read_slowly(text)]) == wanted


# Texts of the notation's own pieces: nearly right ones are where two ways through could differ.
PIECES = r"""a: |:a=>|"s" => |"a": |1|-1.5|nil|"x\n"|:b|[|]|{|}|[]|{}|, | |=>|#<A>|[...]|a|2026|"|\|é|0.0|:|9999999999"""
pieces = st.sampled_from([*PIECES.split("|"), "\n", "|"])


@given(st.lists(pieces, max_size=12).map("".join) | st.text())
@example("1, ")
@example("[1]]")
@example("{a: 1, 2}")
@example("[a: 1]")
@example("[" * 65 + "]" * 65)
@example("[" * 66 + "]" * 66)
def test_the_short_way_is_a_pure_optimisation(text: str) -> None:
    """Whatever the short way takes, the long way takes too, with the same values."""
    plain = rubyinspect._read_plain(text)
    if plain and text:
        assert repr([recorded(value) for value in plain]) == repr(
            [recorded(value) for value in read_slowly(text)]
        )


@given(st.lists(pieces, max_size=30).map("".join) | st.text() | st.text('"\\#<>[]{}(),=: anil1', max_size=60))
def test_any_text_gives_values_or_a_parse_error(text: str) -> None:
    """No log can make it raise anything else, and the error never quotes the text."""
    error = ParseError(0, Fault.UNEXPECTED)
    try:
        assert isinstance(parse_arguments(text), list)
    except ParseError as caught:
        error = caught
    assert 0 <= error.position <= len(text)
    assert str(error) == f"character {error.position}: {error.fault}"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("{}", [{}]),
        ('"\\s\\0\\x41\\u00e9\\u{1F600}\\101\\q"', [" \0Aé😀Aq"]),
        ('"\\u{1F600 41}\\u{110000}\\uD83D"', ["😀A\ufffd\ufffd"]),
        ('"\\xC3\\xA9\\xFFa\\377"', ["é\ufffda\ufffd"]),
        ('"\\x{E9}"', ["é"]),
        ('"\\\n"', ["\n"]),
        ("0.1e1, -0.12e-3, 1.0e+20", [1.0, -0.00012, 1e20]),
        ("1.0e+999", [Opaque("1.0e+999")]),
        ("9" * 10_000, [Opaque("9" * 10_000)]),
        ("9" * 600, [int("9" * 600)]),
        (":@a, :@@b, :$c, :$1, :$!", ["@a", "@@b", "$c", "$1", "$!"]),
        ('{1 => 1, "1" => 2, "1": 3}', [{"1": 3}]),
        ("{:<=>1, :<=>=>2, :===>3, :!=>4, :c==>5}", [{"<": 1, "<=>": 2, "==": 3, "!": 4, "c=": 5}]),
        ("{[1, {a: 2}] => 3}, {{:a=>1}=>4}", [{"[1, {a: 2}]": 3}, {"{:a=>1}": 4}]),
        ("[...], {a: {...}}", [Opaque("[...]"), {"a": Opaque("{...}")}]),
        ("3 days, 1 day", [Opaque("3 days"), Opaque("1 day")]),
        (
            "#<SignedGlobalID:0x1 @uri=#<URI::GID gid://a/B/1>>",
            [Opaque("#<SignedGlobalID:0x1 @uri=#<URI::GID gid://a/B/1>>")],
        ),
    ],
)
def test_rare_notation_is_read_as_documented(text: str, values: list[Value]) -> None:
    """Escapes, numbers and symbols that hardly any job has."""
    assert repr([recorded(value) for value in parse_arguments(text)]) == repr(
        [recorded(value) for value in values]
    )


@pytest.mark.parametrize(
    ("text", "position", "fault"),
    [
        ('"abc', 0, Fault.UNFINISHED),
        ("[1", 2, Fault.UNFINISHED),
        ("{a: ", 4, Fault.UNFINISHED),
        ("{a: 1", 5, Fault.UNFINISHED),
        ("{", 1, Fault.UNFINISHED),
        ("1, ", 3, Fault.UNFINISHED),
        ("#<Foo", 5, Fault.UNFINISHED),
        ("[1]]", 3, Fault.UNBALANCED),
        ("[1}", 2, Fault.UNBALANCED),
        (", 1", 0, Fault.UNEXPECTED),
        ("{a: 1, 2}", 8, Fault.UNEXPECTED),
        ("[1] 2", 3, Fault.UNEXPECTED),
        ("[" * 66 + "]" * 66, 65, Fault.TOO_DEEP),
        ("{a: " * 65 + "1" + "}" * 65, 257, Fault.TOO_DEEP),
    ],
)
def test_what_ruby_never_prints_says_where(text: str, position: int, fault: Fault) -> None:
    """The place is that of the first character that does not fit."""
    with pytest.raises(ParseError) as caught:
        parse_arguments(text)
    assert (caught.value.position, caught.value.fault) == (position, fault)


def test_depth_up_to_the_bound_is_read() -> None:
    """`MAX_DEPTH` lists inside each other are values; one more is an error, and a million no recursion."""
    assert parse_arguments("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH) != []
    for text in ("[" * 1_000_000, "{a: " * 1_000_000, "[" * 1_000_000 + "]" * 1_000_000):
        with pytest.raises(ParseError):
            parse_arguments(text)


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


HOSTILE = r"""
"|\|\"|"\|#<|>|#<a>|=>| =>|, |1, |1 day, |Sun, 1 Jan |a: 1, |:a=>1, |(|)|9|9.|a|é |[|[1], |{a: 1}, |"\u{1 |\x41
|:[]=|:"|[...|-|@uri=#<URI::GID g"""


@pytest.mark.parametrize("head", ["", '"', "#<", "{a: "])
@pytest.mark.parametrize("unit", HOSTILE.replace("\n", "").split("|"))
def test_a_hostile_text_costs_no_more_than_its_length(head: str, unit: str) -> None:
    """Twice the text is at most twice the calls; what looks back inside of one call would hang here, at 60 kB."""
    small = calls_made_by(lambda: parse_arguments(head + unit * 500))
    large = calls_made_by(lambda: parse_arguments(head + unit * 1000))
    assert large <= 2 * small + 50
    calls_made_by(lambda: parse_arguments(head + unit * (60_000 // len(unit))))


def test_a_global_id_knows_its_parts() -> None:
    """Rules ask for the model and the id; another URI has none."""
    reference = GlobalID("gid://lago-api/Invoices::Draft/0884-ab?tenant=1")
    assert (reference.app, reference.model, reference.id) == ("lago-api", "Invoices::Draft", "0884-ab")
    for uri in ("", "gid://lago-api/Customer", "http://a/B/1", "gid://a/B/1/2", "gid://a/B/1\n"):
        assert (GlobalID(uri).app, GlobalID(uri).model, GlobalID(uri).id) == (None, None, None)


def test_neither_reference_nor_opaque_value_shows_itself() -> None:
    """A `repr` in a log or a traceback tells the type and nothing else."""
    assert repr([GlobalID("gid://a/secret/1"), Opaque("secret")]) == "[GlobalID(), Opaque()]"
