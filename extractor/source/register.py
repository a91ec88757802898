"""The files that are known, by all that they are looked up by, and what is to be told about them."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from extractor.checkpoint import Checkpoint
from extractor.source.chunk import Incident
from extractor.source.followed import Followed, Key, State
from extractor.source.handles import Handles
from extractor.source.identity import HEAD, Compared, Place, head_places
from extractor.source.ready import Ready
from extractor.source.spec import Clock, Limits
from extractor.telemetry import IncidentKind

_Content = tuple[object, ...]
"""All that comparing with a file goes by: where it is equal, one comparison tells for all of them."""
_Alike = dict[Place, dict[_Content, dict[str, Followed]]]


class _Slot(NamedTuple):
    """Where a file stands in the tables."""

    landmark: Place
    content: _Content | None  # None: it lives
    heads: tuple[Place, ...]


class Register:
    """What is known of all files at this moment. Keeps its tables in step; decides nothing.

    Attributes:
        files: All, by file id; the rows.
        present: Those that a path or only a handle leads to, by device and inode.
        by_path: Those that a path was last seen to lead to.
        gone: Those that nothing leads to any more, the longest gone first.
        unresolved: Those of them that may still be found again.
        vanished: Those of them that vanished in this look.
        unseen: Those of them whose inode last had bytes that nobody could read, by device and inode.
        leaving: Those that may end: renamed, held only, gone.
        grown: Those that grew in this look.
        unreadable: Paths that could not be read when last tried.
        ready: Those that have something to read.
        changed: Those whose rows are to be recorded.
        folders: Rows of folders that are to be recorded.
        incidents, ended, forgotten: What the next `Looked` tells.
    """

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.clock = clock
        self.limits = limits
        self.handles = Handles(limits.max_open)
        self.files: dict[str, Followed] = {}
        self.present: dict[Key, Followed] = {}
        self.by_path: dict[str, Followed] = {}
        self.gone: dict[str, Followed] = {}
        self.unresolved: dict[str, Followed] = {}
        self.vanished: list[Followed] = []
        self.unseen: dict[Key, Followed] = {}
        self.leaving: dict[str, Followed] = {}
        self.grown: dict[str, Followed] = {}
        self.unreadable: set[str] = set()
        self.ready = Ready()
        self.changed: dict[str, Followed] = {}
        self.folders: dict[str, Checkpoint] = {}
        self.incidents: list[Incident] = []
        self.ended: list[str] = []
        self.forgotten: list[str] = []
        self._living: dict[Place, dict[str, Followed]] = {}
        self._lost: _Alike = {}  # by landmark
        self._lost_heads: _Alike = {}  # by all their places near the start
        self._slots: dict[str, _Slot] = {}
        self._tiny = 0  # how many landmarks are shorter than any head place

    def take(self, file: Followed) -> None:
        """A file is there, new or found again."""
        self.files[file.file_id] = file
        self.present[file.key] = file
        if self.unseen.get(file.key) is file:
            del self.unseen[file.key]
        self.lead_to(file)
        self.index(file)
        self.changed[file.file_id] = file
        if file.renamed:
            self.leaving[file.file_id] = file
        if file.unread:
            self.ready.add(file)

    def lead_to(self, file: Followed) -> None:
        """Let the file be found by its path and, where that is a link, by the path that notifications name."""
        self.by_path[file.path] = file
        if file.real is None:
            file.real = os.path.realpath(file.path)
        if file.real != file.path:
            self.by_path[file.real] = file

    def unlead(self, file: Followed) -> None:
        """Its paths do not lead to it any more."""
        for path in (file.path, file.real):
            if path is not None and self.by_path.get(path) is file:
                del self.by_path[path]

    def lay_away(self, file: Followed) -> None:
        """A file is gone; its row stays for the case that it comes back."""
        file.state = State.GONE
        file.gone_since = self.clock.now()
        if self.present.get(file.key) is file:
            del self.present[file.key]
        self.unlead(file)
        self.ready.discard(file)
        self.gone[file.file_id] = file
        if file.blind_size:
            self.unseen[file.key] = file
        self.leaving[file.file_id] = file
        self.changed[file.file_id] = file
        self.index(file)

    def vanish(self, file: Followed, kind: IncidentKind) -> None:
        """Nothing leads to these bytes any more. They may still be found elsewhere."""
        self.handles.close(file)
        self.unreadable.discard(file.path)
        if kind is not IncidentKind.VANISHED:
            file.blind_size = 0
        elif file.hollow and file.blind_size:
            kind = IncidentKind.UNOPENED
        self.lay_away(file)
        file.unresolved, file.unresolved_at = kind, self.clock.monotonic()
        self.unresolved[file.file_id] = file
        self.vanished.append(file)

    def away(self, key: Key, modified_ns: int) -> Followed | None:
        """The file with an inode that vanished last, if it may be what is there now; not one that was emptied."""
        last = next((file for file in reversed(self.gone.values()) if file.key == key), None)
        if last is None or last.unresolved is IncidentKind.TRUNCATED:
            return None
        return None if last.unresolved is None and self.came_after(last, modified_ns) else last

    def came_after(self, gone: Followed, modified_ns: int) -> bool:
        """Whether what has the inode of a file that is gone was written since: another in its inode, most likely."""
        since = gone.gone_since
        return since is not None and since * 1e9 < modified_ns <= self.clock.now() * 1e9

    def bring_back(self, file: Followed, path: str, size: int) -> None:
        """A vanished file is there again, though it cannot be read for now.

        As long as nobody can see that its inode is another's, it is taken for the same: counted once, not sought elsewhere.
        """
        self.unresolved.pop(file.file_id, None)
        self.gone.pop(file.file_id, None)
        self.unlead(file)
        self.unblind(file, size)
        file.unresolved = file.gone_since = file.real = None
        file.state, file.path, file.checked, file.ended = State.PRESENT, path, False, False
        if not file.renamed:
            self.leaving.pop(file.file_id, None)
        self.take(file)
        self.ready.discard(file)
        self.see_blindly(file, size)

    def see_blindly(self, file: Followed, size: int) -> None:
        """So many bytes are there now, and cannot be read. That some went is said; whose they were, nobody knows."""
        if size < file.blind_size:
            self.lose(file, IncidentKind.TRUNCATED, 0)
        if size != file.blind_size:
            file.blind_size = size
            self.changed[file.file_id] = file

    def unblind(self, file: Followed, size: int) -> None:
        """What nobody could read in its inode is there, whosever it is: not counted with the file, or no more."""
        counted, blindly = file.counted, min(file.counted, file.blind_size)
        self.recover(file, min(blindly, size))
        file.counted, file.blind_size = counted - blindly, 0

    def lose(self, file: Followed, kind: IncidentKind, size: int) -> None:
        """Count lost bytes, and say so; 0 where only a possible loss is to be said."""
        file.lost_bytes += size
        self.changed[file.file_id] = file
        self.incidents.append(
            Incident(kind=kind, path=file.path, file_id=file.file_id, offset=file.offset, size=size)
        )

    def give_up(self, file: Followed, size: int) -> None:
        """A vanished file was not found again in time: count what is lost with it, once, and until it comes back."""
        assert file.unresolved is not None
        self.lose(file, file.unresolved, max(0, size - file.counted))
        file.counted = max(size, file.counted)

    def recover(self, file: Followed, size: int) -> None:
        """It came back after all: of what was counted so many bytes are there."""
        back, file.counted = min(file.counted, size), 0
        if back > 0:
            file.lost_bytes -= back
            self.incidents.append(
                Incident(
                    kind=IncidentKind.RECOVERED,
                    path=file.path,
                    file_id=file.file_id,
                    offset=file.offset,
                    size=back,
                )
            )

    def cut(self, file: Followed, compared: Compared, seen: int, *, kept: int = 0) -> None:
        """The end was cut off, and perhaps written anew.

        Of `seen` bytes those are lost that were not read; but not the first ones that are `kept` by other files.
        """
        self.lose(file, IncidentKind.TRUNCATED, max(0, seen - max(compared.kept, file.offset, kept)))
        if compared.resume < file.offset:
            file.offset = compared.resume
            file.recorded = min(file.recorded, compared.resume)
            file.skipping = None
        file.identity = file.identity.up_to(compared.kept)
        file.incomplete_at = -1

    def is_indexed(self, file: Followed) -> bool:
        """Whether it has a landmark by which it can be found."""
        return file.file_id in self._slots

    def index(self, file: Followed) -> None:
        """Let a file be found by its landmark as it and its state are now."""
        landmark = file.identity.landmark()
        slot = None if landmark is None else _Slot(landmark, _content(file), file.identity.heads())
        if slot == self._slots.get(file.file_id):
            return
        self._unindex(file)
        if slot is None:
            return
        self._slots[file.file_id] = slot
        self._tiny += slot.landmark[0] < HEAD[0]
        if slot.content is None:
            self._living.setdefault(slot.landmark, {})[file.file_id] = file
            return
        for table, mark in self._lost_at(slot):
            table.setdefault(mark, {}).setdefault(slot.content, {})[file.file_id] = file

    def _lost_at(self, slot: "_Slot") -> Iterator[tuple[_Alike, Place]]:
        yield self._lost, slot.landmark
        for head in slot.heads:
            yield self._lost_heads, head

    def _unindex(self, file: Followed) -> None:
        slot = self._slots.pop(file.file_id, None)
        if slot is None:
            return
        self._tiny -= slot.landmark[0] < HEAD[0]
        if slot.content is None:
            del self._living[slot.landmark][file.file_id]
            if not self._living[slot.landmark]:
                del self._living[slot.landmark]
            return
        for table, mark in self._lost_at(slot):
            alike = table[mark]
            del alike[slot.content][file.file_id]
            if not alike[slot.content]:
                del alike[slot.content]
            if not alike:
                del table[mark]

    def twins(self, file: Followed) -> Iterator[Followed]:
        """Files that are followed and start like a known one, or like the start of it where they are shorter."""
        landmark = file.identity.landmark()
        for mark in dict.fromkeys((*reversed(file.identity.heads()), *([landmark] if landmark else []))):
            yield from self._living.get(mark, {}).values()
            for same in self._lost.get(mark, {}).values():
                yield from (one for one in same.values() if one.state is State.ADRIFT)

    def lost_alike(self, file: Followed) -> list[Followed]:
        """Known files that no path leads to and that start like a file; of equal ones only the last one lost.

        Files that live are no part of it: however many have the same bytes, they are different files.
        """
        if not self._lost:
            return []
        tiny = range(1, HEAD[0]) if self._tiny else ()
        marks = head_places(file.read_at, (*tiny, *HEAD))
        groups = [same for mark in marks for same in self._lost.get(mark, {}).values()]
        for mark in reversed(marks):  # it may be shorter than what it once was, or cut and written anew
            if mark in self._lost_heads:
                groups += self._lost_heads[mark].values()
                break
        alike = [next(reversed(same.values())) for same in groups]
        return list({one.file_id: one for one in alike}.values())

    def cannot_read(self, path: str) -> None:
        """A path cannot be read for now: an incident, once, until it could be read again."""
        if path not in self.unreadable:
            self.unreadable.add(path)
            self.incidents.append(Incident(kind=IncidentKind.UNREADABLE, path=path))

    def forget(self, file: Followed) -> None:
        """As if it had never been there. Its handle stays open."""
        del self.files[file.file_id]
        if self.present.get(file.key) is file:
            del self.present[file.key]
        for table in (self.gone, self.leaving, self.unresolved, self.changed, self.grown):
            table.pop(file.file_id, None)
        if self.unseen.get(file.key) is file:
            del self.unseen[file.key]
        self.unlead(file)
        self.ready.discard(file)
        self._unindex(file)

    def rows(self) -> tuple[Checkpoint, ...]:
        """What is to be recorded."""
        return (*(file.checkpoint(file.recorded) for file in self.changed.values()), *self.folders.values())

    def note_growth(self) -> None:
        """Get growth that an earlier look saw, and that was not read since, into the rows.

        What was seen must not be forgotten by a crash. Where reading keeps up, that costs no row of its own.
        """
        for file in self.grown.values():
            if file.size > file.recorded_size:
                self.changed[file.file_id] = file
        self.grown.clear()


def _content(file: Followed) -> _Content | None:
    if file.state is State.PRESENT:
        return None
    # What is still read is still learned about: it stands for itself.
    return (file.file_id,) if file.state is State.ADRIFT else (file.offset, file.size, file.identity.places)
