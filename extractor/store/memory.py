"""Memory inside one transaction: read ahead in a few statements, written back in one."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from extractor.ruleset.event import Event
from extractor.ruleset.outcome import Memo, Outcome, Standing
from extractor.store.errors import StoreBroken
from extractor.store.lookup import look_up
from extractor.store.seal import ROW_ERRORS, seal_memory, seal_value, unseal_value

COLUMNS = "key, standing, digest, reset, value, primed, seal"
READ = f"SELECT {COLUMNS} FROM memory WHERE key IN ({{keys}})"  # noqa: S608 - a constant
WRITE = (
    f"INSERT INTO memory ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - a constant
    " ON CONFLICT (key) DO UPDATE SET standing = excluded.standing, digest = excluded.digest,"
    " reset = excluded.reset, value = excluded.value, primed = excluded.primed, seal = excluded.seal"
)


def build_memo(row: Sequence[Any]) -> Memo:
    """A row of memory from `COLUMNS`.

    Raises:
        StoreBroken: The row is not what was written.
    """
    key, standing, digest, reset, value, primed, seal = row
    try:
        text = None if value is None else unseal_value(value)
        sound = seal == seal_memory(key, standing, digest, reset, primed) and (text is None) == (
            value is None
        )
        memo = Memo(Standing(standing), digest, reset, text)
    except ROW_ERRORS as error:
        raise StoreBroken(
            "the state is damaged: a row of memory was altered; start again to set it aside"
        ) from error
    if not sound:
        raise StoreBroken("the state is damaged: a row of memory was altered; start again to set it aside")
    return memo


class TransactionMemory:
    """The `Memory` of one transaction. What is written is seen at once here, and in the file with `flush`."""

    def __init__(self, connection: sqlite3.Connection, *, primed: bool = False) -> None:
        self._connection = connection
        self._primed = primed
        self._memos: dict[bytes, Memo | None] = {}
        self._written: set[bytes] = set()

    def read_ahead(self, outcomes: Iterable[Outcome]) -> None:
        """Fetch every key that these outcomes can ask for."""
        keys: set[bytes] = set()
        for outcome in outcomes:
            for effect in outcome.memory:
                keys.add(effect.key)
            for pending in outcome.events:
                if isinstance(pending, Event):
                    continue
                if pending.once is not None:
                    keys.add(pending.once)
                if pending.changed is not None:
                    keys.add(pending.changed.key)
                keys.update(pending.recalls.values())
        self._fetch(keys - self._memos.keys())

    def _fetch(self, keys: set[bytes]) -> None:
        self._memos.update(dict.fromkeys(keys))
        for row in look_up(self._connection, READ, list(keys)):
            self._memos[row[0]] = build_memo(row)

    def read(self, key: bytes) -> Memo | None:
        """The row under a key, or None where nothing was ever written."""
        if key not in self._memos:
            self._fetch({key})
        return self._memos[key]

    def write(self, key: bytes, memo: Memo) -> None:
        """Set the row under a key."""
        self._memos[key] = memo
        self._written.add(key)

    def flush(self) -> int:
        """Write back what changed, in the transaction; how many rows that were."""
        rows = []
        for key in sorted(self._written):  # neighbours share a page of the tree
            memo = self._memos[key]
            if memo is not None:
                standing, primed = int(memo.standing), int(self._primed)
                seal = seal_memory(key, standing, memo.digest, memo.reset, primed)
                value = None if memo.value is None else seal_value(memo.value)
                rows.append((key, standing, memo.digest, memo.reset, value, primed, seal))
        self._connection.executemany(WRITE, rows)
        return len(rows)
