"""Which events of a refused batch are to blame, and when it is the server instead. Pure: sizes in, decisions out.

A server that answers 400 or 413 says that something in a batch is wrong, not what. The search asks it again with the
first half, and half of that, down to one event. An event refused alone is a *suspect* and set aside. It is *guilty* if
the server accepted something shortly before and, where there is something to try, after it. A suspect that no
acceptance came before is tried once more as soon as one has come: until then it may have been the server. Where nothing
is accepted, nobody is guilty, and delivery holds.

Events stay in the outbox all the while; only how many to take next, and the suspects, are kept here. A search may be
broken off at any time (a 503, a crash) and begins again without having lost or blamed anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

BELIEVED = 10
"""Suspects in a row that an acceptance from before them still speaks against. A server that turns to refusing
everything in the middle of a search makes more suspects than this; so many bad events in a row are rare. Our choice."""

SERVER_AFTER = 100
"""Suspects in a row after which it is the server, even where there are more events to try: bounds the requests that
a refusing server gets before delivery holds. Our choice."""

MAX_SUSPECTS = 256
"""Suspects kept while delivery holds; then they are released and tried anew. Bounds memory. Our choice."""


@dataclass(frozen=True, slots=True)
class Suspect(Generic[Item]):
    """An event that was refused alone, with what the server said."""

    item: Item
    reason: str
    status: int | None


Suspects = tuple[Suspect[Item], ...]


class OffenderSearch(Generic[Item]):
    """Halves batches until the offender stands alone. Knows nothing of servers and stores."""

    def __init__(self) -> None:
        self._span = 0  # so many events at the head hold one that spoils them; 0: none is known
        self._suspects: list[Suspect[Item]] = []
        self._accepts = False  # since the search began something was accepted, and few suspects came after
        self._proved = 0  # so many of the suspects, the first, came while that was so

    @property
    def suspects(self) -> Suspects[Item]:
        """Events that were refused alone, neither guilty nor cleared yet."""
        return tuple(self._suspects)

    @property
    def points_to_server(self) -> bool:
        """So many were refused alone in a row, and nothing accepted, that it is not the events."""
        return len(self._suspects) >= SERVER_AFTER

    def size(self, largest: int) -> int:
        """How many events to take next."""
        if self._suspects and not self._accepts:
            return 1
        return min(largest, max(1, self._span // 2)) if self._span else largest

    def refuse(self, items: Sequence[Item], reason: str, status: int | None) -> bool:
        """A batch was refused; True if its only event is a suspect now, to be kept out of what is taken next."""
        if len(items) > 1:
            self._span = len(items)
            return False
        self._span = 0
        self._suspects.append(Suspect(items[0], reason, status))
        self._proved += self._accepts
        if len(self._suspects) >= BELIEVED:
            self._accepts = False
        return True

    def accept(self, count: int) -> tuple[Suspects[Item], Suspects[Item]]:
        """So many events were accepted: the server works. The guilty, and those to release and try once more."""
        proved = self._proved
        self._span = max(0, self._span - count)
        suspects = self._take_suspects()
        guilty, untested = suspects[:proved], suspects[proved:]
        self._span = len(untested) or self._span
        self._accepts = self._span > 0
        return guilty, untested

    def conclude(self) -> tuple[Suspects[Item], Suspects[Item]]:
        """Nothing is left to try: the guilty, and those to release because it is the server. One is empty."""
        accepts = self._accepts
        suspects = self.give_up()
        return (suspects, ()) if accepts else ((), suspects)

    def give_up(self) -> Suspects[Item]:
        """Forget the search; returns the suspects, to be released."""
        suspects = self._take_suspects()
        self._span = 0
        self._accepts = False
        return suspects

    def _take_suspects(self) -> Suspects[Item]:
        suspects = tuple(self._suspects)
        self._suspects.clear()
        self._proved = 0
        return suspects
