"""The opt-out, the state and following together: what cannot be read when an opt-out is lifted is never sent."""

from pathlib import Path

import pytest

from extractor.clock import SystemClock
from extractor.daemon.observe import Observer
from extractor.daemon.parts import Parts, Work
from extractor.source import handle
from tests.running import Program, config_for, metric_line


def _work(program: Program) -> Work:
    return Work(
        Parts.load(program.config_file, {}),
        {},
        Observer(SystemClock()),
        stopped=lambda: False,
        listen=lambda _: None,
    )


def _refused(_: str) -> int:
    raise PermissionError  # also for root


def _follow(work: Work) -> None:
    work.obedience.follow(lambda since: work.skip(work.build_collector(), since))


def _collected(work: Work) -> int:
    """Events that wait after everything was read."""
    work.build_collector().drain()
    return work.store.status().outbox_rows


@pytest.mark.parametrize("restart", [False, True])
def test_unreadable_when_the_opt_out_is_lifted_is_never_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, restart: bool
) -> None:
    """Lines under an opt-out stay unsent though their file can be read only after it; later lines are sent."""
    log = tmp_path / "worker.log"
    program = Program(tmp_path, config_for(None, str(log), state_dir=str(tmp_path / "state")))
    program.state.mkdir(mode=0o700)
    marker = program.state / "OPT_OUT"
    marker.touch()
    log.write_bytes(metric_line(1))
    with monkeypatch.context() as patched:
        patched.setattr(handle, "open_log", _refused)
        work = _work(program)
        _follow(work)
        marker.unlink()
        _follow(work)
        assert work.store.status().opt_out is None
        if restart:
            work.close()
            work = _work(program)
    assert _collected(work) == 0
    with log.open("ab") as file:
        file.write(metric_line(2))
    assert _collected(work) == 1
    work.close()
