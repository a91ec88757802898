"""The files that have something to read, in turns: each lineage after the other, of each the oldest file first."""

import os
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator

from extractor.source.followed import Followed, State
from extractor.source.names import age_key

Order = tuple[tuple[int, int], str, bool, tuple[int, str, int], int, str]
"""As the config orders sources; in a lineage the oldest first."""


def order_of(file: Followed) -> Order:
    """The place of a file among all, as it is named now."""
    at_home = file.state is State.PRESENT and file.path == file.lineage
    age = age_key(os.path.basename(file.path))
    return (file.rank, file.lineage, at_home, age, file.stamps[0], file.file_id)


class Ready:
    """A queue of lineages. Nothing in it costs more where ten thousand files wait, in many lineages or in one."""

    def __init__(self) -> None:
        self._files: dict[str, Followed] = {}
        self._orders: dict[str, Order] = {}
        self._lineages: dict[str, list[Order]] = {}  # sorted
        self._queue: deque[str] = deque()
        self._arrived: list[str] = []  # lineages that are not in the queue yet

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Followed]:
        return iter(self._files.values())

    def __contains__(self, file: Followed) -> bool:
        return file.file_id in self._files

    def add(self, file: Followed) -> None:
        """It has something to read. Again, where its name has changed: that may tell another age."""
        order = order_of(file)
        if file.file_id in self._files:
            if self._orders[file.file_id][:4] == order[:4]:
                return
            self.discard(file)
        self._files[file.file_id] = file
        self._orders[file.file_id] = order
        siblings = self._lineages.get(file.lineage)
        if siblings is None:
            self._lineages[file.lineage] = [order]
            self._arrived.append(file.lineage)
        else:
            insort(siblings, order)

    def discard(self, file: Followed) -> None:
        """It has nothing to read, or cannot be read now."""
        if self._files.pop(file.file_id, None) is None:
            return
        order = self._orders.pop(file.file_id)
        siblings = self._lineages[order[1]]
        del siblings[bisect_left(siblings, order)]

    def next(self) -> Followed | None:
        """The file whose turn it is, if any; its lineage goes to the end of the queue.

        Lineages that came since the last call join at its end, in the configured order.
        """
        if self._arrived:
            there = [siblings[0] for name in self._arrived if (siblings := self._lineages[name])]
            for name in self._arrived:
                if not self._lineages[name]:
                    del self._lineages[name]
            self._arrived.clear()
            self._queue.extend(order[1] for order in sorted(there))
        while self._queue:
            name = self._queue.popleft()
            if siblings := self._lineages[name]:
                self._queue.append(name)
                return self._files[siblings[0][-1]]
            del self._lineages[name]
        return None
