"""The files that are known, by all that they are looked up by, and what is to be told about them."""

import os

from extractor.source.chunk import Incident
from extractor.source.followed import Followed, Key, State
from extractor.source.handles import Handles
from extractor.source.identity import HEAD, Compared, head_places
from extractor.source.spec import Clock, Limits
from extractor.telemetry import IncidentKind


class Register:
    """What is known of all files at this moment. Keeps its tables in step; decides nothing.

    Attributes:
        files: All, by file id; the rows.
        present: Those that a path or only a handle leads to, by device and inode.
        by_path: Those that the last look met, by path.
        gone: Those that nothing leads to any more, the longest gone first.
        unresolved: Those of them that may still be found again.
        vanished: Those of them that vanished in this look.
        leaving: Those that may end: renamed, held only, gone.
        grown: Those that grew in this look.
        unreadable: Paths that could not be read when last tried.
        ready: Those that have something to read.
        changed: Those whose rows are to be recorded.
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
        self.leaving: dict[str, Followed] = {}
        self.grown: dict[str, Followed] = {}
        self.unreadable: set[str] = set()
        self.ready: dict[str, Followed] = {}
        self.changed: dict[str, Followed] = {}
        self.incidents: list[Incident] = []
        self.ended: list[str] = []
        self.forgotten: list[str] = []
        self._landmarks: dict[tuple[int, bytes], dict[str, Followed]] = {}
        self._landmark_of: dict[str, tuple[int, bytes]] = {}
        self._tiny = 0  # how many landmarks are shorter than any head place

    def take(self, file: Followed) -> None:
        """A file is there, new or found again."""
        self.files[file.file_id] = file
        self.present[file.key] = file
        self.lead_to(file)
        self.index(file)
        self.changed[file.file_id] = file
        if file.renamed:
            self.leaving[file.file_id] = file
        if file.unread:
            self.ready[file.file_id] = file

    def lead_to(self, file: Followed) -> None:
        """Let the file be found by its path and, where that is a link, by the path that notifications name."""
        self.by_path[file.path] = file
        if file.real is None:
            file.real = os.path.realpath(file.path)
        if file.real != file.path:
            self.by_path[file.real] = file

    def lay_away(self, file: Followed) -> None:
        """A file is gone; its row stays for the case that it comes back."""
        file.state = State.GONE
        file.gone_since = self.clock.now()
        if self.present.get(file.key) is file:
            del self.present[file.key]
        self.ready.pop(file.file_id, None)
        self.gone[file.file_id] = file
        self.leaving[file.file_id] = file
        self.changed[file.file_id] = file

    def vanish(self, file: Followed, kind: IncidentKind) -> None:
        """Nothing leads to these bytes any more. They may still be found elsewhere."""
        self.handles.close(file)
        self.lay_away(file)
        file.unresolved, file.unresolved_at = kind, self.clock.monotonic()
        self.unresolved[file.file_id] = file
        self.vanished.append(file)

    def lose(self, file: Followed, kind: IncidentKind, size: int) -> None:
        """Count lost bytes, and say so; 0 where only a possible loss is to be said."""
        file.lost_bytes += size
        self.changed[file.file_id] = file
        self.incidents.append(
            Incident(kind=kind, path=file.path, file_id=file.file_id, offset=file.offset, size=size)
        )

    def cut(self, file: Followed, compared: Compared) -> None:
        """The end was cut off, and perhaps written anew. Bytes that were seen there and not read are lost."""
        self.lose(file, IncidentKind.TRUNCATED, max(0, file.size - max(compared.kept, file.offset)))
        if compared.resume < file.offset:
            file.offset = compared.resume
            file.recorded = min(file.recorded, compared.resume)
            file.skipping = None
        file.identity = file.identity.up_to(compared.kept)
        file.incomplete_at = -1

    def is_indexed(self, file: Followed) -> bool:
        """Whether it has a landmark by which it can be found."""
        return file.file_id in self._landmark_of

    def index(self, file: Followed) -> None:
        """Let a file be found by its landmark as it is now."""
        landmark = file.identity.landmark()
        before = self._landmark_of.get(file.file_id)
        if landmark == before:
            return
        if before is not None:
            self._unindex(file)
        if landmark is not None:
            self._landmark_of[file.file_id] = landmark
            self._tiny += landmark[0] < HEAD[0]
            self._landmarks.setdefault(landmark, {})[file.file_id] = file

    def _unindex(self, file: Followed) -> None:
        landmark = self._landmark_of.pop(file.file_id, None)
        if landmark is not None:
            self._tiny -= landmark[0] < HEAD[0]
            alike = self._landmarks[landmark]
            del alike[file.file_id]
            if not alike:
                del self._landmarks[landmark]

    def twins(self, file: Followed) -> list[Followed]:
        """Known files with the landmark of a known one, and it itself."""
        landmark = self._landmark_of.get(file.file_id)
        return [] if landmark is None else list(self._landmarks[landmark].values())

    def alike(self, file: Followed) -> list[Followed]:
        """Known files whose landmark a file has."""
        tiny = range(1, HEAD[0]) if self._tiny else ()
        marks = head_places(file.read_at, (*tiny, *HEAD))
        return [known for mark in marks for known in self._landmarks.get(mark, {}).values()]

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
        for table in (self.gone, self.leaving, self.unresolved, self.ready, self.changed, self.grown):
            table.pop(file.file_id, None)
        self._unindex(file)

    def note_growth(self) -> None:
        """Get growth that an earlier look saw, and that was not read since, into the rows.

        What was seen must not be forgotten by a crash. Where reading keeps up, that costs no row of its own.
        """
        for file in self.grown.values():
            if file.size > file.recorded_size:
                self.changed[file.file_id] = file
        self.grown.clear()
