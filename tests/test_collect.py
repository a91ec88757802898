"""The collect loop: one transaction or nothing, and nothing is shed."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from extractor import collect
from extractor.checkpoint import Checkpoint
from extractor.collect import Collector, ProgressKind
from extractor.decode.envelope import Envelope
from extractor.intake import Intake, Wrapping
from extractor.intake import take as take_module
from extractor.ruleset import condition as conditions
from extractor.ruleset.identity import Identity
from extractor.ruleset.outcome import Outcome
from extractor.ruleset.path import parse_path
from extractor.ruleset.rule import MessageConstants, Rule, RuleSet
from extractor.ruleset.value import Constraint, Type, Value
from extractor.source.chunk import Chunk, Looked
from extractor.source.chunk import Incident as SourceIncident
from extractor.store import Incident, Recorded, StoreUnavailable, Tally
from extractor.telemetry import IncidentKind

LINE = b'{"job":"SegmentTrackJob"}\n'


@dataclass
class StillClock:
    """Time that stands until it is moved."""

    time: float = 7.0
    pace: float = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return self.time

    def monotonic(self) -> float:
        """Seconds."""
        self.time += self.pace
        return self.time


@dataclass
class FakeFollower:
    """Gives prepared chunks; remembers what it was told."""

    chunks: list[Chunk] = field(default_factory=list)
    looks: list[Looked] = field(default_factory=list)
    committed: list[Checkpoint] = field(default_factory=list)
    given: int = 0
    rewinds: int = 0

    def look(self, changed: Collection[str] | None = None, *, settle: bool = False) -> Looked:
        """See `Follower`."""
        del changed, settle
        return self.looks.pop(0) if self.looks else Looked()

    def read(self, budget_bytes: int) -> Iterator[Chunk]:
        """See `Follower`."""
        del budget_bytes
        while self.given < len(self.chunks):
            self.given += 1
            yield self.chunks[self.given - 1]

    def drain(self, *, final: bool = True) -> Iterator[Chunk]:
        """See `Follower`."""
        del final
        return self.read(0)

    def checkpoint(self, file_id: str, offset: int) -> Checkpoint:
        """See `Follower`."""
        return Checkpoint(file_id=file_id, path=file_id, device=0, inode=0, offset=offset, size=offset)

    def recorded(self, checkpoint: Checkpoint) -> None:
        """See `Follower`."""
        self.committed.append(checkpoint)

    def rewind(self) -> None:
        """See `Follower`."""
        self.rewinds += 1
        self.given = 0


@dataclass
class FakeStore:
    """Keeps what it is given; refuses or is full when told."""

    transactions: list[tuple[list[Checkpoint], list[Outcome], bool, list[Incident]]] = field(
        default_factory=list
    )
    failures: int = 0
    full_after: int | None = None

    def record(
        self,
        checkpoints: Iterable[Checkpoint],
        outcomes: Iterable[Outcome],
        *,
        suppress: bool = False,
        tallies: Sequence[Tally] = (),
        incidents: Sequence[Incident] = (),
        forgotten: Sequence[str] = (),
    ) -> Recorded:
        """See `RecordStore`."""
        del tallies, forgotten
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the disk is full")
        self.transactions.append((list(checkpoints), list(outcomes), suppress, list(incidents)))
        return Recorded()

    def outbox_full(self) -> bool:
        """See `RecordStore`."""
        return self.full_after is not None and self.outcomes >= self.full_after

    def keep_seen(self, *_: object) -> None:
        """See `RecordStore`."""

    @property
    def outcomes(self) -> int:
        """All that were recorded."""
        return sum(len(outcomes) for _, outcomes, _, _ in self.transactions)


def rules() -> RuleSet:
    """One rule."""
    nobody = Value(fallback="nobody", constraint=Constraint(type=Type.STRING, max_length=20))
    job = conditions.Equals(parse_path("job"), "SegmentTrackJob")
    rule = Rule(id="test/job", event="happened", when=(job,), user=nobody)
    constants = MessageConstants(library=("library", "1"), app=("app", "1"))
    return RuleSet(rules=(rule,), events={}, variables={}, identity=Identity.of("test"), constants=constants)


def chunk(
    number: int, lines: int = 1, incidents: tuple[SourceIncident, ...] = (), line: bytes = LINE
) -> Chunk:
    """So many lines of file `f`, the chunk's number deciding where they lie."""
    data = line * lines
    start = number * len(data)
    return Chunk(
        file_id="f",
        path="f",
        lineage="f",
        source=0,
        start=start,
        data=memoryview(bytearray(data)),
        end=start + len(data),
        incidents=incidents,
    )


