"""Starts and stops the two loops: `run`, `run --once`, signals, reload, opt-out, health.

The loops meet only in the store. Each has its thread, and the main thread only watches: signals, the operator's word,
the deadline of a shutdown. A loop that dies takes the process with it: what a supervisor restarts is whole, and what
was not recorded or acknowledged is read or sent again under the same ids.
"""

import math
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import extractor
from extractor import deliver, logs, telemetry
from extractor.clock import SystemClock
from extractor.collect import SETTLE_S, Collector, ProgressKind
from extractor.daemon.observe import Loop, Observer
from extractor.daemon.once import Once
from extractor.daemon.parts import Parts, Work
from extractor.daemon.process import Exit, Signals, Systemd, forbid_core_files, leave
from extractor.logs import tell
from extractor.problems import ProblemError
from extractor.source.wake import Wake, folders_to_watch
from extractor.store import StoreBroken, StoreError, StoreUnavailable
from extractor.telemetry import Trouble

TICK_S = 0.25
"""How often the main thread asks for the operator's word, which has a second to take effect, and looks at the loops."""

BEAT_S = 5.0
"""How often the state says that it is being worked with, for a `status` that cannot see the process."""

LEAVING_S = 0.2
"""Kept back of the grace for closing the state, so that the process is gone when it is over."""

PRUNE_EVERY_S = 3600.0
"""Retention is counted in days."""

PRUNE_FIRST_S = 60.0
"""So that a daemon that is started anew every hour prunes, too, and a start is not slowed by it."""

GATHER_S = 0.0025
"""At most so long, and four times as long as the step took, lines are left to gather after it: a log that is written to
all the time costs a fifth of a core where few lines matter. The first line after a rest is read at once."""

RETRY_S = 5.0
"""Longest pause before the state is tried again, or a full outbox looked at, when nothing rings."""

CONNECT_S = 60.0
"""What a request may take besides its timeout: a name server, and connections to several addresses."""

_STUCK = {Trouble.DIED, Trouble.COLLECT_STALLED, Trouble.DELIVER_STALLED}
"""For which systemd's watchdog may bark; a full disk is not made better by a restart."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What outlives a reload."""

    environ: Mapping[str, str]
    observer: Observer
    signals: Signals
    systemd: Systemd


