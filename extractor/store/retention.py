"""What has had its time goes: in small transactions, so that nobody waits for it."""

from dataclasses import dataclass

from extractor.store.database import Database
from extractor.store.folder import StateFolder
from extractor.store.limits import DAY_S, StoreLimits

_ROWS = 2_000  # a transaction: some ten milliseconds


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` removed.

    Attributes:
        file_ids: Files whose checkpoint went, since no path led to them for long.
        sent: Acknowledgements whose message went with them.
        ledger: Ids of delivered events.
        copies: Backups and damaged copies.
    """

    file_ids: tuple[str, ...] = ()
    sent: int = 0
    ledger: int = 0
    copies: int = 0


def prune(database: Database, folder: StateFolder | None, limits: StoreLimits, *, now: float) -> Pruned:
    """Remove what is older than its limit; the ledger is looked through once a day (UTC)."""
    with database.transaction() as connection:
        gone = connection.execute(
            "DELETE FROM checkpoint WHERE gone_since < ? RETURNING file_id", (now - limits.gone_files_s,)
        ).fetchall()
        connection.execute("DELETE FROM counter WHERE day < ?", ((now - limits.counters_s) // DAY_S,))
        connection.execute(
            "DELETE FROM incident WHERE number <= (SELECT max(number) FROM incident) - ?", (limits.incidents,)
        )
    sent = _prune_sent(database, now - limits.sent_s)
    ledger = _prune_ledger(database, now - limits.ledger_s, today=int(now // DAY_S))
    copies = folder.remove_copies(older_than=now - limits.sent_s) if folder is not None else 0
    return Pruned(tuple(file_id for (file_id,) in gone), sent, ledger, copies)


def _prune_sent(database: Database, before: float) -> int:
    removed = 0
    while True:
        with database.transaction() as connection:
            rows = connection.execute(
                "SELECT at, sequence FROM sent WHERE at < ? ORDER BY at LIMIT ?", (before, _ROWS)
            ).fetchall()
            connection.executemany("DELETE FROM sent WHERE at = ? AND sequence = ?", rows)
            # A message goes with the last of its acknowledgements, unless it is to be sent again.
            connection.executemany(
                "DELETE FROM event WHERE sequence = ?1 AND NOT EXISTS (SELECT 1 FROM sent WHERE sequence = ?1)"
                " AND NOT EXISTS (SELECT 1 FROM outbox WHERE sequence = ?1)"
                " AND NOT EXISTS (SELECT 1 FROM dead_letter WHERE sequence = ?1)",
                [(sequence,) for _, sequence in rows],
            )
        removed += len(rows)
        if len(rows) < _ROWS:
            return removed


def _prune_ledger(database: Database, before: float, *, today: int) -> int:
    with database.reading() as connection:
        (day,) = connection.execute("SELECT ledger_pruned_day FROM state").fetchone()
    if day >= today:
        return 0
    removed = 0
    for first in range(256):
        # Ids are hashes: each first byte has an equal share of them.
        low, high = bytes([first]), bytes([first + 1]) if first < 255 else b"\xff" * 25
        with database.transaction() as connection:
            removed += connection.execute(
                "DELETE FROM ledger WHERE message_id >= ? AND message_id < ? AND destination > 0 AND at < ?",
                (low, high, int(before)),
            ).rowcount
    with database.transaction() as connection:
        connection.execute("UPDATE state SET ledger_pruned_day = ?", (today,))
    return removed
