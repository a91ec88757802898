"""Rows of what lines look like: kept for `ruleset.drift`, which makes them."""

import sqlite3
from collections.abc import Iterable

from extractor.learning.seen import Seen
from extractor.store.errors import StoreBroken
from extractor.store.seal import ROW_ERRORS

_COLUMNS = "rule, kind, field, sort, strict, lines, run, longest, since, last_at"


def write_seen(connection: sqlite3.Connection, rows: Iterable[Seen], gone: Iterable[Seen]) -> None:
    """Write rows that changed; remove those that nothing looks at any more."""
    connection.executemany(
        "DELETE FROM seen WHERE rule = ? AND kind = ? AND field = ? AND sort = ?",
        [(row.rule, row.kind, row.field, row.sort) for row in gone],
    )
    connection.executemany(
        f"INSERT OR REPLACE INTO seen ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        [
            (
                row.rule,
                row.kind,
                row.field,
                row.sort,
                int(row.strict),
                row.lines,
                row.run,
                row.longest,
                row.since,
                row.last_at,
            )
            for row in rows
        ],
    )


def read_seen(connection: sqlite3.Connection) -> list[Seen]:
    """All rows.

    Raises:
        StoreBroken: A row is not what was written.
    """
    query = f"SELECT {_COLUMNS} FROM seen ORDER BY rule, kind, field, sort"  # noqa: S608 - a constant
    try:
        return [
            Seen(
                rule=rule,
                kind=kind,
                field=field,
                sort=sort,
                strict=bool(strict),
                lines=lines,
                run=run,
                longest=longest,
                since=since,
                last_at=last_at,
            )
            for rule, kind, field, sort, strict, lines, run, longest, since, last_at in connection.execute(
                query
            )
        ]
    except ROW_ERRORS as error:
        raise StoreBroken("the state is damaged: a row was altered; start again to set it aside") from error
