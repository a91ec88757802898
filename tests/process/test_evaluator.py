"""A backlog is evaluated on a second core, by a process of which the operator need not know."""

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from tests.misbehaving import MisbehavingServer
from tests.running import Program, Running, children_of, config_for, has_ended, metric_line, wait_until

LINES = 20_000

pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) == 1, reason="one core: there is no second process; run on two"
)


@pytest.fixture
def backlog(tmp_path: Path) -> Path:
    """A log that takes seconds to evaluate."""
    log = tmp_path / "worker.log"
    log.write_bytes(b"".join(map(metric_line, range(LINES))))
    return log


def evaluator_of(running: Running) -> int:
    """The process that it starts for a backlog."""
    wait_until(lambda: running.ended or children_of(running.process.pid), "the evaluator")
    (pid,) = children_of(running.process.pid)
    return pid


def test_a_backlog_is_delivered_once_each_though_its_evaluator_is_killed(
    tmp_path: Path, backlog: Path
) -> None:
    """A kill -9 of the process that evaluates: each event comes once, the loss is one warning, the exit is 0."""
    with MisbehavingServer() as server:
        program = Program(tmp_path, config_for(server.url, str(backlog)))
        with program.start("--once") as running:
            os.kill(evaluator_of(running), signal.SIGKILL)
            assert running.wait() == 0
    assert len(server.accepted) == len(set(server.accepted)) == LINES
    assert running.events().count("evaluator_lost") == 1


def test_a_backlog_gives_the_ids_of_a_preview_and_the_evaluator_ends(tmp_path: Path, backlog: Path) -> None:
    """The same ids in the same order as without it; nobody is left when the program has ended."""
    with MisbehavingServer() as server:
        program = Program(tmp_path, config_for(server.url, str(backlog)))
        with program.start("--once") as running:
            evaluator = evaluator_of(running)
            assert running.wait() == 0
        assert server.accepted == program.preview_ids()
    assert not Path(f"/proc/{evaluator}").exists()
    assert "evaluator_lost" not in running.events()


def test_the_daemon_killed_in_a_backlog_goes_on_where_it_was(tmp_path: Path, backlog: Path) -> None:
    """A kill -9 while lines are under way in the other process: none is lost, and its process ends, too."""
    with MisbehavingServer() as server:
        program = Program(tmp_path, config_for(server.url, str(backlog)))
        with program.start() as running:
            evaluator = evaluator_of(running)
            wait_until(lambda: len(server.accepted) > LINES // 4, "some of the backlog")
            running.send(signal.SIGKILL)
            running.wait()
        wait_until(lambda: has_ended(evaluator), "the evaluator to end")
        with program.start("--once") as running:
            assert running.wait() == 0
    assert set(server.accepted) == set(program.preview_ids())
    assert len(server.accepted) < LINES + 2000, "more was repeated than one batch under way"


def test_no_module_comes_from_the_folder_that_it_was_started_in(tmp_path: Path, backlog: Path) -> None:
    """Whoever may write there, as the app may into its log folder, would else run code with our rights."""
    for name in ("pickle", "gc", "extractor"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", encoding="utf-8")
    with MisbehavingServer() as server:
        program = Program(tmp_path, config_for(server.url, str(backlog)))
        python, *arguments = program.command("run", "--once")
        with Running([python, "-P", *arguments], tmp_path, program.environment()) as running:
            evaluator_of(running)
            assert running.wait() == 0
        assert server.accepted == program.preview_ids()
    assert "evaluator_lost" not in running.events()
    assert not (tmp_path / "ran").exists()


def test_the_evaluator_leaves_no_core_file_opens_no_file_and_says_nothing(
    tmp_path: Path, backlog: Path
) -> None:
    """It holds lines: no memory of it goes to a core file, it has pipes and no other handle, its words go nowhere."""
    program = Program(tmp_path, config_for("http://127.0.0.1:9", str(backlog)))
    with program.start() as running:
        process = Path(f"/proc/{evaluator_of(running)}")
        (limit,) = [line for line in (process / "limits").read_text().splitlines() if "core file" in line]
        assert limit.split()[4:6] == ["0", "0"]
        assert int((process / "coredump_filter").read_text(), 16) == 0
        wait_until(lambda: b"evaluation" in (process / "cmdline").read_bytes(), "its start")
        wait_until(lambda: _handles(process) == ["/dev/null", "pipe", "pipe"], "nothing but pipes to be open")


def _handles(process: Path) -> list[str]:
    """What a process has open, by kind; its modules are open for moments while it starts."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(str(handle.readlink()).partition(":")[0] for handle in (process / "fd").iterdir())
    return []


def test_a_stop_in_a_backlog_is_no_loss(tmp_path: Path, backlog: Path) -> None:
    """Where systemd signals every process of a group, the evaluator stays until it is not needed any more."""
    with MisbehavingServer() as server:
        program = Program(tmp_path, config_for(server.url, str(backlog)))
        with program.start() as running:
            os.kill(evaluator_of(running), signal.SIGTERM)
            assert running.stop() == 0
        assert "evaluator_lost" not in running.events()
        said = json.loads(program.call("status", "--json").stdout)
        assert said["outbox"]["events"] + len(server.accepted) <= LINES
        with program.start("--once") as running:
            assert running.wait() == 0
    assert sorted(server.accepted) == sorted(program.preview_ids())
