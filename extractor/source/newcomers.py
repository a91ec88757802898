"""Files that were not known: opened at once, and taken in as new when they turn out to be."""

import secrets
from collections.abc import Sequence

from extractor.checkpoint import Checkpoint
from extractor.source.discover import Discovery, Found
from extractor.source.followed import Followed, Key, State
from extractor.source.identity import Identity
from extractor.source.names import lineage_of
from extractor.source.register import Register
from extractor.source.spec import SourceSpec, StartAt
from extractor.telemetry import IncidentKind

_CLOSED = "closed:"
"""Begins the row of a folder that could not be listed when an opt-out ended."""


class Newcomers:
    """Opens what is found and not known.

    Attributes:
        discovery: Where the globs lead.
        fresh: What was opened and not taken in yet.
        first_look: Whether this process has not finished a look yet.
    """

    def __init__(self, sources: Sequence[SourceSpec], register: Register, *, first_start: bool) -> None:
        self.discovery = Discovery(sources)
        self.fresh: dict[Key, Followed] = {}
        self.first_look = True
        self._register = register
        self._sources = {source.index: source for source in sources}
        self._first_start = first_start
        self._started = register.clock.now()
        self._closed: dict[str, Checkpoint] = {}  # what stands below these folders is to be passed over

    def open_new(self, found: Found) -> None:
        """Open what is not known by its bytes, at once: it may not be there for long."""
        if found.key in self.fresh:
            return
        file = self.opened(found)
        if file is None:
            file = self._unread(found.path, found.key, found.rank)
            self._not_opened(file, found.stat.st_size, found.stat.st_mtime_ns)
        else:
            self.fresh[found.key] = file
            self._known_by_inode(file)

    def opened(self, found: Found) -> Followed | None:
        """Open a file that is not known and see what it is; None where that cannot be."""
        file = self._unread(found.path, found.key, found.rank)
        try:
            if not self._register.handles.open(file):
                return None
        except FileNotFoundError:
            return None
        except OSError:
            self._register.cannot_read(found.path)
            return None
        return file if self.look_into(file) else None

    def _not_opened(self, file: Followed, size: int, modified_ns: int) -> None:
        """What cannot be opened is known by its inode, and has a row: should it go, what a stat has seen is counted."""
        register = self._register
        known = register.present.get(file.key) or register.away(file.key, modified_ns) or file
        if register.by_path.get(file.path) is known:
            register.see_blindly(known, size)
        else:
            known.withheld = known.withheld or file.withheld
            register.bring_back(known, file.path, size)

    def _known_by_inode(self, file: Followed) -> None:
        """What was known by its inode alone can be read now, whosever it is."""
        register = self._register
        known = register.present.get(file.key) or register.unseen.get(file.key)
        if known is None or register.came_after(known, file.stamps[0]):
            return
        if file.size < known.blind_size:
            register.lose(known, IncidentKind.TRUNCATED, 0)
        hollow = known.hollow
        register.unblind(known, file.size)
        if hollow:
            file.lost_bytes = known.lost_bytes
            register.forget(known)
            register.forgotten.append(known.file_id)

    def _unread(self, path: str, key: Key, rank: tuple[int, int]) -> Followed:
        lineage = lineage_of(path)
        live_rank = self.discovery.wants(lineage)
        return Followed(
            path=path,
            lineage=path if live_rank is None else lineage,
            key=key,
            source=rank[0],
            rank=rank if live_rank is None else min(rank, live_rank),
            changed_at=self._register.clock.monotonic(),
            withheld=self._was_closed(path),
        )

    def look_into(self, file: Followed) -> bool:
        """What there is to know of a file that was just opened. False if the disk refuses."""
        assert file.handle is not None
        try:
            status = file.handle.stat()
            file.size, file.stamps = status.st_size, (status.st_mtime_ns, status.st_ctime_ns)
            file.learn()
        except OSError:
            self._register.handles.close(file)
            self._register.cannot_read(file.path)
            return False
        self._register.unreadable.discard(file.path)
        file.checked = True
        return True

    def reopened(self, file: Followed) -> bool:
        """A file that was opened in this look may have been closed again, to make room."""
        try:
            return self._register.handles.open(file)
        except OSError:
            self._not_opened(self._unread(file.path, file.key, file.rank), file.size, file.stamps[0])
            return False

    def add(self, file: Followed) -> None:
        """Take in a file as a new one."""
        if self.first_look or file.stamps[0] < self._started * 1e9:
            file.live_from = file.size
        if self.first_look and self._first_start and self._sources[file.source].start_at is StartAt.END:
            self._start_at_end(file)
        self.pass_over(file)
        self._register.take(file)

    def _start_at_end(self, file: Followed) -> None:
        """After the last newline: a line that is still being written at the very first start is a new one."""
        reach = min(file.size, self._register.limits.max_line_bytes)
        tail = file.read_at(file.size - reach, reach)
        file.start_at(file.size - reach + tail.rfind(b"\n") + 1 if b"\n" in tail else file.size)

    def withhold_unreadable(self) -> None:
        """Nothing that stands in files that cannot be read now is ever to be read. See `Follower`."""
        for file in self._register.files.values():
            # One that is gone may be found again, with more in it.
            if file.unresolved is not None if file.state is State.GONE else not file.checked:
                self._withhold(file)
        for path in self.discovery.unreadable:
            self._close(path)

    def _withhold(self, file: Followed) -> None:
        file.withheld = True
        if file.state is State.ADRIFT:  # all that it will ever have stands in it
            self._register.handles.close(file)
            self._register.lay_away(file)
        self._register.ready.discard(file)
        self._register.changed[file.file_id] = file

    def pass_over(self, file: Followed) -> None:
        """Start a withheld file, now that it can be read, at its end; it must be open."""
        if file.withheld:
            try:
                self._start_at_end(file)
            except OSError:
                file.checked = False  # as long as it is withheld
                self._register.cannot_read(file.path)
                return
            file.withheld, file.skipping = False, None
            self._register.changed[file.file_id] = file

    def restore_closed(self, row: Checkpoint) -> bool:
        """Whether a row is that of a folder, not of a file: what stands below it is to be passed over."""
        if row.file_id.startswith(_CLOSED):
            self._closed[row.path] = row
        return row.file_id.startswith(_CLOSED)

    def _close(self, path: str) -> None:
        if path not in self._closed:
            packed = Identity(withheld=True).pack()
            row = Checkpoint(
                file_id=_CLOSED + secrets.token_hex(8),
                path=path,
                device=0,
                inode=0,
                offset=0,
                size=0,
                identity=packed,
            )
            self._closed[path] = self._register.folders[row.file_id] = row

    def note_opened_folders(self) -> None:
        """What a look found in folders that were closed is known by now; what is closed in them still, is not."""
        if not self._closed:
            return
        unreadable = self.discovery.unreadable
        for path in [path for path in unreadable if self._was_closed(path)]:
            self._close(path)
        for path in [
            path for path in self._closed if not any(_is_below(path, above) for above in unreadable)
        ]:
            row = self._closed.pop(path)
            self._register.folders.pop(row.file_id, None)
            self._register.forgotten.append(row.file_id)

    def _was_closed(self, path: str) -> bool:
        return any(_is_below(path, closed) for closed in self._closed)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")