class Service:
    """Sets one set of parts to work until it is told to stop, to reload, or a loop dies."""

    def __init__(self, parts: Parts, around: Surroundings) -> None:
        """Open the state and meet the files.

        Raises:
            StoreError: The state cannot be had.
        """
        self._around = around
        self._config = parts.config
        self._clock = SystemClock()
        self._stop = threading.Event()
        self._leave = threading.Event()
        self._bell = threading.Event()
        self._draining = False
        self._deadline = math.inf
        self._died: BaseException | None = None
        self._loops: list[threading.Thread] = []
        self.work = Work(
            parts, around.environ, around.observer, stopped=self._stop.is_set, listen=self._heard
        )
        self._wake = Wake(folders_to_watch(self.work.sources))
        self._beat_at = self._clock.monotonic()

    # The two ways to run; in the main thread

    def run(self, reload: Callable[[], Parts | None]) -> Parts | Exit:
        """Follow and deliver until the end, or until there are other parts to go on with.

        Args:
            reload: Reads config and packs anew, or tells why the old ones stay.
        """
        self._start(Loop.COLLECT, self._collect)
        self._start(Loop.DELIVER, self._deliver)
        self._around.systemd.ready()
        following: Parts | None = None
        for number in self._watch():
            if number != signal.SIGHUP:
                self._ask_to_stop(number)
            elif not self._draining:
                self._around.systemd.reloading()
                following = reload() or following
                if following is None:
                    self._around.systemd.ready()
                else:
                    self._end_loops()
        if following is not None and not self._ending:
            return following
        return self._end()

    def run_once(self) -> Exit:
        """Read every file to its end, deliver what is in the outbox, end."""
        once = Once(self.work, self._stop, self._bell)
        self._start(Loop.COLLECT, once.run)
        self._start(Loop.DELIVER, once.deliver)
        for number in self._watch():
            self._ask_to_stop(number)
        ended = self._end()
        return once.result if ended is Exit.FINE else ended

    def watches(self) -> bool:
        """Whether notifications cover every folder. Any thread."""
        return self._wake.healthy

    @property
    def stuck(self) -> bool:
        """Whether a loop has not ended in time: then nothing that it uses may be closed."""
        return any(loop.is_alive() for loop in self._loops)

    @property
    def _ending(self) -> bool:
        """Whether the process ends, whatever a loop is still doing when the grace is over."""
        return self._draining or self._died is not None

    def _watch(self) -> Iterator[int]:
        """Signals as they come, until the loops have ended or the grace is over."""
        work = self.work
        while self.stuck:
            left_s = self._deadline - self._clock.monotonic()
            if self._ending and left_s <= -LEAVING_S:
                return
            next_s = left_s if left_s > 0 else left_s + LEAVING_S
            yield from self._around.signals.wait(min(TICK_S, next_s) if next_s > 0 else TICK_S)
            if not work.opt_out.allowed():
                work.destination.abort()
            if work.obedience.outdated():
                self._rouse()
            if self._died is not None and not self._stop.is_set():
                self._end_loops()
            if self._clock.monotonic() >= self._deadline:
                self._leave.set()
                work.destination.abort()
            if not _STUCK.intersection(self._around.observer.health().broken):
                self._around.systemd.ping(self._clock.monotonic())
                self._beat(self._clock.monotonic())

    def _beat(self, now: float) -> None:
        if now >= self._beat_at:
            self._beat_at = now + BEAT_S
            self.work.store.beat()

    def _ask_to_stop(self, number: int) -> None:
        """Stop reading, deliver what the grace allows, end. Asked again: end now."""
        if self._draining:
            self._deadline = self._clock.monotonic()
            return
        tell(telemetry.STOPPING, signal=signal.Signals(number).name)
        self._around.systemd.stopping()
        self._draining = True
        self._end_loops()

    def _end_loops(self) -> None:
        """Let both end: what is being sent has the grace for its answer."""
        self._deadline = self._clock.monotonic() + max(self._config.shutdown_grace_s - LEAVING_S, 0.0)
        self._stop.set()
        self._rouse()

    def _rouse(self) -> None:
        self._bell.set()
        self._wake.rouse()
        self.work.deliverer.wake()

    def _end(self) -> Exit:
        if isinstance(self._died, StoreError):
            return Exit.STATE
        return Exit.FINE if self._died is None else Exit.BROKEN

    def _start(self, loop: Loop, run: Callable[[], None]) -> None:
        observer = self._around.observer

        def guarded() -> None:
            died: BaseException | None = None
            try:
                run()
            except BaseException as error:  # noqa: BLE001 - the one place that catches all, to end the process
                died = self._died = error
            observer.ended(loop, died)
            self._around.signals.rouse()

        request_s = getattr(self._config.destination, "timeout_s", 0.0) + CONNECT_S
        observer.begun(loop, still_s=request_s if loop is Loop.DELIVER else 0.0)
        thread = threading.Thread(target=guarded, name=loop.value, daemon=True)
        self._loops.append(thread)
        thread.start()

    # The deliver thread

    def _deliver(self) -> None:
        self.work.deliverer.run(self._stop)
        if self._draining:
            self.work.deliverer.drain(self._deadline - self._clock.monotonic(), self._leave)

    def _heard(self, progress: deliver.Progress) -> None:
        self._around.observer.delivered(progress)
        if progress.acknowledged or progress.buried:
            self._bell.set()  # reading may be waiting for room

    # The collect thread

    def _collect(self) -> None:
        try:
            self._follow(self.work.build_collector())
        finally:
            self._wake.close()

    def _follow(self, collector: Collector) -> None:
        work, wake, now = self.work, self._wake, self._clock.monotonic
        look_at = now()
        prune_at = look_at + PRUNE_FIRST_S
        follower, behind = work.follower, True
        while not self._stop.is_set():
            work.obedience.follow(lambda since: work.skip(collector, since))
            due = now() >= look_at
            if due and not follower.surveying:
                wake.tend()
            told = wake.take()
            changed: Collection[str] | None = told.paths
            if due or told.everything or follower.surveying:
                # In pieces, so that a line need not wait for ten thousand files; at once where lines wait anyway.
                enough = _never if behind else wake.pending
                if follower.survey(enough, told.paths, anew=told.everything):
                    changed = None
            began = now()
            progress = collector.step(changed)
            step_s = now() - began
            if changed is None:
                look_at = now() + self._pause_s()
            if now() >= prune_at:
                prune_at = now() + PRUNE_EVERY_S
                work.prune()
            behind = progress.unread_bytes > 0 or progress.kind not in (ProgressKind.READ, ProgressKind.IDLE)
            self._around.observer.collected(progress, rest_s=max(look_at - now(), 0.0))
            if progress.kind in (ProgressKind.FULL, ProgressKind.STORE_UNAVAILABLE):
                self._bell.wait(min(self._config.poll_interval_s, RETRY_S))
                self._bell.clear()
            elif not progress.unread_bytes and not follower.surveying:
                if progress.kind is ProgressKind.READ:
                    self._stop.wait(min(4 * step_s, GATHER_S))
                rest_s = max(min(look_at - now(), follower.next_survey_s()), 0.0)
                wake.wait(min(rest_s, SETTLE_S) if progress.owes else rest_s)
        collector.settle()

    def _pause_s(self) -> float:
        """Until the next look at everything: as configured, or longer where looking costs too much of a core."""
        watched = self._wake.healthy
        affordable_s = self.work.follower.next_look_s(watched=watched)
        at_least_s = 1.0 if watched else 0.25  # what it says where looking costs next to nothing
        return max(self._config.poll_interval_s, affordable_s if affordable_s > at_least_s else 0.0)


