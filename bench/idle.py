"""What following costs when little or nothing happens: many idle files and one that is written, and files that come and go."""

import argparse
import os
import random
import shutil
import sqlite3
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.corpus import FOLDER, SAMPLE, Facts
from bench.program import Daemon, Ours
from bench.report import conclude, megabytes, middle, table
from bench.sink import RunningSink

PATIENCE_S = 120.0
SEEN = 30

_RNG = random.Random(1)


def idle(files: int, seconds: float, folder: Path, facts: Facts, *, identical: bool) -> list[str]:
    """So many files that rest, one active; a row of the table. `identical`: those that rest have the same bytes.

    Raises:
        SystemExit: The active one was not seen.
    """
    logs = folder / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    quiet = facts.sample.steady
    for number in range(files):
        path = logs / f"{number % 100:02}" / f"app-{number}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        one = random.Random(1) if identical else _RNG
        mark = 0 if identical else number
        path.write_bytes(b"".join(t.render(one, b"%04x" % mark) + b"\n" for t in quiet[mark % 500 :][:3]))
    lines = list(islice(facts, SEEN + 1))
    took: list[float] = []
    # The clock of a file's arrival would hide in its folder's notification: the active one is there before.
    active = logs / "00" / "active.log"
    active.write_bytes(b"")
    with (
        RunningSink(folder / "answers") as sink,
        Daemon(Ours(folder / "ours", logs / "**" / "*.log", sink.url)) as daemon,
        active.open("ab", buffering=0) as out,
    ):
        come = _see(sink, out.fileno(), lines[0], 0)
        time.sleep(6.0)  # files settle
        cpu_s, begun = daemon.cpu_s(), time.monotonic()
        time.sleep(seconds)
        resting = (daemon.cpu_s() - cpu_s) / (time.monotonic() - begun)
        cpu_s, begun = daemon.cpu_s(), time.monotonic()
        written = {}
        for line in lines[1:]:
            written.update(dict.fromkeys(line[1], time.monotonic()))
            come = _see(sink, out.fileno(), line, come)
        active_share = (daemon.cpu_s() - cpu_s) / (time.monotonic() - begun)
        memory, handles = daemon.memory(), daemon.handles()
        took = [a.at - written[id_] for a in sink.stop() for id_ in a.ids if id_ in written]
    return [
        f"{files:,}" + (" identical" if identical else ""),
        f"{resting:.2%}",
        f"{active_share:.2%}",
        f"{middle(took) * 1e3:.0f} ms",
        f"{max(took) * 1e3:.0f} ms",
        megabytes(memory),
        f"{handles:,}",
    ]


def _see(sink: RunningSink, handle: int, line: tuple[bytes, list[bytes]], come: int) -> int:
    """Write a line, wait until its events were delivered, and then a little."""
    os.write(handle, line[0] + b"\n")
    if not sink.wait_for(come + len(line[1]), PATIENCE_S):
        raise SystemExit(f"a line was not seen in {PATIENCE_S:g} s")
    time.sleep(0.4)
    return come + len(line[1])


@dataclass(frozen=True, slots=True)
class State:
    """What must stay flat."""

    memory: int
    handles: int
    rows: int


def churn(rounds: int, per_second: float, folder: Path, facts: Facts) -> tuple[list[str], bool]:
    """Create, rotate and delete a file so many times; a row of the table, and whether all stayed flat.

    The state remembers files that are gone, a thousand at least: fewer rounds than some 20,000 cannot show that it is
    bounded. A line of each tenth round is written before its file is rotated; whether all were delivered is said, but rounds
    that are over before anybody could look may rightly be missed.
    """
    logs = folder / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    log, rotated = logs / "app.log", logs / "app.log.1"
    states: list[State] = []
    sent = 0
    with RunningSink(folder / "answers") as sink:
        ours = Ours(folder / "ours", logs / "app.log*", sink.url)
        with Daemon(ours) as daemon:
            each = iter(facts)
            line, ids = next(each)
            log.write_bytes(line + b"\n")
            sent += len(ids)
            if not sink.wait_for(sent, PATIENCE_S):
                raise SystemExit(f"the first line was not seen in {PATIENCE_S:g} s")
            begun = time.monotonic()
            for number in range(rounds):
                line, ids = next(each) if number % 10 == 0 else (b"Started", [])
                log.write_bytes(line + b"\n")
                sent += len(ids)
                time.sleep(max(begun + number / per_second - time.monotonic(), 0))
                log.rename(rotated)
                if number % 3 == 0:
                    rotated.unlink()
                if number % max(rounds // 40, 1) == 0:
                    states.append(state_of(daemon, ours.state))
            time.sleep(2)
            states.append(state_of(daemon, ours.state))
            cpu_share = daemon.cpu_s() / (time.monotonic() - begun)
        came = sum(len(answered.ids) for answered in sink.stop())
    half, last = states[len(states) // 2], states[-1]
    flat = (
        last.memory <= half.memory * 1.05 + (2 << 20)
        and last.handles <= half.handles + 8
        and last.rows <= half.rows + 50
    )
    row = [
        f"{rounds:,}",
        *(f"{megabytes(s.memory)}, {s.handles}, {s.rows}" for s in (states[0], half, last)),
        "yes" if flat else "NO",
        f"{came:,} of {sent:,}",
        f"{cpu_share:.1%}",
    ]
    return row, flat


def state_of(daemon: Daemon, state: Path) -> State:
    """How things are now."""
    return State(daemon.memory(), daemon.handles(), _rows(state))


def _rows(state: Path) -> int:
    """How many files the state remembers."""
    if not (state / "state.db").exists():
        return 0
    connection = sqlite3.connect(f"file:{state / 'state.db'}?mode=ro", uri=True, timeout=5)
    try:
        return int(connection.execute("SELECT count(*) FROM checkpoint").fetchone()[0])
    except sqlite3.OperationalError:  # not made yet
        return 0
    finally:
        connection.close()


def main() -> None:
    """Measure; exit 1 where something grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument(
        "--files", default="1000,10000", help="numbers of idle files, comma-separated; 0 for none"
    )
    parser.add_argument("--identical", action="store_true", help="idle files with the same bytes, too")
    parser.add_argument("--seconds", type=float, default=60.0, help="of doing nothing")
    parser.add_argument("--rounds", type=int, default=100_000, help="of create, rotate, delete; 0 for none")
    parser.add_argument("--per-second", type=float, default=250.0, help="rounds a second")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--sample", type=Path, default=SAMPLE, help="folder with lago-*/*.log")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    chosen = parser.parse_args()
    facts = Facts(1, chosen.sample)
    parts = []
    flat = True
    folder = chosen.folder / "idle"
    rows = [
        idle(int(files), chosen.seconds, folder, facts, identical=identical)
        for files in chosen.files.split(",")
        if int(files)
        for identical in ((False, True) if chosen.identical else (False,))
    ]
    if rows:
        head = [
            "idle files",
            "of a core",
            "... with a line now and then",
            "line to answer, median",
            "longest",
            "memory",
            "handles",
        ]
        parts.append(table(head, rows))
    if chosen.rounds:
        row, flat = churn(chosen.rounds, chosen.per_second, folder, facts)
        head = [
            "rounds",
            "memory, handles, rows: first",
            "half-way",
            "last",
            "flat",
            "events delivered",
            "of a core",
        ]
        parts.append(table(head, [row]))
    conclude("idle", "\n\n".join(parts), folder=chosen.folder, write=chosen.write)
    raise SystemExit(0 if flat else 1)


if __name__ == "__main__":
    main()
