"""The store: what `collect` and `deliver` share, and all that survives a restart."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from extractor.checkpoint import Checkpoint
from extractor.learning.seen import Seen
from extractor.ruleset.outcome import Outcome
from extractor.store import erasure, outbox, recording, retention
from extractor.store.batch import Batch, StoredEvent
from extractor.store.checkpoints import UnknownFiles
from extractor.store.database import Database
from extractor.store.erasure import Erased, Traces
from extractor.store.folder import StateFolder
from extractor.store.limits import StoreLimits
from extractor.store.migrate import migrate
from extractor.store.opening import Opening, open_database
from extractor.store.optout import OptOut, append_history, read_opt_out
from extractor.store.reader import StoreReader, open_existing
from extractor.store.recording import Incident, Recorded, Tally
from extractor.store.retention import Pruned
from extractor.store.seen import write_seen
from extractor.store.status import Clock


class Store(StoreReader):
    """The door to the state for a process that writes.

    Every method is one transaction: all or nothing, durable when it returns. All of them raise only

    - `StoreUnavailable` (full, read-only, failing disk; busy): nothing was written; try again with backoff,
    - `StoreBroken` (damage met in use): end the process; the next `open` sets the damaged copy aside.

    May be used by several threads; leases belong to this object.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        limits: StoreLimits,
        folder: StateFolder | None,
        destination: str | None = None,
    ) -> None:
        super().__init__(database, clock)
        self._limits = limits
        self._folder = folder
        self._leases = outbox.Leases()
        with database.transaction() as connection:
            self._destination = outbox.choose_destination(connection, destination)
            (unknown,) = connection.execute("SELECT unknown_files FROM state").fetchone()
        self.unknown_files = UnknownFiles(unknown)
        """Where `source` begins files that have no checkpoint, at this start. Holds until the first `record`, which
        must carry the checkpoints of all files present at this start if it is not `FROM_BEGINNING`."""

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
        """Become the one writer of a state folder (0700, its files 0600), which is made if it is not there.

        An older schema is migrated after a backup. A damaged state is set aside as `state.db.damaged-<UTC time>`, and
        what is sound of it is carried over; an incident in `status` then says what will be read again.

        Args:
            state_dir: The folder; belongs to one writer at a time.
            destination: Name of where events go. What was acknowledged by one is not known to another.
            clock: Wall clock.
            limits: Caps and retention.
            factory: Class of the connections, for tests.

        Raises:
            StoreLocked: Another process writes to it; the text has its pid.
            StoreTooNew: A newer version wrote it; nothing was touched.
            StoreUnavailable: The disk refuses.
        """
        folder = StateFolder(state_dir)
        folder.create()
        folder.lock()
        try:
            database = open_database(folder, Opening(factory, clock.now()))
        except BaseException:
            folder.unlock()
            raise
        try:
            store = cls(
                database, clock=clock, limits=limits or StoreLimits(), folder=folder, destination=destination
            )
            erasure.finish(database, folder)
        except BaseException:
            database.close()
            folder.unlock()
            raise
        return store

    @classmethod
    def open_beside(cls, state_dir: Path, *, clock: Clock, limits: StoreLimits | None = None) -> "Store":
        """Change the state while its writer may be running: for `dead-letters`, `resend`, `forget`, `prime`.

        Must not lease: that is for the one that has the lock.

        Raises:
            StoreError: See `open_existing`.
        """
        folder, database = open_existing(state_dir, read_only=False)
        try:
            return cls(database, clock=clock, limits=limits or StoreLimits(), folder=folder)
        except BaseException:
            database.close()
            raise

    @classmethod
    def in_memory(
        cls, *, destination: str = "stdout", clock: Clock, limits: StoreLimits | None = None
    ) -> "Store":
        """The same code on a state that is gone with the process: for `preview`."""
        database = Database(None)
        with database.alone() as connection:
            migrate(connection)
        return cls(
            database, clock=clock, limits=limits or StoreLimits(), folder=None, destination=destination
        )

    def close(self) -> None:
        """Close the state and let another process have it. The loops must have stopped."""
        super().close()
        if self._folder is not None:
            self._folder.unlock()

    # What collect uses

    def record(
        self,
        checkpoints: Iterable[Checkpoint],
        outcomes: Iterable[Outcome],
        *,
        suppress: bool = False,
        tallies: Sequence[Tally] = (),
        incidents: Sequence[Incident] = (),
        forgotten: Sequence[str] = (),
    ) -> Recorded:
        """THE one write: memory is resolved, events enter the outbox in order, checkpoints move. All or nothing.

        An event whose message id was delivered to this destination, is waiting, dead or suppressed, is a repeat.

        Args:
            checkpoints: Of the files that the outcomes are from, moved to where their lines end.
            outcomes: Of one line each; the lines of one file in their order. Consumed even if this fails.
            suppress: Store no event, only its id as suppressed, and no remembered value, no counts. So it is,
                whatever is given here, from `opt_out` until `opt_in`.
            tallies: Counts to add, besides those of matches and rejections, which are counted here.
            incidents: To be kept.
            forgotten: File ids whose checkpoints go.
        """
        now = self._clock.now()
        with self._database.transaction() as connection:
            opted_out = read_opt_out(connection) is not None
            recorded = recording.record(
                connection,
                checkpoints,
                outcomes,
                now=now,
                destination=self._destination,
                suppress=suppress or opted_out,
                tallies=tallies,
                incidents=incidents,
                forgotten=forgotten,
            )
        self._leases.fresh.keep(recorded.first, recorded.events, at=now)
        return recorded

    def prime(self, outcomes: Iterable[Outcome]) -> int:
        """Let outcomes meet memory only; the facts they show are never sent. How many rows of memory changed."""
        with self._database.transaction() as connection:
            keep_values = read_opt_out(connection) is None
            return recording.prime(connection, outcomes, now=self._clock.now(), keep_values=keep_values)

    def outbox_full(self) -> bool:
        """Whether reading must pause until something was delivered."""
        with self._database.reading() as connection:
            rows, size = connection.execute("SELECT outbox_rows, outbox_bytes FROM state").fetchone()
        return bool(rows >= self._limits.outbox_rows or size >= self._limits.outbox_bytes)

    def beat(self) -> None:
        """Say that the process is at work: the lock file's time, and no transaction."""
        if self._folder is not None:
            self._folder.beat(self._clock.now())

    def note(self, incidents: Sequence[Incident]) -> None:
        """Keep incidents that go with no `record`."""
        with self._database.transaction() as connection:
            recording.write_incidents(connection, incidents)

    def keep_seen(self, rows: Sequence[Seen], gone: Sequence[Seen]) -> None:
        """Keep what the app's lines look like; nothing while opted out.

        Args:
            rows: That changed; each takes the place of its older self.
            gone: That nothing looks at any more.
        """
        with self._database.transaction() as connection:
            if read_opt_out(connection) is None:
                write_seen(connection, rows, gone)

    # What deliver uses

    def lease(self, max_events: int, max_bytes: int) -> Batch:
        """The first events in order that are not on lease; empty if there are none.

        Args:
            max_events: At most so many.
            max_bytes: Of their messages together; one event is given however large it is.
        """
        with self._database.reading() as connection:
            return outbox.lease(connection, self._leases, max_events=max_events, max_bytes=max_bytes)

    def acknowledge(self, batch: Batch) -> None:
        """The destination has this batch, or this part of one: never send it again. Ends a hold."""
        with self._database.transaction() as connection:
            outbox.acknowledge(
                connection,
                batch,
                now=self._clock.now(),
                destination=self._destination,
                keep_messages=self._limits.sent_s > 0,
            )
        self._leases.give_back(batch.sequences)

    def release(self, batch: Batch, retry_at: float | None = None) -> None:
        """Give a batch, or part of one, back, so that it is first in order again.

        Args:
            batch: What was leased.
            retry_at: Unix seconds before which nothing is to be sent; only kept, for the next process and for `status`.
        """
        with self._database.transaction() as connection:
            connection.execute("UPDATE state SET retry_at = ?", (retry_at,))
        self._leases.give_back(batch.sequences)

    def bury(self, event: StoredEvent, *, reason: str, status: int | None = None) -> None:
        """Make one leased event a dead letter.

        Args:
            event: Of a leased batch.
            reason: A bounded word; never a value.
            status: HTTP status of the answer that decided it, if one did.
        """
        with self._database.transaction() as connection:
            outbox.bury(connection, event, now=self._clock.now(), reason=reason, status=status)
        self._leases.give_back((event.sequence,))

    def hold(self, reason: str, status: int | None = None) -> None:
        """Keep that delivery is held, for `status`; the time of the first call stays until `acknowledge` or `resume`."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE state SET hold_since = coalesce(hold_since, ?), hold_reason = ?, hold_status = ?",
                (self._clock.now(), reason, status),
            )

    def resume(self) -> None:
        """Delivery is not held any more, nor waiting for a time to try again."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE state SET hold_since = NULL, hold_reason = NULL, hold_status = NULL, retry_at = NULL"
            )

    # What operators ask for

    def replay(self, ids: Iterable[str]) -> int:
        """Dead letters, by message id, back into the outbox, at their old place in the order; how many."""
        with self._database.transaction() as connection:
            return outbox.replay(connection, ids)

    def discard(self, ids: Iterable[str]) -> int:
        """Give dead letters up, by message id: the message goes, the id stays known. How many."""
        with self._database.transaction() as connection:
            return outbox.discard(connection, ids, now=self._clock.now(), destination=self._destination)

    def resend(self, since: float, until: float, event: str | None = None) -> int:
        """What was acknowledged from `since` to before `until` back into the outbox, with the same ids; how many."""
        with self._database.transaction() as connection:
            return outbox.resend(connection, since, until, event)

    def opt_out(self, by: str) -> None:
        """Nothing is stored from here on, and what was stored is gone when this returns, copies aside included.

        Ids and digests stay. Calling it again keeps the first time and name. The state remembers it: only `opt_in` ends it.

        Args:
            by: Name of the variable, file or key that says so.

        Raises:
            StoreUnavailable: Not everything could be erased yet; what was stored is unreachable, call it again.
        """
        now = self._clock.now()
        with self._database.reading() as connection:
            current, purged = read_opt_out(connection), erasure.is_purged(connection)
        if current is None and self._folder is not None:
            append_history(self._folder, OptOut(now, by), now=now)
        if current is None or not purged:
            with self._database.transaction() as connection:
                erasure.opt_out(connection, current or OptOut(now, by), now=now)
            self._leases.clear()
        erasure.finish(self._database, self._folder)

    def opt_in(self) -> None:
        """Lift an opt-out: what is read from now on is stored and sent."""
        with self._database.reading() as connection:
            if read_opt_out(connection) is None:
                return
        if self._folder is not None:
            append_history(self._folder, None, now=self._clock.now())
        with self._database.transaction() as connection:
            connection.execute("UPDATE state SET opt_out_since = NULL, opt_out_by = NULL")

    def forget(self, traces: Traces) -> Erased:
        """Erase all that is stored about an organization or a user.

        Backups and damaged copies go as a whole. Message ids stay, suppressed, so that nothing comes back by reading
        the logs again.

        Raises:
            StoreUnavailable: Not everything could be erased yet; it is done at the next `prune` or start.
        """
        with self._database.transaction() as connection:
            erased = erasure.forget(connection, traces, now=self._clock.now())
        self._leases.fresh.clear()
        erasure.finish(self._database, self._folder)
        return erased

    def prune(self) -> Pruned:
        """Remove what is older than its limit; meant to be called about once an hour."""
        erasure.finish(self._database, self._folder)
        return retention.prune(self._database, self._folder, self._limits, now=self._clock.now())