def serve(path: Path, environ: Mapping[str, str]) -> Exit:
    """The daemon: runs until SIGTERM or SIGINT; SIGHUP reads config and packs again.

    Raises:
        ProblemError: The config or a pack is broken at the start; later a broken one leaves the old one in force.
        StoreError: The state cannot be had at the start.
    """
    from extractor.daemon.expose import Exposure, Running, Scrape  # noqa: PLC0415 - `run --once` serves nothing

    forbid_core_files()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    with logs.only_voice(), Signals(*numbers) as signals, Systemd(environ) as systemd:
        parts = Parts.load(path, environ)
        observer = Observer(SystemClock())
        around = Surroundings(environ, observer, signals, systemd)
        scrape = Scrape(observer)
        exposure = Exposure(scrape, observer)
        before: Parts | None = None
        while True:
            try:
                service = Service(parts, around)
            except StoreError as error:
                if before is None:
                    raise
                tell(telemetry.RELOAD_REFUSED, problem=error)
                parts, before = before, None
                continue
            _tell_start(service, parts, reloaded=before is not None)
            exposure.serve(parts.config.metrics)
            scrape.attach(Running(service.work.store, service.work.follower.open_handles, service.watches))
            ended = service.run(lambda: _reload(path, environ))
            scrape.detach()
            if isinstance(ended, Exit):
                return _leave(service, ended)
            service.work.close()
            before, parts = parts, ended


def run_once(path: Path, environ: Mapping[str, str]) -> Exit:
    """Read to the end of every file, deliver what is in the outbox.

    Raises:
        ProblemError: The config or a pack is broken.
        StoreError: The state cannot be had.
    """
    forbid_core_files()
    with logs.only_voice(), Signals(signal.SIGTERM, signal.SIGINT) as signals:
        parts = Parts.load(path, environ)
        logs.set_level(parts.config.log_level)
        service = Service(parts, Surroundings(environ, Observer(SystemClock()), signals, Systemd({})))
        return _leave(service, service.run_once())


def _never() -> bool:
    return False


def _tell_start(service: Service, parts: Parts, *, reloaded: bool) -> None:
    logs.set_level(parts.config.log_level)
    tell(
        telemetry.RELOADED if reloaded else telemetry.STARTED,
        version=extractor.__version__,
        destination=service.work.destination.name,
        files=service.work.files,
        rules=len(parts.rules.rules),
    )


def _reload(path: Path, environ: Mapping[str, str]) -> Parts | None:
    """The parts as they are written now; None, told, where something is wrong with them."""
    try:
        return Parts.load(path, environ)
    except ProblemError as error:
        for problem in error.problems:
            said = {
                "place": problem.place,
                "code": problem.code,
                "problem": problem.message,
                "hint": problem.hint,
            }
            tell(telemetry.RELOAD_REFUSED, **said)
        return None


def _leave(service: Service, ended: Exit) -> Exit:
    """Close what can be closed. With a loop still at work the process ends at once: the state bears it."""
    if service.stuck:
        tell(telemetry.LEFT)
        leave(ended)
    waiting = _waiting(service)
    service.work.close()
    tell(telemetry.STOPPED, waiting=waiting)
    return ended


def _waiting(service: Service) -> int | None:
    try:
        return service.work.store.status().outbox_rows
    except StoreError:
        return None


def exit_for(error: StoreError) -> Exit:
    """The exit code of a start that the state prevented."""
    return Exit.STATE if isinstance(error, StoreUnavailable | StoreBroken) else Exit.PROBLEMS


__all__ = ["Exit", "Parts", "Service", "exit_for", "run_once", "serve"]
