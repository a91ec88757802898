"""Follow files: look what is there, read what is new, say how far. The one door of this package for the loop."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Self

from extractor.checkpoint import Checkpoint
from extractor.source.census import Census
from extractor.source.chunk import Chunk, Looked
from extractor.source.followed import Followed, State
from extractor.source.reader import Reader
from extractor.source.ready import order_of
from extractor.source.spec import DEFAULT_LIMITS, Clock, Limits, SourceSpec

_RESTS = 3
"""Times what looking at everything cost, until a notification may ask for it again: a quarter of a core at most."""


class Follower:
    """Makes the configured paths look like files that only grow, whatever happens to them.

    Not thread-safe: one thread looks, reads and records. The order of calls is free, but nothing is read of a
    file before a look has met it.
    """

    def __init__(
        self,
        sources: Sequence[SourceSpec],
        checkpoints: Iterable[Checkpoint],
        clock: Clock,
        *,
        limits: Limits = DEFAULT_LIMITS,
        first_start: bool | None = None,
    ) -> None:
        """Start from what is recorded; touches no file yet.

        Args:
            sources: What to follow.
            checkpoints: All rows of the store, those of files that are gone too.
            clock: Wall clock for what is kept, monotonic clock for patience.
            limits: Bounds.
            first_start: Whether nothing was ever recorded, by which `start_at: end` goes. None: whether
                `checkpoints` is empty (wrong only where an earlier start met no file at all).
        """
        rows = tuple(checkpoints)
        first = not rows if first_start is None else first_start
        self._census = Census(sources, rows, clock, limits, first_start=first)
        self._register = self._census.register
        self._reader = Reader(limits)
        self._clock = clock
        self._cost_s = self._spent_s = 0.0
        self._told: Collection[str] = ()  # with the last piece of the pass that was made in advance
        self._anew = False  # that pass may have missed something, or another was asked for too soon
        self._rested_at = float("-inf")
        self._turn_bytes = limits.turn_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def look(self, changed: Collection[str] | None = None, *, settle: bool = False) -> Looked:
        """Stat what is there.

        Args:
            changed: Paths that a notification named: only these are stat'ed if it was growth. None: everything.
            settle: Judge at once what is else given `settle_s` to change (copies in the making, rotated files with
                an unterminated last line, files that may be found again): for `--once` and for the last look.
        """
        census = self._census
        self._register.note_growth()
        if changed is not None and not census.glance(changed):
            if census.surveying or self._clock.monotonic() < self._rested_at:
                self._anew = True
            else:
                changed = None
        if changed is None:
            began = self._clock.monotonic()
            if not census.surveying or settle:
                self._told, self._anew, self._spent_s = (), False, 0.0
            census.look(settle=settle)
            self._anew = not census.glance(self._told) or self._anew
            ended = self._clock.monotonic()
            self._cost_s = self._spent_s + ended - began
            self._rested_at = ended + _RESTS * self._cost_s
        looked = Looked(
            checkpoints=self._register.rows(),
            incidents=tuple(self._register.incidents),
            ended=tuple(self._register.ended),
            forgotten=tuple(self._register.forgotten),
            pending=len(self._register.ready),
            unread_bytes=sum(file.unread for file in self._register.ready),
        )
        self._register.changed.clear()
        self._register.folders.clear()
        self._register.incidents.clear()
        self._register.ended.clear()
        self._register.forgotten.clear()
        return looked

    @property
    def surveying(self) -> bool:
        """Whether `survey` is to be called on: its pass is not concluded, or another is due."""
        return self._census.surveying or self.next_survey_s() <= 0.0

    def next_survey_s(self) -> float:
        """Seconds until another pass is due that was asked for, or inf where none was."""
        return self._rested_at - self._clock.monotonic() if self._anew else float("inf")

    def survey(self, enough: Callable[[], bool], told: Collection[str] = (), *, anew: bool = False) -> bool:
        """Make the pass of the next whole look in advance, in pieces: whether only `look()` is left to do, now.

        A pass over ten thousand files takes 50 ms. Between two pieces `look(paths)` and `read` serve what has grown, and
        what is new is opened. A pass that a notification asks for does not begin before the last one was paid for.

        Args:
            enough: Asked after each few files of a piece, whether that will do.
            told: Paths that a notification named, to be stat'ed by that `look()` if the pass is complete now.
            anew: Whether a notification told of more than growth: then another pass follows on one that had begun.
        """
        began = self._clock.monotonic()
        if self._census.surveying:
            self._anew = self._anew or anew
        elif anew and began < self._rested_at:
            self._anew = True
            return False
        else:
            self._anew, self._spent_s = False, 0.0
        self._told = told
        complete = self._census.survey(enough)
        self._spent_s += self._clock.monotonic() - began
        return complete

    def read(self, budget_bytes: int) -> Iterator[Chunk]:
        """What is new in all files, fairly: each lineage in its turn gives at most `turn_bytes`.

        Files of one lineage are read oldest first: a younger one waits until nothing complete is left in the older.
        Ends when the budget is spent or nothing is left; the next call goes on with the lineage after the last one,
        also where this one was left early. What has become ready at the same time goes in the configured order.
        """
        spent = 0
        while spent < budget_bytes and (file := self._register.ready.next()) is not None:
            taken = 0  # each turn gives something, or takes its file out of what is ready
            for chunk in self._chunks(file, final=self._census.has_ended(file)):
                taken += chunk.end - chunk.start + chunk.skipped
                yield chunk
                if taken >= self._turn_bytes or spent + taken >= budget_bytes:
                    break
            spent += taken

    def drain(self, *, final: bool = True) -> Iterator[Chunk]:
        """Every file to its end, one after the other in the configured order, rotated siblings oldest first.

        Args:
            final: Give unterminated last lines too, as if every file had ended (`--once`).
        """
        everything = (file for file in self._register.files.values() if file.unread)
        for file in sorted(everything if final else self._register.ready, key=order_of):
            if file.state is not State.GONE:
                yield from self._chunks(file, final=final or self._census.has_ended(file))

    def checkpoint(self, file_id: str, offset: int) -> Checkpoint:
        """The row to record when everything before `offset` of a file is recorded.

        `offset` is the `end` of a chunk, or smaller: the first byte of a line that is not finished.
        """
        return self._register.files[file_id].checkpoint(offset)

    def recorded(self, checkpoint: Checkpoint) -> None:
        """The row is committed. Only now may the handle of a file go that was deleted or moved away."""
        file = self._register.files.get(checkpoint.file_id)
        if file is not None:
            file.recorded = min(checkpoint.offset, file.offset)
            self._census.let_go(file)

    def rewind(self) -> None:
        """What was read and not recorded will be read again: after a record that failed."""
        for file in self._register.files.values():
            if file.recorded != file.offset:
                file.rewind()
                if file.state is not State.GONE:
                    self._register.ready.add(file)

    def withhold_unreadable(self) -> tuple[Checkpoint, ...]:
        """What stands in files that cannot be read now will not be read later; the rows to record for that.

        For the end of an opt-out: when such a file can be read, it is followed from its end at that moment. Asked
        for after a look. A folder that cannot be listed has a row of its own until it can.
        """
        self._census.withhold_unreadable()
        return self._register.rows()

    def next_look_s(self, *, watched: bool) -> float:
        """Seconds to wait for the next whole look, so that looking costs little of a core.

        Args:
            watched: Whether notifications wake the loop for whatever happens: 0.3 % then, at most 30 s, else 2 %.
        """
        if watched:
            return min(max(1.0, 330 * self._cost_s), 30.0)
        return max(0.25, 50 * self._cost_s)

    def open_handles(self) -> int:
        """How many files are held open now."""
        return len(self._register.handles)

    def close(self) -> None:
        """Close all handles. What was deleted and is not drained is lost with them, as in a crash."""
        self._register.handles.close_all()

    def _chunks(self, file: Followed, *, final: bool) -> Iterator[Chunk]:
        census = self._census
        while file.unread and file.checked:
            try:
                if not self._register.handles.open(file):
                    break
                chunk = self._reader.step(file, final=final)
            except OSError:
                file.checked = False
                self._register.cannot_read(file.path)
                break
            if chunk is None:
                break
            census.read_on(file)
            yield chunk
        self._register.ready.discard(file)
        census.read_out(file)
