"""Where the time of a matching line goes: each stage alone, over the same lines, without a profiler in the way.

Every stage is run over all lines of a 100 % corpus with what the one before it gave; what a stage costs is its own
time. `--functions` adds what cProfile says of the whole, by function; it slows Python down and C not, so read its
order and not its seconds.
"""

import argparse
import cProfile
import gc
import io
import pstats
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.corpus import FOLDER, SAMPLE, Kind, bench_rules, make_corpus
from bench.report import conclude, table
from bench.sink import RunningSink
from extractor.checkpoint import Checkpoint
from extractor.clock import SystemClock
from extractor.config.secret import Secret
from extractor.decode.assemble import Assembler, Logical
from extractor.decode.cut import Line, cut
from extractor.decode.envelope import Broken, Envelope, unwrap
from extractor.decode.record import decode_json
from extractor.destination.gate import PlanGate
from extractor.destination.segment import SegmentDestination
from extractor.evaluation.carried import dump_evaluated, dump_lines, load_evaluated, load_lines
from extractor.evaluation.local import Evaluated
from extractor.gathered import MAX_OUTCOMES
from extractor.intake.take import PORTION
from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.outcome import Memo, Outcome, resolve
from extractor.ruleset.plan import build_plan, plan_as_json
from extractor.ruleset.prefilter import Pieces, build_scanner, derive_literals
from extractor.ruleset.scope import decode_field
from extractor.store import Store
from extractor.telemetry import Reason

CHUNK_BYTES = 4 << 20


