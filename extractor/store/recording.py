"""The one write: memory resolved, events into the outbox, checkpoints moved, in the caller's transaction."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from extractor.checkpoint import Checkpoint
from extractor.ruleset.event import Event
from extractor.ruleset.outcome import Outcome, Rejection, resolve
from extractor.store.checkpoints import forget_checkpoints, write_checkpoints
from extractor.store.first_time import write_first_times
from extractor.store.limits import DAY_S
from extractor.store.lookup import known_ids
from extractor.store.memory import TransactionMemory
from extractor.store.paths import path_bytes
from extractor.store.seal import seal_event

MATCHED = "matched"  # counter: lines that a rule matched
REJECTED = "rejected"  # counter: events and values left out, by reason


@dataclass(frozen=True, slots=True)
class Tally:
    """So many of something, to be added to the count of today.

    Attributes:
        name: What is counted; a word of the catalogue in `telemetry`.
        count: How many.
        rule: `pack/rule-id`, or "".
        label: What tells apart counts of one name, such as a reason; bounded, never a value.
    """

    name: str
    count: int
    rule: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that an operator should know of, kept with its time.

    Attributes:
        kind: A bounded word.
        at: Unix seconds.
        path: The file it is about, or "".
        lost_bytes: Bytes known to be gone unread, 0 where none are known.
        detail: For people; holds no line, value or payload.
    """

    kind: str
    at: float
    path: str = ""
    lost_bytes: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one transaction made of its outcomes.

    Attributes:
        events: Those that entered the outbox, in order.
        rejections: Everything left out, with its reason; those of memory included.
        repeats: Events whose message id was delivered, suppressed, waiting or dead already.
        suppressed: Events that an opt-out kept from being stored.
        first: Sequence of the first of `events`; the others follow it without a gap.
    """

    events: tuple[Event, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    repeats: int = 0
    suppressed: int = 0
    first: int = 0


def resolve_all(
    memory: TransactionMemory, outcomes: Iterable[Outcome], *, keep_values: bool
) -> tuple[list[Event], list[Rejection], Counter[str]]:
    """Events that are facts, what was left out, and how many lines each rule matched."""
    events: list[Event] = []
    rejections: list[Rejection] = []
    matched: Counter[str] = Counter()
    for outcome in outcomes:
        for rule in outcome.matched:
            matched[rule] += 1
        rejections.extend(outcome.rejections)
        if outcome.events or outcome.memory:
            for result in resolve(outcome, memory, keep_values=keep_values):
                if isinstance(result, Event):
                    events.append(result)
                else:
                    rejections.append(result)
    return events, rejections, matched


def record(
    connection: sqlite3.Connection,
    checkpoints: Iterable[Checkpoint],
    outcomes: Iterable[Outcome],
    *,
    now: float,
    destination: int,
    suppress: bool = False,
    tallies: Sequence[Tally] = (),
    incidents: Sequence[Incident] = (),
    forgotten: Sequence[str] = (),
) -> Recorded:
    """See `Store.record`."""
    outcomes = list(outcomes)
    memory = TransactionMemory(connection)
    memory.read_ahead(outcomes)
    events, rejections, matched = resolve_all(memory, outcomes, keep_values=not suppress)
    memory.flush()
    fresh: dict[bytes, Event] = {}
    for event in events:
        fresh.setdefault(bytes.fromhex(event.message_id), event)
    if suppress:
        suppressed = suppress_ids(connection, fresh, now=now)
        recorded = Recorded(rejections=tuple(rejections), suppressed=suppressed)
    else:
        for known in known_ids(connection, sorted(fresh), destination):
            del fresh[known]
        first = _enqueue(connection, fresh, now=now)
        write_first_times(connection, fresh, events)
        recorded = Recorded(
            tuple(fresh.values()), tuple(rejections), repeats=len(events) - len(fresh), first=first
        )
        count(connection, _tallies(matched, rejections, tallies), now=now)
        connection.executemany(
            "INSERT OR REPLACE INTO rule_seen (rule, last_at) VALUES (?, ?)",
            [(rule, now) for rule in matched],
        )
    write_checkpoints(connection, checkpoints)
    forget_checkpoints(connection, forgotten)
    write_incidents(connection, incidents)
    connection.execute("UPDATE state SET transactions = transactions + 1, unknown_files = 'from_beginning'")
    return recorded


def prime(
    connection: sqlite3.Connection, outcomes: Iterable[Outcome], *, now: float, keep_values: bool
) -> int:
    """See `Store.prime`."""
    outcomes = list(outcomes)
    memory = TransactionMemory(connection, primed=True)
    memory.read_ahead(outcomes)
    events, _, _ = resolve_all(memory, outcomes, keep_values=keep_values)
    # Memory keeps no fact of a rule without one, nor what came before a *forget*: their ids do.
    suppress_ids(connection, {bytes.fromhex(event.message_id) for event in events}, now=now)
    return memory.flush()


def suppress_ids(connection: sqlite3.Connection, ids: Iterable[bytes], *, now: float) -> int:
    """Make ids never be sent, to any destination; how many were not suppressed yet."""
    added = connection.executemany(
        "INSERT OR IGNORE INTO ledger (message_id, destination, at) VALUES (?, 0, ?)",
        [(id_, int(now)) for id_ in ids],
    ).rowcount
    added = max(added, 0)  # -1 where there was nothing to execute
    connection.execute("UPDATE state SET suppressed_rows = suppressed_rows + ?", (added,))
    return added


_VALUES = 11
_ROW = f"({', '.join('?' * _VALUES)})"
_ROWS = 30
"""Events a statement: every statement looks up the last sequence and writes it back."""


def _enqueue(connection: sqlite3.Connection, events: dict[bytes, Event], *, now: float) -> int:
    """Into the outbox; the sequence of the first of them."""
    if not events:
        return 0
    (last,) = connection.execute(
        "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0),"
        " coalesce((SELECT max(sequence) FROM event), 0))"
    ).fetchone()
    values: list[object] = []
    total_bytes = 0
    for sequence, (id_, event) in enumerate(events.items(), last + 1):
        _, name, rule, message, time, time_source, path, offset, *_ = event
        raw, source = path_bytes(path), time_source.value
        seal = seal_event(id_, name, rule, message, time, source, raw, offset)
        values += (sequence, id_, name, rule, message, time, source, raw, offset, now, seal)
        total_bytes += len(message)
    for at in range(0, len(values), _VALUES * _ROWS):
        part = values[at : at + _VALUES * _ROWS]
        rows = ", ".join([_ROW] * (len(part) // _VALUES))
        connection.execute(f"INSERT OR FAIL INTO event VALUES {rows}", part)  # noqa: S608 - constants
    connection.execute(
        # FAIL: a failure ends the transaction anyway, and SQLite need not be able to take back this statement alone.
        "INSERT OR FAIL INTO outbox SELECT sequence, message_id, length(message) FROM event WHERE sequence > ?",
        (last,),
    )
    connection.execute(
        "UPDATE state SET outbox_rows = outbox_rows + ?, outbox_bytes = outbox_bytes + ?",
        (len(events), total_bytes),
    )
    return int(last) + 1


def _tallies(
    matched: Counter[str], rejections: Iterable[Rejection], more: Iterable[Tally]
) -> Iterable[Tally]:
    yield from (Tally(MATCHED, number, rule) for rule, number in matched.items())
    reasons: Counter[tuple[str, str]] = Counter(
        (
            rejection.rule or "",
            f"{rejection.reason.value}:{rejection.property}"
            if rejection.property
            else rejection.reason.value,
        )
        for rejection in rejections
    )
    yield from (Tally(REJECTED, number, rule, label) for (rule, label), number in reasons.items())
    yield from more


def count(connection: sqlite3.Connection, tallies: Iterable[Tally], *, now: float) -> None:
    """Add to the counts of today (UTC)."""
    connection.executemany(
        "INSERT INTO counter (name, rule, label, day, count) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (name, rule, label, day) DO UPDATE SET count = count + excluded.count",
        [(tally.name, tally.rule, tally.label, int(now // DAY_S), tally.count) for tally in tallies],
    )


def write_incidents(connection: sqlite3.Connection, incidents: Iterable[Incident]) -> None:
    """Keep incidents."""
    connection.executemany(
        "INSERT INTO incident (at, kind, path, lost_bytes, detail) VALUES (?, ?, ?, ?, ?)",
        [
            (incident.at, incident.kind, path_bytes(incident.path), incident.lost_bytes, incident.detail)
            for incident in incidents
        ],
    )
