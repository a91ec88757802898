"""How fast `run --once` is, as a whole process, next to programs that only look at the bytes.

For each corpus and run, one after the other: ours (start, reading, durable state, delivery to a local server, every
id checked there), ours against a server that refuses everything (100 % only: what recording alone takes), `grep -cF`
with the literals that ours derived from the rules, with the names of the events, `wc -l`, and the shippers that are
installed.
"""

import argparse
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.corpus import FOLDER, SAMPLE, Corpus, Kind, Wrap, bench_rules, make_corpus
from bench.others import SHIPPERS
from bench.program import Cost, Ours, measure
from bench.report import conclude, megabytes, middle, table
from bench.sink import RunningSink
from extractor.ruleset.prefilter import derive_literals

OURS, RECORD, GREP, NAMES, WC = "ours", "record", "grep", "grep-names", "wc"
REFUSED = 401
DEFAULT_GB = {"0.1": 4.0, "5": 1.0, "100": 0.25}


@dataclass(slots=True)
class Measured:
    """All runs over one corpus, by program."""

    corpus: Corpus
    kind: Kind
    costs: dict[str, list[Cost]] = field(default_factory=dict)
    delivery_s: list[float] = field(default_factory=list)
    sink_cpu_s: list[float] = field(default_factory=list)

    def add(self, program: str, cost: Cost) -> None:
        """One more run."""
        self.costs.setdefault(program, []).append(cost)

    def wall_s(self, program: str) -> float:
        """The median."""
        return middle([cost.wall_s for cost in self.costs[program]])

    def cpu_s(self, program: str) -> float:
        """The median."""
        return middle([cost.cpu_s for cost in self.costs[program]])

    def memory(self, program: str) -> int:
        """The most."""
        return max(cost.memory for cost in self.costs[program])


def deliver(measured: Measured, folder: Path) -> None:
    """Ours, complete.

    Raises:
        SystemExit: An id is missing, came twice or was not expected.
    """
    expected = measured.corpus.ids()
    with RunningSink(folder / "answers") as sink:
        ours = Ours(folder / "ours", measured.corpus.path, sink.url)
        cost = ours.run_once()
        answers = sink.stop()
    came = Counter(id_ for answered in answers for id_ in answered.ids)
    twice = sum(count - 1 for count in came.values())
    if cost.status or came.keys() != expected or twice:
        raise SystemExit(
            f"{measured.kind.name}: exit {cost.status}, {len(expected - came.keys())} ids missing,"
            f" {len(came.keys() - expected)} not expected, {twice} repeated; see {ours.log}"
        )
    measured.add(OURS, cost)
    measured.delivery_s.append(answers[-1].at - answers[0].at)
    measured.sink_cpu_s.append(sink.cpu_s)


def record(measured: Measured, folder: Path) -> None:
    """Ours against a server that refuses: everything is recorded, delivery is held at once, the process ends.

    Raises:
        SystemExit: Something was not recorded.
    """
    with RunningSink(folder / "answers", REFUSED) as sink:
        ours = Ours(
            folder / "ours",
            measured.corpus.path,
            sink.url,
            "outbox: {max_events: 100000000, max_bytes: 1TiB}\n",
        )
        cost = ours.run_once()
    (path,) = (found for found in ours.state.iterdir() if found.suffix in (".db", ".sqlite", ".sqlite3"))
    with sqlite3.connect(path) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
    connection.close()
    if rows != len(measured.corpus.ids()):
        raise SystemExit(f"{measured.kind.name}: {rows} events recorded; see {ours.log}")
    measured.add(RECORD, cost)


def look(measured: Measured, program: str, command: Sequence[str], folder: Path) -> None:
    """A program that only looks. Its output is a file: GNU grep stops at the first match where it is /dev/null."""
    measured.add(program, measure([*command, str(measured.corpus.path)], out=folder / "counted"))


def run(measured: Measured, programs: Sequence[str], folder: Path, literals: dict[str, Path]) -> None:
    """Every program once."""
    if OURS in programs:
        deliver(measured, folder)
    if RECORD in programs and measured.kind.matching == 1:
        record(measured, folder)
    for program, path in literals.items():
        if program in programs:
            look(measured, program, ["grep", "-cF", "-f", str(path)], folder)
    if WC in programs:
        look(measured, WC, ["wc", "-l"], folder)
    for shipper in SHIPPERS:
        if shipper.name in programs and measured.kind.wrap is Wrap.BARE:
            texts = literals[GREP].read_text(encoding="utf-8").split()
            cost, found = shipper.run(folder / shipper.name, measured.corpus.path, texts)
            if found < measured.corpus.matching:
                print(f"{measured.kind.name}: {shipper.name} found {found} lines only, and is left out")
            else:
                measured.add(shipper.name, cost)


