"""One followed file as this process knows it: its checkpoint in the making, and its handle."""

import os
import secrets
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from extractor.checkpoint import Checkpoint
from extractor.source.handle import Handle
from extractor.source.identity import WINDOW, Identity, hash_window
from extractor.source.names import lineage_of
from extractor.telemetry import IncidentKind

Key = tuple[int, int]
"""Device and inode."""


class State(Enum):
    """How a file can be reached."""

    PRESENT = auto()  # a path leads to it
    ADRIFT = auto()  # only our handle does: it was deleted, or moved where no look goes
    GONE = auto()  # nothing does; its row is kept for the case that it comes back


@dataclass(slots=True, eq=False, kw_only=True)
class Followed:
    """One identity on disk. Mutable, owned by the one thread that follows.

    Attributes:
        offset: Byte up to which it was read (by this process; `recorded` is what a crash goes back to).
        size: Bytes at the last look.
        stamps: Modification and change time at the last look, ns.
        skipping: Where the line started that is too long and is being skipped.
        checked: Whether its bytes were held against its identity since it last changed. Nothing is read before.
        racy: Whether it changed so shortly before the last look that the same stamps can hide another change.
        recorded_size: The size in the row that was last given out to be recorded.
        real: The path without links, once it was asked for.
        live_from: Bytes from here on were written after this process first looked.
        incomplete_at: Size at which no complete line stood after `offset`; -1 when that is not known.
        changed_at: Monotonic seconds of the last change that a look saw.
        unresolved: While it is gone and may still be found again: what will be said if it is not.
        unresolved_at: Monotonic seconds since when.
        ended: Whether it was reported that nothing more will come.
        left_out: Whether some of it is not read here, but where a path leads to it.
        withheld, counted, blind_size: See `Identity`.
        assumed: Bytes of `size` that nobody has seen: how long a compressed copy is shows at its end.
    """

    file_id: str = field(default_factory=lambda: secrets.token_hex(8))
    path: str
    lineage: str
    key: Key
    source: int
    rank: tuple[int, int]
    state: State = State.PRESENT
    offset: int = 0
    recorded: int = 0
    size: int = 0
    stamps: tuple[int, int] = (0, 0)
    identity: Identity = field(default_factory=Identity)
    skipping: int | None = None
    lost_bytes: int = 0
    gone_since: float | None = None
    handle: Handle | None = None
    checked: bool = False
    racy: bool = True
    recorded_size: int = 0
    real: str | None = None
    live_from: int = 0
    incomplete_at: int = -1
    changed_at: float = 0.0
    unresolved: IncidentKind | None = None
    unresolved_at: float = 0.0
    ended: bool = False
    withheld: bool = False
    counted: int = 0
    blind_size: int = 0
    left_out: bool = False
    assumed: int = 0

    @classmethod
    def restored(cls, checkpoint: Checkpoint, source: int, rank: tuple[int, int], now: float) -> "Followed":
        """The file of a row, not yet met by this process."""
        identity = Identity.unpack(checkpoint.identity)
        return cls(
            file_id=checkpoint.file_id,
            path=checkpoint.path,
            lineage=identity.lineage or lineage_of(checkpoint.path),
            key=(checkpoint.device, checkpoint.inode),
            source=source,
            rank=rank,
            state=State.PRESENT if checkpoint.gone_since is None else State.GONE,
            offset=checkpoint.offset,
            recorded=checkpoint.offset,
            size=checkpoint.size,
            recorded_size=checkpoint.size,
            identity=identity,
            skipping=identity.skipping,
            lost_bytes=checkpoint.lost_bytes,
            gone_since=checkpoint.gone_since,
            unresolved=identity.unresolved,
            unresolved_at=now,
            withheld=identity.withheld,
            counted=identity.counted,
            blind_size=identity.blind_size,
            live_from=checkpoint.size,
            changed_at=now,
        )

    @property
    def unread(self) -> int:
        """Bytes that a stat has seen and that were not read."""
        return max(0, self.size - self.offset)

    @property
    def seen(self) -> int:
        """Bytes that it had, as far as its places tell: `size` is without those that were counted as lost."""
        return max(self.size, *(place for place, _ in self.identity.places[-1:]), 0)

    @property
    def renamed(self) -> bool:
        """Whether its name is no longer the one under which it was live (a folder above may be another)."""
        return os.path.basename(self.path) != os.path.basename(self.lineage)

    @property
    def hollow(self) -> bool:
        """Whether nothing is known of its bytes, and nobody holds it: it was always empty, or could never be opened.

        Its inode may be another's by now; taken for new it is read just the same.
        """
        return self.handle is None and not (self.identity.places or self.offset or self.withheld)

    def is_as(self, found: os.stat_result) -> bool:
        """Whether it is as it was when its bytes were last held against its identity."""
        return (
            self.checked
            and not self.racy
            and found.st_size == self.size
            and (found.st_mtime_ns, found.st_ctime_ns) == self.stamps
        )

    @property
    def quiet(self) -> bool:
        """Whether it can go without a word: it was rotated away, read to its end, and not emptied in place."""
        return self.renamed and not self.unread and self.unresolved is not IncidentKind.TRUNCATED

    @property
    def drained(self) -> bool:
        """Whether all that was seen of it is recorded."""
        return self.recorded >= self.size

    def checkpoint(self, offset: int) -> Checkpoint:
        """The row for everything before `offset` being recorded."""
        self.recorded_size = self.size
        skipping = self.skipping if self.skipping is not None and offset > self.skipping else None
        return Checkpoint(
            file_id=self.file_id,
            path=self.path,
            device=self.key[0],
            inode=self.key[1],
            offset=offset,
            size=self.size - self.assumed,
            identity=replace(
                self.identity,
                skipping=skipping,
                lineage=self.lineage,
                unresolved=self.unresolved,
                withheld=self.withheld,
                counted=self.counted,
                blind_size=self.blind_size,
            ).pack(),
            lost_bytes=self.lost_bytes,
            gone_since=self.gone_since,
        )

    def rewind(self) -> None:
        """Go back to what is recorded."""
        if self.skipping is not None and self.recorded <= self.skipping:
            self.skipping = None
        self.offset = self.recorded
        self.incomplete_at = -1

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes there now. Raises OSError; the handle must be open."""
        assert self.handle is not None
        return self.handle.read_at(offset, size)

    def start_at(self, offset: int) -> None:
        """What stands before `offset` is read, or read elsewhere. Raises OSError; the handle must be open."""
        self.offset = self.recorded = offset
        self.incomplete_at = -1
        if offset:
            window = self.read_at(max(0, offset - WINDOW), min(WINDOW, offset))
            self.identity = self.identity.with_places([(offset, hash_window(window))])

    def learn(self) -> None:
        """Take into its identity what was seen of it."""
        self.identity = self.identity.learn(self.read_at, self.size, self.offset)
