"""Questions to the state that change nothing; also the whole of what a reader without the lock can do."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from extractor.checkpoint import Checkpoint
from extractor.learning.seen import Seen
from extractor.store import outbox
from extractor.store.batch import DeadLetter, SentEvent
from extractor.store.checkpoints import read_checkpoints
from extractor.store.database import Database
from extractor.store.errors import StoreMissing, StoreTooNew, StoreUnavailable
from extractor.store.first_time import FirstTime, read_first_times
from extractor.store.folder import StateFolder
from extractor.store.history import (
    DailyCount,
    DeadReason,
    SentRate,
    read_daily,
    read_dead_reasons,
    read_last_sent,
    read_sent_rates,
)
from extractor.store.migrate import newest, version
from extractor.store.seen import read_seen
from extractor.store.status import Clock, StatusSnapshot, read_status


def open_existing(
    state_dir: Path, *, read_only: bool, factory: type[sqlite3.Connection] = sqlite3.Connection
) -> tuple[StateFolder, Database]:
    """Open a state that is there, of exactly this version's schema, beside whoever holds its lock.

    Raises:
        StoreMissing: There is none.
        StoreTooNew: A newer version wrote it.
        StoreUnavailable: The disk refuses, or it waits for its migration.
        StoreBroken: It is damaged; the next `Store.open` sets it aside.
    """
    folder = StateFolder(state_dir)
    if not folder.database.exists():
        raise StoreMissing(f"no state in {folder.path}: nothing has run with this state_dir yet")
    on_damage = None if read_only else folder.mark_suspect
    database = Database(folder.database, read_only=read_only, factory=factory, on_damage=on_damage)
    try:
        with database.reading() as connection:
            number = version(connection)
    except BaseException:
        database.close()
        raise
    if number == newest():
        return folder, database
    database.close()
    if number > newest():
        raise StoreTooNew(f"the state in {folder.path} was written by a newer extractor; use that version")
    raise StoreUnavailable(
        f"the state in {folder.path} is of an older version; start `extractor run` once to migrate it"
    )


class StoreReader:
    """Reads a state, whether its writer runs or not. Every answer is one consistent view."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @classmethod
    def open_for_reading(cls, state_dir: Path, *, clock: Clock) -> "StoreReader":
        """Open without the lock, read-only.

        Raises:
            StoreError: See `open_existing`.
        """
        _, database = open_existing(state_dir, read_only=True)
        return StoreReader(database, clock)

    def close(self) -> None:
        """Close every thread's connection."""
        self._database.close()

    def checkpoints(self) -> list[Checkpoint]:
        """Every file known."""
        with self._database.reading() as connection:
            return read_checkpoints(connection)

    def status(self) -> StatusSnapshot:
        """All that `status` shows."""
        with self._database.reading() as connection:
            return read_status(connection, now=self._clock.now())

    def first_times(self) -> list[FirstTime]:
        """When each organization first did what counts."""
        with self._database.reading() as connection:
            return read_first_times(connection)

    def seen(self) -> list[Seen]:
        """What the app's lines look like: for `ruleset.drift` and `ruleset.alarm`."""
        with self._database.reading() as connection:
            return read_seen(connection)

    def daily(self, name: str, since: float) -> list[DailyCount]:
        """Counts of one name since the day of a time (unix seconds), by day."""
        with self._database.reading() as connection:
            return read_daily(connection, name, since)

    def last_sent(self, events: Sequence[str]) -> dict[str, SentEvent]:
        """The last message of each event that was acknowledged, as far as messages are kept."""
        with self._database.reading() as connection:
            return read_last_sent(connection, events)

    def dead_reasons(self) -> list[DeadReason]:
        """Dead letters by event, reason and answer."""
        with self._database.reading() as connection:
            return read_dead_reasons(connection)

    def sent_rates(self, within_s: Sequence[float]) -> list[SentRate]:
        """How many acknowledgements there were within each of these times (seconds)."""
        with self._database.reading() as connection:
            return read_sent_rates(connection, within_s, now=self._clock.now())

    def dead_letters(self) -> list[DeadLetter]:
        """All of them, in the order of their recording."""
        with self._database.reading() as connection:
            return list(outbox.dead_letters(connection))

    def sent(self, since: float, until: float, event: str | None = None) -> list[SentEvent]:
        """What was acknowledged from `since` to before `until` (unix seconds), in that order.

        Goes back as far as messages are kept (`StoreLimits.sent_s`); all in memory.
        """
        with self._database.reading() as connection:
            return list(outbox.sent(connection, since, until, event))
