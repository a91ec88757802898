"""Carry what is sound from a damaged state file to a new one, row by row.

What may be carried follows from one rule: never skip a line whose event may be lost. So checkpoints, and the part
of memory that says "seen already", are carried only if every event that they stand for was read back; else files are
read again from their beginning, and the ids in the ledger keep what was sent from being sent again.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from extractor.ruleset.event import TimeSource
from extractor.ruleset.outcome import Standing
from extractor.store.batch import EVENT_COLUMNS, build_stored
from extractor.store.checkpoints import COLUMNS, build_checkpoint, write_checkpoints
from extractor.store.errors import StoreBroken
from extractor.store.memory import COLUMNS as MEMORY_COLUMNS
from extractor.store.memory import WRITE, build_memo
from extractor.store.outbox import delete_unreferenced, recount
from extractor.store.seal import ROW_ERRORS

_ID_BYTES = 24
_PRIMED = 5  # its place in a row of memory
_LAST = 1 << 62  # above any sequence
_END = chr(0x10FFFF)  # above any text
# Complaints about a broken schema quote it, and sqlite3 cannot read the quotation.
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
_KEPT_COUNTS = "SELECT outbox_rows, outbox_bytes, dead_rows, suppressed_rows FROM state"


@dataclass(slots=True)
class Salvage:
    """What was carried over.

    Attributes:
        events: Waiting events.
        ledger: Ids, delivered or suppressed.
        memory: Rows of memory.
        checkpoints: Files that go on where they were.
        whole: Every event that was waiting or dead was read back, and every checkpoint.
        suppressions_whole: Every suppressed id was read back.
        opted_out: An opt-out is in force.
    """

    events: int = 0
    ledger: int = 0
    memory: int = 0
    checkpoints: int = 0
    whole: bool = False
    suppressions_whole: bool = False
    opted_out: bool = False


class _Scan:
    """Rows of one query between two keys: forward until damage, then backward from the end until damage."""

    def __init__(self, source: sqlite3.Connection) -> None:
        self._source = source
        self.whole = True

    def rows(self, query: str, key: str, low: object, high: object) -> Iterator[tuple[Any, ...]]:
        """`query` has its WHERE added here; its first column must be `key`."""
        bounded = f"{query} WHERE {key} >= ? AND {key} < ? ORDER BY {key}"
        last: object = None
        try:
            for row in self._source.execute(bounded, (low, high)):
                last = row[0]
                yield row
        except _UNREADABLE:
            self.whole = False
        else:
            return
        # sqlite3 may raise at the row before the one that is damaged; both directions stop there.
        with suppress(*_UNREADABLE):
            for row in self._source.execute(f"{bounded} DESC", (low, high)):
                if row[0] == last:
                    return
                yield row


def carry_over(source: sqlite3.Connection, target: sqlite3.Connection) -> Salvage:
    """Copy what is sound; `target` is a new, empty state, in a transaction of the caller's."""
    salvage = Salvage()
    # Bytes: a text that is no UTF-8 any more is one bad row, not the end of the scan.
    source.text_factory = bytes
    counts = _kept_counts(source)
    _carry_state(source, target, salvage)
    _carry_ledger(source, target, salvage, counts)
    _carry_events(source, target, salvage, counts)
    _carry_checkpoints(source, target, salvage)
    _carry_memory(source, target, salvage)
    _carry_history(source, target)
    return salvage


def _first(source: sqlite3.Connection, query: str) -> tuple[Any, ...] | None:
    try:
        row: tuple[Any, ...] | None = source.execute(query).fetchone()
    except _UNREADABLE:
        return None
    return row


def _shares() -> Iterator[tuple[bytes, bytes]]:
    # Ids and keys are hashes: equal shares by their first byte, so that a bad page costs at most one of them.
    for first in range(256):
        yield bytes([first]), bytes([first + 1]) if first < 255 else b"\xff" * (_ID_BYTES + 1)


