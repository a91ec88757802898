"""One look: which files are there, which of them are known, and what became of those that are not there."""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from extractor.checkpoint import Checkpoint
from extractor.source.chunk import Incident
from extractor.source.discover import Discovery, Found
from extractor.source.followed import Followed, Key, State
from extractor.source.handle import InflatedHandle, open_handle
from extractor.source.handles import Handles
from extractor.source.identity import HEAD, WINDOW, Compared, Verdict, hash_window, head_places
from extractor.source.names import age_key, is_compressed, is_sibling, lineage_of
from extractor.source.spec import Clock, Limits, SourceSpec, StartAt
from extractor.telemetry import IncidentKind

_RACY_NS = 100_000_000
"""As for folders (`discover`): stamps this fresh can hide another change."""
_SAMPLES = 16
"""Windows in which a copy and its original are compared: a log that differs anywhere differs at its end."""
_ORPHAN_SETTLES = 12
"""A renamed file without a successor at its live path is given so many times `settle_s` before it counts as ended."""


@dataclass(frozen=True, slots=True)
class _Unopened:
    """A file that was seen, but could not be opened so far."""

    path: str
    size: int
    there_at: float  # monotonic seconds


class Census:
    """Knows every file, and holds each against what a stat pass finds.

    The rules, in order: an open handle or an unchanged (device, inode, size, stamps) is the same file; a known
    (device, inode) is the same file if its bytes agree, cut if they agree as far as they go, and else a new file,
    the known one having vanished; a file that is not known continues a vanished one whose bytes it has, waits
    while it may be a copy in the making of one that lives, and is new else.
    """

    def __init__(
        self,
        sources: Sequence[SourceSpec],
        checkpoints: Iterable[Checkpoint],
        clock: Clock,
        limits: Limits,
        *,
        first_start: bool,
    ) -> None:
        self._sources = {source.index: source for source in sources}
        self._clock = clock
        self._limits = limits
        self._grown: dict[str, Followed] = {}
        self._first_look = True
        self._first_start = first_start
        self._started = clock.now()
        self.discovery = Discovery(sources)
        self.handles = Handles(limits.max_open)
        self.files: dict[str, Followed] = {}
        self._present: dict[Key, Followed] = {}
        self._by_path: dict[str, Followed] = {}
        self._landmarks: dict[tuple[int, bytes], dict[str, Followed]] = {}
        self._tiny = 0  # how many of these are shorter than any head place
        self._landmark_of: dict[str, tuple[int, bytes]] = {}
        self._gone: dict[str, Followed] = {}
        self._unresolved: dict[str, Followed] = {}
        self._leaving: dict[str, Followed] = {}
        self._waiting: dict[Key, tuple[int, float]] = {}
        self._fresh: list[Followed] = []
        self._vanished: list[Followed] = []
        self._unopened: dict[Key, _Unopened] = {}
        self._unreadable: set[str] = set()
        self._most = 0
        self.ready: dict[str, Followed] = {}
        self.changed: dict[str, Followed] = {}
        self.incidents: list[Incident] = []
        self.ended: list[str] = []
        self.forgotten: list[str] = []
        for checkpoint in checkpoints:
            self._restore(checkpoint)

    def note_growth(self) -> None:
        """Get growth that an earlier look saw, and that was not read since, into the rows.

        What was seen must not be forgotten by a crash. Where reading keeps up, that costs no row of its own.
        """
        for file in self._grown.values():
            if file.size > file.recorded_size:
                self.changed[file.file_id] = file
        self._grown.clear()

    def look(self, *, settle: bool = False) -> None:
        """One whole pass."""
        now_ns = int(self._clock.now() * 1e9)
        met: set[Key] = set()
        replaced = {file.key for file in self._fresh}  # by a glance before this look
        self._by_path = {}
        for found in self._one_path_each(self.discovery.find(now_ns)):
            met.add(found.key)
            file = self._present.get(found.key)
            if file is not None:
                self._meet(file, found.path, found.stat)
            elif found.key not in replaced:
                self._open_new(found)
        for file in [file for key, file in self._present.items() if key not in met]:
            self._miss(file)
        self._note_unreadable()
        self._judge_unopened(met, settle=settle)
        self._link(settle=settle)
        self._resolve(settle=settle)
        self._end(settle=settle)
        self._prune()
        self._first_look = False

    def glance(self, paths: Collection[str]) -> bool:
        """Stat only these paths. False if that is not enough: something else than growth happened there."""
        for path in paths:
            file = self._by_path.get(path)
            if file is None:
                if self.discovery.wants(path) is not None:
                    return False
                continue
            try:
                found = os.stat(path)
            except OSError:
                return False
            if (found.st_dev, found.st_ino) != file.key:
                return False
            self._meet(file, path, found)
        return not self._fresh

    # -- restored and found -------------------------------------------------------------------------------------

    def _restore(self, checkpoint: Checkpoint) -> None:
        file = Followed.restored(checkpoint, -1, (0, 0), self._clock.monotonic())
        rank = self.discovery.wants(file.lineage) or self.discovery.wants(file.path)
        if rank is None:
            return  # no source wants it any more: its row stays as it is, and it is not touched
        file.rank, file.source = rank, rank[0]
        self.files[file.file_id] = file
        self._index(file)
        if file.state is State.GONE:
            self._gone[file.file_id] = file
            if file.unresolved is not None:
                self._unresolved[file.file_id] = file
        elif file.key in self._present:
            self._vanish(
                file, IncidentKind.VANISHED
            )  # two rows, one inode: its bytes will tell which is which
        else:
            self._present[file.key] = file

    def _one_path_each(self, all_found: Iterable[Found]) -> Iterator[Found]:
        """One path for each file: links lead to one file; the path it is known under stays, else the first."""
        by_key: dict[Key, Found] = {}
        for found in all_found:
            known = self._present.get(found.key)
            if found.key not in by_key or (known is not None and known.path == found.path):
                by_key[found.key] = found
        yield from by_key.values()

    def _meet(self, file: Followed, path: str, found: os.stat_result) -> None:
        """A known (device, inode) is there."""
        if file.path != path:
            file.path, file.real = path, None
            self.changed[file.file_id] = file
            if file.renamed:
                self._leaving[file.file_id] = file
            else:
                self._leaving.pop(file.file_id, None)
                file.ended = False
        file.state = State.PRESENT
        self._lead_to(file)
        stamps = (found.st_mtime_ns, found.st_ctime_ns)
        if file.checked and not file.racy and found.st_size == file.size and stamps == file.stamps:
            return
        self._examine(file)

    def _examine(self, file: Followed) -> None:
        """Hold a file's bytes against its identity."""
        held = file.handle is not None
        try:
            if not self.handles.open(file):
                return  # replaced since the stat: the next look will see
            assert file.handle is not None
            found = file.handle.stat()
            compared = self._compared(file, found.st_size)
        except OSError:
            file.checked = False
            self._cannot_read(file.path)
            return
        self._unreadable.discard(file.path)
        verdict = compared.verdict
        if verdict is Verdict.REWRITTEN or (verdict is Verdict.CUT and self._copied_away(file)):
            self._replace(file, held=held)
            return
        if verdict is Verdict.CUT:
            self._cut(file, compared)
        stamps = (found.st_mtime_ns, found.st_ctime_ns)
        if (found.st_size, stamps) != (file.size, file.stamps):
            if file.stamps != (0, 0):
                file.changed_at = self._clock.monotonic()
                file.ended = False
            file.size, file.stamps, file.incomplete_at = found.st_size, stamps, -1
            self._grown[file.file_id] = file
        file.racy = found.st_ctime_ns > self._clock.now() * 1e9 - _RACY_NS
        file.checked = True
        file.learn()
        self._index(file)
        if file.unread and file.size != file.incomplete_at:
            self.ready[file.file_id] = file

    def _replace(self, file: Followed, *, held: bool) -> None:
        """These are other bytes: the known file has vanished, and a new one is where it was.

        At a path that no source wants, the new one is ours only if its inode is certain to be.
        """
        if held or self.discovery.wants(file.path) is not None:
            new = Followed(
                path=file.path,
                lineage=file.lineage,
                key=file.key,
                source=file.source,
                rank=file.rank,
                state=file.state,
                changed_at=self._clock.monotonic(),
            )
            self.handles.hand_over(file, new)
            if self._look_into(new):
                self._fresh.append(new)
        self._vanish(file, IncidentKind.TRUNCATED)

    def _compared(self, file: Followed, size: int) -> Compared:
        identity, offset = file.identity, file.offset
        if file.checked and size >= max(file.size, offset) and identity.still_there(file.read_at):
            return Compared(Verdict.SAME)
        return identity.compare(file.read_at, size, offset, file.size)

    def _cut(self, file: Followed, compared: Compared) -> None:
        """The end was cut off, and perhaps written anew. Bytes that were seen there and not read are lost."""
        self._lose(file, IncidentKind.TRUNCATED, max(0, file.size - max(compared.kept, file.offset)))
        if compared.resume < file.offset:
            file.offset = compared.resume
            file.recorded = min(file.recorded, compared.resume)
            file.skipping = None
        file.identity = file.identity.up_to(compared.kept)
        file.incomplete_at = -1

    def _copied_away(self, file: Followed) -> bool:
        """Whether a sibling holds all that was read of a file that is shorter now: it was emptied, not cut."""
        return any(self._continues(file, path, status) is not None for path, status in self._siblings(file))

    # -- gone ---------------------------------------------------------------------------------------------------

    def _miss(self, file: Followed) -> None:
        """No wanted path leads to a file that was there: find out where it is."""
        if file.handle is not None:
            try:
                found = file.handle.stat()
                path = file.path if self._leads_to(file.path, file.key) else file.handle.path()
            except OSError:
                return
            if path is not None:
                self._meet(file, path, found)
                return
            file.state = State.ADRIFT
            self._leaving[file.file_id] = file
            self._examine(file)
            self.let_go(file)
            return
        try:
            found = os.stat(file.path)
        except (FileNotFoundError, NotADirectoryError):
            self._vanish(file, IncidentKind.VANISHED)
            return
        except OSError:
            self._cannot_read(file.path)
            return
        if (found.st_dev, found.st_ino) != file.key:
            self._vanish(file, IncidentKind.VANISHED)
        else:
            self._meet(file, file.path, found)

    def let_go(self, file: Followed) -> None:
        """Close a file that only our handle leads to, once all of it is recorded."""
        if file.state is State.ADRIFT and file.drained and file.handle is not None:
            if file.handle.size() > file.size:
                return  # it was written to again: the next look will see
            self.handles.close(file)
            self._lay_away(file)

    def _vanish(self, file: Followed, kind: IncidentKind) -> None:
        """Nothing leads to these bytes any more. They may still be found elsewhere."""
        self.handles.close(file)
        self._lay_away(file)
        file.unresolved, file.unresolved_at = kind, self._clock.monotonic()
        self._unresolved[file.file_id] = file
        self._vanished.append(file)

    def _lay_away(self, file: Followed) -> None:
        file.state = State.GONE
        file.gone_since = self._clock.now()
        if self._present.get(file.key) is file:
            del self._present[file.key]
        self.ready.pop(file.file_id, None)
        self._gone[file.file_id] = file
        self._leaving[file.file_id] = file
        self.changed[file.file_id] = file

    def _resolve(self, *, settle: bool) -> None:
        """Say what was lost with the files that were not found again in time."""
        now = self._clock.monotonic()
        for file in list(self._unresolved.values()):
            due = settle or now - file.unresolved_at >= self._limits.settle_s
            if due and not self._found_beside(file):
                del self._unresolved[file.file_id]
                self.changed[file.file_id] = file
                if not file.quiet and file.unresolved is not None:
                    self._lose(file, file.unresolved, 0 if self._has_twin(file) else file.unread)
                file.unresolved = None
                file.size = min(file.size, file.offset)  # counted, once

    def _has_twin(self, gone: Followed) -> bool:
        """Whether a file that is followed as one of its own has all bytes of a vanished one: they are not lost."""
        landmark = self._landmark_of.get(gone.file_id)
        if not gone.unread or landmark is None:
            return False
        for other in list(self._landmarks[landmark].values()):
            if other.state is State.GONE or other.size < gone.size:
                continue
            if self._has_all_of(other, gone):
                return True
        return False

    def _has_all_of(self, file: Followed, known: Followed) -> bool:
        """Whether a file has all the bytes that were read of another."""
        try:
            if not self.handles.open(file):
                return False
            compared = known.identity.compare(file.read_at, file.size, known.offset)
        except OSError:
            return False
        return compared.verdict is Verdict.SAME and compared.proven

    def _lose(self, file: Followed, kind: IncidentKind, size: int) -> None:
        file.lost_bytes += size
        self.changed[file.file_id] = file
        self.incidents.append(
            Incident(kind=kind, path=file.path, file_id=file.file_id, offset=file.offset, size=size)
        )

    # -- new, or found again ------------------------------------------------------------------------------------

    def _link(self, *, settle: bool) -> None:
        """Find the vanished files again, the surest evidence first, and take in what is left as new.

        Its inode beside where it was; all its bytes at a wanted path; all its bytes in a copy beside it; at last,
        the first of its bytes in what stands at a wanted path.
        """
        vanished, self._vanished = self._vanished, []
        for gone in vanished:
            if gone.unresolved is not None:
                self._found_beside(gone, same_inode=True)
        # What is only held open comes first, for a path may lead to its restored copy; live names before rotated
        # ones, which may be their copies.
        fresh = sorted(
            self._fresh,
            key=lambda file: (file.state is State.ADRIFT, age_key(os.path.basename(file.path))),
            reverse=True,
        )
        self._fresh = []
        waiting: dict[Key, tuple[int, float]] = {}
        left: list[Followed] = []
        for file in fresh:
            if file.key in self._present:
                self.handles.close(file)  # a vanished one was found to go on there
                continue
            if not self._reopened(file):
                continue
            if (gone_one := self._vanished_one(file)) is not None:
                self._continue(gone_one, file)
            elif not settle and (since := self._copy_since(file)) is not None:
                waiting[file.key] = since
                self.handles.close(file)
            else:
                left.append(file)
                self._add(file)
        self._waiting = waiting
        for gone in vanished:
            if gone.unresolved is not None:
                self._found_beside(gone)
        for file in left:
            self._take_over(file)

    def _take_over(self, file: Followed) -> None:
        """A new file that starts like a vanished one is an older state of it, restored: what it has was read."""
        for gone in self._alike(file) if file.state is State.PRESENT and file.handle else ():
            if gone.state is not State.GONE:
                continue
            compared = gone.identity.compare(file.read_at, file.size, gone.offset, gone.size)
            if compared.verdict is Verdict.CUT and (compared.resume or not gone.offset):
                self.forget(file)
                self._continue(gone, file)
                self._cut(gone, compared)
                return

    def _reopened(self, file: Followed) -> bool:
        """A file that was opened in this look may have been closed again, to make room."""
        try:
            return self.handles.open(file)
        except OSError:
            self._not_opened(file.key, file.path, file.size)
            return False

    def _open_new(self, found: Found) -> None:
        """Open what is not known, at once: it may not be there for long."""
        if (file := self._opened(found)) is not None:
            self._fresh.append(file)

    def _opened(self, found: Found) -> Followed | None:
        lineage = lineage_of(found.path)
        if self.discovery.wants(lineage) is None:
            lineage = found.path
        file = Followed(
            path=found.path,
            lineage=lineage,
            key=found.key,
            source=found.source,
            rank=min(found.rank, self.discovery.wants(lineage) or found.rank),
            changed_at=self._clock.monotonic(),
        )
        try:
            if not self.handles.open(file):
                return None
        except FileNotFoundError:
            self._not_opened(found.key, found.path, found.stat.st_size)
            return None
        except OSError:
            self._not_opened(found.key, found.path, found.stat.st_size)
            self._cannot_read(found.path)
            return None
        self._unopened.pop(found.key, None)
        return file if self._look_into(file) else None

    def _look_into(self, file: Followed) -> bool:
        """What there is to know of a file that was just opened. False if the disk refuses."""
        assert file.handle is not None
        try:
            status = file.handle.stat()
            file.size, file.stamps = status.st_size, (status.st_mtime_ns, status.st_ctime_ns)
            file.learn()
        except OSError:
            self.handles.close(file)
            self._cannot_read(file.path)
            return False
        self._unreadable.discard(file.path)
        file.checked = True
        return True

    def _add(self, file: Followed) -> None:
        if self._first_look or file.stamps[0] < self._started * 1e9:
            file.live_from = file.size
        if self._first_look and self._first_start and self._sources[file.source].start_at is StartAt.END:
            self._start_at_end(file)
        self._take(file)

    def _take(self, file: Followed) -> None:
        self.files[file.file_id] = file
        self._present[file.key] = file
        self._lead_to(file)
        self._index(file)
        self.changed[file.file_id] = file
        if file.renamed:
            self._leaving[file.file_id] = file
        if file.unread:
            self.ready[file.file_id] = file

    def _lead_to(self, file: Followed) -> None:
        """Let the file be found by its path and, where that is a link, by the path that notifications name."""
        self._by_path[file.path] = file
        if file.real is None:
            file.real = os.path.realpath(file.path)
        if file.real != file.path:
            self._by_path[file.real] = file

    def _start_at_end(self, file: Followed) -> None:
        """After the last newline: a line that is still being written at the very first start is a new one."""
        reach = min(file.size, self._limits.max_line_bytes)
        tail = file.read_at(file.size - reach, reach)
        file.offset = file.recorded = (
            file.size - reach + tail.rfind(b"\n") + 1 if b"\n" in tail else file.size
        )
        if file.offset:
            window = file.read_at(max(0, file.offset - WINDOW), min(WINDOW, file.offset))
            file.identity = file.identity.with_places([(file.offset, hash_window(window))])

    def _vanished_one(self, file: Followed) -> Followed | None:
        """The file, if any, that no path leads to any more and whose bytes these are; the one most read, if several.

        One that is only held open counts too, when all of it is here: it was restored before we had drained it.
        """
        best: Followed | None = None
        for gone in self._alike(file):
            least = gone.size if gone.state is State.ADRIFT else gone.offset
            if gone.state is State.PRESENT or file.size < least or (best and gone.offset < best.offset):
                continue
            if self._has_all_of(file, gone):
                best = gone
        return best

    def _copy_since(self, file: Followed) -> tuple[int, float] | None:
        """Since when this may be a copy in the making of a file that lives, or None. Given `settle_s` to show.

        While its original lives nothing can be lost with it; as soon as that is emptied, the copy continues it.
        """
        name = os.path.basename(file.path)
        originals = [
            known
            for known in self._alike(file)
            if known.state is not State.GONE
            and is_sibling(name, os.path.basename(known.path))
            and self._starts_like(known, file)
        ]
        if not originals:
            return None
        now = self._clock.monotonic()
        size, since = self._waiting.get(file.key, (-1, now))
        if size != file.size or not all(known.checked for known in originals):
            since = now
        return (file.size, since) if now - since < self._limits.settle_s else None

    def _starts_like(self, present: Followed, file: Followed) -> bool:
        """Whether a file's bytes are the first ones of another, as far as a few windows up to its end can tell."""
        if present.handle is None and not present.checked:
            # It cannot be read for now: whether it is still what it was will be seen when it can.
            return self._has_all_of(file, present)
        if file.size > present.size or not file.size:
            return False
        try:
            if not self.handles.open(present) or not self.handles.open(file):
                return False
            step = max(1, file.size // _SAMPLES)
            return all(
                present.read_at(max(0, end - WINDOW), min(WINDOW, end))
                == file.read_at(max(0, end - WINDOW), min(WINDOW, end))
                for end in range(file.size, 0, -step)
            )
        except OSError:
            return False

    def _continue(self, gone: Followed, file: Followed) -> None:
        """The vanished file goes on here: it was moved, copied and emptied, or restored."""
        self.handles.hand_over(file, gone)
        short = 0 if is_compressed(file.path) else max(0, gone.size - max(file.size, gone.offset))
        # Into a copy, more may have been written before the original went.
        copied = gone.unresolved is not None and not gone.quiet and file.key != gone.key
        if copied or short:
            self._lose(gone, gone.unresolved or IncidentKind.LOST, short)
        self._unresolved.pop(gone.file_id, None)
        self._gone.pop(gone.file_id, None)
        if self._present.get(gone.key) is gone:
            del self._present[gone.key]
        gone.unresolved = None
        gone.state, gone.gone_since, gone.ended, gone.incomplete_at = State.PRESENT, None, False, -1
        if is_compressed(file.path):
            # Read to its end through this handle alone; a restart will find it again by its bytes.
            gone.state, gone.checked = State.ADRIFT, True
            gone.size = max(gone.size, gone.offset + 1)
            self._leaving[gone.file_id] = self.ready[gone.file_id] = self.changed[gone.file_id] = gone
            return
        gone.real = None
        gone.path, gone.key, gone.size, gone.stamps = file.path, file.key, file.size, file.stamps
        gone.checked, gone.racy = True, True
        gone.identity = gone.identity.up_to(file.size)  # a copy may be shorter than what was seen
        gone.changed_at = self._clock.monotonic()
        if not gone.renamed:
            self._leaving.pop(gone.file_id, None)
        self._take(gone)

    # -- siblings -----------------------------------------------------------------------------------------------

    def _found_beside(self, gone: Followed, *, same_inode: bool = False) -> bool:
        """Find a vanished file beside where it was: under a name that no source wants, or compressed."""
        for path, status in self._siblings(gone):
            if same_inode and (status.st_dev, status.st_ino) != gone.key:
                continue
            compared = None if gone.quiet and is_compressed(path) else self._continues(gone, path, status)
            if compared is None:
                continue
            file = self._opened(Found(path, status, gone.source, gone.rank, (status.st_dev, status.st_ino)))
            if file is not None:
                self._continue(gone, file)
                if compared.verdict is Verdict.CUT:
                    self._cut(gone, compared)
                return True
        return False

    def _siblings(self, file: Followed) -> Iterator[tuple[str, os.stat_result]]:
        """Files beside a vanished one that have its inode, or a name like a rotated copy's, and are not known.

        Compressed ones come last: what is still there as it was is better.
        """
        live = os.path.basename(file.lineage)
        found: list[tuple[bool, str, os.stat_result]] = []
        near_paths = (file.lineage, file.path, os.path.realpath(file.path))
        for folder in dict.fromkeys(os.path.dirname(path) for path in near_paths):
            try:
                with os.scandir(folder) as entries:
                    near = [e for e in entries if e.inode() == file.key[1] or is_sibling(e.name, live)]
                    found += [(is_compressed(e.name), e.path, e.stat()) for e in near if e.is_file()]
            except OSError:
                continue  # the folder went too, or a file in it: nothing to be found there now
        for _, path, status in sorted(found, key=lambda one: one[:2]):
            if (status.st_dev, status.st_ino) not in self._present:
                yield path, status

    def _continues(self, gone: Followed, path: str, status: os.stat_result) -> Compared | None:
        """What makes the file at a path the continuation of a vanished one, or None.

        It has all the bytes that were read of it; or it has its inode, and some of them. A file of which nothing is
        known but that it was empty is followed by its inode, if the name fits too.
        """
        name = os.path.basename(path)
        try:
            handle = open_handle(path)
        except OSError:
            return None
        try:
            # How long a compressed one is shows only at its end.
            size = max(gone.offset, min(gone.size, HEAD[-1])) if is_compressed(name) else handle.size()
            compared = gone.identity.compare(handle.read_at, size, gone.offset)
        except OSError:
            return None
        finally:
            handle.close()
        same_inode = (status.st_dev, status.st_ino) == gone.key and not is_compressed(name)
        if compared.verdict is Verdict.CUT:
            return compared if same_inode and compared.proven else None
        if compared.verdict is Verdict.REWRITTEN:
            return None
        fits = same_inode and is_sibling(name, os.path.basename(gone.lineage))
        return compared if compared.proven or fits else None

    # -- bookkeeping --------------------------------------------------------------------------------------------

    def read_on(self, file: Followed) -> None:
        """A file was read on: even a tiny one has a place now by which it can be found again."""
        if file.file_id not in self._landmark_of:
            self._index(file)

    def read_out(self, file: Followed) -> None:
        """A compressed copy was read to its end, where it turns out how long it is."""
        if file.state is State.ADRIFT and isinstance(file.handle, InflatedHandle):
            if file.unread and file.handle.size() <= file.offset:
                if file.size > file.offset + 1:
                    self._lose(file, IncidentKind.LOST, file.unread)
                file.size = file.offset
            self.let_go(file)

    def _index(self, file: Followed) -> None:
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

    def _alike(self, file: Followed) -> list[Followed]:
        """Known files whose landmark a file has."""
        tiny = range(1, HEAD[0]) if self._tiny else ()
        marks = head_places(file.read_at, (*tiny, *HEAD))
        return [known for mark in marks for known in self._landmarks.get(mark, {}).values()]

    def _cannot_read(self, path: str) -> None:
        if path not in self._unreadable:
            self._unreadable.add(path)
            self.incidents.append(Incident(kind=IncidentKind.UNREADABLE, path=path))

    def _note_unreadable(self) -> None:
        for path in self.discovery.unreadable:
            self._cannot_read(path)

    def _not_opened(self, key: Key, path: str, size: int) -> None:
        self._unopened[key] = _Unopened(path, size, self._clock.monotonic())

    def _judge_unopened(self, met: set[Key], *, settle: bool) -> None:
        """Report a file that could never be opened, when it is not there any more under any name."""
        now = self._clock.monotonic()
        for key, unopened in list(self._unopened.items()):
            if key in met:
                self._unopened[key] = replace(unopened, there_at=now)
            elif settle or now - unopened.there_at >= self._limits.settle_s:
                del self._unopened[key]
                self._unreadable.discard(unopened.path)
                self.incidents.append(
                    Incident(kind=IncidentKind.UNOPENED, path=unopened.path, size=unopened.size)
                )

    @staticmethod
    def _leads_to(path: str, key: Key) -> bool:
        try:
            found = os.stat(path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == key

    def _end(self, *, settle: bool) -> None:
        """Report the files of which nothing more will come; give their unterminated last lines to be read."""
        for file in list(self._leaving.values()):
            if not self.has_ended(file, settle=settle):
                continue
            if file.state is not State.GONE and file.unread:
                self.ready[file.file_id] = file
            elif not file.ended:
                file.ended = True
                self.ended.append(file.file_id)
            if file.state is State.GONE and file.ended:
                del self._leaving[file.file_id]

    def has_ended(self, file: Followed, *, settle: bool = False) -> bool:
        """Whether nothing will be added to a file: no path leads to it, or it was renamed away and is quiet."""
        if file.state is not State.PRESENT:
            return file.state is State.ADRIFT or file.unresolved is None
        if not file.renamed:
            return False
        successor = self._by_path.get(file.lineage)
        patience = self._limits.settle_s * (1 if successor not in (None, file) else _ORPHAN_SETTLES)
        return settle or self._clock.monotonic() - file.changed_at >= patience

    def _prune(self) -> None:
        """Prune the rows of files that are gone for too long, or of too many."""
        self._most = max(self._most, len(self._present))
        too_many = len(self._gone) - max(self._limits.min_gone, 2 * self._most)
        before = self._clock.now() - self._limits.forget_after_s
        for file in list(self._gone.values()):
            assert file.gone_since is not None
            if too_many <= 0 and file.gone_since > before:
                break
            if file.unresolved is None:
                too_many -= 1
                self.forget(file)
                self.forgotten.append(file.file_id)

    def forget(self, file: Followed) -> None:
        """As if it had never been there. Its handle stays open."""
        del self.files[file.file_id]
        if self._present.get(file.key) is file:
            del self._present[file.key]
        for table in (self._gone, self._leaving, self._unresolved, self.ready, self.changed, self._grown):
            table.pop(file.file_id, None)
        self._unindex(file)
