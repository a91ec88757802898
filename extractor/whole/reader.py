"""Whole files into a store, once: for `preview`, `backfill`, and what `run --once` finds compressed.

The same intake, the same store and so the same message ids as following: a fact that was sent is not sent again.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from extractor.checkpoint import Checkpoint
from extractor.collect import Clock
from extractor.gathered import MAX_OUTCOMES, Gathered, RecordStore, stored_incident
from extractor.intake import Intake, Portion, origin_of
from extractor.ruleset.evaluate import Origin
from extractor.ruleset.event import TimeSource
from extractor.source import SourceSpec, UnknownCompressionError
from extractor.source.discover import Discovery
from extractor.source.names import oldest_first
from extractor.source.spec import Limits
from extractor.source.whole import WholeFile
from extractor.store import Recorded, Store

WHOLE = "whole:"
"""What the file ids of whole files begin with; following knows nothing of them."""

RECORD_EVERY_BYTES = 16 * 1024 * 1024
"""Bytes read between two transactions at most: how much an interruption can cost, and how coarse progress is."""

_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class File:
    """A file to be read whole, and the source that it belongs to (one past the last if it belongs to none)."""

    path: str
    source: int


def configured_files(sources: Sequence[SourceSpec], now: float, *, plain: bool) -> list[File]:
    """What the configured globs lead to now: each file once, in their order, rotated siblings oldest first.

    Args:
        sources: Those whose files are wanted.
        now: Unix seconds.
        plain: Whether files that are not compressed are wanted, too.
    """
    found = list(Discovery(sources, compressed=True).find(int(now * 1e9)))
    if plain:
        found += Discovery(sources).find(int(now * 1e9))
    files: dict[tuple[int, int], File] = {}
    for one in sorted(found, key=lambda one: one.rank):
        files.setdefault(one.key, File(one.path, one.source))
    by_path = {file.path: file for file in files.values()}
    return [by_path[path] for path in oldest_first(by_path)]


def given_files(paths: Sequence[str], sources: Sequence[SourceSpec]) -> list[File]:
    """Files that a person named, rotated siblings oldest first, each with the source that would have found it."""
    plain, packed = Discovery(sources), Discovery(sources, compressed=True)
    files = []
    for path in oldest_first(paths):
        rank = plain.wants(path) or packed.wants(path)
        files.append(File(path, len(sources) if rank is None else rank[0]))
    return files


def why_unreadable(error: OSError) -> str:
    """In words, without the file's name."""
    if isinstance(error, UnknownCompressionError):
        return f"compressed as {error.args[0]}, which cannot be read here: decompress it first"
    return error.strerror or type(error).__name__


def drop_messages(store: Store) -> None:
    """Take what was found out of a store in memory; only ids stay, so that it does not grow with the files."""
    while batch := store.lease(1000, 1 << 30):
        store.acknowledge(batch)


class WholeReader:
    """Reads files one after the other. One thread.

    Attributes:
        places: The rows of the files read so far; one moves when a later file finishes a line that it began.
    """

    def __init__(
        self, intake: Intake, store: RecordStore, *, clock: Clock, limits: Limits, assume_now: bool = False
    ) -> None:
        """Make one.

        Args:
            intake: Makes outcomes of chunks; may be shared with a collector, so that lines which a rotation cut are joined.
            store: Takes them.
            clock: Time.
            limits: Bounds of lines and buffers.
            assume_now: Lines without a time count as of now, not of their file's last change.
        """
        self._intake = intake
        self._store = store
        self._clock = clock
        self._limits = limits
        self._assume_now = assume_now
        self.places: dict[str, Checkpoint] = {}

    def read(
        self, file: File, known: Mapping[str, Checkpoint], *, torn_stays: bool, suppress: bool = False
    ) -> Iterator[tuple[Recorded, int, int]]:
        """Read one file from where its checkpoint says, else whole.

        Args:
            file: The file.
            known: Checkpoints of whole files, by file id.
            torn_stays: See `Intake.take`.
            suppress: See `RecordStore.record`.

        Yields:
            What each transaction made of its outcomes; bytes on disk read so far; bytes on disk in all.

        Raises:
            OSError: It cannot be opened or read.
            StoreUnavailable: The disk refuses; what was yielded is recorded.
        """
        with WholeFile(file.path, source=file.source, limits=self._limits) as whole:
            place = self._place(whole, file.path)
            self.places[place.file_id] = place
            start = known[place.file_id].offset if place.file_id in known else 0
            gathered = Gathered()
            for taken in self._intake.take_ahead(self._portions(whole, place, start, torn_stays=torn_stays)):
                gathered.add(taken, self._clock.now())
                if len(gathered.outcomes) >= MAX_OUTCOMES or gathered.read_bytes >= RECORD_EVERY_BYTES:
                    yield self._record(gathered, suppress=suppress), whole.position, whole.size
                    gathered = Gathered()
            if whole.broken is not None:
                gathered.incidents.append(stored_incident(whole.broken, self._clock.now()))
            if gathered.settled or gathered.incidents:
                yield self._record(gathered, suppress=suppress), whole.position, whole.size

    def _portions(
        self, whole: WholeFile, place: Checkpoint, start: int, *, torn_stays: bool
    ) -> Iterator[Portion]:
        for chunk in whole.chunks(start):
            mine = replace(chunk, file_id=place.file_id)
            origin = origin_of(mine, self._clock.now())
            if self._assume_now:
                origin = Origin(path=place.path, time=self._clock.now(), time_source=TimeSource.ASSUMED)
            yield from self._intake.portions(mine, origin, torn_stays=torn_stays)

    def _record(self, gathered: Gathered, *, suppress: bool) -> Recorded:
        checkpoints = [
            replace(self.places[file_id], offset=offset, size=offset)
            for file_id, offset in gathered.settled.items()
        ]
        return self._store.record(
            checkpoints,
            gathered.outcomes,
            suppress=suppress,
            tallies=gathered.tallies(),
            incidents=gathered.incidents,
        )

    def _place(self, whole: WholeFile, path: str) -> Checkpoint:
        """The row under which progress is kept: gone if the file is moved or rewritten, and then it is read again."""
        device, inode = whole.key
        state = hashlib.blake2b(digest_size=16)
        for part in (
            path.encode("utf-8", "surrogateescape"),
            str((device, inode)).encode(),
            whole.head(_HEAD_BYTES),
        ):
            state.update(len(part).to_bytes(8, "big") + part)
        return Checkpoint(
            file_id=WHOLE + state.hexdigest(),
            path=path,
            device=device,
            inode=inode,
            offset=0,
            size=0,
            # Never followed, so the row goes when the time to remember it is over.
            gone_since=self._clock.now(),
        )
