"""`run --once`: read every file to its end, compressed ones first, deliver what is in the outbox, end.

Two threads, as in the daemon: what is read is sent while reading goes on. The one that reads decides when all is done.
"""

import threading
from collections.abc import Callable

from extractor import deliver, telemetry
from extractor.collect import ProgressKind
from extractor.daemon.parts import Work
from extractor.daemon.process import Exit
from extractor.telemetry import IncidentKind

_WAITING = frozenset({deliver.ProgressKind.SENT, deliver.ProgressKind.PACED, deliver.ProgressKind.RESTING})
_DONE = frozenset({deliver.ProgressKind.IDLE, deliver.ProgressKind.OPTED_OUT})


class Once:
    """One pass: `run` and `deliver`, each in a thread of its own.

    Attributes:
        result: `FINE` once all was read and delivered (or nothing may be); `STATE` where the disk refused; else
            `PROBLEMS`: stopped early, delivery is held, a file cannot be read, an event became a dead letter.
    """

    def __init__(self, work: Work, stop: threading.Event, bell: threading.Event) -> None:
        """Make one.

        Args:
            work: Opened.
            stop: End early.
            bell: Rings when there is something new to think about: `stop`, or a changed opt-out.
        """
        self._work = work
        self._stop = stop
        self._bell = bell
        self._over = False
        self._asked = 0
        self._answer = (
            0,
            deliver.ProgressKind.SENT,
        )  # to which question, and how far the step came that answers it
        self.result = Exit.PROBLEMS

    def run(self) -> None:
        """Read, and wait for what is sent.

        Raises:
            StoreError: The state cannot be written.
        """
        try:
            self._run()
        finally:
            self._over = True
            self._work.deliverer.wake()

    def deliver(self) -> None:
        """Send what is in the outbox, until `run` has ended.

        Raises:
            StoreError: The state cannot be written.
        """
        while not (self._stop.is_set() or self._over):
            asked = self._asked
            progress = self._work.deliverer.step()
            self._answer = (asked, progress.kind)
            self._bell.set()
            self._work.deliverer.rest(progress.wait_s)

    def _run(self) -> None:
        work = self._work
        reader = work.build_reader(work.intake)
        self._follow()
        for file in work.compressed():
            for _ in work.read_whole(reader, file, suppress=False):
                self._follow()
                if self._stop.is_set() or (work.store.outbox_full() and not self._delivered(self._has_room)):
                    return
        collector = work.build_collector(reader.places)
        while not self._stop.is_set():
            self._follow()
            progress = collector.drain()
            work.observer.collected(progress)
            if progress.kind is ProgressKind.STORE_UNAVAILABLE:
                self.result = Exit.STATE
                return
            if self._stop.is_set() or work.obedience.outdated():
                continue
            full = progress.kind is ProgressKind.FULL
            if not self._delivered(self._has_room if full else lambda: False):
                return
            if not full:
                work.prune()
                self.result = self._judge()
                return

    def _follow(self) -> None:
        work = self._work
        work.obedience.follow(lambda since: work.skip(work.build_collector(), since))

    def _has_room(self) -> bool:
        return not self._work.store.outbox_full()

    def _delivered(self, enough: Callable[[], bool]) -> bool:
        """Whether it is enough, or the outbox is empty, or nothing may leave; waits as long as waiting can help."""
        # Only a step that begins after this has seen all that was recorded.
        self._asked += 1
        self._work.deliverer.wake()
        while not self._stop.is_set():
            self._bell.clear()
            self._follow()
            asked, kind = self._answer
            if enough():
                return True
            if asked == self._asked and kind not in _WAITING:
                return kind in _DONE
            if not self._stop.is_set():
                self._bell.wait()
        return False

    def _judge(self) -> Exit:
        bad = {(telemetry.INCIDENTS, (IncidentKind.UNREADABLE.value,))}
        undone = any(
            metric is telemetry.DEAD_EVENTS or (metric, labels) in bad
            for metric, labels in self._work.observer.counts()
        )
        return Exit.PROBLEMS if undone else Exit.FINE
