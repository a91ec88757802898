"""Take messages out of the state for good: all of them (opt-out), or those about one organization or user.

What is deleted leaves nothing behind: SQLite zeroes what it frees (`secure_delete`), the file is written anew
(VACUUM), its log is cut, and copies kept aside are removed. The last three need quiet and space, so the state
remembers that they are due until they were done. Message ids stay, as suppressed: they are keyed hashes.
"""

import json
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field

from extractor.ruleset.outcome import Standing
from extractor.store.database import Database
from extractor.store.first_time import forget_first_times
from extractor.store.folder import StateFolder
from extractor.store.optout import OptOut
from extractor.store.outbox import recount
from extractor.store.seal import seal_memory, seal_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Under what somebody is stored: as it stands, and as keyed hashes, which only the config's key can make.

    Attributes:
        texts: Spellings of the id, found where one is a whole JSON string of a message, or a whole remembered value.
        digests: Of these, as memory keeps them beside a value, and alone while opted out.
        keys: Keys of memory under which something is remembered of them, such as the members of an organization.
        organizations: Their keys in the funnel.
    """

    texts: frozenset[str] = field(repr=False)
    digests: frozenset[bytes] = frozenset()
    keys: frozenset[bytes] = frozenset()
    organizations: frozenset[bytes] = frozenset()


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


def forget(connection: sqlite3.Connection, traces: Traces, *, now: float) -> Erased:
    """Erase every message in which one of the texts stands as a whole JSON string, and what memory and funnel know."""
    spellings = {json.dumps(text, ensure_ascii=plain) for text in traces.texts for plain in (False, True)}
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS doomed (sequence INTEGER PRIMARY KEY)")
    # One pass over what may be gigabytes, however many spellings there are.
    holds = " OR ".join(["instr(message, ?) > 0"] * len(spellings))
    connection.execute(
        f"INSERT OR IGNORE INTO doomed SELECT sequence FROM event WHERE {holds}",  # noqa: S608 - constants
        [spelling.encode("utf-8", "surrogatepass") for spelling in spellings],
    )
    memory = _forget_values(connection, traces)
    waiting, dead, kept = (
        connection.execute(f"SELECT count(*) FROM {table} JOIN doomed USING (sequence)").fetchone()[0]  # noqa: S608 - constants
        for table in ("outbox", "dead_letter", "sent")
    )
    destinations = connection.execute(
        "SELECT DISTINCT name FROM destination JOIN sent ON sent.destination = destination.number"
        " JOIN doomed USING (sequence) ORDER BY name"
    ).fetchall()
    first_times = forget_first_times(connection, traces.organizations)
    _erase_doomed(connection, now=now)
    return Erased(waiting, dead, kept, memory, first_times, tuple(name for (name,) in destinations))


def _forget_values(connection: sqlite3.Connection, traces: Traces) -> int:
    """Values, and the digests that a value can be tested against, go; what comes next under their keys is new."""
    wanted = [
        *(("value = ?", seal_value(text)) for text in traces.texts),
        *(("digest = ?", digest) for digest in traces.digests),
        *(("key = ? AND (value IS NOT NULL OR length(digest) > 0)", key) for key in traces.keys),
    ]
    rows = {
        key: seal_memory(key, Standing.FORGOTTEN, b"", reset, primed)
        for where, one in wanted
        for key, reset, primed in connection.execute(
            f"SELECT key, reset, primed FROM memory WHERE {where}",  # noqa: S608 - constants
            (one,),
        )
    }
    connection.executemany(
        "UPDATE memory SET value = NULL, digest = x'', standing = ?, seal = ? WHERE key = ?",
        [(int(Standing.FORGOTTEN), seal, key) for key, seal in rows.items()],
    )
    return len(rows)


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
        if folder is not None:
            _write_copies_to(connection, folder)
        connection.execute("VACUUM")
    database.empty_log()
    with database.transaction() as connection:
        connection.execute("UPDATE state SET erasure_due = 0")


def _write_copies_to(connection: sqlite3.Connection, folder: StateFolder) -> None:
    """Have VACUUM write its passing copy of the state into the state's own folder, which is its owner's and has room.

    SQLite would take a folder for temporary files: another disk, or a few megabytes in a container's memory, where a
    large state could never be written anew. Where SQLite does not know the setting it goes on as it would.
    """
    path = str(folder.path).replace("'", "''")
    # An odd name of a folder, or one that cannot be written: what is wrong there VACUUM says better.
    with suppress(sqlite3.OperationalError, UnicodeEncodeError):
        if connection.execute("PRAGMA temp_store_directory").fetchall() != [(str(folder.path),)]:
            connection.execute(f"PRAGMA temp_store_directory = '{path}'").fetchall()
