"""One pass of stat over everything, in pieces: between two of them what is known to have grown can be read."""

from collections.abc import Callable

from extractor.source.discover import Found
from extractor.source.followed import Key, State
from extractor.source.newcomers import Newcomers
from extractor.source.register import Register

PIECE = 512
"""Files of one piece at least: 3 ms, so that a pass over ten thousand comes to its end however much goes on."""
_STRIDE = 64
"""Files between two questions whether the piece has been enough."""


class Survey:
    """Finds which files are there. Those that rest are done with then; new ones are opened at once.

    Attributes:
        met: All that are there, by device and inode.
        moved: Those that are known and not as they were: to be looked into.
        complete: Whether the pass came to its end.
    """

    def __init__(self, register: Register, newcomers: Newcomers) -> None:
        self.met: set[Key] = set()
        self.moved: dict[Key, Found] = {}
        self.complete = False
        self._register = register
        self._newcomers = newcomers
        self._found = newcomers.discovery.find(int(register.clock.now() * 1e9))

    def go_on(self, enough: Callable[[], bool] | None = None) -> bool:
        """Another piece: all that is left, or until it is `enough`. Whether the pass is complete."""
        for count, found in enumerate(self._found, 1):
            self._meet(found)
            if enough is not None and count >= PIECE and count % _STRIDE == 0 and enough():
                return False
        self.complete = True
        return True

    def _meet(self, found: Found) -> None:
        """One path for each file: links lead to one file; the path it is known under stays, else the first."""
        file = self._register.present.get(found.key)
        first = found.key not in self.met
        self.met.add(found.key)
        if file is None:
            if first:
                self._newcomers.open_new(found)
        elif file.hollow and found.stat.st_size:
            if first or file.path == found.path:
                self._newcomers.open_new(found)
        elif file.path == found.path and file.state is State.PRESENT and file.is_as(found.stat):
            self.moved.pop(found.key, None)
        elif first or file.path == found.path:
            self.moved[found.key] = found
