"""Wake the loop when the file system says that something happened. A hint only: a timed look finds the rest.

Whatever fails here (no watches left, an overflow, a folder that is not there yet) costs latency, never a line.
"""

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from extractor.source.discover import is_magic
from extractor.source.spec import SourceSpec

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver, ObservedWatch

MAX_WATCHES = 64
"""Each is a thread of watchdog; a recursive one covers a whole tree."""
MAX_PATHS = 1000
"""More changed paths than this at once are not worth telling apart: look at everything."""
_EVENTS: list[type[FileSystemEvent]] = [
    FileModifiedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]


@dataclass(frozen=True, slots=True, order=True)
class Watched:
    """A folder to watch, with or without all that is below."""

    folder: str
    recursive: bool


def folders_to_watch(sources: Sequence[SourceSpec]) -> list[Watched]:
    """The folders above the first wildcard of each pattern; never the root, whose watching would cost too much."""
    wanted: dict[str, bool] = {}
    for source in sources:
        for pattern in source.paths:
            parts = pattern.split("/")
            fixed = next((i for i, part in enumerate(parts) if is_magic(part)), len(parts) - 1)
            folder = "/".join(parts[:fixed])
            if folder:
                wanted[folder] = wanted.get(folder, False) or fixed < len(parts) - 1
    return sorted(Watched(folder, recursive) for folder, recursive in wanted.items())


@dataclass(frozen=True, slots=True)
class Told:
    """What happened since the last time: paths, and whether there was more than growth, somewhere: look at everything."""

    paths: frozenset[str] = frozenset()
    everything: bool = False


class Wake(FileSystemEventHandler):
    """Collects changed paths until the loop takes them.

    Notifications come in threads of watchdog; `wait` and `take` are for the one thread of the loop, `rouse` for any.
    """

    def __init__(self, folders: Iterable[Watched]) -> None:
        wanted = tuple(folders)
        self._wanted = wanted[:MAX_WATCHES]
        self._complete = len(wanted) <= MAX_WATCHES
        self._watches: dict[Watched, tuple[ObservedWatch, int]] = {}
        self._observer: BaseObserver | None = None
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._paths: set[str] = set()
        self._everything = True

    @property
    def healthy(self) -> bool:
        """Whether every folder is watched, so that the timed looks may be rare."""
        return self._complete and len(self._watches) == len(self._wanted)

    def tend(self) -> None:
        """Start what is not watched yet, and start anew what was replaced. Cheap; call it before each timed look."""
        for watched in self._wanted:
            try:
                inode = os.stat(watched.folder).st_ino
            except OSError:
                inode = 0
            known = self._watches.get(watched)
            if known is not None and known[1] != inode:
                self._unwatch(watched)
                known = None
            if known is None and inode:
                self._watch(watched, inode)

    def wait(self, timeout_s: float) -> bool:
        """Sleep until something happened, at most `timeout_s`. Says whether something did."""
        return self._awake.wait(timeout_s)

    def rouse(self) -> None:
        """Make `wait` return now, as at shutdown."""
        self._awake.set()

    def pending(self) -> bool:
        """Whether something happened that was not taken."""
        return self._awake.is_set()

    def take(self) -> Told:
        """What happened since the last call."""
        with self._lock:
            self._awake.clear()
            told = Told(frozenset(self._paths), self._everything)
            self._paths, self._everything = set(), False
        return told

    def on_any_event(self, event: FileSystemEvent) -> None:
        """A notification, in a thread of watchdog."""
        with self._lock:
            if not isinstance(event, FileModifiedEvent):
                self._everything = True
            if isinstance(event, FileModifiedEvent | FileCreatedEvent):
                self._paths.add(os.fsdecode(event.src_path))
                if len(self._paths) > MAX_PATHS:
                    self._paths, self._everything = set(), True
        self._awake.set()

    def close(self) -> None:
        """End all watching."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
        self._watches.clear()

    def _watch(self, watched: Watched, inode: int) -> None:
        try:
            if self._observer is None:
                observer = Observer()
                observer.start()
                self._observer = observer
            watch = self._observer.schedule(
                self, watched.folder, recursive=watched.recursive, event_filter=_EVENTS
            )
        except (OSError, RuntimeError):
            return  # no watches or threads left, or the folder is gone: looking on time is enough
        self._watches[watched] = (watch, inode)
        with self._lock:
            self._everything = True  # what happened before the watch stood was not told

    def _unwatch(self, watched: Watched) -> None:
        watch, _ = self._watches.pop(watched)
        if self._observer is not None:
            try:
                self._observer.unschedule(watch)
            except (KeyError, OSError):
                return  # the watch ended by itself when its folder was deleted
