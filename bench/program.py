"""Runs programs and says what they cost: wall time, CPU seconds and memory of the whole process tree."""

import compileall
import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.corpus import ROOT, config_text

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took.

    Attributes:
        wall_s: From before the start to after the end, by `time.monotonic()`.
        cpu_s: User and system time of the process and of all that it waited for.
        memory: Bytes resident at most: of the process, or together where there were several (shared pages once).
        begun: `time.monotonic()` at the start.
        status: Exit status.
    """

    wall_s: float
    cpu_s: float
    memory: int
    begun: float
    status: int


def measure(
    command: Sequence[str],
    *,
    out: Path | None = None,
    log: Path | None = None,
    stop: threading.Event | None = None,
) -> Cost:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        out: Where its standard output goes; else nowhere.
        log: Where its standard error goes; else nowhere.
        stop: When set, it is terminated: for programs that never end.
    """
    with contextlib.ExitStack() as stack:
        stdout = stack.enter_context(out.open("wb")) if out else subprocess.DEVNULL
        stderr = stack.enter_context(log.open("wb")) if log else subprocess.DEVNULL
        begun = time.monotonic()
        process = subprocess.Popen(
            command, stdout=stdout, stderr=stderr, env={**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C"}
        )
        watch = _TreeWatch(process.pid)
        stack.enter_context(watch)
        if stop is not None:
            threading.Thread(target=_end, args=(process, stop), daemon=True).start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # we are told to end: what we started ends, too
            process.kill()
            raise
        wall_s = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if stop is not None:
            stop.set()
    return Cost(
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        memory=watch.most,
        begun=begun,
        status=process.returncode,
    )


def _end(process: subprocess.Popen[bytes], stop: threading.Event) -> None:
    stop.wait()
    process.terminate()


class _TreeWatch:
    """Notes the most memory of a process, and of it and its children together where there are any.

    Not `ru_maxrss`: Linux keeps in it what the forked child had before it became the program, which is ours.
    """

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.most = max(self.most, _status_bytes(self._pid, "VmHWM"))
            pids = tree(self._pid)
            if len(pids) > 1:
                self.most = max(self.most, sum(proportional_memory(pid) for pid in pids))


def _status_bytes(pid: int, name: str) -> int:
    """A size that the kernel tells of a process; 0 for a process that ended."""
    with contextlib.suppress(OSError):
        found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return 0


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    with contextlib.suppress(OSError):  # it ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    return found


def proportional_memory(pid: int) -> int:
    """Resident bytes, a page that n processes share counted for an n-th; 0 for a process that ended."""
    with contextlib.suppress(OSError):
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return 0


class Ours:
    """Our program on one log, with a state of its own."""

    def __init__(self, folder: Path, paths: Path, url: str, more: str = "") -> None:
        """Write a config into the folder, and empty the state that was there.

        The package is compiled, as it is where it was installed: PYTHONDONTWRITEBYTECODE would cost each start 0.13 s.
        """
        compileall.compile_dir(ROOT / "extractor", quiet=1)
        folder.mkdir(parents=True, exist_ok=True)
        self.state = folder / "state"
        shutil.rmtree(self.state, ignore_errors=True)
        self.config = folder / "config.yaml"
        self.config.write_text(config_text(paths, self.state, url, more), encoding="utf-8")
        self.log = folder / "stderr.log"

    def command(self, *, once: bool) -> list[str]:
        """How it is started."""
        once_ = ["--once"] if once else []
        return [sys.executable, "-m", "extractor", "run", *once_, "-c", str(self.config)]

    def run_once(self) -> Cost:
        """`run --once`, as a whole process."""
        return measure(self.command(once=True), log=self.log)


class Daemon:
    """`run` as a process, for as long as a `with` block."""

    def __init__(self, ours: Ours) -> None:
        """Start it."""
        self._log = ours.log.open("wb")
        self._process = subprocess.Popen(
            ours.command(once=False),
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def running(self) -> bool:
        """Whether it still does."""
        return self._process.poll() is None

    def cpu_s(self) -> float:
        """User and system time so far, of it and its children."""
        total = 0.0
        for pid in tree(self._process.pid):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICKS
        return total

    def memory(self) -> int:
        """Resident bytes now."""
        pids = tree(self._process.pid)
        if len(pids) > 1:
            return sum(proportional_memory(pid) for pid in pids)
        return _status_bytes(pids[0], "VmRSS")

    def handles(self) -> int:
        """Open file descriptors."""
        return sum(sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()) for pid in tree(self._process.pid))


def describe_machine(folder: Path) -> str:
    """Processor, cores, memory, kernel, file system and interpreter, in one line."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    mount = subprocess.run(
        ["stat", "--file-system", "--format=%T", str(folder)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, {memory_gb:.0f} GB, "
        f"Linux {platform.release()}, {mount}, Python {platform.python_version()}"
    )
