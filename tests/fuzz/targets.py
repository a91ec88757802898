"""What is fuzzed: each decoder and the whole path, as functions of bytes that hold a law for every input.

A law that does not hold raises; so does anything that is not among the errors a decoder promises.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from extractor import document
from extractor.cli.explain import words
from extractor.decode import rubyinspect
from extractor.decode.assemble import Assembler
from extractor.decode.cut import cut
from extractor.decode.envelope import Broken, Envelope, Piece, detect, unwrap
from extractor.decode.errors import ParseError
from extractor.decode.graphql import as_record, root_fields
from extractor.decode.record import decode_json
from extractor.destination.gate import PlanGate, looks_private
from extractor.intake import Intake, Wrapping, origin_of
from extractor.problems import ProblemError
from extractor.ruleset.evaluate import evaluate
from extractor.ruleset.event import Event
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.explain import explain
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.load import load_pack
from extractor.ruleset.outcome import Outcome, resolve
from extractor.ruleset.plan import build_plan, plan_as_json
from extractor.ruleset.private import doubt_text
from extractor.ruleset.rule import RuleSet
from extractor.source.chunk import Chunk
from extractor.telemetry import Reason
from tests.packs import ORIGIN, assemble, logical, shipped_pack

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
MAX_LINE = 64 * 1024
VARIABLES = {"hosting_type": "self", "version": "1.51.0"}


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to fuzz, and inputs to begin with."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


@lru_cache
def rules() -> RuleSet:
    """The shipped pack."""
    return assemble(shipped_pack(), variables=VARIABLES)


@lru_cache
def ready() -> ReadyRules:
    """The same, as lines meet them."""
    return ReadyRules(rules())


@lru_cache
def gate() -> PlanGate:
    """The second gate of its plan."""
    plan: Any = json.loads(json.dumps(plan_as_json(build_plan(rules()))))
    return PlanGate(plan)


# ---- laws ----


def run_lines(data: bytes) -> None:
    """Lines stand where they say, hold no newline, and nothing between them is lost but newlines and holes."""
    position = 0
    for line in cut(data, 0):
        assert data[line.start : line.start + len(line.data)] == line.data
        assert b"\n" not in line.data
        assert data[position : line.start].strip(b"\n\0") == b""
        position = line.start + len(line.data)
    assert data[position:].strip(b"\n\0") == b""


def run_envelope(data: bytes) -> None:
    """Any bytes are a piece or broken, and what a piece holds was in the line."""
    assert detect(data) in Envelope
    for envelope in Envelope:
        piece = unwrap(data, envelope)
        if isinstance(piece, Broken):
            assert envelope in {Envelope.DOCKER, Envelope.CRI}
        else:
            # U+FFFD is what Docker writes for half a character; an escape is never shorter than its character.
            assert len(piece.text) <= len(data)
            assert piece.time is None or piece.time == piece.time


def run_pieces(data: bytes) -> None:
    """However lines are cut, an assembler holds no more than its bound for each stream, and gives none longer."""
    assembler = Assembler(256)
    start = 0
    for number, part in enumerate(data.split(b"\n")):
        flags = part[:1] or b"\0"
        stream = ("stdout", "stderr", "")[flags[0] % 3]
        piece = Piece(part[1:], None, stream, complete=bool(flags[0] & 4))
        end = start + len(part) + 1
        for line in assembler.feed(piece, start, end, str(number % 3)):
            assert len(line.text) <= 256
        assert all(waiting <= end for waiting in assembler.pending.values())
        start = end
    assembler.flush()
    assert not assembler.unfinished


def run_json(data: bytes) -> None:
    """A record or a reason; where it is a record, the standard library reads the same keys."""
    record = decode_json(data)
    if isinstance(record, Reason):
        return
    orjson.dumps(record)
    read = json.loads(data.removeprefix(b"\xef\xbb\xbf"))
    assert list(read) == list(record)


def run_ruby(data: bytes) -> None:
    """Values or `ParseError`; the short way and the long way agree; every text in them is Unicode."""
    text = data.decode("utf-8", "replace")
    try:
        values = rubyinspect.parse_arguments(text)
    except ParseError:
        assert rubyinspect._read_plain(text) is None
        return
    plain = rubyinspect._read_plain(text)
    assert not text or plain is None or repr(plain) == repr(rubyinspect._Reader(text).read())
    json.dumps(values, ensure_ascii=False, default=lambda _: "opaque").encode()


def run_graphql(data: bytes) -> None:
    """Root fields or `ParseError`; names are names."""
    text = data.decode("utf-8", "replace")
    try:
        fields = root_fields(text, {"input": {"code": "x"}}, text[:8])
    except ParseError:
        return
    for field in fields:
        assert field.name.isidentifier()
        assert field.operation in {"query", "mutation", "subscription"}
    orjson.dumps(as_record(fields))


def run_private(data: bytes) -> None:
    """The gate's eyes are the narrower ones."""
    text = data.decode("utf-8", "replace")
    if looks_private(text):
        assert doubt_text(text) is not None


