"""An hour of following: a writer, rotation by renaming, and memory that must stay flat; every id is checked."""

import argparse
import shutil
import time
from itertools import islice
from pathlib import Path

from bench.corpus import FOLDER, SAMPLE, Facts, Template
from bench.idle import State, state_of
from bench.program import Daemon, Ours
from bench.report import conclude, megabytes, middle, table
from bench.sink import RunningSink

PATIENCE_S = 60.0
STEPS_PER_SECOND = 20
KEPT = 5
"""Rotated files that stay, as with logrotate's `rotate 5`."""


class Writer:
    """Appends to a log and rotates it."""

    def __init__(self, log: Path, rotate_bytes: int) -> None:
        """Make the log."""
        self._log = log
        self._rotate_bytes = rotate_bytes
        self._file = log.open("ab", buffering=0)
        self._size = 0
        self.written = 0
        self.rotations = 0

    def write(self, data: bytes) -> None:
        """Append whole lines; the file is rotated when it is large enough."""
        self._file.write(data)
        self._size += len(data)
        self.written += len(data)
        if self._size >= self._rotate_bytes:
            self._rotate()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(KEPT, 0, -1):
            older = self._log.with_name(f"{self._log.name}.{number}")
            if older.exists():
                older.replace(self._log.with_name(f"{self._log.name}.{number + 1}"))
        self._log.with_name(f"{self._log.name}.{KEPT + 1}").unlink(missing_ok=True)
        self._log.rename(f"{self._log}.1")
        self._file = self._log.open("ab", buffering=0)
        self._size = 0
        self.rotations += 1


def background(facts: Facts, size: int) -> bytes:
    """Other lines of so many bytes."""
    lines: list[bytes] = []
    filled = 0
    templates: list[Template] = facts.sample.steady
    while filled < size:
        for template in templates[len(lines) % len(templates) :][:500]:
            lines.append(template.render(facts.rng, b"%04x" % facts.rng.getrandbits(16)))
            filled += len(lines[-1]) + 1
    return b"\n".join(lines) + b"\n"


def soak(
    folder: Path, facts: Facts, *, seconds: float, matching: float, rate: float, rotate_bytes: int
) -> tuple[str, bool]:
    """Write for so long; the table, and whether nothing grew and nothing was lost or doubled.

    Args:
        folder: For logs and state.
        facts: Where matching lines come from.
        seconds: How long.
        matching: Matching lines a second.
        rate: Bytes of other lines a second.
        rotate_bytes: Size at which the log is rotated.
    """
    logs = folder / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    each, step = iter(facts), 1 / STEPS_PER_SECOND
    filler = background(facts, int(rate * step))
    expected: set[bytes] = set()
    states: list[State] = []
    with RunningSink(folder / "answers") as sink:
        ours = Ours(folder / "ours", logs / "app.log*", sink.url)
        writer = Writer(logs / "app.log", rotate_bytes)
        with Daemon(ours) as daemon:
            begun = time.monotonic()
            number, owed = 0, 0.0
            while time.monotonic() - begun < seconds and daemon.running:
                owed += matching * step
                new = list(islice(each, int(owed)))
                owed -= len(new)
                expected.update(id_ for _line, ids in new for id_ in ids)
                writer.write(filler + b"".join(line + b"\n" for line, _ids in new))
                if number % max(int(seconds * STEPS_PER_SECOND / 120), 1) == 0 and ours.state.exists():
                    states.append(state_of(daemon, ours.state))
                number += 1
                time.sleep(max(begun + number * step - time.monotonic(), 0))
            sink.wait_for(len(expected), PATIENCE_S)
            cpu_share = daemon.cpu_s() / (time.monotonic() - begun)
        came = [id_ for answered in sink.stop() for id_ in answered.ids]
    missing, doubled = len(expected - set(came)), len(came) - len(set(came))
    # The first quarter fills caches and the memory of what was seen.
    quarter = max(len(states) // 4, 1)
    early, late = states[quarter : 2 * quarter] or states, states[-quarter:]
    before, after = (middle([state.memory for state in part]) for part in (early, late))
    flat = after <= before * 1.03 + (1 << 20) and late[-1].handles <= early[0].handles + 8
    row = [
        f"{seconds / 60:.1f} min",
        f"{writer.written / 1e9:.2f} GB, {writer.rotations} rotations",
        f"{len(expected):,}",
        f"{missing} / {doubled}",
        megabytes(before),
        megabytes(after),
        megabytes(max(state.memory for state in states)),
        f"{early[0].handles} / {late[-1].handles}",
        f"{cpu_share:.1%}",
        "yes" if flat else "NO",
    ]
    head = [
        "time",
        "written",
        "events",
        "missing / doubled",
        "memory, second quarter",
        "last quarter",
        "most",
    ]
    return table([*head, "handles", "of a core", "flat"], [row]), flat and not missing and not doubled


def main() -> None:
    """Measure; exit 1 where something grew, was lost or came twice."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--events", type=float, default=50.0, help="matching lines a second")
    parser.add_argument("--rate", type=float, default=5.0, help="MB of other lines a second")
    parser.add_argument("--rotate", type=float, default=64.0, help="MB at which the log is rotated")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--sample", type=Path, default=SAMPLE, help="folder with lago-*/*.log")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    chosen = parser.parse_args()
    text, good = soak(
        chosen.folder / "soak",
        Facts(1, chosen.sample),
        seconds=chosen.minutes * 60,
        matching=chosen.events,
        rate=chosen.rate * 1e6,
        rotate_bytes=int(chosen.rotate * 1e6),
    )
    conclude("soak", text, folder=chosen.folder, write=chosen.write)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
