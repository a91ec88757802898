"""Is a state file sound? Looked at before every start, as closely as its size allows."""

import sqlite3
from pathlib import Path

from extractor.store.checkpoints import UnknownFiles, read_checkpoints
from extractor.store.database import named
from extractor.store.errors import StoreBroken, StoreTooNew
from extractor.store.migrate import expected_schema, newest, schema, version
from extractor.store.seal import ROW_ERRORS

# Every page of a smaller file is looked at, every start: about a second. In a larger one damage is met in use, which
# ends the process and makes the next start rebuild the file (`StateFolder.mark_suspect`). So it is with the seals of
# waiting events, which are looked at when they are leased. Schema, counts and checkpoints are looked at always.
CLOSE_LOOK_BYTES = 256 << 20

# https://www.sqlite.org/fileformat2.html#the_database_header, checked 2026-11: magic, WAL versions, payload
# fractions, UTF-8. SQLite takes a file with other versions for a read-only one, which would never heal.
_HEADER = (
    (0, (b"SQLite format 3\0",)),
    (18, (b"\x02\x02", b"\x01\x01")),  # 1: no log; so a backup begins its life
    (21, (b"\x40\x20\x20",)),
    (56, (b"\0\0\0\x01",)),
)


class Damaged(Exception):
    """The file is not what was written; the text says what gave it away."""


def check_header(path: Path) -> None:
    """Look at the first bytes, which decide how SQLite takes the rest.

    Raises:
        Damaged: They are not those of a file of ours.
        OSError: They cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(100)
    if not head:
        raise Damaged("it was empty")
    for offset, accepted in _HEADER:
        if not head.startswith(accepted, offset):
            raise Damaged("its header was altered")


def examine(connection: sqlite3.Connection, *, closely: bool) -> None:
    """Look at an opened file, in a transaction of the caller's; closely: at each of its pages.

    Raises:
        Damaged: What it holds is not what was written.
        StoreTooNew: It is sound as far as can be said, and of a newer version.
        StoreError: The disk refuses.
    """
    try:
        _check(connection, closely=closely)
    except sqlite3.Error as error:
        known = named(error)
        if known is None or isinstance(known, StoreBroken):
            raise Damaged("it cannot be read") from error
        raise known from error
    except StoreBroken as error:
        raise Damaged("a row was altered") from error
    except ROW_ERRORS as error:
        # A text that is no UTF-8, a word that we never write, NULL where there is none.
        raise Damaged("a row was altered") from error


def _check(connection: sqlite3.Connection, *, closely: bool) -> None:
    number = version(connection)
    found = schema(connection)
    if number > newest():
        if found == expected_schema(newest()):
            raise Damaged("its version number was altered")
        raise StoreTooNew(
            f"the state has schema {number}, this version knows up to {newest()}: it was written by a newer extractor."
            " Nothing was touched. Use that version again, or restore the backup that it made"
        )
    if found != expected_schema(number):
        raise Damaged("its schema was altered")
    if closely and connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise Damaged("its pages were altered")
    if number != newest():
        return  # the rest is checked after the migration, in the shape that this version knows
    _check_counts(connection)
    read_checkpoints(connection)


_COUNTS = (
    "SELECT outbox_rows, outbox_bytes, dead_rows,"
    " (SELECT count(*) FROM outbox), (SELECT coalesce(sum(bytes), 0) FROM outbox),"
    " (SELECT count(*) FROM dead_letter), (SELECT count(*) FROM state), unknown_files FROM state"
)


def _check_counts(connection: sqlite3.Connection) -> None:
    """Rows that vanished show in the counts that were kept when they were written."""
    row = connection.execute(_COUNTS).fetchone()
    if row is None or row[:3] != row[3:6] or row[6] != 1:
        raise Damaged("rows are missing")
    UnknownFiles(row[7])
