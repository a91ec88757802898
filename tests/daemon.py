"""The real program in a process of its own, with a folder of logs and a server to deliver to."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from tests.commands import customer_line

ROOT = Path(__file__).parent.parent


class Daemon:
    """`extractor run` on one folder; started and ended as often as a test likes. A context manager."""

    def __init__(self, folder: Path, url: str, *, max_batch_events: int = 2500, **keys: str) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        more = "".join(f"{key}: {value}\n" for key, value in keys.items())
        (folder / "extractor.yaml").write_text(
            "sources: [{paths: [app.log]}]\nrules: [lago]\ninstallation: of-the-tests\nstate_dir: ./state\n"
            f'metrics: "off"\n{more}destination:\n  segment:\n    host: "{url}"\n'
            f"    write_key: key\n    max_batch_events: {max_batch_events}\n    requests_per_second: 1000\n",
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def log(self, numbers: Iterable[int]) -> None:
        """The app creates customers: one fact for each number."""
        with (self.folder / "app.log").open("a", encoding="utf-8") as file:
            file.writelines(f"{customer_line(f'customer-{number}')}\n" for number in numbers)

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start it; its log goes to a file."""
        with (self.folder / "stderr.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "extractor", "run", "--config", "extractor.yaml", *options],
                cwd=self.folder,
                env=self._environment(),
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        return self.process

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def ask(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def once(self) -> int:
        """Read to the end, deliver, end; the exit code."""
        return self.start("--once").wait(120)

    def preview(self) -> list[str]:
        """The messages that all of the logs give, one JSON object a line."""
        command = [
            sys.executable,
            "-m",
            "extractor",
            "preview",
            "--config",
            "extractor.yaml",
            "--format",
            "jsonl",
        ]
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment(), capture_output=True, check=True
        )
        return done.stdout.decode().splitlines()

    @staticmethod
    def _environment() -> Mapping[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}
