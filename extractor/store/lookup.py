"""Look many keys up at once: a few statements of fixed shape, so that each is compiled once."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

_SIZES = (512, 32)


def _chunks(keys: Sequence[bytes]) -> Iterator[list[bytes]]:
    start = 0
    while start < len(keys):
        left = len(keys) - start
        size = _SIZES[0] if left > _SIZES[1] else _SIZES[1]
        chunk = list(keys[start : start + size])
        # A repeated key changes nothing about IN and keeps the text, and so the compiled statement, the same.
        chunk += chunk[-1:] * (size - len(chunk))
        yield chunk
        start += size


def look_up(connection: sqlite3.Connection, query: str, keys: Sequence[bytes]) -> Iterator[tuple[Any, ...]]:
    """Rows of `query`, whose `IN ({keys})`, anywhere and however often, stands for the keys."""
    for chunk in _chunks(keys):
        places = ",".join(f"?{place}" for place in range(1, len(chunk) + 1))
        yield from connection.execute(query.replace("{keys}", places), chunk)


KNOWN_IDS = (
    "SELECT message_id, destination FROM ledger WHERE message_id IN ({keys})"
    " UNION ALL SELECT message_id, -1 FROM outbox WHERE message_id IN ({keys})"
    " UNION ALL SELECT message_id, -1 FROM dead_letter WHERE message_id IN ({keys})"
)


def known_ids(connection: sqlite3.Connection, ids: Sequence[bytes], destination: int) -> set[bytes]:
    """Those that must not enter the outbox: delivered to this destination, suppressed, waiting or dead."""
    relevant = (-1, 0, destination)
    return {id_ for id_, where in look_up(connection, KNOWN_IDS, ids) if where in relevant}
