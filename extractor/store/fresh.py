"""The newest events of the outbox, still in memory: what is delivered while it is read need not be read back.

The outbox on disk alone says what waits. What is kept here only spares reading, and may be dropped at any time. What
another process erases is not leased any more; it leaves this memory with the other events of its transaction.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from extractor.ruleset.event import Event
from extractor.store.batch import KeptEvents

KEPT_BYTES = 4 << 20
"""Of messages: eight requests' worth. Our own choice: with 2 MiB a quarter of a busy log's events were leased from here,
with 4 from half to all of them, with 8 two thirds to all, for up to 10 MB of memory."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The events of one transaction; `end` is the place after the last one."""

    first: int
    end: int
    events: Sequence[Event]
    bytes: int
    at: float


class Fresh:
    """Events that `record` wrote and that nobody has leased yet, up to `KEPT_BYTES` of them. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recorded: deque[_Recorded] = deque()
        self._bytes = 0

    def keep(self, first: int, events: Sequence[Event], *, at: float) -> None:
        """Keep what was written just now, unless there is too much already: then it is read from the disk.

        Args:
            first: Sequence of the first event; the others follow without a gap.
            events: All of one transaction, which is committed.
            at: When it was recorded, unix seconds.
        """
        size = sum(map(len, map(attrgetter("message"), events)))
        with self._lock:
            if events and self._bytes + size <= KEPT_BYTES:
                self._recorded.append(_Recorded(first, first + len(events), events, size, at))
                self._bytes += size

    def take(self, sequences: Sequence[int]) -> KeptEvents | None:
        """These events, in this order; None: one of them is not here.

        Args:
            sequences: The first of the outbox, ascending. What came before them has left it, and is dropped here.
        """
        first, end = sequences[0], sequences[-1] + 1
        with self._lock:
            while self._recorded and self._recorded[0].end <= first:
                self._bytes -= self._recorded.popleft().bytes
            events: list[Event] = []
            times: list[float] = []
            for one in self._recorded:
                part = one.events[max(first - one.first, 0) : max(end - one.first, 0)]
                events += part
                times += [one.at] * len(part)
        # As many as there are places, all of them within these places: so it is each of them.
        if not len(events) == len(sequences) == end - first:
            return None
        return KeptEvents(sequences, list(map(attrgetter("message"), events)), events, times)

    def clear(self) -> None:
        """Drop everything: the outbox is empty, or what was stored has been erased."""
        with self._lock:
            self._recorded.clear()
            self._bytes = 0
