"""One SQLite file: a connection for each thread, one writer at a time, errors by name.

Imports nothing of the package but `errors`.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from extractor.store.errors import StoreBroken, StoreError, StoreUnavailable

BUSY_TIMEOUT_MS = 10_000  # only for other processes; threads of this one wait for a lock instead
CACHE_KIB = (
    2 * 1024
)  # a connection's page cache; two threads write, 120 MB is all we may use, 16 MB gained 3 %
AUTOCHECKPOINT_PAGES = 4_000  # 16 MB of log before it is copied into the database: fewer, larger copies
JOURNAL_LIMIT_BYTES = 64 << 20  # what the log may keep on disk after a large transaction
MINIMUM_SQLITE = (3, 37, 0)  # STRICT tables

# For each value that is no number and no text sqlite3 looks for an adapter, and where there is none (for bytes) it looks
# in two more places, at a quarter of a microsecond a value.
sqlite3.register_adapter(bytes, bytes.__bytes__)

_DAMAGE = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}
)
_WORLD = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "the disk reports an I/O error; look at the system log",
    sqlite3.SQLITE_READONLY: "the state folder cannot be written; check its owner and mount options",
    sqlite3.SQLITE_CANTOPEN: "the state cannot be opened; check the folder's owner and mode",
    sqlite3.SQLITE_PERM: "the state cannot be opened; check the folder's owner and mode",
    sqlite3.SQLITE_BUSY: "another process holds the state for too long",
    sqlite3.SQLITE_LOCKED: "another process holds the state for too long",
    sqlite3.SQLITE_PROTOCOL: "another process holds the state for too long",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_INTERRUPT: "interrupted",
}


def named(error: sqlite3.Error) -> StoreError | None:
    """The named error for what SQLite reports, or None for a mistake of ours, which must not be caught.

    The text never repeats SQLite's own, which may quote a value.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # "Could not decode to UTF-8": a text that we wrote is not one any more.
        return (
            StoreBroken("the state is damaged: a text is unreadable")
            if isinstance(error, sqlite3.OperationalError)
            else None
        )
    primary = code & 0xFF
    if primary in _DAMAGE:
        return StoreBroken("the state is damaged; start again: the damaged copy is set aside then")
    if primary in _WORLD:
        return StoreUnavailable(f"the state cannot be used for now: {_WORLD[primary]}")
    return None


class Database:
    """One SQLite file in WAL mode, or one in memory.

    Args:
        path: The file, which must exist, or None for memory (then one connection serves all threads).
        factory: The connection class; tests give one that fails.
        on_damage: Called once damage was met in use, so that the next start looks closely.
        read_only: Nothing can be written through it.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
        on_damage: Callable[[], None] | None = None,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self._mode = "ro" if read_only else "rw"
        self._factory = factory
        self._on_damage = on_damage
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        # Reentrant: in memory, reading inside a transaction of the same thread takes it twice.
        self._writing = threading.RLock()
        self._shared = self._connect() if path is None else None

    def _connect(self) -> sqlite3.Connection:
        target = ":memory:" if self.path is None else f"{self.path.as_uri()}?mode={self._mode}"
        connection = sqlite3.connect(
            target,
            uri=self.path is not None,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,  # transactions are ours: BEGIN IMMEDIATE, never implicit
            check_same_thread=False,  # closed by whoever closes the store
            factory=self._factory,
        )
        try:
            if self.path is not None and self._mode == "rw":
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
                # FULL: a commit survives power loss. A rotated file may be deleted right after we recorded that it
                # was read, so a commit that is rolled back by a power cut could not always be read again.
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT_PAGES}").fetchone()
                connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_BYTES}").fetchone()
            connection.execute("PRAGMA secure_delete = ON").fetchone()
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.execute("PRAGMA trusted_schema = OFF")
        except UnicodeDecodeError as error:
            # SQLite quotes from a broken schema in its complaint, and sqlite3 cannot read the quotation.
            connection.close()
            raise StoreBroken(
                "the state is damaged; start again: the damaged copy is set aside then"
            ) from error
        except BaseException:
            connection.close()
            raise
        self._all.append(connection)
        return connection

    def _connection(self) -> sqlite3.Connection:
        if self._shared is not None:
            return self._shared
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable when it returns.

        Raises:
            StoreUnavailable: The disk refuses; nothing was written, unless the very last step failed: then it may
                still turn out to be written, as a whole.
            StoreBroken: The state is damaged; nothing was written.
        """
        with self._writing, self._errors():
            connection = self._connection()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view, without waiting for writers."""
        if self._shared is not None:
            with self._writing, self._errors():
                yield self._shared
            return
        with self._errors():
            connection = self._connection()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                self._roll_back(connection)

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """No transaction of this process is open: for VACUUM and checkpoints of the log."""
        with self._writing, self._errors():
            yield self._connection()

    def empty_log(self) -> None:
        """Copy the log into the database and cut it to nothing.

        Raises:
            StoreUnavailable: Someone is reading; nothing is lost, but the log is still there.
        """
        with self.alone() as connection:
            row = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if row is not None and row[0]:
            raise StoreUnavailable("the state's log is being read by another process; try again")

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        if not connection.in_transaction:
            return
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            # What is open and cannot be rolled back is rolled back by closing it; the first error is the one to tell.
            self._discard(connection)

    def _discard(self, connection: sqlite3.Connection) -> None:
        if connection is not self._shared:
            self._local.connection = None
            self._all.remove(connection)
            connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            known = named(error)
            if known is None:
                raise
            if isinstance(known, StoreBroken) and self._on_damage is not None:
                self._on_damage()
            raise known from error
        except StoreBroken:
            if self._on_damage is not None:
                self._on_damage()
            raise

    def close(self) -> None:
        """Close every thread's connection; the threads must have stopped using it."""
        while self._all:
            self._all.pop().close()
