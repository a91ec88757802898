"""kill -9 of the real process at random moments: nothing lost, and repeats only under the same id."""

import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.misbehaving import OK, Answer, Cut, MisbehavingServer, Request
from tests.running import PATIENCE_S, Program, Running, config_for, lago_paths, metric_line, wait_until

SLOW_S = 0.03
FAILURES = [
    Answer(status=503, accepts=False),
    Answer(status=429, headers={"Retry-After": "0"}, accepts=False),
    Answer(cut=Cut.UNANSWERED, accepts=False),
    Answer(cut=Cut.IN_HEAD),  # it has the batch, and nobody can know
    Answer(cut=Cut.IN_BODY),
]


@dataclass
class Throttled:
    """A script: each answer takes a while, and a part of them fails."""

    failing: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(11))

    def __call__(self, request: Request) -> Answer:
        time.sleep(SLOW_S)
        return self.rng.choice(FAILURES) if self.rng.random() < self.failing else OK


Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Figures are shown whether the test passes or not."""

    def write(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return write


def program_for(folder: Path, server: MisbehavingServer, *paths: str, batch: int) -> Program:
    """Small batches, so that there is something to do for many lives."""
    config = config_for(server.url, *paths)
    config["destination"]["segment"]["max_batch_events"] = batch
    return Program(folder, config)


def kill_somewhere(process: Running, server: MisbehavingServer, rng: random.Random) -> bool:
    """Kill it while it starts and reads, or around one of its next requests; False if it had ended by itself."""
    more = rng.randint(0, 3)
    if more == 0:
        process.sleep(rng.uniform(0.3, 0.8))
    else:
        wanted = len(server.requests) + more
        wait_until(lambda: len(server.requests) >= wanted or process.ended, "a request")
        process.sleep(rng.uniform(0, 2 * SLOW_S))
    process.send(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_once_killed_at_twenty_moments_gives_the_same_ids(tmp_path: Path, say: Say) -> None:
    """Killed again and again and started again, what was accepted is what preview shows; repeats are whole requests."""
    rng = random.Random(3)
    with MisbehavingServer(Throttled()) as server:
        program = program_for(tmp_path, server, *lago_paths(), batch=1)
        kills = 0
        for _ in range(20):
            with program.start("--once") as process:
                kills += kill_somewhere(process, server, rng)
        assert program.call("run", "--once").returncode == 0
        assert set(server.accepted) == set(program.preview_ids())
        repeats = len(server.accepted) - len(set(server.accepted))
        assert repeats <= kills
        say(f"{kills} kills, {repeats} of {len(set(server.accepted))} ids accepted more than once")
        before = len(server.requests)
        assert program.call("run", "--once").returncode == 0
        assert len(server.requests) == before


@contextmanager
def writing(log: Path, lines: Iterator[bytes], pause_s: float) -> Iterator[list[bytes]]:
    """A writer that goes on whatever happens to the reader, and splits some of its lines over two writes."""
    done = threading.Event()
    written: list[bytes] = []

    def write() -> None:
        with log.open("ab", buffering=0) as file:
            for number, line in enumerate(lines):
                cut = len(line) // 2 if number % 7 == 0 else len(line)
                file.write(line[:cut])
                stopped = done.wait(pause_s)
                file.write(line[cut:])
                written.append(line)
                if stopped:
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield written
    finally:
        done.set()
        writer.join()


def kill_under_load(folder: Path, kills: int, seed: int) -> str:
    """Kill the daemon so often while lines are written and a third of the answers fail; says how many ids came twice."""
    rng = random.Random(seed)
    log = folder / "worker.log"
    with MisbehavingServer(Throttled(1 / 3, random.Random(seed))) as server:
        program = program_for(folder, server, "worker.log", batch=5)
        killed = 0
        with writing(log, map(metric_line, range(1_000_000)), 0.01) as written:
            while killed < kills:
                with program.start() as process:
                    killed += kill_somewhere(process, server, rng)
        server.script = lambda _: OK
        expected = set(program.preview_ids())
        assert len(expected) == len(written)
        program.config["destination"]["segment"]["max_batch_events"] = 2500
        program.write_config()
        assert program.call("run", "--once").returncode == 0
        counts = Counter(server.accepted)
    assert set(counts) == expected
    repeated = sum(count > 1 for count in counts.values())
    return f"{kills} kills, {len(expected)} ids, {repeated} of them accepted more than once"


def test_killed_under_load_with_failing_answers(tmp_path: Path, say: Say) -> None:
    """Six kills while lines are being written and a third of the answers fail: all ids, and no other."""
    say(kill_under_load(tmp_path, 6, seed=5))


@pytest.mark.soak
def test_killed_two_hundred_times_under_load_with_failing_answers(tmp_path: Path, say: Say) -> None:
    """The same, two hundred times."""
    say(kill_under_load(tmp_path, 200, seed=7))


def h17(folder: Path, kills: int, lines: int) -> None:
    """Kill while the destination swallows everything, and look at what arrives once it answers."""
    rng = random.Random(17)
    (folder / "worker.log").write_bytes(b"".join(map(metric_line, range(lines))))
    back = threading.Event()

    def script(_: Request) -> Answer:
        # What came while it was away is lost, whatever happens later.
        away = not back.is_set()
        if away:
            back.wait(PATIENCE_S)
        return Answer(status=503, accepts=False) if away else OK

    with MisbehavingServer(script) as server:
        program = Program(folder, config_for(server.url, "worker.log"))
        for _ in range(kills):
            with program.start() as process:
                process.sleep(rng.uniform(0.2, 1.6))
                process.send(signal.SIGKILL)
        assert server.accepted == []
        back.set()
        assert program.call("run", "--once").returncode == 0
        assert server.accepted == program.preview_ids()
        assert len(set(server.accepted)) == lines


def test_h17_the_offset_is_never_ahead_of_delivery(tmp_path: Path) -> None:
    """10,000 lines, nothing answered, killed again and again: then 10,000 ids, each once, in order."""
    h17(tmp_path, kills=3, lines=10_000)


@pytest.mark.soak
def test_h17_fifty_times(tmp_path: Path) -> None:
    """The whole script of the hazard."""
    h17(tmp_path, kills=50, lines=10_000)
