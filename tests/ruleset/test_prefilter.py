"""The prefilter: what `evaluate` gives anything for, it passes."""

import json
from collections.abc import Callable
from pathlib import Path as FilePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor import document, rulepacks
from extractor.decode.envelope import Envelope
from extractor.intake import Intake, Wrapping
from extractor.ruleset import condition as conditions
from extractor.ruleset import prefilter
from extractor.ruleset.assemble import Choice, Settings, assemble_rules
from extractor.ruleset.condition import Condition
from extractor.ruleset.evaluate import Origin
from extractor.ruleset.event import TimeSource
from extractor.ruleset.identity import Identity
from extractor.ruleset.load import load_pack
from extractor.ruleset.outcome import Outcome
from extractor.ruleset.path import parse_path
from extractor.ruleset.pattern import compile_pattern
from extractor.ruleset.prefilter import Pieces, build_scanner, derive_literals, window
from extractor.ruleset.rule import MessageConstants, Rule, RuleSet
from extractor.ruleset.value import Constraint, Type, Value
from extractor.source.chunk import Chunk

ORIGIN = Origin(path="app.log", time=0.0, time_source=TimeSource.READ)
CONSTANTS = MessageConstants(library=("library", "1"), app=("app", "1"))
NOBODY = Value(fallback="nobody", constraint=Constraint(type=Type.STRING, max_length=20))

FIELDS = ["controller", "action", "job", "status", "params.query", "params.item.code", "a", 'quoted"key']
WORDS = [
    "CustomersController",
    "create",
    "SegmentTrackJob",
    "Api::V1::Coupons",
    "é",
    "x",
    "",
    "snake_case_word",
    "a/b<c>&d",
]

texts = st.sampled_from(WORDS) | st.text(max_size=12)


def rule_set(*rules: Rule) -> RuleSet:
    """A rule set of nothing but these rules."""
    return RuleSet(rules=rules, events={}, variables={}, identity=Identity.of("test"), constants=CONSTANTS)


def rule(number: int, *when: Condition) -> Rule:
    """A rule that gives an event for each line for which its conditions hold."""
    return Rule(id=f"test/rule-{number}", event="happened", when=when, user=NOBODY)


@st.composite
def leaves(draw: st.DrawFn) -> Condition:
    """Any condition on any of the fields."""
    field = draw(st.sampled_from(FIELDS))
    path = parse_path('["quoted\'key"]' if '"' in field else field)
    text = draw(texts)
    kinds: list[Callable[[], Condition]] = [
        lambda: conditions.Equals(path, text),
        lambda: conditions.Equals(path, draw(st.integers(-3, 3) | st.booleans())),
        lambda: conditions.In(path, tuple(draw(st.lists(texts | st.integers(0, 3), min_size=1, max_size=3)))),
        lambda: conditions.Exists(path, draw(st.booleans())),
        lambda: conditions.StartsWith(path, text or "x"),
        lambda: conditions.EndsWith(path, text or "x"),
        lambda: conditions.Contains(path, text or "x"),
        lambda: conditions.Between(path, 0, 3),
        lambda: conditions.Matches(path, compile_pattern("[a-z_]*|.*Controller")),
    ]
    return draw(st.sampled_from(kinds))()


trees = st.recursive(
    leaves(),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda c: conditions.AllOf(tuple(c)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda c: conditions.AnyOf(tuple(c)))
        | inner.map(conditions.Not)
    ),
    max_leaves=6,
)
rule_sets = st.lists(st.lists(trees, min_size=1, max_size=3), min_size=1, max_size=4).map(
    lambda all_rules: rule_set(*(rule(number, *when) for number, when in enumerate(all_rules)))
)
scalars = texts | st.integers(-3, 3) | st.booleans() | st.none()
records = st.fixed_dictionaries(
    {},
    optional={
        "controller": scalars,
        "action": scalars,
        "job": scalars,
        "status": scalars,
        "a": scalars | st.lists(texts, max_size=2),
        "quoted'key": scalars,
        "params": st.fixed_dictionaries({}, optional={"query": scalars, "item": st.just({"code": "create"})}),
    },
)


@st.composite
def spelled(draw: st.DrawFn, value: object) -> str:
    """A value as some JSON encoder writes it: any character as an escape, keys in any order, spaces anywhere."""
    space = draw(st.sampled_from(["", " ", "\t"]))
    match value:
        case str():
            return '"' + "".join(draw(character(one)) for one in value) + '"'
        case dict():
            keys = draw(st.permutations(sorted(value)))
            inner = [f"{draw(spelled(key))}{space}:{space}{draw(spelled(value[key]))}" for key in keys]
            return "{" + space + f"{space},{space}".join(inner) + "}"
        case list():
            return "[" + f",{space}".join(draw(spelled(one)) for one in value) + "]"
        case _:
            return json.dumps(value)


