"""The store: what `collect` and `deliver` share, and all that survives a restart."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from extractor.checkpoint import Checkpoint
from extractor.ruleset.outcome import Outcome
from extractor.store import outbox
from extractor.store.batch import Batch, DeadLetter, SentEvent, StoredEvent
from extractor.store.database import Database
from extractor.store.errors import StoreBroken
from extractor.store.folder import StateFolder
from extractor.store.limits import StoreLimits
from extractor.store.migrate import migrate
from extractor.store.recording import Incident, Recorded, Tally, path_text, record, unsigned, write_incidents
from extractor.store.seal import seal_checkpoint
from extractor.store.status import StatusSnapshot, read_status


class Clock(Protocol):
    """What the store needs of time."""

    def now(self) -> float:
        """Unix seconds."""


class Store:
    """The only door to the state for a process that writes."""

    def __init__(
        self, database: Database, *, destination: str, clock: Clock, limits: StoreLimits, folder: StateFolder | None
    ) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits
        self._folder = folder
        self._leases = outbox.Leases()
        self._destination = self._choose_destination(destination)

    @classmethod
    def open(
        cls,
        state_dir: Path,
        *,
        destination: str,
        clock: Clock,
        limits: StoreLimits | None = None,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> "Store":
        """Become the one writer of a state folder, which is made if it is not there."""
        folder = StateFolder(state_dir)
        folder.create()
        folder.lock()
        try:
            folder.create_file(folder.database)
            database = Database(folder.database, factory=factory, on_damage=folder.mark_suspect)
            with database.alone() as connection:
                migrate(connection)
            return cls(
                database, destination=destination, clock=clock, limits=limits or StoreLimits(), folder=folder
            )
        except BaseException:
            folder.unlock()
            raise

    @classmethod
    def in_memory(cls, *, destination: str = "stdout", clock: Clock, limits: StoreLimits | None = None) -> "Store":
        """The same code on a store that is gone with the process: for `preview`."""
        database = Database(None)
        with database.alone() as connection:
            migrate(connection)
        return cls(database, destination=destination, clock=clock, limits=limits or StoreLimits(), folder=None)

    def close(self) -> None:
        """Close the state and let another process have it. The loops must have stopped."""
        self._database.close()
        if self._folder is not None:
            self._folder.unlock()

    def _choose_destination(self, name: str) -> int:
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO destination (name) VALUES (?)", (name,))
            (number,) = connection.execute("SELECT number FROM destination WHERE name = ?", (name,)).fetchone()
            connection.execute("UPDATE state SET destination = ?", (number,))
        return int(number)

    # What collect uses

    def checkpoints(self) -> list[Checkpoint]:
        """Every file known, in the order of their ids."""
        with self._database.reading() as connection:
            return read_checkpoints(connection)

    def record(
        self,
        checkpoints: Iterable[Checkpoint],
        outcomes: Iterable[Outcome],
        *,
        suppress: bool = False,
        tallies: Sequence[Tally] = (),
        incidents: Sequence[Incident] = (),
    ) -> Recorded:
        """THE one write."""
        with self._database.transaction() as connection:
            return record(
                connection,
                checkpoints,
                outcomes,
                now=self._clock.now(),
                destination=self._destination,
                suppress=suppress,
                tallies=tallies,
                incidents=incidents,
            )

    def outbox_full(self) -> bool:
        """Whether reading must pause until something was delivered."""
        with self._database.reading() as connection:
            rows, size = connection.execute("SELECT outbox_rows, outbox_bytes FROM state").fetchone()
        return bool(rows >= self._limits.outbox_rows or size >= self._limits.outbox_bytes)

    def note(self, incidents: Sequence[Incident]) -> None:
        """Keep incidents that no transaction of `record` goes with."""
        with self._database.transaction() as connection:
            write_incidents(connection, incidents)

    # What deliver uses

    def lease(self, max_events: int, max_bytes: int) -> Batch:
        """The first events in order that nobody holds."""
        with self._database.reading() as connection:
            return outbox.lease(connection, self._leases, max_events=max_events, max_bytes=max_bytes)

    def acknowledge(self, batch: Batch) -> None:
        """The destination has this batch, or part of one."""
        with self._database.transaction() as connection:
            outbox.acknowledge(
                connection,
                batch,
                now=self._clock.now(),
                destination=self._destination,
                keep_messages=self._limits.sent_s > 0,
            )
        self._leases.held.difference_update(stored.sequence for stored in batch.events)

    def release(self, batch: Batch, retry_at: float | None = None) -> None:
        """Give a batch, or part of one, back: it is first in order again."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE state SET retry_at = ?", (retry_at,))
        self._leases.held.difference_update(stored.sequence for stored in batch.events)

    def bury(self, event: StoredEvent, *, reason: str, status: int | None = None) -> None:
        """Make one leased event a dead letter."""
        with self._database.transaction() as connection:
            outbox.bury(connection, event, now=self._clock.now(), reason=reason, status=status)
        self._leases.held.discard(event.sequence)

    def hold(self, reason: str, status: int | None = None) -> None:
        """Note that delivery is held; kept with the time at which the hold began, until `acknowledge` or `resume`."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE state SET hold_since = coalesce(hold_since, ?), hold_reason = ?, hold_status = ?",
                (self._clock.now(), reason, status),
            )

    def resume(self) -> None:
        """Note that delivery is not held any more."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE state SET hold_since = NULL, hold_reason = NULL, hold_status = NULL")

    # What operators ask for

    def dead_letters(self) -> list[DeadLetter]:
        """All of them, in order of sequence."""
        with self._database.reading() as connection:
            return list(outbox.dead_letters(connection))

    def replay(self, ids: Iterable[str]) -> int:
        """Dead letters, by message id, back into the outbox; how many."""
        with self._database.transaction() as connection:
            return outbox.replay(connection, ids)

    def discard(self, ids: Iterable[str]) -> int:
        """Give dead letters up, by message id; how many."""
        with self._database.transaction() as connection:
            return outbox.discard(connection, ids, now=self._clock.now(), destination=self._destination)

    def sent(self, since: float, until: float, event: str | None = None) -> list[SentEvent]:
        """What was acknowledged from `since` to before `until` (unix seconds)."""
        with self._database.reading() as connection:
            return list(outbox.sent(connection, since, until, event))

    def resend(self, since: float, until: float, event: str | None = None) -> int:
        """What was acknowledged in that time back into the outbox, with the same ids; how many."""
        with self._database.transaction() as connection:
            return outbox.resend(connection, since, until, event)

    def status(self) -> StatusSnapshot:
        """All of `status`, as one consistent view."""
        with self._database.reading() as connection:
            return read_status(connection, now=self._clock.now())


def read_checkpoints(connection: sqlite3.Connection) -> list[Checkpoint]:
    """Every checkpoint."""
    found = []
    for row in connection.execute(
        "SELECT file_id, path, device, inode, offset, size, identity, lost_bytes, gone_since, seal FROM checkpoint"
    ):
        file_id, path, device, inode, offset, size, identity, lost_bytes, gone_since, seal = row
        checkpoint = Checkpoint(
            file_id=file_id,
            path=path_text(path),
            device=unsigned(device),
            inode=unsigned(inode),
            offset=offset,
            size=size,
            identity=identity,
            lost_bytes=lost_bytes,
            gone_since=gone_since,
        )
        if seal != seal_checkpoint(checkpoint):
            raise StoreBroken("the state is damaged: a checkpoint was altered; start again to set the damaged copy aside")
        found.append(checkpoint)
    return found
