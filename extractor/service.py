"""Starts and stops the two loops: `run`, `run --once`, signals, reload, opt-out.

The loops meet only in the store. A loop that dies takes the process with it: what a supervisor restarts is whole,
and what was not recorded or acknowledged is read or sent again under the same ids.
"""

import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import FrameType

import structlog

from extractor import collect, deliver, wiring
from extractor.clock import SystemClock
from extractor.collect import Collector
from extractor.config import Config, load_config
from extractor.deliver import Deliverer
from extractor.intake import Intake
from extractor.optout import OptOut
from extractor.problems import ProblemError
from extractor.ruleset.rule import RuleSet
from extractor.source import Follower
from extractor.store import Store, StoreUnavailable

PRUNE_EVERY_S = 3600.0
"""Retention is counted in days."""

log = structlog.stdlib.get_logger("extractor")


class Exit(IntEnum):
    """What the process says when it ends; `docs/operations.md` lists them."""

    FINE = 0
    PROBLEMS = 1  # of the config, the packs or the state; or events that could not be delivered
    USAGE = 2
    BROKEN = 70  # a loop died of a mistake in this program (EX_SOFTWARE of sysexits.h)


@dataclass(frozen=True, slots=True)
class Parts:
    """A config and what was built from it: replaced as a whole or not at all."""

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


class Service:
    """Runs one set of parts until it is told to stop, to reload, or a loop dies."""

    def __init__(self, parts: Parts, environ: Mapping[str, str]) -> None:
        """Make one; nothing is opened yet."""
        self._config = parts.config
        self._clock = SystemClock()
        self._opt_out = OptOut(parts.config, environ)
        self._rules = parts.rules
        self._destination = wiring.build_destination(parts.config, self._opt_out.allowed)
        self._stop = threading.Event()
        self._leave = threading.Event()
        self._died: BaseException | None = None

    # What signals ask for; from the main thread, between any two of its instructions

    def stop(self) -> None:
        """Stop reading, deliver what the grace allows, end. Asked again: end now."""
        if self._stop.is_set():
            self._leave.set()
            self._abort()
        self._stop.set()

    def _abort(self) -> None:
        abort = getattr(self._destination, "abort", None)
        if abort is not None:
            abort()

    # The two ways to run

    def run(self) -> Exit:
        """Follow and deliver until stopped."""
        with self._store() as store, self._follower(store) as follower:
            collector = self._collector(store, follower)
            deliverer = self._deliverer(store)
            loops = [
                threading.Thread(target=self._guard, args=(self._collect, collector, deliverer, store), name="collect"),
                threading.Thread(target=self._guard, args=(deliverer.run, self._stop), name="deliver"),
            ]
            for loop in loops:
                loop.start()
            log.info("started", files=len(store.checkpoints()), rules=len(self._rules.rules))
            while not self._stop.wait(1.0):
                if self._died is None and not all(loop.is_alive() for loop in loops):
                    self._stop.set()
            deliverer.wake()
            for loop in loops:
                loop.join()
            if self._died is not None:
                return report_death(self._died)
            deliverer.drain(self._config.shutdown_grace_s, self._leave)
            log.info("stopped", waiting=store.status().outbox_rows)
            return Exit.FINE

    def run_once(self) -> Exit:
        """Read every file to its end, deliver what is in the outbox, end."""
        with self._store() as store, self._follower(store) as follower:
            self._follow_opt_out(store, lambda: self._read_all(self._collector(store, follower, suppress=True)))
            collector = self._collector(store, follower)
            deliverer = self._deliverer(store)
            while not self._stop.is_set():
                progress = collector.drain()
                self._note(progress)
                if progress.kind is collect.ProgressKind.STORE_UNAVAILABLE:
                    return Exit.PROBLEMS
                delivered = self._deliver_all(deliverer)
                if progress.kind is not collect.ProgressKind.FULL:
                    return Exit.FINE if delivered else Exit.PROBLEMS
                if not delivered:
                    return Exit.PROBLEMS
            return Exit.FINE

    def _deliver_all(self, deliverer: Deliverer) -> bool:
        """Whether the outbox is empty in the end (or nothing may leave); waits as long as waiting can help."""
        while not self._stop.is_set():
            progress = deliverer.step()
            if progress.kind in (deliver.ProgressKind.IDLE, deliver.ProgressKind.OPTED_OUT):
                return True
            if progress.kind in (deliver.ProgressKind.HELD, deliver.ProgressKind.STORE_UNAVAILABLE):
                return False
            if progress.wait_s > 0:
                self._stop.wait(progress.wait_s)
        return False

    def _read_all(self, collector: Collector) -> None:
        while collector.drain().kind is collect.ProgressKind.READ and not self._stop.is_set():
            pass

    # Their parts

    def _store(self) -> "_Closing":
        store = Store.open(
            self._config.state_dir,
            destination=self._destination.name,
            clock=self._clock,
            limits=wiring.build_store_limits(self._config),
        )
        return _Closing(store)

    def _follower(self, store: Store) -> Follower:
        return Follower(
            wiring.build_sources(self._config),
            store.checkpoints(),
            self._clock,
            limits=wiring.build_limits(self._config),
        )

    def _collector(self, store: Store, follower: Follower, *, suppress: bool = False) -> Collector:
        intake = Intake(
            self._rules, wiring.build_wrappings(self._config), max_line_bytes=self._config.max_line_bytes
        )
        opted_out = (lambda: True) if suppress else (lambda: not self._opt_out.allowed())
        return Collector(follower, intake, store, clock=self._clock, opted_out=opted_out)

    def _deliverer(self, store: Store) -> Deliverer:
        return Deliverer(
            store,
            self._destination,
            clock=self._clock,
            pace=wiring.build_pace(self._config),
            allowed=self._opt_out.allowed,
            listen=self._heard,
        )

    # The collect thread

    def _collect(self, collector: Collector, deliverer: Deliverer, store: Store) -> None:
        prune_at = self._clock.monotonic()
        while not self._stop.is_set():
            self._follow_opt_out(store, lambda: None)
            progress = collector.step()
            self._note(progress)
            if progress.events:
                deliverer.wake()
            if self._clock.monotonic() >= prune_at:
                prune_at = self._clock.monotonic() + PRUNE_EVERY_S
                store.prune()
            if progress.kind is not collect.ProgressKind.READ:
                self._stop.wait(self._config.poll_interval_s)

    def _follow_opt_out(self, store: Store, skip: Callable[[], None]) -> None:
        """Purge when an opt-out begins; when it ends, what was written until now is skipped for good."""
        by = self._opt_out.by()
        known = store.status().opt_out
        if by is not None:
            if known is None:
                log.warning("opted_out", by=by)
            store.opt_out(by)
        elif known is not None:
            skip()
            store.opt_in()
            log.warning("opt_out_lifted", by=known.by, since=known.since)

    # What is said

    def _note(self, progress: collect.Progress) -> None:
        for incident in progress.incidents:
            log.warning("incident", kind=incident.kind, path=incident.path, lost_bytes=incident.lost_bytes)
        if progress.kind is collect.ProgressKind.STORE_UNAVAILABLE:
            log.error("store_unavailable")

    def _heard(self, progress: deliver.Progress) -> None:
        if progress.kind is deliver.ProgressKind.HELD and progress.verdict is not None:
            log.error("held", reason=progress.verdict.reason.value, status=progress.verdict.status)
        for reason in progress.buried:
            log.error("dead_letter", reason=reason)

    def _guard(self, loop: Callable[..., None], *args: object) -> None:
        """Run a loop; whatever ends it ends the process."""
        try:
            loop(*args)
        except BaseException as error:  # noqa: BLE001: the one place where everything is caught, to stop the process
            self._died = error
            self._stop.set()