def run_pack(data: bytes) -> None:
    """A pack, or problems in words; nothing else comes out of a document, however it is built."""
    try:
        load_pack(document.load(data.decode("utf-8", "replace"), "pack.yaml"))
    except ProblemError as error:
        assert 0 < len(error.problems) <= 101
        assert all(text.isprintable() for text in str(error).split("\n"))
        assert str(error).count("\n") < 2 * len(error.problems)


def run_gate(data: bytes) -> None:
    """Any bytes of a request are passed or refused, and what is no request is refused."""
    refusals = gate()(data)
    assert refusals or data.startswith(b'{"batch":[')


def messages_of(outcome: Outcome) -> list[bytes]:
    """What a line's outcome sends from an empty memory, each passed by the second gate."""
    sent = [one.message for one in resolve(outcome, PlainMemory()) if isinstance(one, Event)]
    if sent:
        body = (
            b'{"batch":[' + b",".join(sent) + b'],"sentAt":"2026-11-22T10:00:00.000000+00:00","writeKey":"k"}'
        )
        assert list(gate()(body)) == []
    return sent


def run_evaluate(data: bytes) -> None:
    """`evaluate` alone; for counting."""
    evaluate(logical(data), ORIGIN, ready())


def run_line(data: bytes) -> None:
    """`evaluate` is total, what it gives passes the gate, and what is explained of it is printable."""
    line = logical(data)
    messages_of(evaluate(line, ORIGIN, ready()))
    by_id = {rule.id: rule for rule in rules().rules}
    for text in words(explain(line, ORIGIN, ready()), by_id, show_values=True):
        assert text[:-1].isprintable()


def chunk_of(data: bytes, start: int, *, final: bool) -> Chunk:
    """Bytes as `source` gives them: a view into a larger buffer."""
    return Chunk(
        file_id="f",
        path="/logs/app.log",
        lineage="app.log",
        source=0,
        start=start,
        data=memoryview(bytearray(b"before\n" + data + b"\nafter"))[7 : 7 + len(data)],
        at=7,
        end=start + len(data),
        final=final,
        modified=1_800_000_000.0,
    )


def taken(intake: Intake, data: bytes, middle: int) -> tuple[list[bytes], list[str], dict[str, int]]:
    """What chunks give: messages, what was left out, and where the checkpoint may be at the end."""
    sent: list[bytes] = []
    rejected: list[str] = []
    settled: dict[str, int] = {}
    for start, part in ((0, data[:middle]), (middle, data[middle:])):
        chunk = chunk_of(part, start, final=start == middle)
        result = intake.take(chunk, origin_of(chunk, 1_800_000_000.0))
        for outcome in result.outcomes:
            sent += messages_of(outcome)
            rejected += [f"{one.rule} {one.reason.value}" for one in outcome.rejections]
        settled |= result.settled
    return sent, rejected, settled


@lru_cache
def intakes(envelope: Envelope) -> tuple[Intake, Intake]:
    """One with a prefilter, and one that looks at every line."""
    with_prefilter, without = (
        Intake(rules(), [Wrapping(envelope=envelope)], max_line_bytes=MAX_LINE) for _ in range(2)
    )
    without._scanners = dict.fromkeys(Envelope)
    return with_prefilter, without


def run_intake(data: bytes) -> None:
    """The whole path alone, as it is used; for counting."""
    envelope = list(Envelope)[data[0] % len(Envelope)] if data else Envelope.AUTO
    intake = intakes(envelope)[0]
    intake.rewind()
    taken(intake, data[1:], 0)


