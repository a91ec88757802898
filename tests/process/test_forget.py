"""Erasure beside a running daemon: what waited is not sent, and no byte of it stays, while everything else goes on."""

from pathlib import Path

import pytest

from tests.misbehaving import OK, Answer, MisbehavingServer, Request
from tests.running import Program, config_for, metric_line, wait_until
from tests.storing import files_with

FORGOTTEN = "0eb22b12-d903-4cfa-b55f-77e5847bf330"
OTHER = "11111111-2222-4333-8444-555555555555"
MEMBER = "membership/7db1e4be-02be-4994-b5ae-66e384ce9270"
OTHER_MEMBER = "membership/99999999-2222-4333-8444-555555555555"


def line_of_another(number: int) -> bytes:
    """A fact of somebody who is not forgotten."""
    line = metric_line(number).replace(FORGOTTEN.encode(), OTHER.encode())
    return line.replace(MEMBER.encode(), OTHER_MEMBER.encode())


@pytest.mark.parametrize("failure", [401, 500], ids=["held", "resting"])
def test_what_waits_in_a_daemon_is_forgotten_and_never_sent(tmp_path: Path, failure: int) -> None:
    """Delivery is held or waits to try again; then the organization is forgotten, and the server takes everything."""
    working = False

    def script(_: Request) -> Answer:
        return OK if working else Answer(status=failure, accepts=False)

    with MisbehavingServer(script) as server:
        config = config_for(server.url, "worker.log", poll_interval="100ms")
        config["destination"]["segment"] |= {"max_batch_events": 7, "gzip": False}
        program = Program(tmp_path, config)
        numbers = range(20)
        lines = [line for n in numbers for line in (metric_line(n), line_of_another(n + 100))]
        (tmp_path / "worker.log").write_bytes(b"".join(lines))
        ids = {m["messageId"] for m in program.preview() if m["context"]["groupId"] == OTHER}
        assert len(ids) == len(numbers)
        with program.start() as process:
            wait_until(lambda: server.requests, "the first request")
            assert list(files_with(program.state, FORGOTTEN.encode()))

            done = program.call("forget", "--organization", FORGOTTEN)

            assert done.returncode == 0, done.stderr
            assert f"  {len(numbers)} events that waited\n".encode() in done.stdout
            assert b"  1 remembered values\n" in done.stdout
            before = len(server.requests)
            working = True
            # A hold is probed in minutes; a new start sends at once, and takes what it finds in the state.
            process.stop()
        assert list(files_with(program.state, FORGOTTEN.encode())) == []
        assert list(files_with(program.state, MEMBER.encode())) == []
        with program.start("--once") as process:
            process.wait()
        sent = b"".join(request.body for request in server.requests[before:])
    assert set(server.accepted) == ids
    assert FORGOTTEN.encode() not in sent
    assert OTHER_MEMBER.encode() in sent
