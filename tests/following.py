"""A recorder in the store's place, for tests of following: keeps lines and rows, crashes on demand."""

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from extractor.checkpoint import Checkpoint
from extractor.source import Chunk, Follower, Incident, Limits, SourceSpec, StartAt
from extractor.telemetry import IncidentKind

SMALL = Limits(max_line_bytes=4096, chunk_bytes=8192, turn_bytes=16384)
"""Bounds at which a few kilobytes already mean several reads."""
_NOBODY = 65534


@dataclass(slots=True)
class HandClock:
    """Starts now and moves only when a test says so."""

    at: float = field(default_factory=time.time)

    def now(self) -> float:
        """Unix seconds."""
        return self.at

    def monotonic(self) -> float:
        """The same seconds."""
        return self.at

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.at += seconds


@dataclass(slots=True)
class RunningClock(HandClock):
    """Goes on by itself, too, as the times of files do."""

    at: float = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + self.at

    def monotonic(self) -> float:
        """The same seconds."""
        return self.now()


@dataclass(slots=True)
class Recorder:
    """Follows like the daemon does, with lists in the store's place."""

    folder: Path
    patterns: tuple[str, ...] = ("*.log*",)
    limits: Limits = SMALL
    start_at: StartAt = StartAt.BEGINNING
    exclude: tuple[str, ...] = ()
    clock: HandClock = field(default_factory=HandClock)
    lines: list[bytes] = field(default_factory=list)
    rows: dict[str, Checkpoint] = field(default_factory=dict)
    incidents: list[Incident] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    started: bool = False
    _follower: Follower | None = None

    @property
    def follower(self) -> Follower:
        """The running follower; started from the rows when there is none."""
        if self._follower is None:
            paths = tuple(
                pattern if pattern.startswith("/") else f"{self.folder}/{pattern}"
                for pattern in self.patterns
            )
            spec = SourceSpec(index=0, paths=paths, exclude=self.exclude, start_at=self.start_at)
            self._follower = Follower(
                [spec], self.rows.values(), self.clock, limits=self.limits, first_start=not self.started
            )
        return self._follower

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.crash()

    def look(self, changed: Collection[Path] | None = None, *, settle: bool = False) -> None:
        """One look, recorded."""
        paths = None if changed is None else [str(path) for path in changed]
        looked = self.follower.look(paths, settle=settle)
        self.started = True
        self.rows.update((row.file_id, row) for row in looked.checkpoints)
        for file_id in looked.forgotten:
            del self.rows[file_id]
        self.incidents += looked.incidents
        self.ended += looked.ended

    def read(self, *, chunks: int | None = None, budget_bytes: int = 1 << 30) -> None:
        """Read and record what is there, or only so many chunks."""
        for chunk in itertools.islice(self.follower.read(budget_bytes), chunks):
            self._keep(chunk)

    def step(self, *, settle: bool = False) -> list[bytes]:
        """A look and a read; the lines that were new."""
        before = len(self.lines)
        self.look(settle=settle)
        self.read()
        return self.lines[before:]

    def finish(self) -> list[bytes]:
        """As `--once` does: to the end of every file; all that came."""
        self.look(settle=True)
        for chunk in self.follower.drain():
            self._keep(chunk)
        self.look(settle=True)
        return self.lines

    def crash(self) -> None:
        """What a kill -9 leaves: the rows."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None

    def lost(self) -> int:
        """Bytes counted as lost, without those that came back."""
        losses = {IncidentKind.LOST, IncidentKind.TRUNCATED, IncidentKind.VANISHED, IncidentKind.UNOPENED}
        back = sum(incident.size for incident in self.incidents if incident.kind is IncidentKind.RECOVERED)
        return sum(incident.size for incident in self.incidents if incident.kind in losses) - back

    def kinds(self) -> list[IncidentKind]:
        """What happened, in order."""
        return [incident.kind for incident in self.incidents]

    def _keep(self, chunk: Chunk) -> None:
        bare = (line.lstrip(b"\0") for line in bytes(chunk.data).split(b"\n"))
        self.lines += [line for line in bare if line]
        self.incidents += chunk.incidents
        row = self.follower.checkpoint(chunk.file_id, chunk.end)
        self.rows[chunk.file_id] = row
        self.follower.recorded(row)


def numbered(prefix: str, count: int, start: int = 0) -> list[bytes]:
    """Distinct lines."""
    return [
        f'{{"id": "{prefix}-{number:06d}", "filler": "{number * 7919}"}}'.encode()
        for number in range(start, start + count)
    ]


def append(path: Path, lines: list[bytes]) -> None:
    """Write whole lines, as a logger does: open, append, close."""
    with path.open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))


def overwrite(path: Path, lines: list[bytes]) -> None:
    """Empty a file in place and write other lines: copytruncate's second half, and what follows."""
    with path.open("wb") as file:
        file.write(b"".join(line + b"\n" for line in lines))


def fill_until_inode(
    folder: Path, inode: int, write: Callable[[Path], None], tries: int = 2000
) -> Path | None:
    """Create files until one has the inode; the others are removed. None if the file system does not give it back."""
    made: list[Path] = []
    try:
        for number in range(tries):
            path = folder / f"candidate-{number}"
            path.touch()
            if path.stat().st_ino == inode:
                write(path)
                return path
            made.append(path)
        return None
    finally:
        for path in made:
            path.unlink()


def open_paths() -> Iterator[str]:
    """Where the handles of this process lead."""
    for handle in list(Path("/proc/self/fd").iterdir()):
        try:
            yield str(handle.readlink())
        except OSError:
            continue


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder of an ordinary user, as whom the body runs: permissions do not stop root."""
    folder = Path(tempfile.mkdtemp(prefix="following-"))
    root = os.geteuid() == 0
    try:
        if root:
            os.chown(folder, _NOBODY, _NOBODY)
            os.setegid(_NOBODY)
            os.seteuid(_NOBODY)
        yield folder
    finally:
        if root:
            os.seteuid(0)
            os.setegid(0)
        shutil.rmtree(folder)
