"""Signals as something to wait for, systemd, and a log that nothing else writes to."""

import json
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from extractor import logs, telemetry
from extractor.daemon.process import Signals, Systemd


def test_signals_come_in_their_order_and_once() -> None:
    """What came before `wait`, and while it waits; nothing is left afterwards."""
    with Signals(signal.SIGUSR1, signal.SIGUSR2) as signals:
        for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(os.getpid(), number)
        assert signals.wait(10) == [signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR2]
        assert signals.wait(0) == []


def test_a_flood_of_signals_blocks_nobody() -> None:
    """More than a pipe holds: the handler gives up instead of waiting for itself."""
    with Signals(signal.SIGUSR1) as signals:
        for _ in range(100_000):
            signals.rouse()
        os.kill(os.getpid(), signal.SIGUSR1)
        while signals.wait(0):
            pass


def test_a_thread_can_end_the_wait() -> None:
    """As a loop does that has ended."""
    with Signals(signal.SIGUSR1) as signals:
        thread = threading.Thread(target=signals.rouse)
        thread.start()
        assert signals.wait(30) == []
        thread.join()


def test_handlers_are_put_back() -> None:
    """Whoever runs a command in its own process keeps what it had."""
    before = signal.getsignal(signal.SIGUSR1)
    with Signals(signal.SIGUSR1):
        assert signal.getsignal(signal.SIGUSR1) != before
    assert signal.getsignal(signal.SIGUSR1) == before


@pytest.fixture
def notified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd listens on."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield listener


def heard(listener: socket.socket) -> list[str]:
    """All messages so far."""
    messages = []
    while True:
        try:
            messages.append(listener.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_the_watchdog_is_pinged_twice_in_its_time(notified: socket.socket) -> None:
    """At half of what it asked for, however often we come by."""
    with Systemd({**os.environ, "WATCHDOG_USEC": "10000000"}) as systemd:
        for now in range(100, 121):
            systemd.ping(float(now))
    assert heard(notified) == ["WATCHDOG=1"] * 5


@pytest.mark.parametrize(
    "environ", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}]
)
def test_no_ping_that_nobody_asked_us_for(notified: socket.socket, environ: dict[str, str]) -> None:
    """No watchdog, nonsense, or the watchdog of another process."""
    with Systemd({**os.environ, **environ}) as systemd:
        systemd.ping(100.0)
        systemd.ready()
    assert heard(notified) == ["READY=1"]


def test_without_systemd_nothing_is_sent_anywhere() -> None:
    """No socket is made."""
    with Systemd({}) as systemd:
        assert systemd._notifier is None
        systemd.ready()
        systemd.reloading()
        systemd.stopping()
        systemd.ping(0.0)


# The log


@pytest.fixture
def _configured() -> Iterator[None]:
    logs.configure()
    yield
    logs.configure()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """The log so far."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.usefixtures("_configured")
def test_only_declared_fields_are_written_and_all_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    """A field that nobody declared is dropped, None is left out, a long text is cut, a newline stays in its line."""
    logs.tell(
        telemetry.INCIDENT, kind="lost", path="/a\nb" + "x" * 10_000, lost_bytes=3, detail=None, line="canary"
    )
    (line,) = lines(capsys)
    assert set(line) == {"kind", "path", "lost_bytes", "event", "level", "timestamp"}
    assert str(line["path"]).startswith("/a\nbx")
    assert len(str(line["path"])) == logs.MAX_TEXT


@pytest.mark.usefixtures("_configured")
def test_the_level_decides_and_verbose_wins(capsys: pytest.CaptureFixture[str]) -> None:
    """`log_level` hides what is less; `--verbose` shows all whatever the config says."""
    logs.tell(telemetry.RECORDED, events=1)
    logs.set_level("error")
    logs.tell(telemetry.INCIDENT, kind="lost")
    logs.tell(telemetry.DEAD_LETTER, reason="gate")
    logs.configure(verbose=True)
    logs.set_level("error")
    logs.tell(telemetry.RECORDED, events=2)
    assert [line["event"] for line in lines(capsys)] == ["dead_letter", "recorded"]


class Broken:
    """A stream whose reader is gone."""

    def write(self, _: str) -> None:
        """Never works."""
        raise BrokenPipeError

    def flush(self) -> None:
        """The same."""
        raise BrokenPipeError


def test_a_log_that_nobody_reads_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed or broken standard error loses lines, not the daemon."""
    monkeypatch.setattr(sys, "stderr", Broken())
    logs.tell(telemetry.DEAD_LETTER, reason="gate")


def test_what_the_interpreter_would_say_is_told_without_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors of threads, of the main thread, of finalizers, warnings, and libraries that log: no value, no traceback."""
    canary = "canary.909d05d8@private.example"

    def die() -> None:
        raise ValueError(canary)

    class Unraisable:
        def __del__(self) -> None:
            raise ValueError(canary)

    kept = sys.excepthook, threading.excepthook, sys.unraisablehook
    with logs.only_voice():
        thread = threading.Thread(target=die)
        thread.start()
        thread.join()
        sys.excepthook(ValueError, ValueError(canary), None)
        Unraisable().__del__  # noqa: B018 - looked at and let go: its finalizer runs
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(canary, stacklevel=1)
        logs.configure()
        logging.getLogger("segment").error(canary)
        logging.getLogger("urllib3.connectionpool").warning(canary)
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == kept
    captured = capsys.readouterr()
    assert canary not in captured.err + captured.out
    told = [json.loads(line) for line in captured.err.splitlines()]
    assert [(line["event"], line["error"]) for line in told] == [("died", "ValueError")] * 3
