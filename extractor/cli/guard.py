"""The outermost frame: problems in words, and no line's value in what a broken program prints."""

import contextlib
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from extractor.problems import ProblemError


def guarded(command: Callable[[], object]) -> None:
    """Run the command line; leaves the process with its exit code.

    A reader of our output that had enough is typer's to handle: it ends without a word, with 1.
    """
    try:
        with quiet_interpreter():
            command()
    except ProblemError as error:
        sys.exit(tell_problems(error))
    except OSError as error:
        from extractor.cli.terminal import printable
        from extractor.whole.reader import why_unreadable

        where = f"{printable(error.filename)}: " if error.filename else ""
        sys.stderr.write(f"extractor: {where}{why_unreadable(error)}\n")
        sys.exit(1)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - a library's panic is no `Exception`, and quotes values all the same
        if is_store_error(error):
            sys.stderr.write(f"extractor: {error}\n")
            sys.exit(1)
        tell_mistake(error)
        sys.exit(70)


@contextlib.contextmanager
def quiet_interpreter() -> Iterator[None]:
    """While this lasts, neither another thread nor a destructor nor a warning ends in the interpreter's own words."""
    kept = threading.excepthook, sys.unraisablehook
    threading.excepthook = lambda args: tell_mistake(args.exc_value)
    sys.unraisablehook = lambda args: tell_mistake(args.exc_value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        threading.excepthook, sys.unraisablehook = kept


def tell_mistake(error: BaseException | None) -> None:
    """Types and places of a mistake of ours, since the text of an exception can hold a value."""
    if error is None:
        return
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    sys.stderr.write(f"extractor: internal error: {type(error).__name__} at {places}\n")


def is_store_error(error: BaseException) -> bool:
    """Whether the state cannot be used as asked: its errors are written for operators, and hold no value."""
    from extractor.store import StoreError

    return isinstance(error, StoreError)


def tell_problems(error: ProblemError) -> int:
    """Print every problem; the exit code."""
    sys.stderr.write(f"{error}\n")
    count = len(error.problems)
    sys.stderr.write(f"{count} problem{'' if count == 1 else 's'} found\n")
    return 1