def loop(
    follower: FakeFollower, store: FakeStore, *, opted_out: bool = False, clock: StillClock | None = None
) -> Collector:
    """A collector over both."""
    intake = Intake(rules(), [Wrapping(envelope=Envelope.NONE)], max_line_bytes=1 << 20)
    return Collector(follower, intake, store, clock=clock or StillClock(), opted_out=lambda: opted_out)


def test_checkpoint_and_outcomes_are_one_transaction_and_handles_go_only_after_it() -> None:
    """What was read of several chunks is recorded at once, and only then the follower hears of it."""
    follower, store = FakeFollower([chunk(0), chunk(1)]), FakeStore()
    progress = loop(follower, store).step()
    ((checkpoints, outcomes, _, _),) = store.transactions
    assert (len(outcomes), [one.offset for one in checkpoints]) == (2, [2 * len(LINE)])
    assert [one.offset for one in follower.committed] == [2 * len(LINE)]
    assert progress.kind is ProgressKind.READ


def test_a_disk_that_refuses_moves_nothing_and_everything_is_read_again() -> None:
    """No checkpoint moves past what was not recorded; the next step reads it anew."""
    follower, store = FakeFollower([chunk(0)]), FakeStore(failures=1)
    collector = loop(follower, store)
    assert collector.step().kind is ProgressKind.STORE_UNAVAILABLE
    assert (follower.rewinds, follower.committed, store.transactions) == (1, [], [])
    assert collector.step().kind is ProgressKind.READ
    assert store.outcomes == 1


def test_an_incident_survives_a_disk_that_refuses() -> None:
    """What a look found is recorded by the first transaction that succeeds, once."""
    lost = SourceIncident(kind=IncidentKind.LOST, path="f", size=12)
    follower, store = FakeFollower(looks=[Looked(incidents=(lost,))]), FakeStore(failures=1)
    collector = loop(follower, store)
    collector.step()
    collector.step()
    collector.step()
    kept = [incident for _, _, _, incidents in store.transactions for incident in incidents]
    assert [(incident.kind, incident.path, incident.lost_bytes) for incident in kept] == [("lost", "f", 12)]


def test_what_was_met_in_skipped_bytes_is_recorded_with_its_chunk() -> None:
    """A line that was too long is counted in the transaction that moves the checkpoint past it."""
    met = SourceIncident(kind=IncidentKind.TOO_LONG, path="f", size=2_000_000)
    follower, store = FakeFollower([chunk(0, incidents=(met,))]), FakeStore()
    progress = loop(follower, store).step()
    ((_, outcomes, _, incidents),) = store.transactions
    assert (len(outcomes), [one.kind for one in incidents]) == (1, ["too_long"])
    assert [one.kind for one in progress.incidents] == ["too_long"]


