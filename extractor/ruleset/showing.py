"""One line that rules match, and what they have given so far."""

from extractor.decode.assemble import Logical
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.identity import Identity
from extractor.ruleset.outcome import Forget, PendingEvent, Rejection, Remember


class Showing:
    """Lives as long as the line."""

    __slots__ = (
        "_digest",
        "_identity",
        "events",
        "line",
        "matched",
        "memory",
        "path",
        "rejections",
        "time",
        "time_source",
    )

    def __init__(
        self, line: Logical, path: str, time: float, time_source: TimeSource, identity: Identity
    ) -> None:
        """Nothing was given yet.

        Args:
            line: The line.
            path: Its file.
            time: In unix seconds, where neither the line's envelope nor its rule knows better.
            time_source: Which time that is.
            identity: Hashes the line, if a rule wants that.
        """
        self.line = line
        self.path = path
        self.time = time
        self.time_source = time_source
        self._identity = identity
        self.events: list[PendingEvent | Event] = []
        self.rejections: list[Rejection] = []
        self.memory: list[Forget | Remember] = []
        self.matched: list[str] = []
        self._digest: bytes | None = None

    def digest(self) -> bytes:
        """Stands for the line: computed once, since a line of 1 MiB may give 10,000 events."""
        if self._digest is None:
            self._digest = self._identity.digest(self.line.text)
        return self._digest
