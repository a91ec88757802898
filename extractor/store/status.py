"""What `status` shows: read from the store alone, with the daemon up or down."""

import sqlite3
from dataclasses import dataclass
from typing import Protocol

from extractor.store.errors import StoreBroken
from extractor.store.optout import OptOut, read_opt_out
from extractor.store.paths import path_text
from extractor.store.recording import Incident
from extractor.store.seal import ROW_ERRORS


class Clock(Protocol):
    """What the store needs of time."""

    def now(self) -> float:
        """Unix seconds."""


@dataclass(frozen=True, slots=True)
class FileStatus:
    """How far one file has been read. Sizes in bytes, as of its last recorded look."""

    path: str
    size: int
    offset: int
    lost_bytes: int
    gone_since: float | None

    @property
    def lag(self) -> int:
        """Bytes still to be read."""
        return max(0, self.size - self.offset)


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """When a rule last matched (unix seconds), and on how many lines in all that is counted."""

    rule: str
    last_at: float
    matches: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Delivery is paused; nothing is dropped."""

    since: float
    reason: str
    status: int | None


@dataclass(frozen=True, slots=True)
class CounterStatus:
    """A count over all days kept."""

    name: str
    rule: str
    label: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSnapshot:
    """One consistent view of the state. Times are unix seconds.

    Attributes:
        at: When it was taken.
        files: Every file known, by path.
        outbox_rows: Events waiting.
        outbox_bytes: Bytes of their messages.
        outbox_oldest: When the first of them was recorded, or None.
        delivered: Events acknowledged since the state was made, by any destination.
        destination: The destination of the last writer.
        dead_letters: How many there are.
        rules: Rules that ever matched.
        counters: All counts.
        hold: The hold in force, or None.
        retry_at: Before this nothing is sent, or None.
        incidents: The newest ones, newest first.
        opt_out: The opt-out in force, or None.
        suppressed: Ids suppressed by opt-outs.
    """

    at: float
    files: tuple[FileStatus, ...]
    outbox_rows: int
    outbox_bytes: int
    outbox_oldest: float | None
    delivered: int
    destination: str
    dead_letters: int
    rules: tuple[RuleStatus, ...]
    counters: tuple[CounterStatus, ...]
    hold: Hold | None
    retry_at: float | None
    incidents: tuple[Incident, ...]
    opt_out: OptOut | None
    suppressed: int


def read_status(connection: sqlite3.Connection, *, now: float) -> StatusSnapshot:
    """Everything, within the caller's transaction.

    Raises:
        StoreBroken: A row is not what was written.
    """
    try:
        return _read(connection, now=now)
    except ROW_ERRORS as error:
        raise StoreBroken("the state is damaged: a row was altered; start again to set it aside") from error


def _read(connection: sqlite3.Connection, *, now: float) -> StatusSnapshot:
    files = tuple(
        FileStatus(path_text(row[0]), *row[1:])
        for row in connection.execute(
            "SELECT path, size, offset, lost_bytes, gone_since FROM checkpoint ORDER BY path, file_id"
        )
    )
    (
        outbox_rows,
        outbox_bytes,
        dead_rows,
        suppressed,
        delivered,
        retry_at,
        hold_since,
        hold_reason,
        hold_status,
        destination,
    ) = connection.execute(
        "SELECT outbox_rows, outbox_bytes, dead_rows, suppressed_rows, delivered, retry_at, hold_since, hold_reason,"
        " hold_status,"
        " (SELECT name FROM destination WHERE number = state.destination) FROM state"
    ).fetchone()
    oldest = connection.execute(
        "SELECT event.recorded_at FROM outbox JOIN event USING (sequence) ORDER BY outbox.sequence LIMIT 1"
    ).fetchone()
    rules = tuple(
        RuleStatus(*row)
        for row in connection.execute(
            "SELECT rule, last_at, (SELECT coalesce(sum(count), 0) FROM counter"
            " WHERE counter.name = 'matched' AND counter.rule = rule_seen.rule) FROM rule_seen ORDER BY rule"
        )
    )
    counters = tuple(
        CounterStatus(*row)
        for row in connection.execute(
            "SELECT name, rule, label, sum(count) FROM counter GROUP BY name, rule, label ORDER BY name, rule, label"
        )
    )
    incidents = tuple(
        Incident(kind, at, path_text(path), lost_bytes, detail)
        for kind, at, path, lost_bytes, detail in connection.execute(
            "SELECT kind, at, path, lost_bytes, detail FROM incident ORDER BY number DESC LIMIT 100"
        )
    )
    return StatusSnapshot(
        at=now,
        files=files,
        outbox_rows=outbox_rows,
        outbox_bytes=outbox_bytes,
        outbox_oldest=oldest[0] if oldest else None,
        delivered=delivered,
        destination=destination or "",
        dead_letters=dead_rows,
        rules=rules,
        counters=counters,
        hold=None if hold_since is None else Hold(hold_since, hold_reason, hold_status),
        retry_at=retry_at,
        incidents=incidents,
        opt_out=read_opt_out(connection),
        suppressed=suppressed,
    )