def test_reading_pauses_when_the_outbox_is_full_and_nothing_is_shed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log files are the buffer: what does not fit stays there and is read later."""
    monkeypatch.setattr(collect, "MAX_OUTCOMES", 2)
    follower, store = FakeFollower([chunk(number, lines=2) for number in range(3)]), FakeStore(full_after=2)
    collector = loop(follower, store)
    assert collector.step().kind is ProgressKind.FULL
    assert (store.outcomes, follower.rewinds) == (2, 1)
    assert collector.step().kind is ProgressKind.FULL
    assert store.outcomes == 2


def test_opted_out_means_that_each_transaction_is_suppressed() -> None:
    """The flag is asked for at the moment of recording, not at the start."""
    follower, store = FakeFollower([chunk(0)]), FakeStore()
    loop(follower, store, opted_out=True).step()
    assert [suppress for _, _, suppress, _ in store.transactions] == [True]


def test_nothing_to_read_writes_nothing() -> None:
    """Idle costs no transaction."""
    store = FakeStore()
    assert loop(FakeFollower(), store).step().kind is ProgressKind.IDLE
    assert store.transactions == []


def test_lines_that_give_nothing_are_recorded_once_a_second_and_not_each_time() -> None:
    """A busy log of other lines costs no commit a line; how far it was read is recorded soon all the same."""
    quiet = [chunk(number, line=b'{"job":"AnotherJobThan"}\n') for number in range(4)]
    clock, follower, store = StillClock(), FakeFollower(), FakeStore()
    collector = loop(follower, store, clock=clock)
    follower.chunks.append(quiet[0])
    collector.step()
    follower.chunks.append(quiet[1])
    collector.step()
    follower.chunks.append(quiet[2])
    progress = collector.step()
    assert (len(store.transactions), progress.kind, progress.owes) == (1, ProgressKind.READ, True)
    clock.time += collect.SETTLE_S
    assert not collector.step().owes
    assert [one.offset for one in store.transactions[-1][0]] == [quiet[2].end]
    follower.chunks.append(quiet[3])
    collector.step()
    collector.settle()
    assert [one.offset for one in store.transactions[-1][0]] == [quiet[3].end]
    assert len(store.transactions) == 3


def test_an_event_takes_along_what_is_owed() -> None:
    """A checkpoint never waits longer than the event behind it."""
    clock, follower, store = StillClock(), FakeFollower(), FakeStore()
    collector = loop(follower, store, clock=clock)
    follower.chunks.append(chunk(0))
    collector.step()
    follower.chunks.append(chunk(1, line=b'{"job":"AnotherJobThan"}\n'))
    collector.step()
    follower.chunks.append(chunk(2))
    collector.step()
    assert [len(outcomes) for _, outcomes, _, _ in store.transactions] == [1, 1]
    assert store.transactions[-1][0][0].offset == follower.chunks[2].end


def test_much_that_matters_does_not_delay_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time is over a step records, goes back to what is recorded and ends, in the middle of a chunk too."""
    monkeypatch.setattr(collect, "MAX_OUTCOMES", 2)
    monkeypatch.setattr(take_module, "PORTION", 2)
    follower, store = FakeFollower([chunk(0, lines=6), chunk(1, lines=6)]), FakeStore()
    collector = loop(follower, store, clock=StillClock(pace=collect.READ_BUDGET_S))
    progress = collector.step()
    assert (progress.kind, progress.unread_bytes) == (ProgressKind.READ, 4 * len(LINE))
    assert (store.outcomes, follower.rewinds) == (2, 1)
    assert [one.offset for one in follower.committed] == [2 * len(LINE)]
    assert progress.read_bytes == 2 * len(LINE), "what is given back is counted when it is read again"


def test_what_fits_into_one_transaction_is_recorded_at_once_however_slow_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy machine tears no small chunk apart: what is sent again after a kill is the same request."""
    monkeypatch.setattr(take_module, "PORTION", 2)
    follower, store = FakeFollower([chunk(0, lines=6), chunk(1, lines=6)]), FakeStore()
    loop(follower, store, clock=StillClock(pace=collect.READ_BUDGET_S)).step()
    assert [len(outcomes) for _, outcomes, _, _ in store.transactions] == [6]
    assert follower.rewinds == 0


@pytest.mark.parametrize(
    "kind", [IncidentKind.LOST, IncidentKind.TRUNCATED, IncidentKind.VANISHED, IncidentKind.UNOPENED]
)
def test_a_loss_is_told_with_its_bytes(kind: IncidentKind) -> None:
    """Bytes that were seen and are gone are counted, whatever took them."""
    follower, store = (
        FakeFollower(looks=[Looked(incidents=(SourceIncident(kind=kind, path="f", size=9),))]),
        FakeStore(),
    )
    loop(follower, store).step()
    assert [incident.lost_bytes for _, _, _, incidents in store.transactions for incident in incidents] == [9]
