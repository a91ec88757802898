"""`run --once`: read every file to its end, compressed ones first, deliver what is in the outbox, end."""

import threading

from extractor import deliver, telemetry
from extractor.collect import ProgressKind
from extractor.parts import Work
from extractor.process import Exit
from extractor.telemetry import IncidentKind

_WAITING = frozenset({deliver.ProgressKind.SENT, deliver.ProgressKind.PACED, deliver.ProgressKind.RESTING})


class Once:
    """One pass, in a thread of its own.

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
        self.result = Exit.PROBLEMS

    def run(self) -> None:
        """Do it.

        Raises:
            StoreError: The state cannot be written.
        """
        work = self._work
        reader = work.build_reader(work.intake)
        self._follow()
        for file in work.compressed():
            for _ in work.read_whole(reader, file, suppress=False):
                self._follow()
                if self._stop.is_set() or (work.store.outbox_full() and not self._deliver()):
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
            if not self._deliver():
                return
            if progress.kind is not ProgressKind.FULL:
                work.prune()
                self.result = self._judge()
                return

    def _follow(self) -> None:
        work = self._work
        work.obedience.follow(lambda since: work.skip(work.build_collector(), since))

    def _deliver(self) -> bool:
        """Whether the outbox is empty in the end, or nothing may leave; waits as long as waiting can help."""
        while not self._stop.is_set():
            self._follow()
            progress = self._work.deliverer.step()
            if progress.kind in (deliver.ProgressKind.IDLE, deliver.ProgressKind.OPTED_OUT):
                return True
            if progress.kind not in _WAITING:
                return False
            if progress.wait_s > 0:
                self._bell.clear()
                if not self._stop.is_set():
                    self._bell.wait(progress.wait_s)
        return False

    def _judge(self) -> Exit:
        bad = {(telemetry.INCIDENTS, (IncidentKind.UNREADABLE.value,))}
        undone = any(
            metric is telemetry.DEAD_EVENTS or (metric, labels) in bad
            for metric, labels in self._work.observer.counts()
        )
        return Exit.PROBLEMS if undone else Exit.FINE