def _kept_counts(source: sqlite3.Connection) -> tuple[int, ...] | None:
    counts = _first(source, _KEPT_COUNTS)
    return counts if counts is not None and all(isinstance(count, int) for count in counts) else None


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError
    return value.decode()


def _each(rows: Iterator[tuple[Any, ...]], insert: Callable[[Sequence[Any]], object]) -> bool:
    """Insert rows one by one; False if one of them was no row of ours."""
    whole = True
    for row in rows:
        try:
            insert(row)
        except (sqlite3.IntegrityError, StoreBroken, *ROW_ERRORS):
            whole = False
    return whole


def _carry_state(source: sqlite3.Connection, target: sqlite3.Connection, salvage: Salvage) -> None:
    def destination(row: Sequence[Any]) -> None:
        target.execute("INSERT INTO destination (number, name) VALUES (?, ?)", (row[0], _text(row[1])))

    _each(_Scan(source).rows("SELECT number, name FROM destination", "number", 1, _LAST), destination)
    row = _first(source, "SELECT delivered, transactions, destination, opt_out_since, opt_out_by FROM state")
    if row is None:
        return
    with suppress(sqlite3.IntegrityError, *ROW_ERRORS):
        by = None if row[4] is None else _text(row[4])
        target.execute(
            "UPDATE state SET delivered = ?, transactions = ?, destination = ?, opt_out_since = ?, opt_out_by = ?",
            (*row[:4], by),
        )
        salvage.opted_out = row[3] is not None


def _carry_ledger(
    source: sqlite3.Connection, target: sqlite3.Connection, salvage: Salvage, counts: tuple[int, ...] | None
) -> None:
    suppressed = 0
    rows: list[tuple[bytes, int, int]] = []

    def flush() -> None:
        target.executemany(
            "INSERT OR IGNORE INTO ledger (message_id, destination, at) VALUES (?, ?, ?)", rows
        )
        rows.clear()

    for low, high in _shares():
        for id_, destination, at in _Scan(source).rows(
            "SELECT message_id, destination, at FROM ledger", "message_id", low, high
        ):
            if (
                isinstance(id_, bytes)
                and len(id_) == _ID_BYTES
                and isinstance(destination, int)
                and isinstance(at, int)
            ):
                rows.append((id_, destination, at))
                suppressed += destination == 0
                salvage.ledger += 1
        flush()
    salvage.suppressions_whole = counts is not None and suppressed >= counts[3]
    (suppressed,) = target.execute("SELECT count(*) FROM ledger WHERE destination = 0").fetchone()
    target.execute("UPDATE state SET suppressed_rows = ?", (suppressed,))


def _carry_events(
    source: sqlite3.Connection, target: sqlite3.Connection, salvage: Salvage, counts: tuple[int, ...] | None
) -> None:
    def event(row: Sequence[Any]) -> None:
        sequence, id_, name, rule, message, time, time_source, path, offset, recorded_at, seal = row
        columns = (
            id_,
            _text(name),
            _text(rule),
            message,
            time,
            _text(time_source),
            path,
            offset,
            recorded_at,
            seal,
        )
        build_stored(sequence, columns)  # raises if it is not what was written
        target.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (sequence, *columns))

    scan = _Scan(source)
    _each(scan.rows(f"SELECT sequence, {EVENT_COLUMNS} FROM event", "sequence", 0, _LAST), event)  # noqa: S608 - a constant

    # Only with its event, and only with the id that the event has.
    def waiting(row: Sequence[Any]) -> None:
        inserted = target.execute(
            "INSERT INTO outbox SELECT sequence, message_id, length(message) FROM event"
            " WHERE sequence = ? AND message_id = ?",
            row,
        )
        if inserted.rowcount != 1:
            raise StoreBroken

    def dead(row: Sequence[Any]) -> None:
        inserted = target.execute(
            "INSERT INTO dead_letter SELECT sequence, message_id, ?, ?, ? FROM event WHERE sequence = ? AND message_id = ?",
            (_text(row[2]), row[3], row[4], row[0], row[1]),
        )
        if inserted.rowcount != 1:
            raise StoreBroken

    def sent(row: Sequence[Any]) -> None:
        target.execute("INSERT OR IGNORE INTO sent (at, sequence, destination) VALUES (?, ?, ?)", row)

    outbox_whole = _each(scan.rows("SELECT sequence, message_id FROM outbox", "sequence", 0, _LAST), waiting)
    dead_whole = _each(
        scan.rows("SELECT sequence, message_id, reason, status, at FROM dead_letter", "sequence", 0, _LAST),
        dead,
    )
    _each(_Scan(source).rows("SELECT at, sequence, destination FROM sent", "at", 0, 1e18), sent)
    target.execute("DELETE FROM sent WHERE sequence NOT IN (SELECT sequence FROM event)")
    delete_unreferenced(target)
    recount(target)
    after = target.execute(_KEPT_COUNTS).fetchone()
    salvage.events = after[0]
    salvage.whole = outbox_whole and dead_whole and counts is not None and counts[:3] == after[:3]


