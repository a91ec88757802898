"""The history of opt-outs, beside the database, so that it outlives it.

Two facts must survive a database that is lost: that an opt-out is in force, and that there ever was one, since its
suppressed ids are lost with the database then. No message and no id stands here, only times and variable names.
"""

import json
import os
import sqlite3
from dataclasses import dataclass

from extractor.store.folder import OPT_OUT_HISTORY, StateFolder, unavailable


@dataclass(frozen=True, slots=True)
class OptOut:
    """Nothing is stored or sent, since when (unix seconds) and by which variable, file or key."""

    since: float
    by: str


@dataclass(frozen=True, slots=True)
class OptOutHistory:
    """What is known of earlier opt-outs: whether there was any, and the one in force, if one is."""

    ever: bool = False
    current: OptOut | None = None


def read_opt_out(connection: sqlite3.Connection) -> OptOut | None:
    """The opt-out that the database knows to be in force."""
    since, by = connection.execute("SELECT opt_out_since, opt_out_by FROM state").fetchone()
    return None if since is None else OptOut(since, by or "")


def read_history(folder: StateFolder) -> OptOutHistory:
    """Read the file; a line that cannot be understood still says that there was an opt-out.

    Raises:
        StoreUnavailable: The file is there and cannot be read.
    """
    try:
        lines = (folder.path / OPT_OUT_HISTORY).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return OptOutHistory()
    except OSError as error:
        raise unavailable(error, f"{OPT_OUT_HISTORY} in {folder.path}") from error
    current = None
    for line in lines:
        try:
            entry = json.loads(line)
            current = None if entry["since"] is None else OptOut(float(entry["since"]), str(entry["by"]))
        except (ValueError, TypeError, KeyError):
            continue
    return OptOutHistory(ever=bool(lines), current=current)


def append_history(folder: StateFolder, opt_out: OptOut | None, *, now: float) -> None:
    """Note that an opt-out began, or (None) that it was lifted; on disk when this returns.

    Raises:
        StoreUnavailable: The file cannot be written.
    """
    entry = {"at": now, "since": opt_out and opt_out.since, "by": opt_out and opt_out.by}
    try:
        file = os.open(
            folder.path / OPT_OUT_HISTORY, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            os.write(file, json.dumps(entry).encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
        folder.sync()
    except OSError as error:
        raise unavailable(error, f"{OPT_OUT_HISTORY} in {folder.path}") from error
