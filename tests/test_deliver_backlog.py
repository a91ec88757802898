"""A long outage: a backlog drains in order, at the rate limit, with flat memory; and a process that dies again and again."""

import itertools
import random
import re
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from extractor.config.secret import Secret
from extractor.deliver import Deliverer, DeliveryPace, ProgressKind
from extractor.destination.segment import SegmentDestination
from extractor.store import Store
from tests.delivering import FakeClock, build_event, event_id, outcome_of, step_until
from tests.misbehaving import OK, Answer, Cut, MisbehavingServer, Request

KILLED = """
    import sys, time
    from pathlib import Path
    from extractor.deliver import Deliverer, DeliveryPace, ProgressKind
    from extractor.destination.limits import BatchLimits
    from extractor.config.secret import Secret
    from extractor.destination.segment import SegmentDestination
    from extractor.store import Store

    class Clock:
        now, monotonic = time.time, time.monotonic

    folder, url = sys.argv[1:]
    store = Store.open(Path(folder), destination="segment:test", clock=Clock())
    destination = SegmentDestination(url, Secret("key"))
    destination.limits = BatchLimits(max_event_bytes=32768, max_batch_bytes=500000, max_batch_events=10)
    deliverer = Deliverer(store, destination, clock=Clock(), pace=DeliveryPace(backoff_base_s=0.001))
    print("begins", flush=True)
    while deliverer.step().kind is not ProgressKind.IDLE:
        pass
    print("done", flush=True)
"""


class Forgetful(MisbehavingServer):
    """Checks ids as they come and keeps none: what is measured is us."""

    def remember(self, request: Request) -> None:
        """Only what `script` counts is kept."""


@pytest.mark.parametrize(
    ("events", "traced"),
    [(100_000, False), (10_000, True), pytest.param(400_000, True, marks=pytest.mark.soak)],
    ids=["many", "traced", "soak"],
)
def test_a_backlog_drains_in_order_at_the_rate_limit_with_flat_memory(
    tmp_path: Path, events: int, *, traced: bool
) -> None:
    """A backlog, and the server back after an outage: each once, in order, no faster than allowed, memory flat."""
    clock, outage_s, times, sizes, held = FakeClock(), 100.0, [], [], []
    arrived = itertools.count()
    store = Store.open(tmp_path / "state", destination="segment:test", clock=clock)
    for first in range(0, events, 5_000):
        store.record([], [outcome_of(build_event(first + at, 500)) for at in range(5_000)])

    def script(request: Request) -> Answer:
        if clock.elapsed < outage_s:
            return Answer(status=503)
        times.append(clock.elapsed)
        sizes.append(len(request.body))
        held.append(tracemalloc.get_traced_memory()[0])
        ids = re.findall(rb'"messageId":"([0-9a-f]{48})"', request.body)
        assert ids == [event_id(next(arrived)).encode() for _ in ids]
        return Answer(accepts=False)  # counted here

    with Forgetful(script) as server:
        destination = SegmentDestination(server.url, Secret("key"), now=clock.now)
        pace = DeliveryPace(requests_per_second=10)
        deliverer = Deliverer(store, destination, clock=clock, pace=pace, rng=random.Random(3).random)
        if traced:  # five times slower
            tracemalloc.start()
        step_until(deliverer, clock, ProgressKind.IDLE)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        destination.close()
    assert next(arrived) == events
    assert (store.status().delivered, store.status().outbox_rows) == (events, 0)
    store.close()
    assert max(sizes) <= 500_000
    assert all(later - earlier > 0.0999 for earlier, later in itertools.pairwise(times))
    assert max(held[len(held) // 2 :]) < max(held[: len(held) // 2]) + (1 << 20)
    assert peak < 16 << 20


@pytest.mark.parametrize(
    ("events", "kills"), [(400, 6), pytest.param(12_000, 200, marks=pytest.mark.soak)], ids=["quick", "soak"]
)
def test_killed_at_random_moments_every_event_arrives_and_repeats_keep_their_id(
    tmp_path: Path, events: int, kills: int
) -> None:
    """H17: kill -9, a third of the answers bad: all ids, none that was not expected, equal ids equal messages."""
    rng = random.Random(1)
    trouble = [
        Answer(status=500),
        Answer(status=429),
        Answer(status=503),
        Answer(cut=Cut.UNANSWERED, accepts=True),
    ]
    store = Store.open(tmp_path / "state", destination="segment:test", clock=FakeClock())
    store.record([], [outcome_of(build_event(number, 200)) for number in range(events)])
    store.close()
    told, answers = threading.Event(), 0
    kill_at = rng.randrange(1, 6)

    def script(_: Request) -> Answer:
        nonlocal answers
        answers += 1
        if answers == kill_at:
            # Before, while and after the answer is read and written down.
            threading.Timer(rng.random() * 0.01, told.set).start()
        return rng.choice(trouble) if rng.random() < 1 / 3 else OK

    with MisbehavingServer(script) as server:
        for _ in range(kills):
            process = _start(tmp_path, server.url)
            assert told.wait(30)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            told.clear()
            answers, kill_at = 0, rng.randrange(1, 6)
        finished = _start(tmp_path, server.url)
        out, _ = finished.communicate(timeout=120)
        assert out.split() == ["begins", "done"]
        counts = Counter(server.accepted)
        messages = {(m["messageId"], str(m)) for request in server.requests for m in request.json["batch"]}
    assert set(counts) == {event_id(number) for number in range(events)}
    assert len(messages) == events, "a repeated id came with another message"
    print(f"{kills} kills, {sum(counts.values()) - events} repeats of {events} ids")  # noqa: T201 - the figure is the result


def _start(tmp_path: Path, url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "state"), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
