"""On a real terminal: colours and bars, which neither a pipe nor NO_COLOR gets, and a screen that is drawn anew."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.commands import LOGS, customer_line
from tests.running import PATIENCE_S, Program, config_for

COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
ESCAPE = b"\x1b"
CLEAR = b"\x1b[H\x1b[2J"


@dataclass
class Screen:
    """A process on a terminal of its own, and all that it has written there."""

    process: "subprocess.Popen[bytes]"
    terminal: int
    seen: bytearray = field(default_factory=bytearray)

    def wait_for(self, happened: Callable[[bytes], object], what: str) -> None:
        """Read until it stands there."""
        until = time.monotonic() + PATIENCE_S
        while not happened(bytes(self.seen)):
            assert time.monotonic() < until, f"waited for {what}: {bytes(self.seen)!r}"
            self.read(0.1)

    def read(self, patience_s: float) -> bool:
        """Some more; whether more can come."""
        if select.select([self.terminal], [], [], patience_s)[0]:
            try:
                self.seen += os.read(self.terminal, 65536)
            except OSError:  # Linux: the other side is closed
                return False
        return True

    def end(self) -> int:
        """All that is left, and the exit code."""
        until = time.monotonic() + PATIENCE_S
        while self.read(0.1):
            assert time.monotonic() < until, f"waited for its end: {bytes(self.seen)!r}"
        return self.process.wait(PATIENCE_S)


@contextmanager
def on_terminal(
    program: Program, *words: str, rows: int = 24, out: int | None = None, **environ: str
) -> Iterator[Screen]:
    """Run a command there; with `out`, standard output goes elsewhere."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))
    environment = {**program.environment(), "TERM": "xterm-256color", **environ}
    process = subprocess.Popen(
        program.command(*words),
        cwd=program.folder, stdin=slave, stdout=slave if out is None else out, stderr=slave,
        env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        yield Screen(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.fixture(name="program")
def _program(tmp_path: Path) -> Program:
    """With the samples as its logs."""
    return Program(tmp_path, config_for(None, str(LOGS / "*.log")))


def test_watching_draws_the_screen_anew_and_fits_it(program: Program) -> None:
    """Each look clears the screen, and prints no more lines than it has; Ctrl-C ends it as no failure."""
    assert program.call("run", "--once").returncode == 0
    with on_terminal(program, "status", "--watch", rows=10) as screen:
        screen.wait_for(lambda seen: seen.count(CLEAR) >= 2, "a second look")
        screen.process.send_signal(signal.SIGINT)
        assert screen.end() == 0
    first, *looks = bytes(screen.seen).split(CLEAR)
    assert first == b""
    for look in looks[:-1]:
        assert look.startswith(b"state ")
        assert look.count(b"\n") < 10


def test_watching_without_a_terminal_clears_nothing(program: Program) -> None:
    """A log of it can be read."""
    assert program.call("run", "--once").returncode == 0
    reader, writer = os.pipe()
    with on_terminal(program, "status", "--watch", out=writer) as screen:
        os.close(writer)
        told = b""
        while told.count(b"delivered") < 2:
            told += os.read(reader, 65536)
        screen.process.send_signal(signal.SIGINT)
        assert screen.end() == 0
    os.close(reader)
    assert ESCAPE not in told


def many_lines(folder: Path) -> Path:
    """A log whose reading can be seen."""
    path = folder / "large.log"
    path.write_text("".join(customer_line(f"c{number}") + "\n" for number in range(5_000)), encoding="utf-8")
    return path


def test_a_backfill_shows_a_bar_with_rate_and_time_left(program: Program) -> None:
    """On a terminal: the file's name, how much of how much, per second; the events go to standard output alone."""
    log = many_lines(program.folder)
    with (program.folder / "events").open("wb") as out:
        words = ("backfill", str(log), "--assume-time", "now", "--yes")
        with on_terminal(program, *words, out=out.fileno()) as screen:
            assert screen.end() == 0
    seen = bytes(screen.seen)
    assert b"reading large.log" in seen
    assert "━".encode() in seen
    assert re.search(rb"/[0-9.]+ MB", seen)
    assert re.search(rb"[0-9.]+ [kM]?B/s|\?", seen)
    assert re.search(rb"-:--:--|0:00:0", seen)
    assert b"5000 new events" in seen
    events = (program.folder / "events").read_bytes()
    assert events.count(b"\n") == 5_000
    assert ESCAPE not in events


def test_no_color_means_none(program: Program) -> None:
    """NO_COLOR keeps the bar and drops what paints it."""
    log = many_lines(program.folder)
    words = ("backfill", str(log), "--assume-time", "now", "--yes")
    with (
        (program.folder / "events").open("wb") as out,
        on_terminal(program, *words, out=out.fileno()) as painted,
    ):
        assert painted.end() == 0
    other = Program(program.folder / "other", program.config)
    with (
        (program.folder / "others").open("wb") as out,
        on_terminal(other, *words, out=out.fileno(), NO_COLOR="1") as plain,
    ):
        assert plain.end() == 0
    painting = re.compile(rb"\x1b\[[0-9;]*3[0-9;]*m")
    assert painting.search(painted.seen)
    assert not painting.search(plain.seen)


def test_without_a_terminal_there_are_lines_and_no_bar(program: Program) -> None:
    """What a cron job mails."""
    log = many_lines(program.folder)
    said = program.call("backfill", str(log), "--assume-time", "now", "--yes")
    assert said.returncode == 0
    assert ESCAPE not in said.stdout + said.stderr
    assert b"reading 1/1 " in said.stderr


def test_a_table_is_painted_on_a_terminal_alone(program: Program) -> None:
    """`preview` in a pipe has no escape."""
    with on_terminal(program, "preview") as screen:
        assert screen.end() == 0
    assert b"events" in screen.seen
    with on_terminal(program, "preview", NO_COLOR="1") as plain:
        assert plain.end() == 0
    assert not re.search(rb"\x1b\[[0-9;]*3[0-9;]*m", plain.seen)
    assert ESCAPE not in program.call("preview").stdout


@pytest.mark.parametrize("words", [["preview"], ["prime", "--from-logs"]])
def test_what_reads_long_shows_where_it_is_and_leaves_no_trace(program: Program, words: list[str]) -> None:
    """The bar is there while files are read, and gone before the result is printed."""
    log = many_lines(program.folder)
    with on_terminal(program, *words, str(log)) as screen:
        assert screen.end() == 0
    bar, _, result = bytes(screen.seen).rpartition(b"reading large.log")
    assert "━".encode() in bar + result
    assert "━".encode() not in result.rpartition(b"\x1b[2K")[2]
