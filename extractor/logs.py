"""Our own log: JSON lines on standard error, each declared in `telemetry`, with its declared fields and no others.

Never a line, a value or a payload: `tell` drops what is not declared, texts are cut, and neither a library nor the
interpreter says anything in its own words.
"""

import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

from extractor import telemetry
from extractor.telemetry import Level, LogEvent

MAX_TEXT = 500
"""Characters of one field: longer than any path or problem that a person reads."""

MAX_PLACES = 8
"""Frames named of a traceback, the innermost ones."""

_LEVELS = {
    Level.DEBUG: logging.DEBUG,
    Level.INFO: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
    Level.CRITICAL: logging.CRITICAL,
}
_LIBRARIES = ("segment", "urllib3", "requests", "charset_normalizer", "watchdog", "py.warnings")
"""At DEBUG some print request bodies and the write key, at WARNING a server's own words."""


class _StandardError:
    """Takes lines; where the stream is closed or its disk is full, the log loses lines and the daemon nothing."""

    def msg(self, message: str) -> None:
        """Write one line."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{message}\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


class _Log:
    """The logger in use; how much it says may change while threads write."""

    def __init__(self) -> None:
        self.verbose = False
        self.set_least(logging.INFO)

    def set_least(self, least: int) -> None:
        """Say nothing that is less."""
        self.logger: Any = structlog.wrap_logger(
            _StandardError(),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(least),
        )


_log = _Log()


def configure(*, verbose: bool = False, level: str = Level.INFO) -> None:
    """Choose how much is said, and silence the libraries.

    Args:
        verbose: Say everything, whatever any `level` says from now on. No level shows a line or a value.
        level: `log_level` of the config.
    """
    _log.verbose = verbose
    set_level(level)
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())  # else Python prints what nobody handles
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def only_voice() -> Iterator[None]:
    """While this lasts, the interpreter's own reports of errors and warnings, which quote values, are ours."""
    kept = sys.excepthook, threading.excepthook, sys.unraisablehook
    sys.excepthook = _tell_uncaught
    threading.excepthook = lambda args: _tell_death(args.exc_value)
    sys.unraisablehook = lambda args: _tell_death(args.exc_value)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        sys.excepthook, threading.excepthook, sys.unraisablehook = kept


def set_level(level: str) -> None:
    """What the config says; `verbose` wins."""
    _log.set_least(logging.DEBUG if _log.verbose else _LEVELS[Level(level)])


def tell(event: LogEvent, **fields: object) -> None:
    """Write one line with the event's own fields; one that is None is left out. Any thread."""
    said = {name: _bounded(fields[name]) for name in event.fields if fields.get(name) is not None}
    _log.logger.log(_LEVELS[event.level], event.name, **said)


def tell_death(error: BaseException) -> None:
    """Say where the program broke: types and places, since the text of an exception can hold a value."""
    tell(telemetry.DIED, error=type(error).__name__, at=places(error))


def places(error: BaseException) -> str:
    """`file:line` of the innermost frames, the innermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_PLACES:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


def _bounded(value: object) -> object:
    if isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _tell_uncaught(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    tell_death(error)


def _tell_death(error: BaseException | None) -> None:
    if error is not None:
        tell_death(error)
