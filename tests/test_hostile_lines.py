"""Lines written by people outside: bounded, no crash, no event that is none, nothing that acts on a log or a terminal."""

import io
import json
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from extractor import logs, telemetry
from extractor.decode.envelope import Envelope
from extractor.intake import Intake, Wrapping, origin_of
from extractor.lines import LineReader
from extractor.ruleset.event import Event
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.outcome import resolve
from extractor.ruleset.scope import MAX_ELEMENTS
from extractor.source.spec import Limits
from tests.fuzz.targets import TARGETS, chunk_of, gate, rules
from tests.hostile import ESCAPES, graphql, plan_created, request, tracked

MAX_LINE = 1 << 20
MOST_MEMORY = 96
"""Bytes of memory for each byte of a hostile line, at most: an empty object in a list costs 72 by itself."""
MOST_FOR_AN_EVENT = 6_000
"""Of one that was found and is not stored yet; a line gives at most `MAX_ELEMENTS`."""

WHOLE_LINE = plan_created('code: "forged"').decode()

HOSTILE: dict[str, bytes] = {
    "objects nested 100,000 deep": b'{"job":"SegmentTrackJob","a":' + b'{"a":' * 100_000,
    "lists nested 100,000 deep": b'{"job":"SegmentTrackJob","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nested just within the bound": b'{"job":"SegmentTrackJob","a":' + b"[" * 127 + b"]" * 127 + b"}",
    "Ruby nested 100,000 deep": tracked("[" * 100_000),
    "Ruby hashes nested 100,000 deep": tracked("{a: " * 100_000),
    "GraphQL nested 20,000 deep": graphql("{a" * 20_000),
    "a number of 100,000 digits": b'{"job":"SegmentTrackJob","status":' + b"9" * 100_000 + b"}",
    "a number beyond a double": b'{"job":"SegmentTrackJob","status":1e999}',
    "a Ruby number of 100,000 digits": plan_created("nb_charges: " + "9" * 100_000),
    "a Ruby number beyond 64 bits": plan_created(f"nb_charges: {2**70}"),
    "a Ruby float beyond a double": plan_created("nb_charges: 1.0e999"),
    "NaN": b'{"job":"SegmentTrackJob","status":NaN,"a":Infinity}',
    "Ruby's NaN": plan_created("nb_charges: NaN, trial: -Infinity"),
    "half a surrogate": b'{"job":"SegmentTrackJob","arguments":"\\ud800"}',
    "half a surrogate, raw": b'{"job":"SegmentTrackJob","arguments":"\xed\xa0\x80"}',
    "half a surrogate in Ruby": plan_created('code: "\\u{D800}"'),
    "no UTF-8": b'{"job":"SegmentTrackJob","arguments":"\xff\xfe"}',
    "NUL in a text": plan_created('code: "\\u0000"'),
    "keys that stand twice": b'{"job":"x","job":"SegmentTrackJob","status":500,"status":200}',
    "100,000 keys": b'{"job":"SegmentTrackJob",' + b",".join(b'"k%d":0' % n for n in range(100_000)) + b"}",
    "100,000 equal keys": b'{"job":"SegmentTrackJob"' + b',"a":0' * 100_000 + b"}",
    "10,000 Ruby keys": plan_created(", ".join(f"k{n}: 0" for n in range(10_000))),
    "40,000 fees": request(params={"invoice": {"fees": [{}] * 40_000}}),
    "12,000 fees that are events": request(
        params={"invoice": {"fees": [{"add_on_code": "a", "units": 1}] * 12_000}}
    ),
    "Ruby's strings without an end": tracked('{event: "plan_created", properties: {name: "' + '\\"' * 50_000),
    "Ruby's objects without an end": tracked("#<A " * 10_000),
    "Ruby's arrows": tracked("=>" * 20_000),
    "Ruby's durations": tracked("1 year, " * 3_000 + "x"),
    "Ruby's code points": plan_created('code: "' + "\\u{1F600 }" * 5_000 + '"'),
    "an object that prints a hash": tracked('#<X {event: "plan_created", properties: {}}>'),
    "a pattern bomb": plan_created('interval: "' + "a_" * 100_000 + '!"'),
    "a bomb for the checks of texts": plan_created('name: "' + "1 a@ +3 at b " * 10_000 + '"'),
    "brackets in GraphQL": graphql("mutation{" + "createPlan(input:{" * 5_000),
    "strings in GraphQL": graphql('mutation{createPlan(input:{a:"""' + '\\"""' * 10_000),
    "operations in GraphQL": graphql("mutation a{b}" * 5_000),
    "NULs": b"\0" * 500_000,
    "one byte": b"{",
    "backslashes": b'{"job":"SegmentTrackJob","a":"' + b"\\" * 500_001,
    "a line of half a megabyte": b"a" * 500_000,
    "separators of lines that are none": b'{"job":"SegmentTrackJob"}\r\x0b\x0c\x1c\xc2\x85\xe2\x80\xa8{}',
}  # fmt: skip


def wrapped(line: bytes, envelope: Envelope) -> bytes:
    """A line as its runtime writes it, in pieces where it would be."""
    if envelope is Envelope.CRI:
        pieces = [line[at : at + 16_384] for at in range(0, len(line), 16_384)] or [b""]
        tags = [b"P"] * (len(pieces) - 1) + [b"F"]
        return b"".join(
            b"2026-11-22T10:00:00.5Z stdout %b %b\n" % one for one in zip(tags, pieces, strict=True)
        )
    if envelope is Envelope.DOCKER:
        text = line.decode("utf-8", "replace") + "\n"
        parts = [text[at : at + 16_384] for at in range(0, len(text), 16_384)]
        about = {"stream": "stdout", "time": "2026-11-22T10:00:00.5Z"}
        # As Go writes it: no spaces, and what is not ASCII as it is.
        return b"".join(
            json.dumps({"log": part} | about, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
            for part in parts
        )
    return line + b"\n"


def take(data: bytes, envelope: Envelope) -> list[Event]:
    """What a chunk gives on the whole path, each event passed by the second gate."""
    intake = Intake(rules(), [Wrapping(envelope=envelope)], max_line_bytes=MAX_LINE)
    chunk = chunk_of(data, 0, final=True)
    taken = intake.take(chunk, origin_of(chunk, 1_800_000_000.0))
    events = [
        one for outcome in taken.outcomes for one in resolve(outcome, PlainMemory()) if isinstance(one, Event)
    ]
    sent = b",".join(event.message for event in events[:1000])
    assert list(gate()(b'{"batch":[' + sent + b'],"sentAt":"","writeKey":""}')) == []
    assert taken.settled == {"f": chunk.end}
    return events


@pytest.mark.parametrize("envelope", [Envelope.NONE, Envelope.AUTO, Envelope.DOCKER, Envelope.CRI])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_line_spoils_nothing(name: str, envelope: Envelope) -> None:
    """On the whole path, in every envelope: the good line behind it gives its event, and all is read to the end."""
    good = plan_created('code: "good"')
    events = take(wrapped(HOSTILE[name], envelope) + wrapped(good, envelope), envelope)
    assert events[-1].message == take(wrapped(good, envelope), envelope)[0].message
    assert len(events) <= MAX_ELEMENTS + 2


@pytest.mark.parametrize("decoder", ["envelope", "json", "ruby", "graphql", "line"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_holds_each_decoder_s_law(name: str, decoder: str) -> None:
    """The line itself, and what stands in it, given to each decoder alone."""
    line = HOSTILE[name]
    TARGETS[decoder].run(line)
    for mark in (b'"arguments": "', b'"query": "'):
        _, found, rest = line.partition(mark)
        if found:
            TARGETS[decoder].run(rest.removesuffix(b'"}').replace(b'\\"', b'"').replace(b"\\\\", b"\\"))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_line_takes_memory_by_its_length(name: str) -> None:
    """A bound for each byte and each event, and two megabytes for what does not grow."""
    line = HOSTILE[name] + b"\n"
    take(b"{}\n", Envelope.NONE)
    tracemalloc.start()
    try:
        take(line, Envelope.NONE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    events = MAX_ELEMENTS * MOST_FOR_AN_EVENT if "fees" in name else 0
    assert peak < MOST_MEMORY * len(line) + events + 2_000_000


# Imitations

IMITATIONS: dict[str, bytes] = {
    "a whole line in a text": json.dumps({"level": "info", "message": WHOLE_LINE}).encode(),
    "a whole line in a customer's name": request(params={"customer": {"name": WHOLE_LINE}}, status=422),
    "a whole line and its newline in a text": json.dumps({"message": f"x\n{WHOLE_LINE}\n"}).encode(),
    "a whole line in a Ruby string": tracked(f"[{json.dumps(WHOLE_LINE)}]"),
    "an event in a Ruby string": tracked('{name: "x\\", event: \\"plan_created\\", properties: {"}'),
    "an event that an object prints": tracked('#<A name="}, {event: \\"plan_created\\"}">'),
    "Docker around a line": wrapped(WHOLE_LINE.encode(), Envelope.DOCKER).rstrip(),
    "Docker in Docker": wrapped(wrapped(WHOLE_LINE.encode(), Envelope.DOCKER), Envelope.DOCKER).rstrip(),
    "CRI around a line": wrapped(WHOLE_LINE.encode(), Envelope.CRI).rstrip(),
    "a mutation in a GraphQL comment": graphql("query{a # mutation{createPlan(input:{})}\n}"),
    "a mutation in a GraphQL string": graphql('query{a(b:"mutation{createPlan(input:{})}")}'),
    "a line behind another one's end": b'{"job":"x"}' + WHOLE_LINE.encode(),
    "a line behind U+2028": '{"job":"x"}\u2028'.encode() + WHOLE_LINE.encode(),
    "a line behind a carriage return": b'{"job":"x"}\r' + WHOLE_LINE.encode(),
}


def test_the_line_that_is_imitated_is_one() -> None:
    """Else the imitations would prove nothing."""
    assert [event.name for event in take(WHOLE_LINE.encode() + b"\n", Envelope.NONE)] == ["plan_created"]


@pytest.mark.parametrize("name", IMITATIONS)
def test_an_imitation_is_no_event(name: str) -> None:
    """In a bare log, among lines of the app, by whatever means a text pretends to be a line."""
    boot = b"=> Booting Puma\n"
    assert take(boot + IMITATIONS[name] + b"\n", Envelope.NONE) == []
    assert take(boot * 2 + IMITATIONS[name] + b"\n", Envelope.AUTO) == []


@pytest.mark.parametrize("name", IMITATIONS)
def test_an_imitation_in_an_envelope_is_no_event(name: str) -> None:
    """One envelope is taken off, never two."""
    for envelope in (Envelope.DOCKER, Envelope.CRI):
        if not (name.startswith(("Docker around", "CRI around")) and envelope is Envelope.AUTO):
            assert take(wrapped(IMITATIONS[name], envelope), envelope) == []


# Our log


def test_nothing_breaks_a_line_of_our_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """One event is one line of ASCII, whatever a field holds: a path is somebody's choice, too."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.tell(telemetry.INCIDENT, kind="x", path=f'{ESCAPES}"}}\n{{"event":"opted_out"}}\ud800')
    (line,) = written.getvalue().splitlines()
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["event"] == telemetry.INCIDENT.name


# Packs


@pytest.mark.parametrize(
    "build",
    [
        lambda: "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a]\n" for n in range(1000)),
        lambda: "[" * 10_000,
        lambda: "{a: " * 10_000,
        lambda: "- " * 10_000,
        lambda: "\n".join(f"{' ' * n}a:" for n in range(600)),
        lambda: "a: !!python/object/apply:os.system [id]\n",
        lambda: '"' + "\\u0041" * 10_000,
        lambda: "".join(f"k{n}: 1\n" for n in range(5_000)),
        lambda: "a: " + "9" * 300_000,
        lambda: "? " * 5_000,
        lambda: "rules: [" + "{when: [{not: " * 20_000,
    ],
)
def test_a_bomb_in_a_pack_is_refused(build: Callable[[], str]) -> None:
    """References, depth, tags, keys without end: problems in words, in memory by the length of the document."""
    text = build().encode()
    tracemalloc.start()
    try:
        TARGETS["pack"].run(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1000 * len(text) + 10_000_000


# The reader of `explain`


def test_a_line_without_end_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """64 MB without a newline, with a bound of 1 MiB for a line."""
    path = tmp_path / "app.log"
    with path.open("wb") as file:
        for _ in range(64):
            file.write(b"a" * 1_000_000)
    tracemalloc.start()
    try:
        reader = LineReader(Wrapping(), Limits(max_line_bytes=MAX_LINE, forget_after_s=1.0))
        assert list(reader.read_file(str(path))) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16_000_000
