"""A config and what is built from it: replaced as a whole or not at all, and set to work on one state folder."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from extractor import wiring
from extractor.checkpoint import Checkpoint
from extractor.clock import SystemClock
from extractor.collect import Collector, ProgressKind
from extractor.config import Config, load_config
from extractor.daemon.observe import Loop, ObservedStore, Observer
from extractor.deliver import Deliverer, Progress
from extractor.gathered import stored_incident
from extractor.intake import Intake
from extractor.learning.drift import Drift
from extractor.logs import tell
from extractor.optout import Obedience, OptOut
from extractor.ruleset.rule import RuleSet
from extractor.source import Chunk, Follower, StartAt, UnknownCompressionError
from extractor.store import Incident, Store, StoreUnavailable, UnknownFiles
from extractor.telemetry import INCIDENTS, PRUNE_FAILED, UNREADABLE_FILE, IncidentKind
from extractor.whole.reader import WHOLE, File, WholeReader, configured_files

CLOCK_STEP_S = 2.0
"""How far a file's time may lie before the moment at which it was written: the kernel's clock is coarse."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A config and its rules."""

    config: Config
    rules: RuleSet

    @classmethod
    def load(cls, path: Path, environ: Mapping[str, str]) -> "Parts":
        """Read config and packs.

        Raises:
            ProblemError: With every problem.
        """
        config = load_config(path, environ)
        return cls(config, wiring.build_rules(config))


