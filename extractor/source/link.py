"""Find vanished files again: under another name, in a copy, compressed, restored; else say what was lost with them."""

import os
from collections.abc import Iterable

from extractor.source.copies import Copies
from extractor.source.discover import Found
from extractor.source.followed import Followed, State
from extractor.source.handle import may_hold_more
from extractor.source.identity import Compared, Verdict
from extractor.source.names import age_key, is_compressed
from extractor.source.newcomers import Newcomers
from extractor.source.register import Register
from extractor.source.siblings import Siblings
from extractor.telemetry import IncidentKind

_PIECE = 65536
"""Bytes in which two files are compared at once."""


class Links:
    """Links files that vanished to files that are there, by their bytes, and takes in as new what is left."""

    def __init__(self, register: Register, newcomers: Newcomers) -> None:
        self._register = register
        self._newcomers = newcomers
        self._siblings = Siblings(register)
        self._copies = Copies(register)
        self._families: dict[str, list[Followed]] | None = None

    def link(self, *, settle: bool) -> None:
        """Find the vanished files again, the surest evidence first, and take in what is left as new.

        Its inode beside where it was; all its bytes at a wanted path; all its bytes in a copy beside it; at last,
        the first of its bytes in what stands at a wanted path.
        """
        self._siblings.clear()
        vanished, self._register.vanished = _provable_first(self._register.vanished), []
        for gone in vanished:
            if gone.unresolved is not None:
                self._found_beside(gone, same_inode=True)
        # What is only held open comes first, for a path may lead to its restored copy; live names before rotated
        # ones, which may be their copies.
        fresh = sorted(
            self._newcomers.fresh.values(),
            key=lambda file: (file.state is State.ADRIFT, age_key(os.path.basename(file.path))),
            reverse=True,
        )
        back = {file.path for file in fresh} | {file.key for file in fresh}
        again = [gone for gone in self._register.unresolved.values() if gone.path in back or gone.key in back]
        self._copies.begin()
        left: list[Followed] = []
        for file in fresh:
            if file.key in self._register.present:
                self._register.handles.close(file)  # a vanished one was found to go on there
                continue
            if not self._newcomers.reopened(file):
                continue
            if (gone_one := self._vanished_one(file) or self._mistaken_one(file)) is not None:
                self.go_on(gone_one, file)
            elif not settle and (self._copies.may_be_one(file) or self._is_coming_back(file)):
                self._register.handles.close(file)
            else:
                if not file.withheld:
                    left.append(file)
                self._newcomers.add(file)
        self._newcomers.fresh = {}
        for gone in vanished:
            if gone.unresolved is not None:
                self._found_beside(gone, just_vanished=True)
        for gone in again:  # where it was something else came, so its bytes may have gone elsewhere
            if gone.unresolved is not None:
                self._found_beside(gone)
        for file in left:
            self._take_over(file)

    def _is_coming_back(self, file: Followed) -> bool:
        """Whether a new file so far has only the first lines of a vanished one: it may be restored at this moment."""
        for gone in self._register.lost_alike(file):
            compared = gone.identity.compare(file.read_at, file.size, gone.offset, gone.seen)
            line = compared.resume or compared.line
            if compared.verdict is Verdict.CUT and line and compared.kept >= file.size:
                return self._copies.waits(file)
        return False

    def _take_over(self, file: Followed) -> None:
        """A new file that starts like a vanished one is an older state of it, restored: what it has was read.

        What is still held goes first, for it will be read. Of one that nobody has read its first line must be there:
        what only begins alike is another.
        """
        alike = self._register.lost_alike(file) if file.state is State.PRESENT and file.handle else []
        if any(gone.state is State.ADRIFT and self._shared(file, gone) for gone in alike):
            return
        for gone in alike:
            if gone.state is not State.GONE:
                continue
            compared = gone.identity.compare(file.read_at, file.size, gone.offset, gone.seen)
            if compared.verdict is Verdict.CUT and (compared.resume or compared.line):
                self._register.forget(file)
                self.go_on(gone, file, compared)
                return

    def _shared(self, file: Followed, held: Followed) -> bool:
        """Whether a new file is an older state of one that is held and not drained; what both have is read once.

        What the held one has read is not read here; what it has not is read here, and there from where they differ.
        """
        try:
            compared = held.identity.compare(file.read_at, file.size, held.offset, held.size)
            if compared.verdict is Verdict.REWRITTEN or held.recorded != held.offset:
                return False
            if compared.kept < held.offset:
                file.start_at(compared.resume)
                return compared.resume > 0
            end = held.offset + self._common(file, held, held.offset)
            file.start_at(held.offset)
            held.left_out = held.left_out or end > held.offset
            held.start_at(end)
        except OSError:
            return False
        self._register.changed[held.file_id] = held
        return end > 0

    def _common(self, one: Followed, other: Followed, start: int) -> int:
        """How many bytes of whole lines two open files have in common from a place on; within one file's turn."""
        same = whole = 0
        while same < self._register.limits.turn_bytes:
            ours, theirs = one.read_at(start + same, _PIECE), other.read_at(start + same, _PIECE)
            pairs = enumerate(zip(ours, theirs, strict=False))
            shorter = min(len(ours), len(theirs))
            equal = shorter if ours == theirs else next((at for at, (a, b) in pairs if a != b), shorter)
            if newline := ours.rfind(b"\n", 0, equal) + 1:
                whole = same + newline
            same += equal
            if equal < _PIECE:
                break
        return whole

    def _vanished_one(self, file: Followed) -> Followed | None:
        """The file, if any, that no path leads to any more and whose bytes these are; the one most read, if several.

        One that is only held open counts too: it was restored before we had drained it.
        """
        most_read_last = sorted(self._register.lost_alike(file), key=lambda gone: gone.offset)
        for gone in reversed(most_read_last):
            enough = file.size >= (gone.size if gone.offset else gone.seen)
            if enough and self._register.handles.has_all_of(file, gone):
                return gone
        return None

    def _mistaken_one(self, file: Followed) -> Followed | None:
        """The file, if any, whose inode is elsewhere now and cannot be read, while this one is where it was and has its bytes.

        It was restored, and its inode is another's; what was read of it is not to be read again.
        """
        for known in self._copies.unclear(file.path):
            if known.offset and self._register.handles.has_all_of(file, known):
                self._register.vanish(known, IncidentKind.TRUNCATED)
                return known
        return None

    def go_on(self, gone: Followed, file: Followed, cut: Compared | None = None) -> None:
        """The vanished file goes on here: it was moved, copied and emptied, or restored."""
        self._register.handles.hand_over(file, gone)
        seen = gone.size
        short = 0 if is_compressed(file.path) else max(0, seen - max(file.size, gone.offset))
        # Into a copy, more may have been written before the original went.
        copied = gone.unresolved is not None and not gone.quiet and file.key != gone.key
        self._register.recover(gone, (file.size if cut is None else cut.kept) - gone.offset)
        if cut is None and (copied or short):
            self._register.lose(gone, gone.unresolved or IncidentKind.LOST, short)
        self._register.unresolved.pop(gone.file_id, None)
        self._register.gone.pop(gone.file_id, None)
        if self._register.present.get(gone.key) is gone:
            del self._register.present[gone.key]
        gone.unresolved, gone.blind_size = None, 0  # what could not be read may have been another's
        gone.state, gone.gone_since, gone.ended, gone.incomplete_at = State.PRESENT, None, False, -1
        if is_compressed(file.path):
            # Read to its end through this handle alone; a restart will find it again by its bytes.
            gone.state, gone.checked = State.ADRIFT, True
            gone.assumed = int(not gone.unread)
            gone.size += gone.assumed
            self._register.leaving[gone.file_id] = self._register.changed[gone.file_id] = gone
            self._register.ready.add(gone)
            return
        self._register.unlead(gone)
        gone.real = None
        gone.path, gone.key, gone.size, gone.stamps = file.path, file.key, file.size, file.stamps
        gone.checked, gone.racy, gone.assumed = True, True, 0
        gone.identity = gone.identity.up_to(file.size)  # a copy may be shorter than what was seen
        gone.changed_at = self._register.clock.monotonic()
        if not gone.renamed:
            self._register.leaving.pop(gone.file_id, None)
        self._register.take(gone)
        if cut is not None:
            self._register.cut(gone, cut, seen)
        # What was seen of it here goes into its row together with its size.
        gone.identity = gone.identity.with_places(file.identity.places)
        gone.withheld = gone.withheld or file.withheld
        self._newcomers.pass_over(gone)

    def _found_beside(self, gone: Followed, *, same_inode: bool = False, just_vanished: bool = False) -> bool:
        """Find a vanished file beside where it was: under a name that no source wants, or compressed.

        What has all that was seen of it goes before what has less, which may be another that begins alike. Without
        proof by bytes only in the look that missed it: its inode may be another's soon.
        """
        if gone.unresolved is IncidentKind.UNOPENED:
            return False
        less: list[tuple[Found, Compared]] = []
        for path, status in self._siblings.of(gone):
            found = Found(path, status, gone.source, gone.rank, (status.st_dev, status.st_ino))
            if same_inode and (found.key != gone.key or found.key in self._newcomers.fresh):
                continue  # what was opened as new was held against it, or will be
            settled = gone.withheld or (gone.quiet and not may_hold_more(path, gone.size))
            useless = is_compressed(path) and settled
            try:
                compared = None if useless else self._siblings.continue_at(gone, path, status)
            except PermissionError:
                if found.key != gone.key or gone.unresolved is IncidentKind.TRUNCATED:
                    continue
                self._register.cannot_read(path)
                self._register.bring_back(gone, path, status.st_size)
                return True
            if compared is None or not (compared.proven or just_vanished):
                continue
            whole = is_compressed(path) or status.st_size >= gone.size
            if compared.verdict is Verdict.CUT or not whole:
                less.append((found, compared))
            elif self._goes_on_at(gone, found):
                return True
        return not same_inode and any(self._goes_on_at(gone, found, compared) for found, compared in less)

    def _goes_on_at(self, gone: Followed, found: Found, compared: Compared | None = None) -> bool:
        cut = compared if compared is not None and compared.verdict is Verdict.CUT else None
        file = self._newcomers.opened(found)
        weak = not gone.identity.places if compared is None else not compared.resume
        if file is not None and weak and self._copies.is_one(file):
            self._register.handles.close(file)  # it only begins alike
            return False
        if file is not None:
            self.go_on(gone, file, cut)
        return file is not None

    def copied_away(self, file: Followed) -> bool:
        """See `Siblings`."""
        return self._siblings.have_all_of(file)

    def resolve(self, *, settle: bool) -> None:
        """Say what was lost with the files that were not found again in time."""
        now = self._register.clock.monotonic()
        self._families = None
        for file in _provable_first(self._register.unresolved.values()):
            due = settle or now - file.unresolved_at >= self._register.limits.settle_s
            if due and not self._found_beside(file):
                del self._register.unresolved[file.file_id]
                self._register.changed[file.file_id] = file
                known, file.size = file.size, max(file.size, file.blind_size)
                file.blind_size = max(0, file.blind_size - known)
                if not file.quiet and file.unresolved is not None:
                    kept = file.size if file.withheld else self.kept_by_twins(file)
                    self._register.give_up(file, max(0, file.size - max(file.offset, kept)))
                file.unresolved = None
                file.size = min(file.size, file.offset)  # counted, once
                self._register.index(file)
        self._siblings.clear()

    def _family(self, gone: Followed) -> list[Followed]:
        """The files that live where a vanished one was live, or were: what it had may be part of them."""
        if self._families is None:
            self._families = {}
            for file in self._register.present.values():
                self._families.setdefault(file.lineage, []).append(file)
        return self._families.get(gone.lineage, [])

    def kept_by_twins(self, gone: Followed) -> int:
        """How many bytes from the start of a vanished file another has that is followed as its own: they are not lost."""
        kept = 0
        for other in (*self._register.twins(gone), *self._family(gone)) if gone.unread else ():
            if other.state is not State.GONE and not other.left_out and other.size > kept:
                compared = self._register.handles.compare(other, gone)
                kept = max(kept, compared.kept if compared is not None and compared.proven else 0)
            if kept >= gone.size:
                break
        return kept


def _provable_first(files: Iterable[Followed]) -> list[Followed]:
    """A file of which nothing is known but its inode, which may be another's by now, claims what others leave."""
    return sorted(files, key=lambda file: not file.identity.places)
