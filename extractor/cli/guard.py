"""The outermost frame: problems in words, and no line's value in what a broken program prints."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from extractor.problems import ProblemError


def guarded(command: Callable[[], object]) -> None:
    """Run the command line; leaves the process with its exit code.

    A reader of our output that had enough is typer's to handle: it ends without a word, with 1.
    """
    try:
        command()
    except ProblemError as error:
        sys.exit(tell_problems(error))
    except OSError as error:
        from extractor.backfill import why_unreadable
        from extractor.cli.terminal import printable

        where = f"{printable(error.filename)}: " if error.filename else ""
        sys.stderr.write(f"extractor: {where}{why_unreadable(error)}\n")
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - types and places only; the text of an exception can hold a value
        if is_store_error(error):
            sys.stderr.write(f"extractor: {error}\n")
            sys.exit(1)
        frames = traceback.extract_tb(error.__traceback__)[-8:]
        places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
        sys.stderr.write(f"extractor: internal error: {type(error).__name__} at {places}\n")
        sys.exit(70)


def is_store_error(error: Exception) -> bool:
    """Whether the state cannot be used as asked: its errors are written for operators, and hold no value."""
    from extractor.store import StoreError

    return isinstance(error, StoreError)


def tell_problems(error: ProblemError) -> int:
    """Print every problem; the exit code."""
    sys.stderr.write(f"{error}\n")
    count = len(error.problems)
    sys.stderr.write(f"{count} problem{'' if count == 1 else 's'} found\n")
    return 1
