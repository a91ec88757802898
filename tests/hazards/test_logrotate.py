"""Debian's logrotate in all its modes, against a writer that does not stop."""

import gzip
import logging
import os
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from extractor.source import Limits
from tests.following import Recorder

LOGROTATE = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin:/usr/local/sbin")
MODES = {
    "create": "create",
    "copytruncate": "copytruncate",
    "compress": "create\ncompress",
    "delaycompress": "create\ncompress\ndelaycompress",
    "copytruncate and compress": "copytruncate\ncompress",
    "dateext": "create\ndateext\ndateformat -%Y%m%d-%s",
    "maxsize": "create\nmaxsize 30k\ndaily",
}
LOG = logging.getLogger(__name__)
"""Tells the figures: `--log-cli-level=INFO` shows them."""
LINES_A_SECOND = 5000
BURST = 25
LOOKS_S = 0.06


@dataclass(slots=True)
class Writer:
    """Appends numbered lines, opening the file for each burst as a logger does that watches its file.

    It never makes the file itself: between logrotate's `rename` and `create` that would be a file which logrotate
    moves away under a name of its own at once, out of reach of a pattern that is the log's name alone.
    """

    path: Path
    count: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until told to stop."""
        while not self.stop.wait(BURST / LINES_A_SECOND):
            try:
                log = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            except FileNotFoundError:
                continue
            os.write(log, b"".join(b'{"id": %09d}\n' % (self.count + i) for i in range(BURST)))
            os.close(log)
            self.count += BURST


def _follow(folder: Path, mode: str, seconds: float) -> None:
    """Follow while rotating about three times a second, then compare what was written with what was read."""
    assert LOGROTATE is not None
    logs = folder / "logs"
    logs.mkdir(mode=0o755)
    log = logs / "app.log"
    log.touch()
    config = folder / "logrotate.conf"
    force = [] if "maxsize" in MODES[mode] else ["--force"]
    config.write_text(f"{log} {{\nrotate 5\nmissingok\n{MODES[mode]}\n}}\n")
    config.chmod(0o644)
    writer = Writer(log)
    thread = threading.Thread(target=writer.run)
    with Recorder(logs, ("app.log",), limits=Limits(settle_s=0.5)) as recorder:
        recorder.look()  # what is rotated away before anybody looks is out of reach, under this pattern
        thread.start()
        end, runs = time.monotonic() + seconds, 0
        copied: set[int] = set()
        while time.monotonic() < end:
            runs += 1
            for _ in range(5):
                time.sleep(LOOKS_S)
                recorder.clock.advance(LOOKS_S)
                recorder.step()
            command = [LOGROTATE, *force, "--state", str(folder / "state"), str(config)]
            # With dateext it refuses to rotate twice within one second.
            subprocess.run(command, check="dateext" not in mode, capture_output=True, timeout=30)
            if "copytruncate" in mode:
                copied |= _copied(logs / "app.log.1")
        writer.stop.set()
        thread.join()
        recorder.finish()
        assert len(list(logs.iterdir())) > 1
        read = [int(line[7:16]) for line in recorder.lines]
        missing = sorted(set(range(writer.count)) - set(read))
        told = f"{runs} runs, {writer.count} lines, {len(read)} read, {len(missing)} missing"
        LOG.info("%s: %s, %d bytes counted, %d rows", mode, told, recorder.lost(), len(recorder.rows))
        assert len(read) == len(set(read))
        assert recorder.lost() <= len(missing) * len(b'{"id": 000000000}\n')
        if "copytruncate" in mode:
            assert not copied.intersection(missing)
            assert not missing or recorder.incidents
        else:
            assert missing == []
            assert recorder.lost() == 0


def _copied(copy: Path) -> set[int]:
    """The lines of a copy, plain or compressed."""
    packed = copy.with_name(copy.name + ".gz")
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else copy.read_bytes()
    return {int(line[7:16]) for line in data.splitlines()}


needs_logrotate = pytest.mark.skipif(
    LOGROTATE is None, reason="logrotate is not installed (Debian: logrotate)"
)


@needs_logrotate
@pytest.mark.parametrize("mode", MODES)
def test_logrotate(tmp_path: Path, mode: str) -> None:
    """Every line exactly once, but for what copytruncate lost between copy and truncation, which is never overstated."""
    _follow(tmp_path, mode, 1.5)


@needs_logrotate
@pytest.mark.soak
@pytest.mark.parametrize("mode", MODES)
def test_logrotate_for_minutes(tmp_path: Path, mode: str) -> None:
    """The same for five minutes in each mode."""
    _follow(tmp_path, mode, 300)
