"""Copies in the making of files that live: they wait until it shows what they are."""

import os

from extractor.source.followed import Followed, Key, State
from extractor.source.identity import WINDOW
from extractor.source.names import live_names
from extractor.source.register import Register

_SAMPLES = 16
"""Windows in which a copy and its original are compared: a log that differs anywhere differs at its end."""


class Copies:
    """Tells a copy that is being made of a file that lives from a file of its own."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._blind: dict[str, list[Followed]] | None = None
        self._waited: dict[Key, tuple[int, float]] = {}  # size, and since when it has had it
        self._waiting: dict[Key, tuple[int, float]] = {}

    def begin(self) -> None:
        """Another look. What it does not ask for any more waits no longer."""
        self._waited, self._waiting = self._waiting, {}
        self._blind = None

    def may_be_one(self, file: Followed) -> bool:
        """Whether a new file may be a copy in the making. It is given `settle_s` to show.

        While its original lives nothing can be lost with it; as soon as that is emptied, the copy continues it.
        """
        originals = [known for known in self._originals(file) if self._starts_like(known, file)]
        return bool(originals) and self.waits(file, steady=all(known.checked for known in originals))

    def waits(self, file: Followed, *, steady: bool = True) -> bool:
        """Whether a file has changed less than `settle_s` ago; from now on, unless all is `steady`."""
        now = self._register.clock.monotonic()
        size, since = self._waited.get(file.key, (-1, now))
        if size != file.size or not steady:
            since = now
        if now - since >= self._register.limits.settle_s:
            return False
        self._waiting[file.key] = (file.size, since)
        return True

    def is_one(self, file: Followed) -> bool:
        """Whether a file so far is equal to one that lives, of which it may be a copy by its name."""
        return any(self._starts_like(known, file) for known in self._originals(file))

    def _originals(self, file: Followed) -> list[Followed]:
        """The files that live and that this one, by its name, may be a rotated copy of: beside it, else above it.

        By name, and only then by content: of thousands of files with the same bytes hardly any is a copy.
        """
        folder, name = os.path.split(file.path)
        names = live_names(name)
        while names:
            originals = []
            for path in (os.path.join(folder, live) for live in names):
                known = self._register.by_path.get(path)
                originals += [] if known is None else [known]
                originals += [one for one in self.unclear(path) if one is not known]
            if originals:
                return originals
            if folder == (folder := os.path.dirname(folder)):
                break
        return []

    def unclear(self, live: str) -> list[Followed]:
        """Known files that were live at a path and cannot be read now: whether they still are what they were is open."""
        if self._blind is None:
            self._blind = {}
            for file in self._register.present.values():
                if not file.checked and file.state is State.PRESENT:
                    self._blind.setdefault(file.lineage, []).append(file)
        return self._blind.get(live, [])

    def _starts_like(self, present: Followed, file: Followed) -> bool:
        """Whether a file's bytes are the first ones of another, as far as a few windows up to its end can tell.

        Where the other cannot be read, or was changed since it was last looked at, what is known of it decides:
        the next look will see whether it still is what it was.
        """
        handles = self._register.handles
        if present.handle is None and not present.checked:
            return handles.has_all_of(file, present)
        if not file.size:
            return False
        try:
            if not handles.open(file):
                return False
            there = handles.open(present)
            if there and file.size <= present.size and _begins_with(present, file):
                return True
            if file.size < present.size:
                return False
            found = present.handle.stat() if present.handle is not None else None
        except OSError:
            return False
        as_it_was = found is not None and (found.st_size, found.st_mtime_ns) == (
            present.size,
            present.stamps[0],
        )
        return not as_it_was and handles.has_all_of(file, present)


def _begins_with(long: Followed, short: Followed) -> bool:
    step = max(1, short.size // _SAMPLES)
    return all(
        long.read_at(max(0, end - WINDOW), min(WINDOW, end))
        == short.read_at(max(0, end - WINDOW), min(WINDOW, end))
        for end in range(short.size, 0, -step)
    )
