"""One look: which files are there, which of them are known, and what became of those that are not there."""

import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence

from extractor.checkpoint import Checkpoint
from extractor.source.discover import Found
from extractor.source.followed import Followed, Key, State
from extractor.source.handle import InflatedHandle
from extractor.source.identity import Compared, Verdict
from extractor.source.link import Links
from extractor.source.newcomers import Newcomers
from extractor.source.register import Register
from extractor.source.spec import Clock, Limits, SourceSpec
from extractor.source.survey import Survey
from extractor.telemetry import IncidentKind

_RACY_NS = 100_000_000
"""As for folders (`discover`): stamps this fresh can hide another change."""
_ORPHAN_SETTLES = 12
"""A renamed file without a successor at its live path is given so many times `settle_s` before it counts as ended."""


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
        self.register = Register(clock, limits)
        self._newcomers = Newcomers(sources, self.register, first_start=first_start)
        self._links = Links(self.register, self._newcomers)
        self._survey: Survey | None = None
        self._most = 0
        self._closed: set[str] = set()  # paths that the last look could not stat or list
        for checkpoint in checkpoints:
            self._restore(checkpoint)

    @property
    def surveying(self) -> bool:
        """Whether the pass of a look has begun that was not concluded."""
        return self._survey is not None

    def survey(self, enough: Callable[[], bool]) -> bool:
        """Go on with the pass of the next look, or begin it. Whether it is complete: then only `look` is left to do."""
        if self._survey is None or self._survey.complete:
            self._survey = Survey(self.register, self._newcomers)
        return self._survey.go_on(enough)

    def look(self, *, settle: bool = False) -> None:
        """One whole look: its pass, unless it was made in advance, and the conclusions."""
        survey, self._survey = self._survey, None
        if survey is None or settle or not survey.complete:
            survey = Survey(self.register, self._newcomers)
            survey.go_on()
        met = survey.met
        for found in survey.moved.values():
            file = self.register.present.get(found.key)
            if file is not None:  # else it was replaced since
                self._meet(file, found.path, found.stat)
        for file in [file for key, file in self.register.present.items() if key not in met]:
            self._miss(file)
        self._note_unreadable()
        self._links.link(settle=settle)
        self._links.resolve(settle=settle)
        self._end(settle=settle)
        self._prune()
        self._newcomers.first_look = False
        self._newcomers.note_opened_folders()

    def glance(self, paths: Collection[str]) -> bool:
        """Stat only these paths. False if that is not enough: something else than growth happened there.

        A file that is new there is opened at once, for it may be gone when a whole look comes to it.
        """
        enough, fresh = True, len(self._newcomers.fresh)
        for path in paths:
            file = self.register.by_path.get(path)
            rank = self._newcomers.discovery.wants(path) if file is None else None
            if file is None and rank is None:
                continue
            try:
                found = os.stat(path)
            except OSError:
                enough = False
                continue
            key = (found.st_dev, found.st_ino)
            if file is not None and key == file.key and not (file.hollow and found.st_size):
                self._meet(file, path, found)
                continue
            enough = False
            if rank is not None and key not in self.register.present and stat.S_ISREG(found.st_mode):
                self._newcomers.open_new(Found(path, found, rank[0], rank, key))
        return enough and len(self._newcomers.fresh) == fresh

    def _restore(self, checkpoint: Checkpoint) -> None:
        if self._newcomers.restore_closed(checkpoint):
            return
        file = Followed.restored(checkpoint, -1, (0, 0), self.register.clock.monotonic())
        rank = self._newcomers.discovery.wants(file.lineage) or self._newcomers.discovery.wants(file.path)
        if rank is None:
            return  # no source wants it any more: its row stays as it is, and it is not touched
        file.rank, file.source = rank, rank[0]
        self.register.files[file.file_id] = file
        self.register.index(file)
        if file.state is State.GONE:
            self.register.gone[file.file_id] = file
            if file.blind_size:
                self.register.unseen[file.key] = file
            if file.unresolved is not None:
                self.register.unresolved[file.file_id] = file
        elif file.key in self.register.present:
            self.register.vanish(
                file, IncidentKind.VANISHED
            )  # two rows, one inode: its bytes will tell which is which
        else:
            self.register.present[file.key] = file

    def _meet(self, file: Followed, path: str, found: os.stat_result) -> None:
        """A known (device, inode) is there."""
        if file.path != path:
            self.register.unlead(file)
            file.path, file.real = path, None
            self.register.changed[file.file_id] = file
            if file in self.register.ready:
                self.register.ready.add(file)
            if file.renamed:
                self.register.leaving[file.file_id] = file
            else:
                self.register.leaving.pop(file.file_id, None)
                file.ended = False
        if file.state is not State.PRESENT:
            file.state = State.PRESENT
            self.register.index(file)
        self.register.lead_to(file)
        if file.is_as(found):
            return
        if self._examine(file):
            return
        if not found.st_size and file.size:
            # Emptied, which needs no reading to be known: what it had may stand in a copy that will not stay.
            self.register.vanish(file, IncidentKind.TRUNCATED)
        else:
            self.register.see_blindly(file, found.st_size)

    def _examine(self, file: Followed) -> bool:
        """Hold a file's bytes against its identity. False if they cannot be read now."""
        held = file.handle is not None
        try:
            if not self.register.handles.open(file):
                return True  # replaced since the stat: the next look will see
            assert file.handle is not None
            found = file.handle.stat()
            compared = self._compared(file, found.st_size)
        except OSError:
            file.checked = False
            self.register.cannot_read(file.path)
            return False
        self.register.unreadable.discard(file.path)
        verdict = compared.verdict
        if verdict is Verdict.SAME and found.st_size < file.blind_size:
            self.register.lose(file, IncidentKind.TRUNCATED, 0)
        file.blind_size = 0
        if verdict is Verdict.CUT and not (compared.resume or compared.line):
            verdict = Verdict.REWRITTEN  # others that begin alike: what was seen may stand in a copy
        if verdict is Verdict.REWRITTEN or (verdict is Verdict.CUT and self._links.copied_away(file)):
            self._replace(file, held=held)
            return True
        self.register.recover(file, compared.kept - file.offset)
        if verdict is Verdict.CUT:
            self.register.cut(file, compared, file.size, kept=self._links.kept_by_twins(file))
        stamps = (found.st_mtime_ns, found.st_ctime_ns)
        if (found.st_size, stamps) != (file.size, file.stamps):
            if file.stamps != (0, 0):
                file.changed_at = self.register.clock.monotonic()
                file.ended = False
            file.size, file.stamps, file.incomplete_at = found.st_size, stamps, -1
            self.register.grown[file.file_id] = file
        file.racy = found.st_ctime_ns > self.register.clock.now() * 1e9 - _RACY_NS
        try:
            file.learn()
        except OSError:
            file.checked = False
            self.register.cannot_read(file.path)
            return False
        file.checked = True
        self._newcomers.pass_over(file)
        self.register.index(file)
        if file.checked and file.unread and file.size != file.incomplete_at:
            self.register.ready.add(file)
        return True

    def _replace(self, file: Followed, *, held: bool) -> None:
        """These are other bytes: the known file has vanished, and a new one is where it was.

        At a path that no source wants, the new one is ours only if its inode is certain to be.
        """
        if held or self._newcomers.discovery.wants(file.path) is not None:
            new = Followed(
                path=file.path,
                lineage=file.lineage,
                key=file.key,
                source=file.source,
                rank=file.rank,
                state=file.state,
                changed_at=self.register.clock.monotonic(),
                withheld=file.withheld,
            )
            self.register.handles.hand_over(file, new)
            if self._newcomers.look_into(new):
                self._newcomers.fresh[new.key] = new
        self.register.vanish(file, IncidentKind.TRUNCATED)

    def _compared(self, file: Followed, size: int) -> Compared:
        identity, offset = file.identity, file.offset
        if file.checked and size >= max(file.size, offset) and identity.still_there(file.read_at):
            return Compared(Verdict.SAME, kept=size)
        return identity.compare(file.read_at, size, offset, file.seen)

    def _miss(self, file: Followed) -> None:
        """No wanted path leads to a file that was there: find out where it is."""
        if file.handle is not None:
            try:
                found = file.handle.stat()
                path = file.path if _leads_to(file.path, file.key) else file.handle.path()
            except OSError:
                return
            if path is not None:
                self._meet(file, path, found)
                return
            self.register.unlead(file)
            file.state = State.ADRIFT
            self.register.leaving[file.file_id] = file
            self._examine(file)
            self.let_go(file)
            return
        try:
            found = os.stat(file.path)
        except (FileNotFoundError, NotADirectoryError):
            self.register.vanish(file, IncidentKind.VANISHED)
            return
        except OSError:
            file.checked = False
            self.register.cannot_read(file.path)
            return
        if (found.st_dev, found.st_ino) != file.key:
            self.register.vanish(file, IncidentKind.VANISHED)
        else:
            self._meet(file, file.path, found)

    def let_go(self, file: Followed) -> None:
        """Close a file that only our handle leads to, once all of it is recorded."""
        if file.state is State.ADRIFT and file.drained and file.handle is not None:
            if file.handle.size() > file.size:
                return  # it was written to again: the next look will see
            self.register.handles.close(file)
            self.register.lay_away(file)

    def read_on(self, file: Followed) -> None:
        """A file was read on: it can be read, and even a tiny one has a place now by which it can be found again."""
        file.assumed = 0
        if isinstance(file.handle, InflatedHandle) and not file.unread and file.handle.size() > file.offset:
            file.assumed = 1  # it may hold more than was ever seen
            file.size += 1
        self.register.unreadable.discard(file.path)
        if not self.register.is_indexed(file):
            self.register.index(file)

    def read_out(self, file: Followed) -> None:
        """A compressed copy was read to its end, where it turns out how long it is."""
        if file.state is State.ADRIFT and isinstance(file.handle, InflatedHandle) and file.checked:
            if file.unread and file.handle.size() <= file.offset:
                if file.unread > file.assumed:
                    self.register.lose(file, IncidentKind.LOST, file.unread)
                file.size, file.assumed = file.offset, 0
            self.let_go(file)

    def withhold_unreadable(self) -> None:
        """See `Follower`."""
        self._newcomers.withhold_unreadable()

    def _note_unreadable(self) -> None:
        unreadable = self._newcomers.discovery.unreadable
        self.register.unreadable -= self._closed - unreadable
        self._closed = set(unreadable)
        for path in unreadable:
            self.register.cannot_read(path)

    def _end(self, *, settle: bool) -> None:
        """Report the files of which nothing more will come; give their unterminated last lines to be read."""
        for file in list(self.register.leaving.values()):
            if not self.has_ended(file, settle=settle):
                continue
            if file.state is not State.GONE and file.unread:
                # A compressed copy that the disk refused to read is tried again; other files were examined before.
                file.checked = file.checked or isinstance(file.handle, InflatedHandle)
                self.register.ready.add(file)
            elif not file.ended:
                file.ended = True
                self.register.ended.append(file.file_id)
            if file.state is State.GONE and file.ended:
                del self.register.leaving[file.file_id]

    def has_ended(self, file: Followed, *, settle: bool = False) -> bool:
        """Whether nothing will be added to a file: no path leads to it, or it was renamed away and is quiet."""
        if file.state is not State.PRESENT:
            return file.state is State.ADRIFT or file.unresolved is None
        if not file.renamed:
            return False
        successor = self.register.by_path.get(file.lineage)
        patience = self.register.limits.settle_s * (1 if successor not in (None, file) else _ORPHAN_SETTLES)
        return settle or self.register.clock.monotonic() - file.changed_at >= patience

    def _prune(self) -> None:
        """Prune the rows of files that are gone for too long, or of too many."""
        self._most = max(self._most, len(self.register.present))
        too_many = len(self.register.gone) - max(self.register.limits.min_gone, 2 * self._most)
        before = self.register.clock.now() - self.register.limits.forget_after_s
        for file in list(self.register.gone.values()):
            assert file.gone_since is not None
            if too_many <= 0 and file.gone_since > before:
                break
            if file.unresolved is None:
                too_many -= 1
                self.register.forget(file)
                self.register.forgotten.append(file.file_id)


def _leads_to(path: str, key: Key) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == key
