"""A state as a real one would be: lines of the samples, told again for many organizations over weeks, in Docker's envelope."""

import io
import json
import random
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from extractor.checkpoint import Checkpoint
from extractor.decode.assemble import Logical
from extractor.intake import Wrapping
from extractor.lines import LineReader
from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.event import TimeSource
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.rule import RuleSet
from extractor.source.spec import Limits
from extractor.store import Store, Tally

DATA = Path(__file__).parent.parent / "data"
SAMPLE = DATA / "lago-1.51"
DAY_S = 86_400.0
HOUR_S = 3_600.0
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
STEPS = (
    "organization_registered",
    "plan_created",
    "customer_created",
    "subscription_created",
    "invoice_created",
    "payment_status_changed",
)


def sample_line(event: str) -> bytes:
    """A line of the sample that shows the first fact of an event; of payments, one that succeeded."""
    truth = json.loads((SAMPLE / "facts.json").read_text(encoding="utf-8"))
    for fact in truth["facts"]:
        if fact["event"] == event and fact["properties"].get("payment_status", "succeeded") == "succeeded":
            file, offset = fact["shown_by"][0]
            line: bytes = (SAMPLE / file).read_bytes()[offset:].partition(b"\n")[0]
            return line
    raise AssertionError(event)


def told_again(line: bytes, organization: int) -> bytes:
    """The same line, with every id another one, the same in all lines of one organization."""

    def other(found: re.Match[bytes]) -> bytes:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{organization}/{found[0].decode()}")).encode()

    return _UUID.sub(other, line)


def wrapped(line: bytes, time: float) -> bytes:
    """A line as Docker's json-file driver writes it."""
    moment = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
    entry = {"log": line.decode() + "\n", "stream": "stdout", "time": moment}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def ways(now: float, weeks: int, seed: int = 7) -> Iterator[list[float]]:
    """For each organization the times of the steps that it took: a slow growth, losses at each step."""
    chance = random.Random(seed)
    for week in range(weeks):
        for _ in range(round(9 + 1.1 * week + chance.uniform(-3, 3))):
            time = now - (weeks - week) * 7 * DAY_S + chance.uniform(0, 6.5) * DAY_S
            taken = [time]
            for stays, typical_h in ((0.84, 3.0), (0.88, 20.0), (0.8, 5.0), (0.86, 70.0), (0.76, 60.0)):
                time += chance.lognormvariate(0, 0.9) * typical_h * HOUR_S
                if time > now or chance.random() > stays:
                    break
                taken.append(time)
            yield taken


def docker_log(now: float, weeks: int = 12) -> bytes:
    """A log of all of them, in the order of time; the payment's own webhook and the like are left out."""
    templates = [sample_line(event) for event in STEPS]
    lines = [
        (time, told_again(template, organization))
        for organization, taken in enumerate(ways(now, weeks))
        for time, template in zip(taken, templates, strict=False)
    ]
    return b"".join(wrapped(line, time) for time, line in sorted(lines))


class DayClock:
    """Stands at the time of the lines that are told."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time


def fill_state(state_dir: Path, log: Path, rules: RuleSet) -> None:
    """Record and acknowledge a log's lines on the days on which they were written, as a daemon would have."""
    clock, ready = DayClock(), ReadyRules(rules)
    reader = LineReader(Wrapping(), Limits())
    lines = [
        one.line for one in reader.read_stream(io.BytesIO(log.read_bytes())) if isinstance(one.line, Logical)
    ]
    clock.time = lines[0].time or 0.0
    store = Store.open(state_dir, destination="segment https://api.segment.io", clock=clock)
    stat = log.stat()
    for day, group in groupby(lines, lambda line: (line.time or 0.0) // DAY_S):
        today = list(group)
        clock.time = max((today[-1].time or 0.0) + 1, day * DAY_S)
        origin = Origin(path=str(log), time=clock.time, time_source=TimeSource.READ)
        place = Checkpoint(
            file_id="the-log",
            path=str(log),
            device=stat.st_dev,
            inode=stat.st_ino,
            offset=today[-1].end,
            size=stat.st_size,
        )
        outcomes = [evaluate(line, origin, ready) for line in today]
        read = Tally("read_bytes", 400_000 * len(today))  # what lies between them in a real log
        store.record([place], outcomes, tallies=[read])
        store.acknowledge(store.lease(100_000, 1 << 30))
    store.close()
