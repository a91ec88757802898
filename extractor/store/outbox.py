"""From the outbox to the ledger: lease, acknowledge, release, bury, and the ways back."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from extractor.store.batch import EVENT_COLUMNS, Batch, DeadLetter, SentEvent, StoredEvent, build_stored
from extractor.store.errors import StoreBroken
from extractor.store.fresh import Fresh
from extractor.store.leased import read_first


@dataclass(slots=True)
class Leases:
    """What the delivering process holds at this moment.

    Kept in memory, not on disk: only the process with the lock delivers, so its end ends all leases.

    Attributes:
        held: Sequences on lease.
        fresh: What needs no reading.
    """

    held: set[int] = field(default_factory=set)
    fresh: Fresh = field(default_factory=Fresh)

    def give_back(self, sequences: Iterable[int]) -> None:
        """End the lease of these."""
        self.held.difference_update(sequences)

    def clear(self) -> None:
        """Nothing is on lease any more, nor waits."""
        self.held.clear()
        self.fresh.clear()


def choose_destination(connection: sqlite3.Connection, name: str | None) -> int:
    """The number of a destination, made if it is new; None: the one that is in use.

    What waits goes to the new one from here on, but for what that one has acknowledged already.
    """
    (before,) = connection.execute("SELECT destination FROM state").fetchone()
    if name is None:
        return int(before)
    connection.execute("INSERT OR IGNORE INTO destination (name) VALUES (?)", (name,))
    (number,) = connection.execute("SELECT number FROM destination WHERE name = ?", (name,)).fetchone()
    if number != before:
        connection.execute("UPDATE state SET destination = ?", (number,))
        _drop_acknowledged(connection, number)
    return int(number)


def _drop_acknowledged(connection: sqlite3.Connection, destination: int) -> None:
    connection.execute(
        "DELETE FROM outbox WHERE EXISTS (SELECT 1 FROM ledger"
        " WHERE ledger.message_id = outbox.message_id AND ledger.destination = ?)",
        (destination,),
    )
    delete_unreferenced(connection)
    recount(connection)


def delete_unreferenced(connection: sqlite3.Connection) -> None:
    """Delete events that are neither waiting nor dead nor kept as sent."""
    connection.execute(
        "DELETE FROM event WHERE sequence NOT IN (SELECT sequence FROM outbox)"
        " AND sequence NOT IN (SELECT sequence FROM dead_letter) AND sequence NOT IN (SELECT sequence FROM sent)"
    )


def lease(connection: sqlite3.Connection, leases: Leases, *, max_events: int, max_bytes: int) -> Batch:
    """The first events in order that nobody holds; at least one if there is any, however large."""
    if not leases.held:
        first = read_first(connection, leases.fresh, max_events=max_events, max_bytes=max_bytes)
        if first is not None:
            leases.held.update(first.sequences)
            return Batch(first or ())
    chosen = _choose(connection, leases.held, max_events=max_events, max_bytes=max_bytes)
    if not chosen:
        return Batch()
    wanted = set(chosen)
    rows = connection.execute(
        f"SELECT outbox.sequence, {EVENT_COLUMNS} FROM outbox LEFT JOIN event"  # noqa: S608 - a constant
        " ON event.sequence = outbox.sequence AND event.message_id = outbox.message_id"
        " WHERE outbox.sequence BETWEEN ? AND ? ORDER BY outbox.sequence",
        (chosen[0], chosen[-1]),
    )
    events = tuple(build_stored(row[0], row[1:]) for row in rows if row[0] in wanted)
    leases.held |= wanted
    return Batch(events)


def _choose(connection: sqlite3.Connection, held: set[int], *, max_events: int, max_bytes: int) -> list[int]:
    sequences: list[int] = []
    room = max_bytes
    for sequence, size in connection.execute("SELECT sequence, bytes FROM outbox ORDER BY sequence"):
        if not isinstance(size, int):
            raise StoreBroken("the state is damaged: the outbox was altered; start again to set it aside")
        if sequence in held:
            continue
        if sequences and (len(sequences) >= max_events or size > room):
            break
        sequences.append(sequence)
        room -= size
    return sequences


def acknowledge(
    connection: sqlite3.Connection, batch: Batch, *, now: float, destination: int, keep_messages: bool
) -> int:
    """The destination has them: into the ledger, out of the outbox. How many were still waiting."""
    mark = _Mark(now, destination, keep_messages)
    sequences = batch.sequences
    if sequences and _between(connection, sequences[0], sequences[-1]) == sequences:
        waiting = _move(connection, sequences[0], sequences[-1], mark)
    else:
        # Others wait between them, or a purge or an erasure has taken some while they were on lease.
        connection.executemany(
            "INSERT OR REPLACE INTO ledger (message_id, destination, at) VALUES (?, ?, ?)",
            sorted(
                (bytes.fromhex(stored.event.message_id), destination, int(now)) for stored in batch.events
            ),
        )
        waiting = sum(_move(connection, sequence, sequence, mark) for sequence in sequences)
    connection.execute(
        "UPDATE state SET delivered = delivered + ?, retry_at = NULL, hold_since = NULL, hold_reason = NULL,"
        " hold_status = NULL",
        (waiting,),
    )
    return waiting


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is kept of an acknowledgement: when, by which destination, and whether with the message."""

    at: float
    destination: int
    keep_messages: bool


