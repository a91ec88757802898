"""What one line gave: events that still have to meet memory, what they were rejected for, what memory is told.

`evaluate` returns the *request* to memory, not the answer, and so stays pure; `resolve` is the answer, given the
memory. Both are pure functions; the store calls `resolve` inside its transaction. May import `event`, `telemetry`.

What is made once a line or more is a named tuple: immutable as a frozen dataclass, and made in a fifth of the time.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from extractor.ruleset.event import Event
from extractor.telemetry import Reason


class Rejection(NamedTuple):
    """Something that was left out, and why. Names the rule and the property, never the value."""

    reason: Reason
    rule: str | None = None
    property: str | None = None
    whole_event: bool = False


class Standing(IntEnum):
    """What memory knows under a key."""

    FORGOTTEN = 0  # reset by a forgetting line: what comes next is new again
    KNOWN = 1
    CONFLICT = 2  # several values were remembered: recalls nothing


_FORGOTTEN: Final = Standing.FORGOTTEN
_KNOWN: Final = Standing.KNOWN


class Memo(NamedTuple):
    """One row of memory, under a 16-byte keyed hash of its key.

    Attributes:
        standing: See `Standing`.
        digest: 16-byte keyed hash of the last value (`changed`, `remember`), else b"".
        reset: 16-byte keyed hash of the line that last made the key new again, else b"".
        value: The remembered value, only for `remember`, and never while opted out.
    """

    standing: Standing
    digest: bytes = b""
    reset: bytes = b""
    value: str | None = None

    def __repr__(self) -> str:
        return f"Memo({self.standing!r})"


class Memory(Protocol):
    """What the store offers inside a transaction."""

    def read(self, key: bytes) -> Memo | None:
        """The row under a key, or None where nothing was ever written."""

    def write(self, key: bytes, memo: Memo) -> None:
        """Set the row under a key."""


class Forget(NamedTuple):
    """Make the key new again; `by` identifies the line that did it."""

    key: bytes
    by: bytes


class Remember(NamedTuple):
    """Keep a value under a key; a second, different value makes the key recall nothing."""

    key: bytes
    digest: bytes
    value: str

    def __repr__(self) -> str:
        return f"Remember({self.key!r})"


class Changed(NamedTuple):
    """The event is one only if the value differs from the last one under the key (at first: `initial`)."""

    key: bytes
    digest: bytes
    initial: bytes = b""


Builder = Callable[[bytes, Mapping[str, str]], Event | Rejection]
"""Given what reset the *once* key (b"" if nothing did) and the recalled values by slot, the event."""


_NOTHING_RECALLED: Mapping[str, bytes] = MappingProxyType({})


class PendingEvent(NamedTuple):
    """An event that still has to meet memory.

    Attributes:
        rule: `pack/rule-id`, for counting what memory decided.
        build: Makes the event; pure.
        once: Key that must be new, or None.
        changed: Value that must differ, or None.
        recalls: Slot name to memory key.
    """

    rule: str
    build: Builder
    once: bytes | None = None
    changed: Changed | None = None
    recalls: Mapping[str, bytes] = _NOTHING_RECALLED

    def __repr__(self) -> str:
        return f"PendingEvent({self.rule!r})"


class Outcome(NamedTuple):
    """What one line gave. All three may be empty; `reason` then says why.

    An event that asks nothing of memory is a fact already.
    """

    events: tuple[PendingEvent | Event, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    memory: tuple[Forget | Remember, ...] = ()
    matched: tuple[str, ...] = ()
    reason: Reason | None = None

    def __bool__(self) -> bool:
        return bool(self.events or self.rejections or self.memory)


def resolve(outcome: Outcome, memory: Memory, *, keep_values: bool = True) -> Iterator[Event | Rejection]:
    """Let one line's outcome meet memory: yields the events that are facts, and why the others are none.

    What the line tells memory (forget, remember) goes first, so that an event of the same line sees it. Nothing
    happens before the results are asked for, and memory is complete when the last one was.

    Args:
        outcome: Of one line; lines of one file in their order.
        memory: Read and written; the caller's transaction makes it all or nothing.
        keep_values: False while opted out: keys and digests go on, remembered values are not kept.
    """
    for effect in outcome.memory:
        if isinstance(effect, Forget):
            memory.write(effect.key, Memo(_FORGOTTEN, reset=effect.by))
        else:
            _remember(memory, effect, keep_values=keep_values)
    for event in outcome.events:
        yield event if isinstance(event, Event) else _meet(event, memory)


def _remember(memory: Memory, effect: Remember, *, keep_values: bool) -> None:
    value = effect.value if keep_values else None
    before = memory.read(effect.key)
    if before is None or before.standing is _FORGOTTEN:
        reset = before.reset if before else b""
        memory.write(effect.key, Memo(_KNOWN, effect.digest, reset, value))
    elif before.standing is _KNOWN:
        if before.digest != effect.digest:
            memory.write(effect.key, Memo(Standing.CONFLICT, reset=before.reset))
        elif before.value != value:
            # The digest proves that it is the same value: met while opted out and known again now, or the reverse.
            memory.write(effect.key, Memo(_KNOWN, effect.digest, before.reset, value))


def _meet(pending: PendingEvent, memory: Memory) -> Event | Rejection:
    if pending.once is None and pending.changed is None:
        return pending.build(b"", _recalled(pending, memory) if pending.recalls else {})
    reset = b""
    writes: list[tuple[bytes, Memo]] = []
    if pending.once is not None:
        before = memory.read(pending.once)
        if before is not None:
            if before.standing is not _FORGOTTEN:
                return Rejection(Reason.ALREADY_SEEN, pending.rule, whole_event=True)
            reset = before.reset
        writes.append((pending.once, Memo(_KNOWN, reset=reset)))
    if (changed := pending.changed) is not None:
        before = memory.read(changed.key)
        known = before is not None and before.standing is _KNOWN
        last = before.digest if before is not None and known else changed.initial
        if last == changed.digest:
            return Rejection(Reason.UNCHANGED, pending.rule, whole_event=True)
        writes.append((changed.key, Memo(_KNOWN, changed.digest, before.reset if before else b"")))
    built = pending.build(reset, _recalled(pending, memory))
    if type(built) is Event:
        # Only a fact is remembered as seen: one that was rejected may still show on a better line.
        for key, memo in writes:
            memory.write(key, memo)
    return built


def _recalled(pending: PendingEvent, memory: Memory) -> Mapping[str, str]:
    recalled = {}
    for slot, key in pending.recalls.items():
        memo = memory.read(key)
        if memo is not None and memo.standing is _KNOWN and memo.value is not None:
            recalled[slot] = memo.value
    return recalled