def character(one: str) -> st.SearchStrategy[str]:
    """The ways to write one character in a JSON string."""
    code = ord(one)
    if code > 0xFFFF:
        return st.just(json.dumps(one)[1:-1])
    ways = [f"\\u{code:04x}", f"\\u{code:04X}"]
    plain = json.dumps(one, ensure_ascii=False)[1:-1]
    # Mostly as it is, or no literal would ever be found.
    return st.sampled_from([plain] * 12 + ways + (["\\/"] if one == "/" else []))


def wrap_docker(text: bytes, cuts: list[int]) -> bytes:
    """A line as Docker writes it, in pieces cut at these places."""
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    lines = []
    for number, piece in enumerate(pieces):
        log = piece.decode("latin-1") + ("\n" if number == len(pieces) - 1 else "")
        lines.append(
            json.dumps(
                {"log": log, "stream": "stdout", "time": "2026-11-22T10:00:00.1Z"}, separators=(",", ":")
            )
        )
    return ("\n".join(lines) + "\n").encode()


def wrap_cri(text: bytes, cuts: list[int]) -> bytes:
    """A line as a CRI runtime writes it, in pieces cut at these places."""
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    tags = [b"P"] * (len(pieces) - 1) + [b"F"]
    return b"".join(
        b"2026-11-22T10:00:00.123456789Z stdout " + tag + b" " + piece + b"\n"
        for tag, piece in zip(tags, pieces, strict=True)
    )


def taken(rules: RuleSet, data: bytes, envelope: Envelope, *, filtered: bool) -> list[Outcome]:
    """What an intake makes of a file, with the prefilter or without."""
    intake = Intake(rules, [Wrapping(envelope=envelope)], max_line_bytes=1 << 20)
    if not filtered:
        intake._scanners = dict.fromkeys(Envelope)
    chunk = Chunk(
        file_id="f", path="f", lineage="f", source=0, start=0, data=memoryview(bytearray(data)), end=len(data)
    )
    return intake.take(chunk, ORIGIN).outcomes


def shape(outcomes: list[Outcome]) -> list[tuple[object, ...]]:
    """Outcomes without what cannot be compared."""
    return [(one.matched, one.rejections, one.memory, len(one.events)) for one in outcomes]


@given(rules=rule_sets, record=records, data=st.data())
def test_what_a_rule_matches_is_a_candidate_however_it_is_spelled(
    rules: RuleSet, record: dict[str, object], data: st.DataObject
) -> None:
    """Any rules, any record, any JSON spelling of it: skipping lines changes nothing."""
    lines = [data.draw(spelled(record)), '{"other":1}', data.draw(spelled(record)), ""]
    raw = "\n".join(lines).encode("utf-8", "surrogatepass")
    assert shape(taken(rules, raw, Envelope.NONE, filtered=True)) == shape(
        taken(rules, raw, Envelope.NONE, filtered=False)
    )


@given(rules=rule_sets, record=records, data=st.data())
def test_a_line_cut_into_pieces_anywhere_is_a_candidate(
    rules: RuleSet, record: dict[str, object], data: st.DataObject
) -> None:
    """Docker and CRI may cut a line at any byte, also inside a literal: its pieces are all read."""
    text = data.draw(spelled(record)).encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00")
    cuts = (
        sorted(data.draw(st.sets(st.integers(1, max(len(text) - 1, 1)), max_size=3))) if len(text) > 1 else []
    )
    for envelope, wrap in ((Envelope.DOCKER, wrap_docker), (Envelope.CRI, wrap_cri)):
        raw = wrap(b'{"other":1}', []) + wrap(text, cuts) + wrap(b'{"other":2}', [])
        assert shape(taken(rules, raw, envelope, filtered=True)) == shape(
            taken(rules, raw, envelope, filtered=False)
        )


@pytest.mark.parametrize("form", ["\\u{:04x}", "\\u{:04X}"])
@pytest.mark.parametrize("word", ["SegmentTrackJob", "CustomersController", "snake_case_word"])
def test_any_character_of_a_literal_may_be_escaped(word: str, form: str) -> None:
    """An encoder that spells one letter, or all of them, as escapes hides no line, bare or wrapped by Docker."""
    rules = rule_set(rule(0, conditions.Equals(parse_path("job"), word)))
    spellings = [word[:at] + form.format(ord(word[at])) + word[at + 1 :] for at in range(len(word))]
    spellings.append("".join(form.format(ord(one)) for one in word))
    for spelling in spellings:
        text = f'{{"job":"{spelling}"}}'.encode()
        assert len(taken(rules, text + b"\n", Envelope.NONE, filtered=True)) == 1, spelling
        assert len(taken(rules, wrap_docker(text, []), Envelope.DOCKER, filtered=True)) == 1, spelling


