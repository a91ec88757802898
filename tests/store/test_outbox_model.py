"""The outbox against a model of a few lists: whatever happens in whatever order, restarts included."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from extractor.store import Batch, Store
from tests.storing import FakeClock, Unsynced, event_id, fact, open_store


@dataclass
class Model:
    """What must be true of each event, by number."""

    order: list[int]
    waiting: set[int]
    leased: set[int]
    dead: set[int]
    acknowledged: set[int]
    discarded: set[int]


class OutboxMachine(RuleBasedStateMachine):
    """Actions on a real store in a folder; small numbers, so that facts are met again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.store = open_store(self.folder, self.clock, factory=Unsynced)
        self.model = Model([], set(), set(), set(), set(), set())
        self.batches: list[Batch] = []
        self.numbers = {event_id(str(number)): number for number in range(12)}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def number(self, message_id: str) -> int:
        return self.numbers[message_id]

    @rule(numbers=st.lists(st.integers(0, 11), max_size=6))
    def record(self, numbers: list[int]) -> None:
        model = self.model
        expected = []
        for number in numbers:
            if number not in model.waiting | model.leased | model.dead | model.acknowledged | model.discarded:
                expected.append(number)
                model.waiting.add(number)
                model.order.append(number)
        recorded = self.store.record([], [fact(str(number)) for number in numbers])
        assert [self.number(event.message_id) for event in recorded.events] == expected
        assert recorded.repeats == len(numbers) - len(expected)

    @rule(count=st.integers(1, 5))
    def lease(self, count: int) -> None:
        batch = self.store.lease(count, 1 << 20)
        expected = [number for number in self.model.order if number in self.model.waiting][:count]
        assert [self.number(stored.event.message_id) for stored in batch.events] == expected
        self.model.waiting -= set(expected)
        self.model.leased |= set(expected)
        if batch:
            self.batches.append(batch)

    @precondition(lambda self: self.batches)
    @rule(which=st.integers(0, 99), parts=st.integers(0, 99), bury=st.booleans())
    def answer(self, which: int, parts: int, *, bury: bool) -> None:
        """A part is acknowledged, one is buried, the rest released."""
        batch = self.batches.pop(which % len(self.batches))
        cut = parts % (len(batch) + 1)
        done, rest = Batch(batch.events[:cut]), list(batch.events[cut:])
        self.store.acknowledge(done)
        self.model.acknowledged |= self.settle(done)
        if rest and bury:
            offender = rest.pop(0)
            self.store.bury(offender, reason="bad_request", status=400)
            self.model.dead |= self.settle(Batch((offender,)))
        left = Batch(tuple(rest))
        self.store.release(left)
        self.model.waiting |= self.settle(left)

    def settle(self, batch: Batch) -> set[int]:
        numbers = {self.number(stored.event.message_id) for stored in batch.events}
        self.model.leased -= numbers
        return numbers

    @rule(numbers=st.lists(st.integers(0, 11), unique=True, max_size=3))
    def replay(self, numbers: list[int]) -> None:
        expected = set(numbers) & self.model.dead
        assert self.store.replay([event_id(str(number)) for number in numbers]) == len(expected)
        self.model.dead -= expected
        self.model.waiting |= expected

    @rule(numbers=st.lists(st.integers(0, 11), unique=True, max_size=2))
    def discard(self, numbers: list[int]) -> None:
        expected = set(numbers) & self.model.dead
        assert self.store.discard([event_id(str(number)) for number in numbers]) == len(expected)
        self.model.dead -= expected
        self.model.order = [number for number in self.model.order if number not in expected]
        self.model.discarded |= expected

    @rule()
    def resend(self) -> None:
        expected = self.model.acknowledged - self.model.waiting - self.model.leased
        assert self.store.resend(0, self.clock.now() + 1) == len(expected - self.model.dead)
        self.model.waiting |= expected - self.model.dead

    @rule(kill=st.booleans())
    def restart(self, *, kill: bool) -> None:
        """All leases end with the process, however it ends."""
        folder = self.copied() if kill else self.folder
        self.store.close()
        if kill:
            shutil.rmtree(self.folder)
        self.folder = folder
        self.store = open_store(self.folder, self.clock, factory=Unsynced)
        self.model.waiting |= self.model.leased
        self.model.leased = set()
        self.batches = []

    def copied(self) -> Path:
        """What a kill would leave on the disk at this moment."""
        folder = Path(tempfile.mkdtemp())
        for name in ("state.db", "state.db-wal"):
            (folder / name).write_bytes((self.folder / name).read_bytes())
        return folder

    @invariant()
    def the_counts_are_those_of_the_model(self) -> None:
        status = self.store.status()
        assert status.outbox_rows == len(self.model.waiting | self.model.leased)
        assert status.dead_letters == len(self.model.dead)
        assert not status.incidents

    @invariant()
    def every_dead_letter_is_shown(self) -> None:
        shown = {self.number(letter.stored.event.message_id) for letter in self.store.dead_letters()}
        assert shown == self.model.dead


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
__all__ = ["Store", "TestOutbox"]