def _between(connection: sqlite3.Connection, low: int, high: int) -> list[int]:
    """What waits from one place to another. One row: see `leased`."""
    (sequences,) = connection.execute(
        "SELECT group_concat(sequence) FROM (SELECT sequence FROM outbox WHERE sequence BETWEEN ? AND ? ORDER BY sequence)",
        (low, high),
    ).fetchone()
    return list(map(int, sequences.split(","))) if sequences else []


def _move(connection: sqlite3.Connection, low: int, high: int, mark: _Mark) -> int:
    """Everything from one place to another out of the outbox, into the ledger; how many that were."""
    entered = connection.execute(
        # IGNORE: for REPLACE, which may fail halfway, SQLite copies each page into a temporary file first.
        "INSERT OR IGNORE INTO ledger (message_id, destination, at)"
        # Sorted: neighbours share a page of the tree, and each page is found once.
        " SELECT message_id, ?, ? FROM outbox WHERE sequence BETWEEN ? AND ? ORDER BY message_id",
        (mark.destination, int(mark.at), low, high),
    ).rowcount
    if entered <= high - low:
        # Some were acknowledged before and sent again, or others have left from between.
        connection.execute(
            "UPDATE ledger SET at = ? WHERE destination = ?"
            " AND message_id IN (SELECT message_id FROM outbox WHERE sequence BETWEEN ? AND ?)",
            (int(mark.at), mark.destination, low, high),
        )
    if mark.keep_messages:
        connection.execute(
            "INSERT OR IGNORE INTO sent (at, sequence, destination)"
            " SELECT ?, sequence, ? FROM outbox WHERE sequence BETWEEN ? AND ? ORDER BY sequence",
            (mark.at, mark.destination, low, high),
        )
    else:
        connection.execute(
            "DELETE FROM event WHERE sequence IN (SELECT sequence FROM outbox WHERE sequence BETWEEN ? AND ?)",
            (low, high),
        )
    return _leave_outbox(connection, low, high)


def _leave_outbox(connection: sqlite3.Connection, low: int, high: int) -> int:
    """How many were there to leave."""
    rows, size = connection.execute(
        "SELECT count(*), coalesce(sum(bytes), 0) FROM outbox WHERE sequence BETWEEN ? AND ?", (low, high)
    ).fetchone()
    connection.execute("DELETE FROM outbox WHERE sequence BETWEEN ? AND ?", (low, high))
    connection.execute(
        "UPDATE state SET outbox_rows = outbox_rows - ?, outbox_bytes = outbox_bytes - ?", (rows, size)
    )
    return int(rows)


def bury(
    connection: sqlite3.Connection, event: StoredEvent, *, now: float, reason: str, status: int | None
) -> bool:
    """Make one event a dead letter; False if it was not waiting any more."""
    if not _leave_outbox(connection, event.sequence, event.sequence):
        return False
    connection.execute(
        "INSERT INTO dead_letter (sequence, message_id, reason, status, at) VALUES (?, ?, ?, ?, ?)",
        (event.sequence, bytes.fromhex(event.event.message_id), reason, status, now),
    )
    connection.execute("UPDATE state SET dead_rows = dead_rows + 1")
    return True


