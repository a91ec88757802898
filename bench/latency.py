"""From the write of a line to the acknowledged answer, with the daemon following: at one event a second, and at more."""

import argparse
import os
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.corpus import FOLDER, SAMPLE, Facts
from bench.program import Daemon, Ours
from bench.report import conclude, megabytes, percentile, table
from bench.sink import RunningSink

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What one rate gave."""

    rate: float
    seconds: list[float]
    cpu_share: float
    memory: int
    late_s: float


def follow(rate: float, events: int, folder: Path, facts: Facts) -> Figures:
    """Write so many matching lines one by one at a rate; how long each took to be acknowledged.

    Raises:
        SystemExit: Not all of them were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "app.log"
    log.write_bytes(b"")
    lines = [(line + b"\n", ids) for line, ids in islice(facts, events + 1)]
    written: dict[bytes, float] = {}
    late_s = 0.0
    with RunningSink(folder / "answers") as sink:
        with Daemon(Ours(folder / "ours", log, sink.url)) as daemon, log.open("ab", buffering=0) as out:
            # The first one is not counted: it shows that the daemon is up, and opens its connection.
            out.write(lines[0][0])
            if not sink.wait_for(len(lines[0][1]), PATIENCE_S):
                raise SystemExit(
                    f"the first line was not delivered in {PATIENCE_S:g} s; see {folder}/ours/stderr.log"
                )
            begun, cpu_s = time.monotonic(), daemon.cpu_s()
            for number, (line, ids) in enumerate(lines[1:]):
                now = time.monotonic()
                due = begun + number / rate
                if due > now:
                    time.sleep(due - now)
                else:
                    late_s = max(late_s, now - due)
                now = time.monotonic()
                os.write(out.fileno(), line)
                written.update(dict.fromkeys(ids, now))
            expected = len(written) + len(lines[0][1])
            complete = sink.wait_for(expected, PATIENCE_S)
            took_s = time.monotonic() - begun
            cpu_share, memory = (daemon.cpu_s() - cpu_s) / took_s, daemon.memory()
        answers = sink.stop()
    if not complete:
        raise SystemExit(f"{expected} events were written, {sum(len(a.ids) for a in answers)} delivered")
    seconds = [answered.at - written[id_] for answered in answers for id_ in answered.ids if id_ in written]
    return Figures(rate, seconds, cpu_share, memory, late_s)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--rates", default="1,1000", help="lines a second, comma-separated")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--sample", type=Path, default=SAMPLE, help="folder with lago-*/*.log")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    chosen = parser.parse_args()
    facts = Facts(1, chosen.sample)
    rows = []
    for rate in map(float, chosen.rates.split(",")):
        figures = follow(rate, int(rate * chosen.seconds), chosen.folder / "latency", facts)
        milliseconds = [percentile(figures.seconds, share) * 1e3 for share in (0.5, 0.99, 1.0)]
        rows.append(
            [
                f"{rate:g}",
                f"{len(figures.seconds):,}",
                *(f"{value:.1f} ms" for value in milliseconds),
                f"{figures.cpu_share:.1%}",
                megabytes(figures.memory),
                f"{figures.late_s * 1e3:.0f} ms",
            ]
        )
    head = ["lines/s", "events", "p50", "p99", "longest", "of a core", "memory", "the writer was late by"]
    conclude("latency", table(head, rows), folder=chosen.folder, write=chosen.write)


if __name__ == "__main__":
    main()
