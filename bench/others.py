"""Other log shippers, where they are installed: each finds the same lines with filters written by hand.

They write what they found to a file and deliver nothing durably, which favours them.
"""

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.program import Cost, measure

PATIENCE_S = 600.0
"""A program that found nothing new for a fiftieth of this has found what it can."""


@dataclass(frozen=True, slots=True)
class Shipper:
    """A program that can be run on a log.

    Attributes:
        name: Of the program file.
        prepare: Writes its config into a folder, given the log, the literals and the output; gives the command.
    """

    name: str
    prepare: Callable[[Path, Path, Sequence[str], Path], list[str]]

    @property
    def installed(self) -> bool:
        """Whether it can be run."""
        return shutil.which(self.name) is not None

    def run(self, folder: Path, log: Path, literals: Sequence[str]) -> tuple[Cost, int]:
        """Run it over a log until its output stops growing; what that took, and how many lines it found.

        Its time ends with the last line it wrote, not with our patience; its CPU seconds include both.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        out = folder / "found.log"
        command = self.prepare(folder, log, literals, out)
        stop = threading.Event()
        grew: list[float] = []
        watch = threading.Thread(target=_watch, args=(out, stop, grew), daemon=True)
        watch.start()
        cost = measure(command, log=folder / "stderr.log", stop=stop)
        stop.set()
        watch.join()
        if grew:
            took = grew[-1] - cost.begun
            cost = Cost(
                wall_s=min(took, cost.wall_s),
                cpu_s=cost.cpu_s,
                memory=cost.memory,
                begun=cost.begun,
                status=0,
            )
        found = out.read_bytes().count(b"\n") if out.exists() else 0
        return cost, found


def _watch(out: Path, stop: threading.Event, grew: list[float]) -> None:
    """Note when the output grows; once it has not for long enough, say stop."""
    size, since = 0, time.monotonic()
    while not stop.wait(0.01):
        now = out.stat().st_size if out.exists() else 0
        if now != size:
            size, since = now, time.monotonic()
            grew.append(since)
        elif time.monotonic() - since > (PATIENCE_S / 50 if size else PATIENCE_S):
            stop.set()


def _syslog_ng(folder: Path, log: Path, literals: Sequence[str], out: Path) -> list[str]:
    found = " or ".join(f'message("{text}" type("string") flags("substring"))' for text in literals)
    config = folder / "syslog-ng.conf"
    config.write_text(
        f"""@version: 3.38
options {{ stats-freq(0); }};
source s {{ file("{log}" follow-freq(1) flags(no-parse) log-msg-size(1048576) log-iw-size(100000) log-fetch-limit(1000)); }};
filter f {{ {found}; }};
destination d {{ file("{out}" template("$MESSAGE\\n") flush-lines(1000)); }};
log {{ source(s); filter(f); destination(d); flags(flow-control); }};
"""
    )
    return [
        "syslog-ng", "--foreground", "--no-caps", "--cfgfile", str(config), "--persist-file", str(folder / "persist"),
        "--pidfile", str(folder / "pid"), "--control", str(folder / "control"),
    ]  # fmt: skip


def _fluent_bit(folder: Path, log: Path, literals: Sequence[str], out: Path) -> list[str]:
    config = folder / "fluent-bit.conf"
    config.write_text(
        f"""[SERVICE]
    Flush 1
    Log_Level error
[INPUT]
    Name tail
    Path {log}
    Read_from_Head On
    Exit_On_Eof On
    DB {folder}/tail.db
    Buffer_Max_Size 2M
    Mem_Buf_Limit 100M
[FILTER]
    Name grep
    Match *
    Regex log {"|".join(literals)}
[OUTPUT]
    Name file
    Match *
    Path {out.parent}
    File {out.name}
    Format template
    Template {{log}}
"""
    )
    return ["fluent-bit", "-c", str(config)]


def _vector(folder: Path, log: Path, literals: Sequence[str], out: Path) -> list[str]:
    config = folder / "vector.yaml"
    contains = " || ".join(f'contains!(.message, "{text}")' for text in literals)
    config.write_text(
        f"""data_dir: {folder}
sources:
  log: {{type: file, include: ["{log}"], read_from: beginning, max_line_bytes: 1048576}}
transforms:
  found: {{type: filter, inputs: [log], condition: '{contains}'}}
sinks:
  out: {{type: file, inputs: [found], path: "{out}", encoding: {{codec: text}}}}
"""
    )
    return ["vector", "--quiet", "--config", str(config)]


SHIPPERS = (
    Shipper("fluent-bit", _fluent_bit),
    Shipper("syslog-ng", _syslog_ng),
    Shipper("vector", _vector),
)