class Work:
    """Parts on a state folder: the store, the follower and the two loops between them."""

    def __init__(
        self,
        parts: Parts,
        environ: Mapping[str, str],
        observer: Observer,
        *,
        stopped: Callable[[], bool],
        listen: Callable[[Progress], None],
    ) -> None:
        """Open the state and meet the files, so that what `start_at` says holds whatever happens next.

        Args:
            parts: Config and rules.
            environ: Of this process, for the opt-out.
            observer: Hears of all that is done.
            stopped: Whether reading is to end at the next chunk.
            listen: Hears of each step of delivery.

        Raises:
            StoreError: The state cannot be had.
            OSError: A folder cannot be listed.
        """
        self.config = parts.config
        self._rules = parts.rules
        self.clock = SystemClock()
        self.observer = observer
        self._stopped = stopped
        self._listen = listen
        self.opt_out = OptOut(parts.config, environ)
        self.destination = wiring.build_destination(parts.config, self.opt_out.allowed, parts.rules)
        began = self.clock.now()
        self.store = Store.open(
            parts.config.state_dir,
            destination=self.destination.name,
            clock=self.clock,
            limits=wiring.build_store_limits(parts.config),
        )
        try:
            # What was found damaged is said at once, with what is read again for it.
            observer.tell_incidents([each for each in self.store.status().incidents if each.at >= began])
            self._begin()
        except BaseException:
            self.store.close()
            raise

    def _begin(self) -> None:
        rows = self.store.checkpoints()
        self._known = {row.file_id: row for row in rows if row.file_id.startswith(WHOLE)}
        unknown = self.store.unknown_files
        # Old lines may be of an opt-out whose ids were lost: then none of them is ever sent.
        self._unsendable = unknown is UnknownFiles.FROM_END
        self.sources = wiring.build_sources(self.config)
        at_end = [replace(source, start_at=StartAt.END) for source in self.sources]
        self.follower = _Interruptible(
            at_end if self._unsendable else self.sources,
            [row for row in rows if row.file_id not in self._known],
            self.clock,
            limits=wiring.build_limits(self.config),
            first_start=unknown is not UnknownFiles.FROM_BEGINNING,
        )
        self.follower.pause = self._pause
        self.intake = wiring.build_intake(self.config, self._rules, build_evaluator=wiring.build_evaluator)
        self.intake.drift = Drift(self._rules, self.store.seen())
        self.obedience = Obedience(self.opt_out, self.store, self.clock)
        self.deliverer = Deliverer(
            self.store,
            self.destination,
            clock=self.clock,
            pace=wiring.build_pace(self.config),
            allowed=self.opt_out.allowed,
            listen=self._listen,
        )
        self._meet()

    def _meet(self) -> None:
        """Record the first look alone: where `start_at: end` begins must not depend on what is read after it."""
        looked = self.follower.look()
        incidents = [stored_incident(incident, self.clock.now()) for incident in looked.incidents]
        self.store.record(looked.checkpoints, (), incidents=incidents, forgotten=looked.forgotten)
        self.observer.tell_incidents(incidents)
        self.files = len(looked.checkpoints) or len(self.store.checkpoints())

    def close(self) -> None:
        """Close everything. The loops must have ended."""
        self.intake.evaluator.close()
        self.follower.close()
        self.destination.close()
        self.store.close()

    def build_collector(self, others: Mapping[str, Checkpoint] | None = None) -> Collector:
        """The loop that reads.

        Args:
            others: See `Collector`.
        """
        return Collector(
            self.follower,
            self.intake,
            ObservedStore(self.store, self.observer, self.deliverer.wake),
            clock=self.clock,
            opted_out=lambda: not self.opt_out.allowed(),
            others=others,
        )

    def build_reader(self, intake: Intake) -> WholeReader:
        """What reads compressed files, which are never followed."""
        store = ObservedStore(self.store, self.observer, self.deliverer.wake)
        return WholeReader(intake, store, clock=self.clock, limits=wiring.build_limits(self.config))

    def compressed(self) -> list[File]:
        """The compressed files that the config's globs lead to, but for sources that begin at their end."""
        begun = [source for source in self.sources if source.start_at is StartAt.BEGINNING]
        return configured_files(begun, self.clock.now(), plain=False)

    def read_whole(self, reader: WholeReader, file: File, *, suppress: bool) -> Iterator[None]:
        """Read one file from where it was left, a transaction at a time; tells of a file that cannot be read.

        Raises:
            StoreError: The state cannot be written.
        """
        try:
            for _ in reader.read(file, self._known, torn_stays=True, suppress=suppress or self._unsendable):
                self.observer.moved(Loop.COLLECT)
                yield
        except UnknownCompressionError:
            self._cannot_read(file, "compressed in a way that is not known here")
        except OSError as error:
            self._cannot_read(file, error.strerror or type(error).__name__)

    def _cannot_read(self, file: File, problem: str) -> None:
        tell(UNREADABLE_FILE, path=file.path, problem=problem)
        incident = Incident(IncidentKind.UNREADABLE, self.clock.now(), path=file.path, detail=problem)
        self.store.note([incident])
        self.observer.count(INCIDENTS, 1, incident.kind)

    def skip(self, collector: Collector, since: float) -> bool:
        """Read everything that was written until now so that it is never sent; whether it came to the end.

        Compressed files that were last written before the opt-out hold nothing of it.

        Args:
            collector: The loop that reads.
            since: When the opt-out began, in unix seconds.

        Raises:
            StoreError: The state cannot be written.
        """
        reader = self.build_reader(wiring.build_intake(self.config, self._rules))
        for file in configured_files(self.sources, self.clock.now(), plain=False):
            if self._written_since(file, since):
                for _ in self.read_whole(reader, file, suppress=True):
                    if self._pause():
                        return False
        progress = collector.drain()
        self.observer.collected(progress)
        # Recorded before the opt-out is lifted: what cannot be read now may hold what was written under it.
        self.store.record(self.follower.withhold_unreadable(), ())
        # A line that is not finished is read whole when it is.
        self.follower.rewind()
        self.intake.rewind()
        return progress.kind in (ProgressKind.READ, ProgressKind.IDLE) and not self._pause()

    def _written_since(self, file: File, since: float) -> bool:
        try:
            return Path(file.path).stat().st_mtime >= since - CLOCK_STEP_S
        except OSError:
            return False  # gone; or it cannot be read, now and later

    def prune(self) -> None:
        """Remove what is past its retention; what the disk refuses is left for the next time."""
        try:
            self.store.prune()
        except StoreUnavailable as error:
            tell(PRUNE_FAILED, problem=error)

    def _pause(self) -> bool:
        self.observer.moved(Loop.COLLECT)
        return self._stopped() or self.obedience.outdated()


class _Interruptible(Follower):
    """A follower whose reading can end at any chunk: at shutdown, or because of an opt-out."""

    pause: Callable[[], bool] = staticmethod(lambda: False)

    def read(self, budget_bytes: int) -> Iterator[Chunk]:
        """See `Follower`."""
        return self._until_pause(super().read(budget_bytes))

    def drain(self, *, final: bool = True) -> Iterator[Chunk]:
        """See `Follower`."""
        return self._until_pause(super().drain(final=final))

    def _until_pause(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            yield chunk
            if self.pause():
                return
