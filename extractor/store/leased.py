"""Events of the outbox, read as one row and taken apart only where somebody looks.

A row of SQLite fetched in Python gives the interpreter lock away and takes it back: with a loop beside it that
computes, each row may wait milliseconds for its turn. So a batch comes in two rows whatever its size, and of most
events only the message and the seal are ever looked at. Whatever is not as expected (a path with a line break, a time
that SQLite prints in another way, damage) is left to the plain way, which reads row by row and names what is wrong.
"""

import sqlite3
import struct
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from zlib import crc32

from extractor.store.batch import LeasedEvents, ReadEvents
from extractor.store.fresh import Fresh

_ID_BYTES = 24

_SIZES = (
    "SELECT group_concat(sequence), group_concat(bytes)"
    " FROM (SELECT sequence, bytes FROM outbox ORDER BY sequence LIMIT ?)"
)

# In a subquery, so that each list is in order; SQLite does not yet know an ORDER BY within group_concat. Between the
# columns of a head stands a character that no name has: a NUL may end a text of SQLite's.
_ROWS = (
    "SELECT group_concat(sequence), CAST(group_concat(id, '') AS BLOB),"
    " CAST(group_concat(message, char(10)) AS BLOB), CAST(group_concat(head, char(10)) AS BLOB),"
    " group_concat(time), group_concat(recorded_at), group_concat(seal)"
    " FROM (SELECT outbox.sequence, event.message_id AS id, CAST(message AS TEXT) AS message,"
    " name || char(1) || rule || char(1) || time_source || char(1) || CAST(path AS TEXT) || char(1) || offset AS head,"
    " printf('%!.17g', time) AS time, printf('%!.17g', recorded_at) AS recorded_at, seal"
    " FROM outbox JOIN event ON event.sequence = outbox.sequence AND event.message_id = outbox.message_id"
    " WHERE outbox.sequence BETWEEN ? AND ? ORDER BY outbox.sequence)"
)


def read_first(
    connection: sqlite3.Connection, fresh: Fresh, *, max_events: int, max_bytes: int
) -> LeasedEvents | None:
    """The first events of the outbox; None: they must be read row by row.

    Args:
        connection: In a transaction.
        fresh: What may be in memory still.
        max_events: At most so many.
        max_bytes: Of their messages together; one event is given however large it is.
    """
    sequences, sizes = connection.execute(_SIZES, (max_events,)).fetchone()
    if sequences is None:
        fresh.clear()
        return ReadEvents([], [], [], [], [], [])
    try:
        totals = list(accumulate(map(int, sizes.split(","))))
        chosen = sequences.split(",")[: max(bisect_right(totals, max_bytes), 1)]
        kept = fresh.take(list(map(int, chosen)))
        if kept is not None:
            return kept
        row = connection.execute(_ROWS, (int(chosen[0]), int(chosen[-1]))).fetchone()
        return _take_apart(chosen, *row)
    except _NOT_AS_EXPECTED:
        return None


_NOT_AS_EXPECTED = (AttributeError, TypeError, ValueError, OverflowError)
"""NULL, a number that is none: the plain way says which row is damaged, if one is."""


def _take_apart(  # noqa: PLR0917 - columns
    chosen: list[str],
    sequences: str,
    ids: bytes,
    messages: bytes,
    heads: bytes,
    times: str,
    recorded: str,
    seals: str,
) -> ReadEvents | None:
    count = len(chosen)
    each_id = [ids[at : at + _ID_BYTES] for at in range(0, len(ids), _ID_BYTES)]
    each_message = messages.split(b"\n")
    each_head = heads.replace(b"\1", b"\0").split(b"\n")
    each_time = list(map(float, times.split(",")))
    packed = struct.pack(f"<{count}d", *each_time) if len(each_time) == count else b""
    each_packed = [packed[at : at + 8] for at in range(0, len(packed), 8)]
    each_recorded = recorded.split(",")
    each_seal = list(map(int, seals.split(",")))
    if sequences.split(",") != chosen:
        return None
    columns: list[Sequence[object]] = [
        each_id,
        each_message,
        each_head,
        each_packed,
        each_recorded,
        each_seal,
    ]
    if any(len(column) != count for column in columns) or len(ids) != count * _ID_BYTES:
        return None
    for id_, head, time, message, seal in zip(
        each_id, each_head, each_packed, each_message, each_seal, strict=True
    ):
        if crc32(message, crc32(b"%b%b\0%b" % (id_, head, time))) != seal:
            return None
    return ReadEvents(list(map(int, chosen)), each_message, each_id, each_head, each_time, each_recorded)
