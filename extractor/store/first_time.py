"""When each organization first did what counts, for the funnel: one small row each, kept for as long as the state.

Rows are written only with events that are stored: an opt-out writes none, and what was purged or forgotten does not
come back, since its message ids stay suppressed.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from extractor.ruleset.event import Event, TimeSource
from extractor.store.errors import StoreBroken
from extractor.store.seal import ROW_ERRORS

# The earliest time counts. Where a time is not the line's own it is at most too late, so the earliest is also the
# nearest to the truth; of two equal ones the line's own is the better known.
_WRITE = (
    "INSERT INTO first_time (organization, milestone, time, time_source) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (organization, milestone) DO UPDATE SET time = excluded.time, time_source = excluded.time_source"
    " WHERE excluded.time < time"
)
# Another line of a fact that is stored may know its time better. It never makes a row: what was forgotten stays so.
_IMPROVE = (
    "UPDATE first_time SET time = ?3, time_source = ?4 WHERE organization = ?1 AND milestone = ?2 AND time > ?3"
    " AND NOT EXISTS (SELECT 1 FROM ledger WHERE message_id = ?5 AND destination = 0)"
)


@dataclass(frozen=True, slots=True)
class FirstTime:
    """The first time that is known of something.

    Attributes:
        organization: Keyed hash of its id.
        milestone: An event's name, or a step of a pack's funnel.
        time: Unix seconds.
        time_source: Where `time` comes from.
    """

    organization: bytes
    milestone: str
    time: float
    time_source: TimeSource


def write_first_times(
    connection: sqlite3.Connection, fresh: Mapping[bytes, Event], events: Collection[Event]
) -> None:
    """Note what a transaction showed.

    Args:
        connection: In a transaction of the caller's.
        fresh: Events that are stored now, by message id.
        events: All that were met, with those that were known before.
    """
    _write(connection, fresh.values())
    if len(events) == len(fresh):
        return
    repeats = [
        (event.organization, milestone, event.time, event.time_source.value, id_)
        for event in events
        if (id_ := bytes.fromhex(event.message_id)) not in fresh or fresh[id_] is not event
        for milestone in event.milestones
        if event.organization
    ]
    connection.executemany(_IMPROVE, repeats)


def _write(connection: sqlite3.Connection, events: Iterable[Event]) -> None:
    first: dict[tuple[bytes, str], Event] = {}
    for event in events:
        for milestone in event.milestones if event.organization else ():
            known = first.get((event.organization, milestone))
            if known is None or event.time < known.time:
                first[event.organization, milestone] = event
    connection.executemany(
        _WRITE, [(*key, event.time, event.time_source.value) for key, event in first.items()]
    )


def read_first_times(connection: sqlite3.Connection) -> list[FirstTime]:
    """All of them, by organization.

    Raises:
        StoreBroken: A row is not what was written.
    """
    try:
        return [
            FirstTime(organization, milestone, time, TimeSource(time_source))
            for organization, milestone, time, time_source in connection.execute(
                "SELECT organization, milestone, time, time_source FROM first_time"
            )
        ]
    except ROW_ERRORS as error:
        raise StoreBroken("the state is damaged: a row was altered; start again to set it aside") from error


def forget_first_times(connection: sqlite3.Connection, organizations: Iterable[bytes]) -> int:
    """Erase all rows of organizations, by keyed hash; how many there were."""
    return sum(
        connection.execute("DELETE FROM first_time WHERE organization = ?", (organization,)).rowcount
        for organization in organizations
    )
