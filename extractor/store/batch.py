"""What the store hands out: stored events, batches of them, what was sent and what could not be."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

from extractor.ruleset.event import Event, TimeSource
from extractor.store.errors import StoreBroken
from extractor.store.paths import path_text
from extractor.store.seal import ROW_ERRORS, seal_event

EVENT_COLUMNS = (
    "event.message_id, event.name, event.rule, event.message, event.time, event.time_source,"
    " event.path, event.offset, event.recorded_at, event.seal"
)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the order of all events of this state.

    Attributes:
        sequence: Ascending, never used twice.
        event: The event.
        recorded_at: Unix seconds.
    """

    sequence: int
    event: Event
    recorded_at: float


class LeasedEvents(Sequence[StoredEvent]):
    """Stored events whose messages are known; each is built when it is asked for. A slice is one of these, too."""

    __slots__ = ("_columns", "messages", "sequences")

    def __init__(self, sequences: Sequence[int], messages: Sequence[bytes], *columns: Sequence[Any]) -> None:
        self.sequences = sequences
        self.messages = messages
        self._columns = columns

    @abstractmethod
    def _build(self, at: int) -> StoredEvent:
        """The event at a position."""

    def __len__(self) -> int:
        return len(self.sequences)

    @overload
    def __getitem__(self, at: int) -> StoredEvent: ...

    @overload
    def __getitem__(self, at: slice) -> "LeasedEvents": ...

    def __getitem__(self, at: int | slice) -> "StoredEvent | LeasedEvents":
        if isinstance(at, slice):
            columns = (column[at] for column in self._columns)
            return type(self)(self.sequences[at], self.messages[at], *columns)
        return self._build(at)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as a list


class ReadEvents(LeasedEvents):
    """Read from the disk, and their seals found whole. Columns: ids, heads, times, times of recording."""

    __slots__ = ()

    def _build(self, at: int) -> StoredEvent:
        ids, heads, times, recorded = self._columns
        name, rule, time_source, path, offset = heads[at].split(b"\0")
        event = Event(
            message_id=ids[at].hex(),
            name=name.decode(),
            rule=rule.decode(),
            message=self.messages[at],
            time=times[at],
            time_source=TimeSource(time_source.decode()),
            path=path_text(path),
            offset=int(offset),
        )
        return StoredEvent(self.sequences[at], event, float(recorded[at]))


class KeptEvents(LeasedEvents):
    """Still in memory. Columns: events, times of recording."""

    __slots__ = ()

    def _build(self, at: int) -> StoredEvent:
        events, recorded = self._columns
        return StoredEvent(self.sequences[at], events[at], recorded[at])


@dataclass(frozen=True, slots=True)
class Batch:
    """Events on lease, in order of sequence. A part of a batch is a batch: `Batch(batch.events[:n])`."""

    events: Sequence[StoredEvent] = ()

    @property
    def messages(self) -> Sequence[bytes]:
        """The serialized messages, as they are to be posted."""
        if isinstance(self.events, LeasedEvents):
            return self.events.messages
        return [stored.event.message for stored in self.events]

    @property
    def sequences(self) -> Sequence[int]:
        """Their places in the order of all events."""
        if isinstance(self.events, LeasedEvents):
            return self.events.sequences
        return [stored.sequence for stored in self.events]

    @property
    def bytes(self) -> int:
        """Bytes of all messages together, without what a request adds."""
        return sum(map(len, self.messages))

    def halves(self) -> "tuple[Batch, Batch]":
        """The first and the second half; the first is the larger one."""
        middle = (len(self.events) + 1) // 2
        return Batch(self.events[:middle]), Batch(self.events[middle:])

    def __len__(self) -> int:
        return len(self.events)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that will not be sent unless it is replayed.

    Attributes:
        stored: The event.
        reason: Why; a bounded word.
        status: HTTP status of the answer that decided it, or None.
        at: Unix seconds.
    """

    stored: StoredEvent
    reason: str
    status: int | None
    at: float


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One acknowledged delivery of an event.

    Attributes:
        stored: The event.
        at: Unix seconds of the acknowledgement.
        destination: Name of the destination that acknowledged.
    """

    stored: StoredEvent
    at: float
    destination: str


def build_stored(sequence: int, columns: Sequence[Any]) -> StoredEvent:
    """A stored event from `EVENT_COLUMNS`.

    Raises:
        StoreBroken: The row is not what was written.
    """
    message_id, name, rule, message, time, time_source, path, offset, recorded_at, seal = columns
    if message_id is None:
        raise StoreBroken("the state is damaged: a stored event is missing; start again to set it aside")
    try:
        if seal != seal_event(message_id, name, rule, message, time, time_source, path, offset):
            raise StoreBroken("the state is damaged: a stored event was altered; start again to set it aside")
        event = Event(
            message_id=message_id.hex(),
            name=name,
            rule=rule,
            message=message,
            time=time,
            time_source=TimeSource(time_source),
            path=path_text(path),
            offset=offset,
        )
    except ROW_ERRORS as error:
        raise StoreBroken(
            "the state is damaged: a stored event was altered; start again to set it aside"
        ) from error
    return StoredEvent(sequence, event, recorded_at)