@dataclass(slots=True)
class Stages:
    """Seconds of processor time by stage, in their order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        begun = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - begun


class _Scratch:
    """A memory in a dict."""

    def __init__(self) -> None:
        self._memos: dict[bytes, Memo] = {}

    def read(self, key: bytes) -> Memo | None:
        return self._memos.get(key)

    def write(self, key: bytes, memo: Memo) -> None:
        self._memos[key] = memo


def read_lines(log: Path, stages: Stages) -> list[Logical]:
    """Bytes to lines, as `Intake` does it."""
    rules = bench_rules()
    scanner = build_scanner(derive_literals(rules.rules), Pieces.NONE)
    assembler = Assembler()
    with stages.stage("read"):
        data = log.read_bytes()
    if scanner is not None:
        with stages.stage("prefilter"):
            for at in range(0, len(data), CHUNK_BYTES):
                scanner.find(memoryview(data)[at : at + CHUNK_BYTES])
    lines: list[Line] = []
    with stages.stage("cut"):
        # One call a line, as for candidates among other lines.
        position = 0
        while position < len(data):
            after = data.find(b"\n", position) + 1 or len(data)
            lines += cut(data[position:after], position)
            position = after
    logical: list[Logical] = []
    with stages.stage("unwrap, join pieces"):
        for line in lines:
            piece = unwrap(line.data, Envelope.NONE)
            if not isinstance(piece, Broken):
                logical += assembler.feed(piece, line.start, line.end, "f")
    return logical


def judge_lines(lines: list[Logical], stages: Stages) -> list[Outcome]:
    """Lines to outcomes and events."""
    ready = ReadyRules(bench_rules())
    origin = Origin(path="app.log", time=1.7e9, time_source=TimeSource.MODIFIED)
    with stages.stage("decode JSON"):
        decoded = [decode_json(line.text) for line in lines]
    records = [record for record in decoded if not isinstance(record, Reason)]
    with stages.stage("decode fields"):
        for record in records:
            for steps in ready.index.decodings:
                for step in steps:
                    decode_field(step, record)
    with stages.stage("evaluate"):
        outcomes = [evaluate(line, origin, ready) for line in lines]
    # `evaluate` does the two before it once more; its own part is rules, values, keys.
    own = stages.seconds.pop("evaluate")
    stages.seconds["choose rules, read values, keys"] = own - sum(
        stages.seconds[name] for name in ("decode JSON", "decode fields")
    )
    with stages.stage("carry to the second process and back"):
        carried: list[Outcome] = []
        for at in range(0, len(lines), PORTION):
            load_lines(dump_lines(lines[at : at + PORTION], origin))
            raw = dump_evaluated(Evaluated(outcomes[at : at + PORTION], Counter()))
            carried += load_evaluated(raw, ready).outcomes
    assert len(carried) == len(outcomes)
    with stages.stage("resolve, build messages"):
        memory = _Scratch()
        events = [event for outcome in outcomes for event in resolve(outcome, memory)]
    assert any(isinstance(event, Event) for event in events)
    return outcomes


def store_and_send(outcomes: list[Outcome], folder: Path, stages: Stages, *, backlog: bool = False) -> int:
    """Outcomes to acknowledged events, delivered while they are recorded or (backlog) after it; how many."""
    clock = SystemClock()
    state = folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    with RunningSink(folder / "answers") as sink:
        destination = SegmentDestination(sink.url, Secret("bench"))
        store = Store.open(state, destination=destination.name, clock=clock)
        gate = PlanGate(plan_as_json(build_plan(bench_rules())))
        events = 0
        for at in range(0, len(outcomes), MAX_OUTCOMES):
            checkpoint = Checkpoint(
                file_id="f", path="/app.log", device=1, inode=1, offset=at + 1, size=1, identity=b""
            )
            with stages.stage("record"):
                store.record([checkpoint], outcomes[at : at + MAX_OUTCOMES])
            if not backlog:
                events += deliver_waiting(store, destination, gate, stages)
        # Recording resolves; what that alone costs has its own row.
        stages.seconds["record"] -= stages.seconds["resolve, build messages"]
        events += deliver_waiting(store, destination, gate, stages)
        destination.close()
        store.close()
    return events


def deliver_waiting(store: Store, destination: SegmentDestination, gate: PlanGate, stages: Stages) -> int:
    """Everything in the outbox, sent and acknowledged; how many events."""
    events = 0
    limits = destination.limits
    while True:
        with stages.stage("lease"):
            batch = store.lease(limits.max_batch_events, limits.max_batch_bytes)
        if not batch.events:
            return events
        messages = batch.messages
        body = b'{"batch":[%b],"sentAt":"2026-01-01T00:00:00.000+00:00","writeKey":"bench"}'
        with stages.stage("second gate"):
            refusals = gate(body % b",".join(messages))
        assert not refusals
        with stages.stage("send"):
            destination.send(messages)
        with stages.stage("acknowledge"):
            store.acknowledge(batch)
        events += len(batch)


def functions(work: Callable[[], object], number: int) -> str:
    """The functions that took longest by themselves, as cProfile sees it."""
    profiler = cProfile.Profile()
    profiler.runcall(work)
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(number)
    rows = [line for line in text.getvalue().splitlines() if line.strip()]
    return "```\n" + "\n".join(row.replace(str(Path.cwd()) + "/", "") for row in rows) + "\n```"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--size", type=float, default=0.05, help="GB of the corpus")
    parser.add_argument("--functions", type=int, default=0, help="how many functions to list")
    parser.add_argument(
        "--backlog", action="store_true", help="record everything first, as while the server is away"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--sample", type=Path, default=SAMPLE, help="folder with lago-*/*.log")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    chosen = parser.parse_args()
    corpus = make_corpus(Kind(size=int(chosen.size * 1e9), matching=1.0), chosen.folder, chosen.sample)
    # In the program outcomes die with their transaction. Here all of them stay, and would be looked through for garbage.
    gc.disable()
    stages = Stages()
    lines = read_lines(corpus.path, stages)
    outcomes = judge_lines(lines, stages)
    events = store_and_send(outcomes, chosen.folder / "profile", stages, backlog=chosen.backlog)
    total = sum(stages.seconds.values())
    rows = [
        [name, f"{seconds / len(lines) * 1e6:.1f}", f"{seconds / total:.0%}"]
        for name, seconds in stages.seconds.items()
    ]
    rows.append(
        ["all", f"{total / len(lines) * 1e6:.1f}", f"{len(lines) / total:,.0f} lines/s, {events:,} events"]
    )
    text = table(["stage", "µs a matching line, CPU", "share"], rows)
    if chosen.functions:
        lines = lines[:20_000]
        text += "\n\n" + functions(
            lambda: store_and_send(judge_lines(lines, Stages()), chosen.folder / "profile", _Unmeasured()),
            chosen.functions,
        )
    conclude("profile", text, folder=chosen.folder, write=chosen.write)


class _Unmeasured(Stages):
    """Stages of a run whose seconds nobody reads."""

    def __init__(self) -> None:
        super().__init__({"resolve, build messages": 0.0})


if __name__ == "__main__":
    main()
