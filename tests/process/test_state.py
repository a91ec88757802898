"""The state refuses or is damaged, as the process meets it: it says so, loses nothing, and goes on."""

import resource
import shutil
import sys
from pathlib import Path

import pytest

from tests.misbehaving import MisbehavingServer
from tests.running import Program, ask, config_for, free_port, metric_line, wait_until


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
def test_h18_a_full_disk_fails_health_and_everything_arrives_once_it_has_room(tmp_path: Path) -> None:
    """Files may not grow any more: alive, liveness fails, told once; then room: healthy, all events, each once."""
    port = free_port()
    log = tmp_path / "worker.log"
    log.write_bytes(metric_line(0))
    with MisbehavingServer() as server:
        program = Program(tmp_path, config_for(server.url, "worker.log", metrics=f"127.0.0.1:{port}"))
        with program.start() as process:
            wait_until(lambda: server.accepted, "the first event")
            largest = max(path.stat().st_size for path in program.state.iterdir())
            unlimited = resource.prlimit(
                process.process.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY)
            )
            with log.open("ab") as file:
                file.writelines(metric_line(number) for number in range(1, 3000))
            process.wait_for("state_unavailable")
            wait_until(lambda: ask(port, "/healthz")[0] == 503, "liveness to fail")
            assert '"state_unavailable"' in ask(port, "/healthz")[1]
            assert ask(port, "/metrics")[0] == 200
            resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, unlimited)
            wait_until(lambda: len(server.accepted) == 3000, "all events")
            wait_until(lambda: ask(port, "/healthz")[0] == 200, "health")
            assert process.stop() == 0
        assert server.accepted == program.preview_ids()


@pytest.mark.parametrize("damage", ["cut to half", "removed"])
def test_h18_a_damaged_state_is_set_aside_told_and_nothing_is_lost(tmp_path: Path, damage: str) -> None:
    """It starts, keeps the damaged copy, says so, and sends what had not been sent; what was sent may come again."""
    log = tmp_path / "worker.log"
    log.write_bytes(b"".join(metric_line(number) for number in range(40)))
    with MisbehavingServer() as server:
        program = Program(tmp_path, config_for(server.url, "worker.log"))
        assert program.call("run", "--once").returncode == 0
        with log.open("ab") as file:
            file.writelines(metric_line(number) for number in range(40, 60))
        harm(program.state, damage)
        with program.start("--once") as process:
            assert process.wait() == 0
        assert set(server.accepted) == set(program.preview_ids())
        assert len(server.accepted) <= 40 + 60
    if damage != "removed":
        assert list(program.state.glob("state.db.damaged-*"))
        assert any(line["event"] == "incident" and line["kind"] == "state_damaged" for line in process.told)


def harm(state: Path, damage: str) -> None:
    """Do it to the database; all other kinds of damage are tested at the store itself."""
    if damage == "removed":
        shutil.rmtree(state)
        return
    with (state / "state.db").open("r+b") as file:
        file.truncate((state / "state.db").stat().st_size // 2)