def write_literals(folder: Path) -> dict[str, Path]:
    """Files for `grep -f`: what ours looks for, and the names of the events."""
    rules = bench_rules()
    ours = derive_literals(rules.rules).windows
    names = sorted({rule.event for rule in rules.rules if rule.event})
    paths = {}
    for program, texts in ((GREP, ours), (NAMES, names)):
        paths[program] = folder / f"{program}.txt"
        paths[program].write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return paths


def render(all_measured: Sequence[Measured]) -> str:
    """The tables."""
    rows = []
    for measured in all_measured:
        size, costs = measured.corpus.size, measured.costs
        lines = measured.corpus.lines

        def speed(program: str, measured: Measured = measured, size: int = size) -> str:
            if program not in measured.costs:
                return ""
            return f"{size / 1e6 / measured.wall_s(program):,.0f}"

        def ratio(program: str, measured: Measured = measured) -> str:
            if program not in measured.costs or OURS not in measured.costs:
                return ""
            wall = measured.wall_s(program) / measured.wall_s(OURS)
            return f"{wall:.2f} ({measured.cpu_s(program) / measured.cpu_s(OURS):.2f})"

        rows.append(
            [
                f"{measured.kind.wrap.value}, {measured.kind.matching * 100:g} %, {size / 1e9:.2f} GB",
                f"{measured.corpus.candidates / lines:.2%}",
                speed(OURS),
                speed(GREP),
                ratio(GREP),
                speed(NAMES),
                speed(WC),
                *(
                    speed(shipper.name)
                    for shipper in SHIPPERS
                    if any(shipper.name in m.costs for m in all_measured)
                ),
                f"{measured.cpu_s(OURS):.2f}" if OURS in costs else "",
                megabytes(measured.memory(OURS)) if OURS in costs else "",
            ]
        )
    shippers = [shipper.name for shipper in SHIPPERS if any(shipper.name in m.costs for m in all_measured)]
    head = [
        "MB/s",
        "candidates",
        "ours",
        "grep, our literals",
        "ours : grep (by CPU s)",
        "grep, event names",
        "wc -l",
    ]
    parts = [table([*head, *shippers, "ours, CPU s", "ours, memory"], rows), _events(all_measured)]
    return "\n\n".join(part for part in parts if part)


def _events(all_measured: Sequence[Measured]) -> str:
    rows = []
    for measured in all_measured:
        if OURS not in measured.costs:
            continue
        events = len(measured.corpus.ids())
        recorded = f"{events / measured.wall_s(RECORD):,.0f}" if RECORD in measured.costs else ""
        record_cpu = f"{measured.cpu_s(RECORD):.2f}" if RECORD in measured.costs else ""
        rows.append(
            [
                f"{measured.kind.wrap.value}, {measured.kind.matching * 100:g} %",
                f"{events:,}",
                f"{events / measured.wall_s(OURS):,.0f}",
                recorded,
                record_cpu,
                f"{middle(measured.delivery_s):.2f}",
                f"{middle(measured.sink_cpu_s):.2f}",
            ]
        )
    head = [
        "events",
        "all delivered, ids checked",
        "events/s, start to last acknowledgement",
        "events/s, recorded only",
        "its CPU s",
        "s, first to last answer",
        "the server's CPU s",
    ]
    return table(head, rows) if rows else ""


def main() -> None:
    """Measure."""
    every = [OURS, RECORD, GREP, NAMES, WC, *(shipper.name for shipper in SHIPPERS)]
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--size", type=float, help="GB of each corpus; default 4, 1 and 0.25 by share")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--matching", default="0.1,5,100", help="percent of lines, comma-separated")
    parser.add_argument(
        "--wrap", default="bare,docker,cri", help="comma-separated; but for bare, at 0.1 %% only"
    )
    parser.add_argument(
        "--only", default=",".join(every), help=f"programs, comma-separated: {', '.join(every)}"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for corpora and state; on a real disk")
    parser.add_argument("--sample", type=Path, default=SAMPLE, help="folder with lago-*/*.log")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    chosen = parser.parse_args()
    programs = [p for p in chosen.only.split(",") if p in every]
    installed = [p for p in programs if p not in {s.name for s in SHIPPERS if not s.installed}]
    all_measured = []
    for share in chosen.matching.split(","):
        for wrap in map(Wrap, chosen.wrap.split(",")):
            if wrap is not Wrap.BARE and share != "0.1" and "0.1" in chosen.matching.split(","):
                continue
            size = int((chosen.size or DEFAULT_GB.get(share, 1.0)) * 1e9)
            kind = Kind(size=size, matching=float(share) / 100, wrap=wrap)
            print(f"{kind.name} ...", flush=True)
            measured = Measured(make_corpus(kind, chosen.folder, chosen.sample), kind)
            subprocess.run(["cat", str(measured.corpus.path)], stdout=subprocess.DEVNULL, check=True)
            literals = write_literals(chosen.folder)
            for _ in range(chosen.runs):
                run(measured, installed, chosen.folder, literals)
            all_measured.append(measured)
    conclude("throughput", render(all_measured), folder=chosen.folder, write=chosen.write)


if __name__ == "__main__":
    main()
