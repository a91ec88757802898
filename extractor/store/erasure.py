"""Take messages out of the state for good: all of them (opt-out), or those about one organization or user.

What is deleted leaves nothing behind: SQLite zeroes what it frees (`secure_delete`), the file is written anew
(VACUUM), its log is cut, and copies kept aside are removed. The last three need quiet and space, so the state
remembers that they are due until they were done. Message ids stay, as suppressed: they are keyed hashes.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from extractor.store.database import Database
from extractor.store.first_time import forget_first_times
from extractor.store.folder import StateFolder
from extractor.store.optout import OptOut
from extractor.store.outbox import recount
from extractor.store.seal import seal_value


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure removed here, and what only the destination can remove.

    Attributes:
        waiting: Events of the outbox.
        dead_letters: Events among the dead letters.
        sent: Messages that were kept after their delivery.
        memory: Remembered values.
        first_times: Rows of the funnel.
        destinations: Names of the destinations that had acknowledged some of the messages: ask them to delete, too.
    """

    waiting: int
    dead_letters: int
    sent: int
    memory: int
    first_times: int
    destinations: tuple[str, ...]


def opt_out(connection: sqlite3.Connection, chosen: OptOut, *, now: float) -> None:
    """Purge all messages and remembered values; from here on `record` stores neither."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS doomed (sequence INTEGER PRIMARY KEY)")
    connection.execute("INSERT INTO doomed SELECT sequence FROM event")
    _erase_doomed(connection, now=now)
    connection.execute("UPDATE memory SET value = NULL WHERE value IS NOT NULL")
    connection.execute("DELETE FROM first_time")
    connection.execute(
        "UPDATE state SET opt_out_since = ?, opt_out_by = ?, retry_at = NULL, hold_since = NULL, hold_reason = NULL,"
        " hold_status = NULL",
        (chosen.since, chosen.by),
    )


def is_purged(connection: sqlite3.Connection) -> bool:
    """Whether no message is stored, and nothing of the funnel."""
    stored = "SELECT 1 WHERE EXISTS (SELECT 1 FROM event) OR EXISTS (SELECT 1 FROM first_time)"
    return connection.execute(stored).fetchone() is None


def forget(
    connection: sqlite3.Connection,
    identifier: str,
    keys: Iterable[bytes],
    organizations: Iterable[bytes] = (),
    *,
    now: float,
) -> Erased:
    """Erase every message in which this text stands as a whole JSON string, every value remembered of it, and more."""
    spellings = {json.dumps(identifier, ensure_ascii=False), json.dumps(identifier)}
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS doomed (sequence INTEGER PRIMARY KEY)")
    for spelling in spellings:
        connection.execute(
            "INSERT OR IGNORE INTO doomed SELECT sequence FROM event WHERE instr(message, ?) > 0",
            (spelling.encode("utf-8", "surrogatepass"),),
        )
    memory = connection.execute(
        "UPDATE memory SET value = NULL WHERE value = ?", (seal_value(identifier),)
    ).rowcount
    for key in keys:
        memory += connection.execute(
            "UPDATE memory SET value = NULL WHERE key = ? AND value IS NOT NULL", (key,)
        ).rowcount
    waiting, dead, kept = (
        connection.execute(f"SELECT count(*) FROM {table} JOIN doomed USING (sequence)").fetchone()[0]  # noqa: S608 - constants
        for table in ("outbox", "dead_letter", "sent")
    )
    destinations = connection.execute(
        "SELECT DISTINCT name FROM destination JOIN sent ON sent.destination = destination.number"
        " JOIN doomed USING (sequence) ORDER BY name"
    ).fetchall()
    first_times = forget_first_times(connection, organizations)
    _erase_doomed(connection, now=now)
    return Erased(waiting, dead, kept, memory, first_times, tuple(name for (name,) in destinations))


def _erase_doomed(connection: sqlite3.Connection, *, now: float) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO ledger (message_id, destination, at)"
        " SELECT message_id, 0, ? FROM event JOIN doomed USING (sequence)",
        (int(now),),
    )
    for table in ("outbox", "dead_letter", "sent", "event"):
        connection.execute(f"DELETE FROM {table} WHERE sequence IN (SELECT sequence FROM doomed)")  # noqa: S608 - constants
    connection.execute("DELETE FROM doomed")
    recount(connection)
    connection.execute(
        "UPDATE state SET erasure_due = 1, suppressed_rows = (SELECT count(*) FROM ledger WHERE destination = 0)"
    )


def finish(database: Database, folder: StateFolder | None) -> None:
    """Do what an erasure still needs, if anything: copies aside, free pages, the log.

    Raises:
        StoreUnavailable: Somebody reads, or there is no space: it stays due.
    """
    with database.reading() as connection:
        (due,) = connection.execute("SELECT erasure_due FROM state").fetchone()
    if not due:
        return
    if folder is not None:
        folder.remove_copies()
    with database.alone() as connection:
        connection.execute("VACUUM")
    database.empty_log()
    with database.transaction() as connection:
        connection.execute("UPDATE state SET erasure_due = 0")
