"""`status` from where the daemon cannot be seen, as from another container that shares the state."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from extractor.status import FRESH_S, beat_of
from tests.commands import customer_line
from tests.running import Program, Running, config_for, wait_until

ALONE = ["unshare", "--user", "--map-root-user", "--pid", "--mount-proc", "--fork"]
"""A process that sees none but its own."""


def can_be_alone() -> bool:
    """Whether this machine gives out PID namespaces."""
    return (
        shutil.which("unshare") is not None
        and subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(
    not can_be_alone(), reason="needs `unshare --user --pid --mount-proc`, which is refused here"
)
def test_status_tells_of_a_daemon_that_it_cannot_see(tmp_path: Path) -> None:
    """Its last word and how long ago; a daemon that ended in order is told as none."""
    log = tmp_path / "api.log"
    log.write_text(customer_line("a") + "\n", encoding="utf-8")
    program = Program(tmp_path, config_for(None, str(log)))

    def asked() -> tuple[str, dict[str, object]]:
        told = [
            subprocess.run(
                [*ALONE, *program.command("status", *more)],
                check=False, capture_output=True, cwd=tmp_path, env=program.environment(), timeout=60,
            ).stdout.decode()
            for more in ([], ["--json"])
        ]  # fmt: skip
        return told[0], json.loads(told[1])

    with Running(program.command("run"), tmp_path, program.environment()) as daemon:
        wait_until(lambda: b"customer_created" in daemon.out or daemon.ended, "the event")
        words, report = asked()
        assert report["writer"] is None
        assert report["beat_at"] is not None
        assert re.search(r"a process was at work \d+ s ago and is not seen from here", words)
        lock = program.state / "lock"
        os.utime(lock, (1, 1))
        wait_until(lambda: lock.stat().st_mtime > 1 or daemon.ended, "its next word")
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0
    words, report = asked()
    assert report["beat_at"] is None
    assert "nothing is seen to run with it" in words


def test_a_word_of_long_ago_says_nothing(tmp_path: Path) -> None:
    """A daemon that was killed has left its number: only for a minute that may be one that lives."""
    lock = tmp_path / "lock"
    assert beat_of(tmp_path, 0.0) is None
    lock.write_text("4711\n")
    at = lock.stat().st_mtime
    assert beat_of(tmp_path, at + FRESH_S - 1) == at
    assert beat_of(tmp_path, at + FRESH_S) is None
    lock.write_text("")
    assert beat_of(tmp_path, lock.stat().st_mtime) is None