def _carry_checkpoints(source: sqlite3.Connection, target: sqlite3.Connection, salvage: Salvage) -> None:
    found = []

    def checkpoint(row: Sequence[Any]) -> None:
        found.append(build_checkpoint((_text(row[0]), *row[1:])))

    scan = _Scan(source)
    query = f"SELECT {COLUMNS} FROM checkpoint"  # noqa: S608 - a constant
    sound = _each(scan.rows(query, "file_id", "", _END), checkpoint)
    # All or none: a file read again meets memory as it was at its beginning, so nothing else may go on from later.
    salvage.whole = salvage.whole and sound and scan.whole
    if salvage.whole:
        write_checkpoints(target, found)
        salvage.checkpoints = len(found)


def _carry_memory(source: sqlite3.Connection, target: sqlite3.Connection, salvage: Salvage) -> None:
    def carry(row: Sequence[Any]) -> None:
        memo = build_memo(row)
        # Remembered values and what an operator told suppress no event of a line that is read again.
        if salvage.whole or row[_PRIMED] or memo.value is not None or memo.standing is Standing.CONFLICT:
            target.execute(WRITE, row)
            salvage.memory += 1

    query = f"SELECT {MEMORY_COLUMNS} FROM memory"  # noqa: S608 - a constant
    for low, high in _shares():
        _each(_Scan(source).rows(query, "key", low, high), carry)


def _carry_history(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    def seen(row: Sequence[Any]) -> None:
        target.execute(
            "INSERT OR IGNORE INTO rule_seen (rule, last_at) VALUES (?, ?)", (_text(row[0]), row[1])
        )

    def counter(row: Sequence[Any]) -> None:
        target.execute(
            "INSERT OR IGNORE INTO counter (name, rule, label, day, count) VALUES (?, ?, ?, ?, ?)",
            (_text(row[0]), _text(row[1]), _text(row[2]), row[3], row[4]),
        )

    def incident(row: Sequence[Any]) -> None:
        target.execute(
            "INSERT INTO incident (number, at, kind, path, lost_bytes, detail) VALUES (?, ?, ?, ?, ?, ?)",
            (row[0], row[1], _text(row[2]), row[3], row[4], _text(row[5])),
        )

    def first_time(row: Sequence[Any]) -> None:
        known = (row[0], _text(row[1]), float(row[2]), TimeSource(_text(row[3])).value)
        target.execute("INSERT OR IGNORE INTO first_time VALUES (?, ?, ?, ?)", known)

    first_times = "SELECT organization, milestone, time, time_source FROM first_time"
    for low, high in _shares():
        _each(_Scan(source).rows(first_times, "organization", low, high), first_time)
    _each(_Scan(source).rows("SELECT rule, last_at FROM rule_seen", "rule", "", _END), seen)
    _each(_Scan(source).rows("SELECT name, rule, label, day, count FROM counter", "name", "", _END), counter)
    _each(
        _Scan(source).rows(
            "SELECT number, at, kind, path, lost_bytes, detail FROM incident", "number", 0, _LAST
        ),
        incident,
    )