def test_every_cut_of_a_real_looking_line_is_read() -> None:
    """A matching line cut in two at each of its bytes, in both envelopes, gives its event."""
    rules = rule_set(rule(0, conditions.Equals(parse_path("job"), "SegmentTrackJob")))
    text = rb'{"job":"SegmentTrackJob","note":"ends in \\n and n","x":"\"stream\":\"\\n\",\"stream\""}'
    for cut in range(1, len(text)):
        for envelope, wrap in ((Envelope.DOCKER, wrap_docker), (Envelope.CRI, wrap_cri)):
            assert len(taken(rules, wrap(text, [cut]), envelope, filtered=True)) == 1, (envelope, cut)


def lago() -> RuleSet:
    """The shipped pack with every rule on."""
    text, file = rulepacks.shipped("lago")
    pack = load_pack(document.load(text, file))
    enable = tuple(rule_id.partition("/")[2] for rule_id in pack.off)
    return assemble_rules(
        [Choice(pack=pack, enable=enable)], Settings(installation="test", constants=CONSTANTS)
    )


@pytest.mark.parametrize(
    "path", sorted(FilePath(__file__).parent.parent.glob("data/**/*.log")), ids=lambda path: path.name
)
def test_no_captured_line_is_lost_to_the_prefilter(path: FilePath) -> None:
    """On every real line that is in the tests, skipping changes nothing."""
    raw = path.read_bytes()
    for envelope in (Envelope.NONE, Envelope.AUTO):
        assert shape(taken(lago(), raw, envelope, filtered=True)) == shape(
            taken(lago(), raw, envelope, filtered=False)
        )


def test_a_request_for_events_is_never_a_candidate() -> None:
    """The bulk of the app's lines, usage events whose text may imitate our events' names, is skipped."""
    line = (
        b'{"method":"POST","path":"/api/v1/events","controller":"Api::V1::EventsController","action":"create","status":200,'
        b'"params":{"event":{"code":"bm_1","properties":{"note":"invoice_created","gid":"\\u003cGlobalID\\u003e \\u0026"}}}}\n'
    )
    scanner = build_scanner(derive_literals(lago().rules), Pieces.DOCKER | Pieces.CRI)
    assert scanner is not None
    assert scanner.find(memoryview(line)) == []


def test_a_rule_without_a_literal_lets_everything_pass_and_is_named() -> None:
    """A rule about numbers or absence says nothing about bytes: then nothing is skipped, and `check` can say why."""
    rules = rule_set(
        rule(0, conditions.Not(conditions.Equals(parse_path("job"), "SegmentTrackJob"))),
        rule(1, conditions.Equals(parse_path("job"), "SegmentTrackJob")),
    )
    literals = derive_literals(rules.rules)
    assert literals.unsound == ("test/rule-0",)
    assert build_scanner(literals, Pieces.NONE) is None


def test_a_literal_that_another_rule_needs_anyway_is_taken() -> None:
    """A second rule about the same job adds nothing to look for."""
    job = conditions.Equals(parse_path("job"), "SegmentTrackJob")
    rules = rule_set(
        rule(0, job), rule(1, job, conditions.Equals(parse_path("action"), "something_much_longer"))
    )
    assert derive_literals(rules.rules).windows == (window("SegmentTrackJob"),)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=4, max_size=40))
def test_a_window_is_a_part_of_its_literal(literal: str) -> None:
    """Whatever is cut off, what is left must be in every line that has the whole."""
    assert window(literal) in literal
    assert len(window(literal)) >= min(len(literal), prefilter.MIN_WINDOW)


@given(st.binary(max_size=200), st.data())
def test_both_engines_find_the_same_lines(noise: bytes, data: st.DataObject) -> None:
    """Where Hyperscan has no wheel, `re` finds the same candidates."""
    words = [
        b"CustomersC",
        b"createCus",
        rb"\u0041",
        rb"\u003c",
        b'x","stream":"',
        b'\\n","stream":"',
        b"stdout P",
        b"\n",
    ]
    raw = b"".join(data.draw(st.lists(st.sampled_from([*words, noise]), max_size=12)))
    patterns = [
        b"CustomersC",
        b"createCus",
        *prefilter._ESCAPES,
        *prefilter._DOCKER_PIECE,
        *prefilter._CRI_PIECE,
    ]

    def lines(positions: list[int]) -> set[int]:
        return {raw.rfind(b"\n", 0, position) for position in positions}

    assert lines(prefilter._RegexScanner(patterns).find(memoryview(raw))) == lines(
        prefilter._BUILD(patterns).find(memoryview(raw))
    )