def run_path(data: bytes) -> None:
    """Chunks to messages: the prefilter loses nothing, wherever the bytes are parted between two lines."""
    envelope = list(Envelope)[data[0] % len(Envelope)] if data else Envelope.AUTO
    data = data[1:]
    middle = data.rfind(b"\n", 0, len(data) // 2) + 1
    results = []
    for intake in intakes(envelope):
        intake.rewind()
        intake.forget(["f"])
        results.append(taken(intake, data, middle))
    assert results[0] == results[1]
    assert all(0 <= place <= len(data) for place in results[0][2].values())


# ---- seeds ----


_TRACKED = re.compile(r'event(?:: |=>)"(\w+)"')


def sample_lines() -> Iterator[bytes]:
    """One line of each kind in the samples: by its controller, action, job, event, status, and what a job tracks."""
    kinds = set()
    for path in sorted(DATA.glob("lago-*/*.log")):
        for line in path.read_bytes().splitlines():
            record = decode_json(line)
            kind: tuple[object, ...] = (path.parent.name, line[:12])
            if not isinstance(record, Reason):
                told = ("controller", "action", "job", "event", "status", "operationName")
                tracked = _TRACKED.search(str(record.get("arguments")))
                kind = (path.parent.name, tracked and tracked[1], *(str(record.get(key)) for key in told))
            if kind not in kinds:
                kinds.add(kind)
                yield line


def _field(*names: str) -> Callable[[], Iterator[bytes]]:
    def seeds() -> Iterator[bytes]:
        for line in sample_lines():
            value: object = decode_json(line)
            for name in names:
                value = value.get(name) if isinstance(value, dict) else None
            if isinstance(value, str):
                yield value.encode()

    return seeds


def _ruby() -> Iterator[bytes]:
    yield from _field("arguments")()
    for path in sorted(DATA.glob("ruby-inspect-*.jsonl")):
        for line in path.read_bytes().splitlines():
            yield json.loads(line)["arguments"].encode()


def _physical() -> Iterator[bytes]:
    yield from (line[:4000] for line in (DATA / "docker-split.log").read_bytes().splitlines()[:40])
    for line in sample_lines():
        yield line
        yield b"2026-11-22T10:00:00.5Z stdout F " + line
        wrapped = {"log": line.decode("utf-8", "replace") + "\n", "stream": "stdout"}
        yield orjson.dumps({**wrapped, "time": "2026-11-22T10:00:00.5Z"})


def _chunks() -> Iterator[bytes]:
    physical = list(_physical())
    for number, line in enumerate(physical):
        yield bytes([number % 4]) + line + b"\n" + physical[-number] + b"\n"


def _pieces() -> Iterator[bytes]:
    for line in sample_lines():
        yield b"\n".join(bytes([number]) + line[at : at + 90] for number, at in enumerate(range(0, 900, 90)))


def _texts() -> Iterator[bytes]:
    for path in sorted(DATA.glob("lago-*/canaries.txt")):
        yield from path.read_bytes().splitlines()


def _packs() -> Iterator[bytes]:
    for path in sorted((ROOT / "tests" / "golden" / "problems").glob("E*.txt")):
        yield path.read_bytes().partition(b"\n--- ")[2].partition(b"\n")[2]
    yield (ROOT / "rules" / "lago.yaml").read_bytes()[:6000]


def _bodies() -> Iterator[bytes]:
    for line in sample_lines():
        for one in resolve(evaluate(logical(line), ORIGIN, ready()), PlainMemory()):
            if isinstance(one, Event):
                yield b'{"batch":[' + one.message + b'],"sentAt":"2026","writeKey":"k"}'


TARGETS = {
    "lines": Target(run_lines, _physical),
    "envelope": Target(run_envelope, _physical),
    "pieces": Target(run_pieces, _pieces),
    "json": Target(run_json, sample_lines),
    "ruby": Target(run_ruby, _ruby),
    "graphql": Target(run_graphql, _field("params", "query")),
    "private": Target(run_private, _texts),
    "pack": Target(run_pack, _packs),
    "gate": Target(run_gate, _bodies),
    "line": Target(run_line, sample_lines),
    "path": Target(run_path, _chunks),
}
