"""`backfill`: whole files into the state that the daemon uses, then its outbox to the destination.

Three steps, each of which can be interrupted and repeated: look what the files would give and how old it is
(`survey`), read them (`fill`), deliver (`deliver`). The message ids are those of following, so a fact that was sent
is not sent again. May import everything below `service`.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from extractor import deliver, wiring
from extractor.checkpoint import Checkpoint
from extractor.clock import SystemClock
from extractor.config import Config
from extractor.deliver import Deliverer
from extractor.optout import OptOut
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.rule import RuleSet
from extractor.source import Follower
from extractor.store import Store, StoreLimits, StoreUnavailable, UnknownFiles
from extractor.whole.reader import WHOLE, File, WholeReader, drop_messages, given_files, why_unreadable

OLD_S = 72 * 3600.0
"""Older than this, some of Segment's destinations refuse an event or put it at the time of its arrival."""

TIMELESS = frozenset({TimeSource.READ, TimeSource.MODIFIED, TimeSource.ASSUMED})
"""Times that say nothing about when the fact was."""


class AssumeTime(StrEnum):
    """What the time of a line is that carries none."""

    MTIME = "mtime"  # its file's last modification
    NOW = "now"


class Ended(StrEnum):
    """How a backfill, or a part of one, ended."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    HELD = "held"  # the destination takes nothing now: what was read waits in the outbox
    OPTED_OUT = "opted_out"
    STORE_UNAVAILABLE = "store_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far reading came.

    Attributes:
        path: The file.
        number: Its number among the files, from 1.
        position: Bytes on disk read of it.
        size: Bytes on disk.
        events: New events found in this step.
        finished: Nothing is left of it.
        error: Why it cannot be read (further), or "".
    """

    path: str
    number: int
    position: int = 0
    size: int = 0
    events: int = 0
    finished: bool = False
    error: str = ""


Listener = Callable[[Step], None]


@dataclass(slots=True)
class Survey:
    """What the files would give to a state that knows nothing: at most so much will be sent.

    Attributes:
        events: How many.
        timeless: How many of them carry no time of their own.
        oldest: The earliest time of the others (unix seconds), or None.
    """

    events: int = 0
    timeless: int = 0
    oldest: float | None = None

    def add(self, event: Event) -> None:
        """One more."""
        self.events += 1
        if event.time_source in TIMELESS:
            self.timeless += 1
        elif self.oldest is None or event.time < self.oldest:
            self.oldest = event.time

    def is_old(self, now: float) -> bool:
        """Whether an event is older than 72 h."""
        return self.oldest is not None and now - self.oldest > OLD_S