def dead_letters(connection: sqlite3.Connection) -> Iterator[DeadLetter]:
    """All of them, in order of sequence."""
    for row in connection.execute(
        f"SELECT dead_letter.sequence, reason, status, at, {EVENT_COLUMNS} FROM dead_letter"  # noqa: S608 - a constant
        " LEFT JOIN event ON event.sequence = dead_letter.sequence ORDER BY dead_letter.sequence"
    ):
        yield DeadLetter(build_stored(row[0], row[4:]), row[1], row[2], row[3])


def _chosen(connection: sqlite3.Connection, ids: Iterable[str]) -> list[tuple[int]]:
    return [
        row
        for id_ in ids
        for row in connection.execute(
            "SELECT sequence FROM dead_letter WHERE message_id = ?", (bytes.fromhex(id_),)
        )
    ]


def replay(connection: sqlite3.Connection, ids: Iterable[str]) -> int:
    """Dead letters back into the outbox, at their old place in the order and with their id; how many."""
    rows = _chosen(connection, ids)
    _enter_outbox(connection, rows)
    connection.executemany("DELETE FROM dead_letter WHERE sequence = ?", rows)
    connection.execute("UPDATE state SET dead_rows = dead_rows - ?", (len(rows),))
    return len(rows)


def discard(connection: sqlite3.Connection, ids: Iterable[str], *, now: float, destination: int) -> int:
    """Give dead letters up: their messages go, their ids stay in the ledger so that they are not found again."""
    rows = _chosen(connection, ids)
    for (sequence,) in rows:
        connection.execute(
            "INSERT OR REPLACE INTO ledger (message_id, destination, at)"
            " SELECT message_id, ?, ? FROM dead_letter WHERE sequence = ?",
            (destination, int(now), sequence),
        )
    connection.executemany("DELETE FROM dead_letter WHERE sequence = ?", rows)
    connection.executemany(
        "DELETE FROM event WHERE sequence = ? AND sequence NOT IN (SELECT sequence FROM sent)", rows
    )
    connection.execute("UPDATE state SET dead_rows = dead_rows - ?", (len(rows),))
    return len(rows)


def _enter_outbox(connection: sqlite3.Connection, rows: Sequence[tuple[int]]) -> int:
    added = 0
    for row in rows:
        size = connection.execute(
            "INSERT OR IGNORE INTO outbox (sequence, message_id, bytes)"
            " SELECT sequence, message_id, length(message) FROM event WHERE sequence = ? RETURNING bytes",
            row,
        ).fetchone()
        if size is not None:
            added += 1
            connection.execute(
                "UPDATE state SET outbox_rows = outbox_rows + 1, outbox_bytes = outbox_bytes + ?", size
            )
    return added


_SENT_SINCE = " FROM sent JOIN event USING (sequence) WHERE sent.at >= ? AND sent.at < ? AND (? IS NULL OR event.name = ?)"


def sent(
    connection: sqlite3.Connection, since: float, until: float, event: str | None
) -> Iterator[SentEvent]:
    """What was acknowledged from `since` to before `until` (unix seconds), in that order."""
    names = dict(connection.execute("SELECT number, name FROM destination"))
    for row in connection.execute(
        f"SELECT event.sequence, sent.at, sent.destination, {EVENT_COLUMNS}{_SENT_SINCE} ORDER BY sent.at, sent.sequence",
        (since, until, event, event),
    ):
        yield SentEvent(build_stored(row[0], row[3:]), row[1], names.get(row[2], ""))


def resend(connection: sqlite3.Connection, since: float, until: float, event: str | None) -> int:
    """What was acknowledged in that time, back into the outbox with its ids, past the ledger; how many.

    Not what has become a dead letter since, when it was resent: that is for `replay`.
    """
    rows = connection.execute(
        f"SELECT DISTINCT event.sequence{_SENT_SINCE}"  # noqa: S608 - constants
        " AND NOT EXISTS (SELECT 1 FROM dead_letter WHERE dead_letter.sequence = event.sequence)"
        " ORDER BY event.sequence",
        (since, until, event, event),
    ).fetchall()
    return _enter_outbox(connection, rows)


def recount(target: sqlite3.Connection) -> None:
    """Set the kept counts to what is there."""
    target.execute(
        "UPDATE state SET outbox_rows = (SELECT count(*) FROM outbox),"
        " outbox_bytes = (SELECT coalesce(sum(bytes), 0) FROM outbox),"
        " dead_rows = (SELECT count(*) FROM dead_letter)"
    )
