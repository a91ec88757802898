"""What this process owes to the system around it: exit codes, signals, systemd, no memory in a core file."""

import contextlib
import gc
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Mapping
from enum import IntEnum
from types import FrameType, TracebackType
from typing import NoReturn, Self

from sdnotify import SystemdNotifier


class Exit(IntEnum):
    """What the process says when it ends."""

    FINE = 0
    PROBLEMS = (
        1  # of config or packs; another process has the state; with `--once`, something was left undone
    )
    USAGE = 2
    BROKEN = 70  # a mistake in this program ended a loop (EX_SOFTWARE of sysexits.h)
    STATE = 74  # the state is damaged or cannot be written (EX_IOERR)


class Signals:
    """Signals as something to wait for, in the main thread. A context manager that puts back what was there.

    A handler runs between any two instructions of the main thread, where it may not take a lock nor write a log: so
    it only leaves a byte in a pipe. That there are handlers at all is what makes them work for process 1 of a container.
    """

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers
        self._before: dict[int, object] = {}
        self._out, self._in = os.pipe()  # neither is inherited, says Python
        for end in (self._out, self._in):
            os.set_blocking(end, False)

    def __enter__(self) -> Self:
        for number in self._numbers:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]
        os.close(self._out)
        os.close(self._in)

    def wait(self, timeout_s: float) -> list[int]:
        """Signals since the last call, in their order; sleeps at most so many seconds for the first."""
        ready, _, _ = select.select([self._out], [], [], timeout_s)
        received = os.read(self._out, 1024) if ready else b""
        return [number for number in received if number]

    def rouse(self) -> None:
        """Make `wait` return now. Any thread."""
        self._leave(0)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._leave(number)

    def _leave(self, byte: int) -> None:
        try:
            os.write(self._in, bytes([byte]))
        except BlockingIOError:
            return  # so many are waiting that one more says nothing new


class Systemd:
    """`Type=notify` and the watchdog; nothing at all where systemd did not start us. One thread. A context manager."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read what systemd left in the environment."""
        self._notifier = SystemdNotifier() if environ.get("NOTIFY_SOCKET") else None
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        asked = environ.get("WATCHDOG_USEC", "")
        # Half of it, as sd_watchdog_enabled(3) advises.
        self._ping_s = int(asked) / 2e6 if asked.isdigit() and mine else None
        self._ping_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._notifier is not None and self._notifier.socket is not None:
            self._notifier.socket.close()

    def ready(self) -> None:
        """Started, or done with a reload."""
        self._notify("READY=1")

    def reloading(self) -> None:
        """`ready` follows."""
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Asked to stop."""
        self._notify("STOPPING=1")

    def ping(self, now: float) -> None:
        """Say that all is well, as often as was asked for; call it more often, and only while it is true."""
        if self._ping_s is not None and now >= self._ping_at:
            self._ping_at = now + self._ping_s
            self._notify("WATCHDOG=1")

    def _notify(self, message: str) -> None:
        if self._notifier is not None:
            self._notifier.notify(message)


def leave(code: int) -> NoReturn:
    """End now: all is closed that had to be, and what the interpreter does at its end can take longer than the grace."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


SWITCH_S = 0.0005
"""How long a thread that computes may keep the interpreter from one that waits for it, as one of the loops does after
each statement of SQLite. With Python's own 5 ms a batch waits 50 ms for its turns while the other loop reads a backlog."""

GARBAGE_AFTER = 20_000
"""Objects between two looks for circles of garbage. Lines and events make none; Python's own 700 costs a twentieth, and
a tenth of a start, whose modules make 70,000 objects that stay."""


def tune_interpreter() -> None:
    """Set Python up for two loops that share one interpreter and make millions of objects that refer to no other.

    Call it before most is imported.
    """
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(GARBAGE_AFTER)


def forbid_core_files() -> None:
    """Keep memory out of core files: it holds lines, values and the write key. Registers may still be written.

    A kernel that hands core files to a program does not ask the limit (core(5)); there, no mapping is to go into one.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/coredump_filter", "wb") as file:  # noqa: PTH123 - Linux has it
        file.write(b"0")
