import time
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path

from tests.misbehaving import OK, Answer, MisbehavingServer, Request
from tests.running import Program, config_for, metric_line, wait_until

CAP = 100
WINDOW_S = 1.0


def test_a_full_outbox_waits_out_each_window_and_reading_waits_with_it(tmp_path: Path) -> None:
    """429 again and again, as seconds and as a date: one request a window, reading pauses, all arrives in order."""
    times: list[float] = []
    open_again = False

    def script(_: Request) -> Answer:
        times.append(time.monotonic())
        if open_again:
            return OK
        # A date names whole seconds: the next but one is at least one whole window away.
        after = "1" if len(times) % 2 else formatdate(int(time.time()) + 2 * WINDOW_S, usegmt=True)
        return Answer(status=429, headers={"Retry-After": after})

    with MisbehavingServer(script) as server:
        config = config_for(server.url, "worker.log", poll_interval="50ms", outbox={"max_events": CAP})
        program = Program(tmp_path, config)
        with (tmp_path / "worker.log").open("ab") as log, program.start() as process:
            log.writelines(map(metric_line, range(CAP)))
            log.flush()
            wait_until(lambda: times, "the first request")
            log.writelines(map(metric_line, range(CAP, 5 * CAP)))
            log.flush()
            process.wait_for("outbox_full")
            wait_until(lambda: len(times) >= 4, "three windows")
            assert program.preview_ids() != server.accepted == []
            open_again = True
            wait_until(lambda: len(server.accepted) >= 5 * CAP, "everything")
            assert process.stop() == 0
        assert server.accepted == program.preview_ids()
    assert all(later - earlier >= WINDOW_S for earlier, later in pairwise(times[:4]))
