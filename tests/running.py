"""The real program as a process of its own: started, killed, asked, and its outputs read; logs for it to read."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from extractor import wiring
from extractor.config import load_config
from extractor.whole.preview import preview

ROOT = Path(__file__).parent.parent
LOGS = ROOT / "examples" / "lago"
PATIENCE_S = 60.0
"""How long anything may take before a test gives up: only a broken program or a very busy machine needs it."""


def metric_line(number: int) -> bytes:
    """A line of the worker log that shows one fact, another one for each number."""
    job = f"{number:08x}-3d54-42e0-b44e-6b7df3aa28ac"
    arguments = (
        '{membership_id: "membership/7db1e4be-02be-4994-b5ae-66e384ce9270", event: "billable_metric_created", '
        f'properties: {{code: "metric_{number}", aggregation_type: "sum_agg", '
        'organization_id: "0eb22b12-d903-4cfa-b55f-77e5847bf330"}}'
    )
    line = {
        "level": "info",
        "event": "perform",
        "status": "start",
        "job": "SegmentTrackJob",
        "job_id": job,
        "queue": "default",
        "arguments": arguments,
        "enqueued_at": "2026-11-22T11:44:06.804Z",
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def wait_until(happened: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something that another process does."""
    until = time.monotonic() + patience_s
    while not happened():
        if time.monotonic() > until:
            message = f"waited {patience_s:.0f} s for {what}"
            raise AssertionError(message)
        time.sleep(0.005)


def children_of(pid: int) -> set[int]:
    """Processes that one has started and not reaped."""
    return {
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    }


def has_ended(pid: int) -> bool:
    """Whether a process is gone; where nobody reaps orphans it stays as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@dataclass
class Program:
    """A folder with a config, and the program run on it."""

    folder: Path
    config: dict[str, Any]
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_config()

    @property
    def config_file(self) -> Path:
        """Where the config is."""
        return self.folder / "extractor.yaml"

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    def write_config(self, **changes: Any) -> None:
        """Write it, with these keys changed from now on; JSON is YAML, too."""
        self.config.update(changes)
        self.config_file.write_text(json.dumps(self.config), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        """`extractor ARGUMENTS`."""
        return [sys.executable, "-m", "extractor", *arguments, "--config", str(self.config_file)]

    def environment(self, **more: str) -> dict[str, str]:
        """Of a child: ours, and what the test wants."""
        return {**os.environ, "PYTHONPATH": str(ROOT), **self.environ, **more}

    def call(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**environ),
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def preview(self) -> list[dict[str, Any]]:
        """The messages that a preview shows, in order; asked for in this process, which is quicker."""
        config = load_config(self.config_file, {})
        return [json.loads(event.message) for event in preview(config, wiring.build_rules(config))]

    def preview_ids(self) -> list[str]:
        """Their ids."""
        return [message["messageId"] for message in self.preview()]

    def start(self, *options: str, **environ: str) -> "Running":
        """`extractor run`."""
        return Running(self.command("run", *options), self.folder, self.environment(**environ))

    def state_bytes(self) -> bytes:
        """Everything that lies in the state folder."""
        return b"".join(path.read_bytes() for path in sorted(self.state.rglob("*")) if path.is_file())


class Running:
    """A process; killed at the end of the block if it is still there."""

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.out = bytearray()
        self.err = bytearray()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.out), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, into: bytearray) -> None:
        while data := stream.read1(65536):
            into += data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.ended:
            self.process.kill()
        self.wait()

    @property
    def told(self) -> list[dict[str, Any]]:
        """The lines of its own log so far."""
        lines = bytes(self.err).split(b"\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    def events(self) -> list[str]:
        """The names of what it told."""
        return [line["event"] for line in self.told]

    def wait_for(self, event: str, count: int = 1) -> None:
        """Wait until it has told something so often."""
        wait_until(lambda: self.events().count(event) >= count or self.ended, f"the event {event!r}")
        assert self.events().count(event) >= count, bytes(self.err).decode()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self.process.poll() is not None

    def sleep(self, seconds: float) -> None:
        """Let it live so much longer, or until it ends by itself: for moments that are to be random."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def wait(self) -> int:
        """Wait for its end, and for all of its output; the exit code."""
        code = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    def stop(self) -> int:
        """SIGTERM, and its end."""
        self.send(signal.SIGTERM)
        return self.wait()


def config_for(url: str | None, *paths: str, **more: Any) -> dict[str, Any]:
    """A config that delivers there, or to stdout; no metrics, short waits."""
    segment = {
        "host": url,
        "write_key": "a-write-key-of-the-tests",
        "timeout": "5s",
        "requests_per_second": 1000,
    }
    return {
        "sources": [{"paths": list(paths)}],
        "rules": ["lago"],
        "variables": {"hosting_type": "self", "version": "1.51.0"},
        "installation": "the-installation-of-the-tests",
        "destination": "stdout" if url is None else {"segment": segment},
        "metrics": "off",
        "shutdown_grace": "5s",
        **more,
    }


def lago_paths() -> Iterator[str]:
    """The sample logs, in the order in which a preview meets them."""
    yield from (str(LOGS / name) for name in ("api.log", "worker.log", "clock.log"))


def free_port() -> int:
    """A port that nobody listens on, most likely."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def ask(port: int, path: str) -> tuple[int, str]:
    """GET: status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