class _Closing:
    """A store that is closed when its block ends."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> Store:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def report_death(error: BaseException) -> Exit:
    """Say where the program broke: types and places only, since messages of exceptions can hold values."""
    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    log.critical("died", error=type(error).__name__, at=frames[-8:])
    return Exit.PROBLEMS if isinstance(error, StoreUnavailable) else Exit.BROKEN


def serve(path: Path, environ: Mapping[str, str]) -> Exit:
    """The daemon: runs until SIGTERM or SIGINT; SIGHUP reads config and packs again.

    Raises:
        ProblemError: The config or a pack is broken at the start; later a broken one keeps the old one running.
    """
    parts = Parts.load(path, environ)
    reloaded: list[Parts] = []
    while True:
        service = Service(parts, environ)

        def on_stop(_number: int, _frame: FrameType | None, service: Service = service) -> None:
            service.stop()

        def on_reload(_number: int, _frame: FrameType | None, service: Service = service) -> None:
            try:
                reloaded.append(Parts.load(path, environ))
            except ProblemError as error:
                for problem in error.problems:
                    log.error("reload_refused", place=str(problem.place), code=problem.code, message=problem.message)
                return
            log.info("reloading")
            service.stop()

        signal.signal(signal.SIGTERM, on_stop)
        signal.signal(signal.SIGINT, on_stop)
        signal.signal(signal.SIGHUP, on_reload)
        result = service.run()
        if not reloaded or result is not Exit.FINE:
            return result
        parts = reloaded.pop()
        reloaded.clear()


def run_once(path: Path, environ: Mapping[str, str]) -> Exit:
    """Read to the end of every file, deliver what is in the outbox.

    Raises:
        ProblemError: The config or a pack is broken.
    """
    service = Service(Parts.load(path, environ), environ)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: service.stop())
    return service.run_once()


__all__ = ["Exit", "Parts", "Service", "report_death", "run_once", "serve"]
