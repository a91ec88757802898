"""A scene for tests of hazards: the real program, a server that keeps what it accepts, and what both know of a log."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from extractor.checkpoint import Checkpoint
from extractor.cli.status import status_command
from extractor.clock import SystemClock
from extractor.store import StoreError, StoreReader
from tests.misbehaving import OK, Answer, MisbehavingServer, Request
from tests.running import PATIENCE_S, Program, Running, config_for, metric_line, wait_until

LINE_RULE = "lago/billable-metric-created"
AWAY = Answer(status=503, accepts=False)


def lines(first: int, end: int) -> bytes:
    """A line with an event of its own for each number."""
    return b"".join(map(metric_line, range(first, end)))


def append(path: Path, data: bytes) -> None:
    """Write as a logger does: open, append, close."""
    with path.open("ab") as file:
        file.write(data)


@dataclass
class Scene:
    """A server that keeps the events that it accepts, and a program that sends them there."""

    folder: Path
    server: MisbehavingServer
    program: Program
    numbers: list[int] = field(default_factory=list)
    answering: Event = field(default_factory=Event)
    away: bool = False

    @property
    def log(self) -> Path:
        """The log."""
        return self.folder / "app.log"

    def answer(self, request: Request) -> Answer:
        """What the server says: nothing before `answering` is set, and 503 while `away`."""
        self.answering.wait(PATIENCE_S)
        if self.away:
            return AWAY
        for message in request.json["batch"]:
            self.numbers.append(int(message["properties"]["code"].removeprefix("metric_")))
        return OK

    def wait_for(self, count: int) -> None:
        """Wait until so many events were accepted."""
        wait_until(lambda: len(self.server.accepted) >= count, f"{count} events")

    def rows(self) -> list[Checkpoint]:
        """What the state knows of files now."""
        try:
            reader = StoreReader.open_for_reading(self.program.state, clock=SystemClock())
        except StoreError:
            return []  # not made yet
        with closing(reader):
            return reader.checkpoints()

    def wait_for_look(self, path: Path) -> None:
        """Wait until a look has seen the file as large as it is, and that is written down."""
        size = path.stat().st_size
        wait_until(
            lambda: any(row.path == str(path) and row.size == size for row in self.rows()), "a look at it"
        )

    def wait_until_missed(self, path: Path) -> None:
        """Wait until a look has not found the file there: it is gone, or its handle tells where it is now."""
        wait_until(
            lambda: not any(row.path == str(path) and row.gone_since is None for row in self.rows()),
            "a look that misses it",
        )

    def wait_for_acknowledged(self, count: int) -> None:
        """Wait until so many are written down as delivered: those come again under no circumstances."""
        self.wait_for(count)
        wait_until(lambda: self.delivered() == count, "the answer to be written down")

    def delivered(self) -> int:
        """How many the state calls delivered."""
        with closing(StoreReader.open_for_reading(self.program.state, clock=SystemClock())) as reader:
            return reader.status().delivered

    def status(self) -> dict[str, Any]:
        """What `status --json` shows; asked for in this process, which is quicker."""
        with redirect_stdout(StringIO()) as shown:
            status_command(self.program.config_file, as_json=True, watch=False)
        report: dict[str, Any] = json.loads(shown.getvalue())
        return report

    def assert_once(self, *wanted: range) -> dict[str, Any]:
        """Each of these events came once, under an id of its own; each line was read once; what `status` shows."""
        numbers = [number for span in wanted for number in span]
        assert sorted(self.numbers) == numbers
        assert len(set(self.server.accepted)) == len(self.server.accepted) == len(numbers)
        report = self.status()
        read = sum(
            one["count"] for one in report["counters"] if (one["name"], one["rule"]) == ("matched", LINE_RULE)
        )
        assert read == len(numbers)
        assert [file for file in report["files"] if file["standing"] == "followed" and file["lag"]] == []
        return report


def lost(report: dict[str, Any]) -> int:
    """Bytes that are counted as lost."""
    return sum(file["lost_bytes"] for file in report["files"])


def kinds(report: dict[str, Any]) -> list[str]:
    """The kinds of incidents."""
    return [one["kind"] for one in report["incidents"]]


@contextmanager
def scene(folder: Path, *paths: str, answering: bool = True, **more: Any) -> Iterator[Scene]:
    """Set up; the program is not started."""
    with MisbehavingServer() as server:
        config = config_for(server.url, *paths, poll_interval="50ms", **more)
        config["destination"]["segment"]["timeout"] = "5m"
        made = Scene(folder, server, Program(folder, config))
        server.script = made.answer
        if answering:
            made.answering.set()
        try:
            yield made
        finally:
            made.answering.set()


@contextmanager
def asleep(process: Running) -> Iterator[None]:
    """It does nothing in here: what happens, happens between two looks."""
    process.send(signal.SIGSTOP)
    state = Path(f"/proc/{process.process.pid}/stat")
    wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "it to stop")
    yield
    process.send(signal.SIGCONT)


def held(process: Running, folder: Path) -> list[str]:
    """Where its handles lead that lead into the folder with the logs; deleted files are marked so."""
    found = []
    for handle in Path(f"/proc/{process.process.pid}/fd").iterdir():
        try:
            target = str(handle.readlink())
        except FileNotFoundError:
            continue
        if target.startswith(str(folder)) and "/state/" not in target:
            found.append(target)
    return found


def no_deleted(process: Running, folder: Path) -> bool:
    """Whether it holds no deleted file."""
    return not any(path.endswith("(deleted)") for path in held(process, folder))


def told(process: Running, kind: str) -> bool:
    """Whether its log tells of such an incident."""
    return any(line["event"] == "incident" and line["kind"] == kind for line in process.told)


def without_privileges(command: list[str]) -> list[str]:
    """Permissions do not stop root, unless it gives up what lets it pass them."""
    if os.geteuid() != 0:
        return command
    wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if shutil.which(wrapper[0]) is None or subprocess.run([*wrapper, "true"], check=False).returncode:
        pytest.skip("root here, and no setpriv that lets us give up root's way around permissions")
    return [*wrapper, *command]


def start_unprivileged(program: Program) -> Running:
    """`extractor run`, which permissions stop."""
    return Running(without_privileges(program.command("run")), program.folder, program.environment())


def made(path: Path, data: bytes) -> int:
    """Make a file, or add to it; its inode."""
    append(path, data)
    return path.stat().st_ino


def holds(process: Running, inode: int) -> bool:
    """Whether it has this file open."""
    for handle in Path(f"/proc/{process.process.pid}/fd").iterdir():
        try:
            if handle.stat().st_ino == inode:
                return True
        except OSError:
            continue
    return False


def peak_bytes(process: Running) -> int:
    """The most memory that it had so far."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak) * 1024
