"""A state as a real one would be: lines of the samples, told again for many organizations over weeks, in Docker's envelope."""

import json
import random
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

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
            return (SAMPLE / file).read_bytes()[offset:].partition(b"\n")[0]
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