class Backfill:
    """The one writer of a state while it reads whole files. One thread; `stop` may be set from any."""

    def __init__(
        self, config: Config, rules: RuleSet, environ: Mapping[str, str], *, stop: threading.Event
    ) -> None:
        """Become the writer.

        Raises:
            StoreError: The state cannot be used; `StoreLocked` while a daemon runs with it.
        """
        self._config = config
        self._rules = rules
        self._stop = stop
        self._clock = SystemClock()
        self._opt_out = OptOut(config, environ)
        self._destination = wiring.build_destination(config, self._opt_out.allowed, rules)
        self.store = Store.open(
            config.state_dir,
            destination=self._destination.name,
            clock=self._clock,
            limits=wiring.build_store_limits(config),
        )
        self._known: dict[str, Checkpoint] = {
            row.file_id: row for row in self.store.checkpoints() if row.file_id.startswith(WHOLE)
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._destination.close()
        self.store.close()

    def opted_out_by(self) -> str | None:
        """What forbids storing and sending, be it only that nobody has lifted it in the state yet; or None."""
        in_force = self.store.status().opt_out
        return self._opt_out.by() or (None if in_force is None else in_force.by)

    def has_lost_opt_out(self) -> bool:
        """Whether the ids that an earlier opt-out suppressed were lost with a damaged state.

        Then a line of that time looks like any other, and nothing old may be read.
        """
        return self.store.unknown_files is UnknownFiles.FROM_END

    def files(self, paths: Sequence[str]) -> list[File]:
        """The files in the order in which they are read."""
        return given_files(paths, wiring.build_sources(self._config))

    def survey(self, files: Sequence[File], listen: Listener) -> Survey | None:
        """Read without a trace. None: interrupted. What an earlier backfill has read already is left out."""
        survey = Survey()
        store = Store.in_memory(clock=self._clock, limits=StoreLimits(sent_s=0))
        reader = self._reader(store, assume=AssumeTime.MTIME)
        for step, events in self._read(files, reader):
            for event in events:
                survey.add(event)
            drop_messages(store)
            listen(step)
        return None if self._stop.is_set() else survey

    def fill(self, files: Sequence[File], *, assume: AssumeTime, listen: Listener) -> Ended:
        """Read into the outbox; deliver in between only when that is full."""
        deliverer = self._deliverer()
        try:
            self._adopt_present_files()
            for step, _ in self._read(files, self._reader(self.store, assume=assume)):
                listen(step)
                if (by := self._opt_out.by()) is not None:
                    self.store.opt_out(by)
                    return Ended.OPTED_OUT
                while self.store.outbox_full():
                    if (ended := self._deliver(deliverer)) is not Ended.DONE:
                        return ended
        except StoreUnavailable:
            return Ended.STORE_UNAVAILABLE
        return Ended.INTERRUPTED if self._stop.is_set() else Ended.DONE

    def deliver(self) -> Ended:
        """Send all that waits, as long as waiting for the destination can help."""
        return self._deliver(self._deliverer())

    def _deliver(self, deliverer: Deliverer) -> Ended:
        while not self._stop.is_set():
            progress = deliverer.step()
            match progress.kind:
                case deliver.ProgressKind.IDLE:
                    return Ended.DONE
                case deliver.ProgressKind.HELD:
                    return Ended.HELD
                case deliver.ProgressKind.OPTED_OUT:
                    return Ended.OPTED_OUT
                case deliver.ProgressKind.STORE_UNAVAILABLE:
                    return Ended.STORE_UNAVAILABLE
                case _:
                    if progress.wait_s > 0:
                        self._stop.wait(progress.wait_s)
        return Ended.INTERRUPTED

    def _read(self, files: Sequence[File], reader: WholeReader) -> Iterator[tuple[Step, Sequence[Event]]]:
        for number, file in enumerate(files, 1):
            position = size = 0
            error = ""
            try:
                for recorded, position, size in reader.read(file, self._known, torn_stays=True):
                    step = Step(
                        path=file.path,
                        number=number,
                        position=position,
                        size=size,
                        events=len(recorded.events),
                    )
                    yield step, recorded.events
                    if self._stop.is_set():
                        return
            except OSError as problem:
                error = why_unreadable(problem)
            yield (
                Step(path=file.path, number=number, position=size, size=size, finished=True, error=error),
                (),
            )

    def _adopt_present_files(self) -> None:
        """Where the state knows no file yet, what is there now is what was there at the first start.

        Else whoever starts next would take its files for new ones, and `start_at: end` would not hold for them.
        """
        if self.store.unknown_files is not UnknownFiles.AS_CONFIGURED:
            return
        sources = wiring.build_sources(self._config)
        limits = wiring.build_limits(self._config)
        with Follower(
            sources, self.store.checkpoints(), self._clock, limits=limits, first_start=True
        ) as present:
            self.store.record(present.look(settle=True).checkpoints, ())

    def _reader(self, store: Store, *, assume: AssumeTime) -> WholeReader:
        return WholeReader(
            wiring.build_intake(self._config, self._rules, any_file=True),
            store,
            clock=self._clock,
            limits=wiring.build_limits(self._config),
            assume_now=assume is AssumeTime.NOW,
        )

    def _deliverer(self) -> Deliverer:
        return Deliverer(
            self.store,
            self._destination,
            clock=self._clock,
            pace=wiring.build_pace(self._config),
            allowed=self._opt_out.allowed,
        )
