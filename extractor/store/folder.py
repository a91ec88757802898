"""The state folder: its files, their modes, and the lock that makes one process the writer."""

import errno
import fcntl
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from extractor.store.errors import StoreLocked, StoreUnavailable

DATABASE = "state.db"
LOCK = "lock"
RESCUE = "state.db.rescue"
SUSPECT = "state.db.suspect"
OPT_OUT_HISTORY = "opt-out-history"

_COPY = re.compile(r"state\.db\.(?:damaged|backup-v\d+)-(\d{8}T\d{6})Z(?:-\d+)?(?:-wal|-shm|-journal)?")
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


def unavailable(error: OSError, what: str) -> StoreUnavailable:
    """The named error for what the operating system refuses; `what` names the folder or file."""
    return StoreUnavailable(f"{what}: {os.strerror(error.errno or errno.EIO)}")


class StateFolder:
    """Paths in a state folder, and what is done to whole files there."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.database = self.path / DATABASE
        self.log = self.path / f"{DATABASE}-wal"
        self.rescue = self.path / RESCUE
        self.rescue_part = self.path / f"{RESCUE}-part"
        self._lock: int | None = None

    def create(self) -> None:
        """Make the folder, for its owner only.

        Raises:
            StoreUnavailable: It cannot be made or is no folder.
        """
        try:
            self.path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            if self.path.stat().st_mode & 0o077:
                self.path.chmod(_FOLDER_MODE)
        except OSError as error:
            raise unavailable(error, f"state folder {self.path}") from error

    def lock(self) -> None:
        """Become the writer until `unlock` or the end of the process.

        Raises:
            StoreLocked: Another process is; the text names its pid.
            StoreUnavailable: The lock file cannot be written.
        """
        path = self.path / LOCK
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        except OSError as error:
            raise unavailable(error, f"lock file {path}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise StoreLocked(
                f"{self.path} is in use by another extractor (pid {pid}); stop it first, or give this one its own state_dir"
            ) from None
        except OSError as error:
            os.close(lock)
            raise unavailable(error, f"lock file {path}") from error
        # Only a help for people: the lock itself is the kernel's and ends with the process.
        with suppress(OSError):
            os.ftruncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        self._lock = lock

    def beat(self, now: float) -> None:
        """Say that the writer is at work, for those who cannot see its lock: in another container, say."""
        if self._lock is not None:
            with suppress(OSError):
                os.utime(self._lock, (now, now))

    def unlock(self) -> None:
        """Let another process be the writer."""
        if self._lock is not None:
            with suppress(OSError):
                os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def create_file(self, path: Path) -> None:
        """An empty file for its owner only; SQLite gives its companions the same mode."""
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE))
        except OSError as error:
            raise unavailable(error, f"state file {path}") from error

    def is_suspect(self) -> bool:
        """Whether the last process met damage while it ran."""
        return (self.path / SUSPECT).exists()

    def mark_suspect(self) -> None:
        """Make the next start look closely. Without the mark it still looks at what it can look at cheaply."""
        with suppress(OSError):
            os.close(os.open(self.path / SUSPECT, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE))

    def clear_suspect(self) -> None:
        """The close look has been taken."""
        (self.path / SUSPECT).unlink(missing_ok=True)

    def spare(self, kind: str, now: float) -> Path:
        """A free name for a copy that is kept aside: `state.db.<kind>-<UTC time>`."""
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        path = self.path / f"{DATABASE}.{kind}-{stamp}"
        number = 1
        while path.exists():
            number += 1
            path = self.path / f"{DATABASE}.{kind}-{stamp}-{number}"
        return path

    def copies(self) -> list[tuple[Path, float]]:
        """Backups and damaged copies with the unix seconds in their names."""
        found = []
        for path in sorted(self.path.iterdir()):
            if match := _COPY.fullmatch(path.name):
                made = datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
                found.append((path, made.timestamp()))
        return found

    def move_aside(self, kept: Path) -> None:
        """Give the damaged database, with its log, the name under which it is kept."""
        # The log first: a database without its log still looks damaged, and is looked at again.
        if self.log.exists() and self.log.stat().st_size > 0:
            self.log.rename(f"{kept}-wal")
        self.log.unlink(missing_ok=True)
        if self.database.exists():
            self.database.rename(kept)
        (self.path / f"{DATABASE}-shm").unlink(missing_ok=True)

    def unfinished(self) -> list[Path]:
        """What a rescue that was interrupted has left."""
        return sorted(self.path.glob(f"{RESCUE}-*"))

    def remove_copies(self, *, older_than: float | None = None) -> int:
        """Delete backups and damaged copies, all or those made before a time; they hold messages, too."""
        try:
            chosen = [path for path, made in self.copies() if older_than is None or made < older_than]
            if older_than is None:
                chosen += [path for path in (self.rescue, *self.unfinished()) if path.exists()]
            for path in chosen:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise unavailable(error, f"state folder {self.path}") from error
        return len(chosen)

    def sync(self) -> None:
        """Make renames survive a power cut."""
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
