import json
import random
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.daemon import Daemon
from tests.misbehaving import OK, Answer, Cut, MisbehavingServer, Request


@pytest.mark.parametrize(
    ("lines", "kills"), [(1_000, 4), pytest.param(10_000, 50, marks=pytest.mark.soak)], ids=["quick", "soak"]
)
def test_killed_while_nobody_answers_every_event_arrives_later(
    tmp_path: Path, lines: int, kills: int
) -> None:
    """Segment black-holed, kill -9 at random moments while the log grows, Segment back: all ids, and no other."""
    rng, back = random.Random(17), threading.Event()

    def script(_: Request) -> Answer:
        if back.is_set():
            return OK
        back.wait(60)
        return Answer(cut=Cut.UNANSWERED, accepts=False)

    with MisbehavingServer(script) as server, Daemon(tmp_path, server.url) as daemon:
        for part in range(kills):
            daemon.log(range(lines * part // kills, lines * (part + 1) // kills))
            process = daemon.start()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.0, 1.5))
            daemon.kill()
        back.set()
        assert daemon.once() == 0
        expected = {json.loads(line)["message"]["messageId"] for line in daemon.preview()}
        assert len(expected) == lines
        assert Counter(server.accepted) == Counter(dict.fromkeys(expected, 1))
        requests = len(server.requests)
        assert daemon.once() == 0
        assert len(server.requests) == requests, "a second run has nothing to send"


@pytest.mark.parametrize(
    ("lines", "kills"), [(1_000, 4), pytest.param(20_000, 200, marks=pytest.mark.soak)], ids=["quick", "soak"]
)
def test_killed_under_load_while_a_third_of_the_answers_fail(tmp_path: Path, lines: int, kills: int) -> None:
    """Kill -9 at random moments: all ids, none that was not expected, repeats with the same message."""
    rng = random.Random(5)
    trouble = [Answer(status=500), Answer(status=429), Answer(cut=Cut.UNREAD, accepts=False),
               Answer(cut=Cut.UNANSWERED, accepts=True), Answer(cut=Cut.IN_BODY, accepts=True)]  # fmt: skip

    def script(_: Request) -> Answer:
        return rng.choice(trouble) if rng.random() < 1 / 3 else OK

    with MisbehavingServer(script) as server, Daemon(tmp_path, server.url, max_batch_events=5) as daemon:
        for part in range(kills):
            daemon.log(range(lines * part // kills, lines * (part + 1) // kills))
            process = daemon.start()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.3, 1.5))
            daemon.kill()
        assert daemon.once() == 0
        expected = {json.loads(line)["message"]["messageId"] for line in daemon.preview()}
        counts = Counter(server.accepted)
        sent = {(m["messageId"], json.dumps(m)) for request in server.requests for m in request.json["batch"]}
    assert set(counts) == expected
    assert len(expected) == lines
    assert len(sent) == lines, "a repeated id came with another message"
    print(f"{kills} kills, {sum(counts.values()) - lines} repeats of {lines} ids")  # noqa: T201 - the figure is the result
