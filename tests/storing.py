"""What tests of the store share: a clock that only tests move, outcomes of made-up lines, connections that fail."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extractor.checkpoint import Checkpoint
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.outcome import Changed, Forget, Outcome, PendingEvent, Remember
from extractor.store import Store, StoreLimits

START = 1_800_000_000.0
DAY = 86_400.0


class FakeClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time


def event_id(name: str) -> str:
    """A message id as the rules make them: a hash, so spread over all values."""
    return hashlib.blake2b(name.encode(), digest_size=24).hexdigest()


def key(name: str) -> bytes:
    """A key of memory, or a digest of a value."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def build_event(name: str, *, size: int = 0, event: str = "plan_created", private: str = "") -> Event:
    """An event with the id of its name."""
    message = f'{{"event":"{event}","messageId":"{event_id(name)}","properties":{{"code":"{private}"}}}}'
    return Event(
        message_id=event_id(name),
        name=event,
        rule="test/plan",
        message=message.ljust(size).encode(),
        time=START - 60,
        time_source=TimeSource.LINE,
        path="/var/log/app.log",
        offset=17,
        organization=key("organization"),
        milestones=(event,),
    )


def fact(
    name: str, *, size: int = 0, event: str = "plan_created", private: str = "", once: str = ""
) -> Outcome:
    """What a line gives that shows one fact."""
    built = build_event(name, size=size, event=event, private=private)
    pending = PendingEvent("test/plan", lambda _reset, _recalled: built, once=key(once) if once else None)
    return Outcome(events=(pending,), matched=("test/plan",))


def status_change(name: str, invoice: str, status: str) -> Outcome:
    """What a line gives that shows a status, which is an event only if it changed."""
    built = build_event(name)
    changed = Changed(key(invoice), key(status), key("pending"))
    return Outcome(
        events=(PendingEvent("test/status", lambda _reset, _recalled: built, changed=changed),),
        matched=("test/status",),
    )


def remember(slot: str, value: str) -> Outcome:
    """What a line gives that only tells memory something."""
    return Outcome(memory=(Remember(key(slot), key(value), value),), matched=("test/memory",))


def forget(slot: str, by: str) -> Outcome:
    """What a line gives that makes a key new again."""
    return Outcome(memory=(Forget(key(slot), key(by)),), matched=("test/memory",))


def checkpoint(file_id: str = "a", offset: int = 0, **more: Any) -> Checkpoint:
    """Of a file that has as many bytes as were read."""
    fields = {"path": f"/var/log/{file_id}.log", "device": 1, "inode": 2, "size": offset, **more}
    return Checkpoint(file_id=file_id, offset=offset, **fields)


def open_store(
    folder: Path,
    clock: FakeClock | None = None,
    *,
    destination: str = "segment",
    limits: StoreLimits | None = None,
    factory: type[sqlite3.Connection] = sqlite3.Connection,
) -> Store:
    """The store in a folder."""
    return Store.open(
        folder, destination=destination, clock=clock or FakeClock(), limits=limits, factory=factory
    )


def waiting(store: Store) -> list[str]:
    """Message ids of the outbox in order; leaves no lease."""
    batch = store.lease(1_000_000, 1 << 40)
    store.release(batch)
    return [stored.event.message_id for stored in batch.events]


def ids(*names: str) -> list[str]:
    """Message ids of facts by name."""
    return [event_id(name) for name in names]


TABLES = (
    "state",
    "destination",
    "checkpoint",
    "memory",
    "event",
    "outbox",
    "dead_letter",
    "sent",
    "ledger",
    "rule_seen",
    "counter",
    "incident",
    "first_time",
)


def dump(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that a state folder's database holds."""
    connection = sqlite3.connect(f"{(folder / 'state.db').as_uri()}?mode=ro", uri=True)
    try:
        return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}
    finally:
        connection.close()


@dataclass
class Failure:
    """Which statement is to fail, and how.

    Attributes:
        at: Counted from 1 while armed; 0: none, they are only counted.
        code: SQLite's extended result code.
        late: The statement is carried out, and still reports the failure.
        armed: Whether statements are counted.
        seen: How many were.
    """

    at: int = 0
    code: int = sqlite3.SQLITE_FULL
    late: bool = False
    armed: bool = True
    seen: int = 0

    def strikes(self) -> bool:
        """Count a statement; whether it is the one."""
        if self.armed:
            self.seen += 1
        return self.armed and self.seen == self.at

    def error(self) -> sqlite3.OperationalError:
        """What SQLite would raise."""
        error = sqlite3.OperationalError("made to fail")
        error.sqlite_errorcode = self.code
        return error


class Unsynced(sqlite3.Connection):
    """Does not wait for the disk: for tests with thousands of transactions and no power cut."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return super().execute(sql.replace("synchronous = FULL", "synchronous = OFF"), parameters)


def flaky(failure: Failure) -> type[sqlite3.Connection]:
    """A connection class whose n-th statement fails; a half of an `executemany` may have been done by then."""

    class FlakyConnection(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if not failure.strikes():
                return super().execute(sql, parameters)
            if failure.late:
                super().execute(sql, parameters)
            raise failure.error()

        def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
            if not failure.strikes():
                return super().executemany(sql, parameters)
            rows = list(parameters)
            super().executemany(sql, rows if failure.late else rows[: len(rows) // 2])
            raise failure.error()

    return FlakyConnection


def files_with(folder: Path, needle: bytes) -> Iterator[str]:
    """Names of files of a folder in which these bytes stand."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and needle in path.read_bytes():
            yield path.name
