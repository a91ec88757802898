"""What the page asks of the past: counts by day, the last message sent of each event, why letters are dead."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from extractor.store.batch import EVENT_COLUMNS, SentEvent, build_stored
from extractor.store.limits import DAY_S

LOOKED_BACK = 50_000
"""Acknowledgements among which the last of each event is looked for: what is rarer is not worth a slow page."""


@dataclass(frozen=True, slots=True)
class DailyCount:
    """A count of one day: days since 1970-01-01 UTC."""

    name: str
    rule: str
    label: str
    day: int
    count: int


@dataclass(frozen=True, slots=True)
class DeadReason:
    """Dead letters of one kind: how many, and the time of the last one (unix seconds)."""

    event: str
    reason: str
    status: int | None
    count: int
    last_at: float


@dataclass(frozen=True, slots=True)
class SentRate:
    """How many acknowledgements there were within the last so many seconds."""

    within_s: float
    count: int


def read_daily(connection: sqlite3.Connection, name: str, since: float) -> list[DailyCount]:
    """Counts of one name since the day of a time (unix seconds), by day."""
    return [
        DailyCount(*row)
        for row in connection.execute(
            "SELECT name, rule, label, day, count FROM counter WHERE name = ? AND day >= ? ORDER BY day",
            (name, int(since // DAY_S)),
        )
    ]


def read_last_sent(connection: sqlite3.Connection, events: Sequence[str]) -> dict[str, SentEvent]:
    """The last acknowledged message of each event, among the last `LOOKED_BACK`.

    Raises:
        StoreBroken: A row is not what was written.
    """
    names = dict(connection.execute("SELECT number, name FROM destination"))
    wanted = set(events)
    found: dict[str, SentEvent] = {}
    rows = connection.execute(
        "SELECT sent.sequence, sent.at, sent.destination, event.name FROM sent JOIN event USING (sequence)"
        " ORDER BY sent.at DESC, sent.sequence DESC LIMIT ?",
        (LOOKED_BACK,),
    )
    for sequence, at, destination, name in rows:
        if name in wanted:
            wanted.remove(name)
            columns = connection.execute(
                f"SELECT {EVENT_COLUMNS} FROM event WHERE sequence = ?",  # noqa: S608 - a constant
                (sequence,),
            ).fetchone()
            found[name] = SentEvent(build_stored(sequence, columns), at, names.get(destination, ""))
        if not wanted:
            break
    return found


def read_dead_reasons(connection: sqlite3.Connection) -> list[DeadReason]:
    """Dead letters by event, reason and answer; the most frequent first."""
    return [
        DeadReason(*row)
        for row in connection.execute(
            "SELECT event.name, reason, status, count(*), max(dead_letter.at) FROM dead_letter"
            " JOIN event USING (sequence) GROUP BY event.name, reason, status ORDER BY count(*) DESC"
        )
    ]


def read_sent_rates(
    connection: sqlite3.Connection, within_s: Sequence[float], *, now: float
) -> list[SentRate]:
    """How many acknowledgements there were within each of these times."""
    return [
        SentRate(
            within,
            connection.execute("SELECT count(*) FROM sent WHERE at >= ?", (now - within,)).fetchone()[0],
        )
        for within in within_s
    ]
