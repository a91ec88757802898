import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.checkpoint import Checkpoint
from extractor.ruleset.outcome import Outcome, PendingEvent, Rejection
from extractor.store import Incident, Store, StoreLimits, Tally, UnknownFiles
from extractor.telemetry import Reason
from tests.storing import (
    DAY,
    FakeClock,
    build_event,
    checkpoint,
    fact,
    forget,
    ids,
    key,
    open_store,
    remember,
    status_change,
    waiting,
)


@pytest.fixture(name="clock")
def _clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(name="store")
def _store(clock: FakeClock) -> Iterator[Store]:
    store = Store.in_memory(destination="segment", clock=clock)
    yield store
    store.close()


def test_events_enter_the_outbox_in_the_order_of_their_lines(store: Store) -> None:
    """What is recorded first is delivered first."""
    names = [f"fact {number}" for number in range(1000)]
    store.record([], [fact(name) for name in names[:400]])
    recorded = store.record([], [fact(name) for name in names[400:]])

    assert [event.message_id for event in recorded.events] == ids(*names[400:])
    assert waiting(store) == ids(*names)


def test_checkpoint_moves_with_its_events(store: Store) -> None:
    """A checkpoint and the events before it are one transaction."""
    store.record([checkpoint("a", 10), checkpoint("b", 20)], [fact("one")])
    store.record([checkpoint("a", 30)], [])

    assert store.checkpoints() == [checkpoint("a", 30), checkpoint("b", 20)]
    assert waiting(store) == ids("one")


def test_checkpoints_of_files_that_will_not_be_known_again_go_in_the_same_transaction(store: Store) -> None:
    """A forgotten file leaves no row, and no moment in which it and what replaced it are both there or both gone."""
    store.record([checkpoint("a", 10), checkpoint("b", 20)], [])
    store.record([checkpoint("c", 1)], [fact("one")], forgotten=["a", "never seen"])

    assert [known.file_id for known in store.checkpoints()] == ["b", "c"]


def test_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    """Names that are no UTF-8, numbers of 64 bits and times that are whole survive a restart."""
    extreme = Checkpoint(
        file_id="x",
        path="/logs/caf\udce9\udcff.log",
        device=(1 << 64) - 1,
        inode=1 << 63,
        offset=(1 << 62),
        size=(1 << 62) + 1,
        identity=bytes(range(256)),
        lost_bytes=7,
        gone_since=5,
    )
    store = open_store(tmp_path)
    store.record([extreme], [])
    store.close()
    store = open_store(tmp_path)

    assert store.checkpoints() == [extreme]
    assert [file.path for file in store.status().files] == [extreme.path]
    store.close()


def test_event_comes_back_as_it_was(store: Store) -> None:
    """What is leased is what was recorded, byte for byte."""
    event = build_event("x", private="\u00e9\u2028")
    pending = PendingEvent("test/plan", lambda _reset, _recalled: event)
    store.record([], [Outcome(events=(pending,))])

    (stored,) = store.lease(10, 1000).events

    assert stored.event == event


def test_fact_met_again_is_a_repeat_wherever_it_is(store: Store) -> None:
    """In the same transaction, waiting, leased, delivered or dead: one fact is one event."""
    first = store.record([], [fact("twice"), fact("twice"), fact("dead"), fact("delivered")])
    assert (len(first.events), first.repeats) == (3, 1)

    batch = store.lease(10, 10_000)
    again = store.record([], [fact("twice")])
    assert (again.events, again.repeats) == ((), 1)

    store.bury(batch.events[1], reason="bad_request", status=400)
    store.acknowledge(type(batch)(batch.events[2:]))
    again = store.record([], [fact("dead"), fact("delivered"), fact("twice"), fact("new")])

    assert [event.message_id for event in again.events] == ids("new")
    assert again.repeats == 3
    store.release(batch)
    assert waiting(store) == ids("twice", "new")


def test_what_one_destination_has_another_has_not(tmp_path: Path) -> None:
    """What was only printed has not been sent to Segment; what Segment has is not sent there again."""
    store = open_store(tmp_path, destination="stdout")
    store.record([], [fact("printed")])
    store.acknowledge(store.lease(10, 1000))
    store.close()

    store = open_store(tmp_path, destination="segment")
    store.record([], [fact("printed")])
    assert waiting(store) == ids("printed")
    store.acknowledge(store.lease(10, 1000))
    store.record([], [fact("printed"), fact("left waiting")])
    assert waiting(store) == ids("left waiting")
    store.close()

    store = open_store(tmp_path, destination="stdout")
    assert store.record([], [fact("printed")]).repeats == 1
    store.close()


def test_what_waits_follows_a_change_of_destination_but_for_what_that_one_has(tmp_path: Path) -> None:
    """After a change of destination nothing that waits is stranded, and nothing is sent there twice."""
    store = open_store(tmp_path, destination="segment")
    store.record([], [fact("both")])
    store.acknowledge(store.lease(10, 1000))
    store.close()
    store = open_store(tmp_path, destination="stdout")
    store.record([], [fact("both"), fact("only")])
    assert waiting(store) == ids("both", "only")
    store.close()

    store = open_store(tmp_path, destination="segment")

    assert waiting(store) == ids("only")
    assert store.status().outbox_rows == 1
    store.close()


def test_once_is_once_until_forgotten(store: Store) -> None:
    """A customer is created once, and once more after it was deleted."""
    results = [
        store.record([], [fact("created", once="c1")]),
        store.record([], [fact("updated", once="c1")]),
        store.record([], [forget("c1", by="deletion"), fact("created again", once="c1")]),
        store.record([], [fact("updated again", once="c1")]),
    ]

    assert [len(recorded.events) for recorded in results] == [1, 0, 1, 0]
    assert results[1].rejections == (Rejection(Reason.ALREADY_SEEN, "test/plan", whole_event=True),)


def test_memory_is_seen_by_later_lines_of_the_same_transaction(store: Store) -> None:
    """Lines meet memory in their order, whether or not a transaction lies between them."""
    recorded = store.record(
        [],
        [
            status_change("still pending", "i1", "pending"),
            status_change("paid", "i1", "succeeded"),
            status_change("paid again", "i1", "succeeded"),
            status_change("failed", "i1", "failed"),
        ],
    )

    assert [event.message_id for event in recorded.events] == ids("paid", "failed")


def test_remembered_value_is_recalled(store: Store) -> None:
    """A value remembered from one line reaches the event of a later one, until there are two of them."""

    def recalling() -> tuple[Outcome, list[dict[str, str]]]:
        seen: list[dict[str, str]] = []

        def build(_reset: bytes, recalled: object) -> Rejection:
            seen.append(dict(recalled))  # type: ignore[call-overload]
            return Rejection(Reason.KEY_MISSING)

        return Outcome(events=(PendingEvent("r", build, recalls={"user": key("org")}),)), seen

    outcome, seen = recalling()
    store.record([], [outcome, remember("org", "membership/1"), outcome])
    store.record([], [outcome])
    store.record([], [remember("org", "membership/2"), outcome])

    assert seen == [{}, {"user": "membership/1"}, {"user": "membership/1"}, {}]


def test_value_that_is_no_unicode_text_is_remembered(store: Store) -> None:
    """A lone surrogate in a remembered value stops nobody."""
    store.record([], [remember("org", "membership/\ud800")])
    store.record([], [remember("org", "membership/\ud800")])

    assert store.status().counters[0].count == 2


def test_primed_key_is_known_and_sends_nothing(store: Store) -> None:
    """What prime tells memory is never sent, and keeps an update from looking like a creation."""
    assert store.prime([fact("from an export", once="c1")]) == 1

    assert waiting(store) == []
    assert store.record([], [fact("an update", once="c1")]).events == ()
    assert store.record([], [fact("from an export", once="c2")]).repeats == 1


def test_matches_rejections_and_tallies_are_counted(store: Store, clock: FakeClock) -> None:
    """Counts add up over transactions and days, by rule and reason."""
    rejected = Outcome(
        rejections=(Rejection(Reason.NOT_IN_ENUM, "test/plan", "interval"),), matched=("test/plan",)
    )
    store.record([], [fact("one"), rejected, rejected], tallies=[Tally("lines", 100, label="decoded")])
    clock.time += DAY
    store.record([], [rejected], tallies=[Tally("lines", 11, label="decoded")])

    status = store.status()
    counts = {(counter.name, counter.rule, counter.label): counter.count for counter in status.counters}
    assert counts == {
        ("matched", "test/plan", ""): 4,
        ("rejected", "test/plan", "not_in_enum:interval"): 3,
        ("lines", "", "decoded"): 111,
    }
    assert [(rule.rule, rule.last_at, rule.matches) for rule in status.rules] == [
        ("test/plan", clock.time, 4)
    ]


def test_incidents_are_kept_with_what_was_lost(store: Store) -> None:
    """A loss has a name and a size in `status`, the newest first."""
    lost = Incident("lost", 1.0, "/logs/\udcff", 300, "truncated while behind")
    store.record([], [], incidents=[lost])
    store.note([Incident("unreadable", 2.0, "/logs/b")])

    assert store.status().incidents == (Incident("unreadable", 2.0, "/logs/b"), lost)


def test_outbox_is_full_at_its_caps_and_not_before(clock: FakeClock) -> None:
    """Reading pauses at the row cap or the byte cap, and goes on when something was delivered."""
    store = Store.in_memory(clock=clock, limits=StoreLimits(outbox_rows=3, outbox_bytes=10_000))
    store.record([], [fact("a"), fact("b")])
    assert not store.outbox_full()
    store.record([], [fact("c")])
    assert store.outbox_full()
    store.acknowledge(store.lease(1, 1000))
    assert not store.outbox_full()
    store.record([], [fact("large", size=10_000)])
    store.acknowledge(store.lease(2, 10_000))
    assert store.outbox_full()
    store.acknowledge(store.lease(1, 1))
    assert not store.outbox_full()
    store.close()


def test_the_first_start_ends_with_the_first_record(tmp_path: Path) -> None:
    """`start_at: end` holds for files of the very first start only, even if that start died before it recorded."""
    seen = []
    for _ in range(2):
        store = open_store(tmp_path)
        seen.append(store.unknown_files)
        store.close()
    store = open_store(tmp_path)
    store.record([], [])
    store.close()
    store = open_store(tmp_path)
    seen.append(store.unknown_files)
    store.close()

    assert seen == [UnknownFiles.AS_CONFIGURED, UnknownFiles.AS_CONFIGURED, UnknownFiles.FROM_BEGINNING]


def test_record_survives_the_end_of_the_process(tmp_path: Path) -> None:
    """What `record` returned from is there after a kill: nothing waits in memory to be written."""
    store = open_store(tmp_path)
    store.record([checkpoint("a", 5)], [fact("one", once="k"), remember("org", "m/1")])
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("state.db", "state.db-wal"):
        (killed / name).write_bytes((tmp_path / name).read_bytes())
    store.close()

    after = open_store(killed)
    assert waiting(after) == ids("one")
    assert after.checkpoints() == [checkpoint("a", 5)]
    assert after.record([], [fact("again", once="k")]).events == ()
    assert after.status().incidents == ()
    after.close()


def test_commits_survive_power_loss(tmp_path: Path) -> None:
    """Each connection syncs the log at each commit: FULL is 2."""
    store = open_store(tmp_path)
    with store._database.reading() as connection:
        settings = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "secure_delete")
        ]
    assert settings == [2, "wal", 1]
    store.close()


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6), st.booleans()), max_size=80), max_size=4
    )
)
def test_transactions_of_any_size_give_the_same_events(lines: list[list[tuple[int, int, bool]]]) -> None:
    """Where transactions lie between lines changes nothing about which events there are."""

    def outcome(number: int, slot: int, *, forgotten: bool) -> Outcome:
        name = f"fact {number}"
        return forget(f"k{slot}", by=name) if forgotten else fact(name, once=f"k{slot}")

    outcomes = [[outcome(n, slot, forgotten=flag) for n, slot, flag in part] for part in lines]
    clock = FakeClock()
    in_parts, in_one, one_by_one = (Store.in_memory(clock=clock) for _ in range(3))
    for part in outcomes:
        in_parts.record([], part)
    everything = [outcome for part in outcomes for outcome in part]
    in_one.record([], everything)
    for outcome_ in everything:
        one_by_one.record([], [outcome_])

    assert waiting(in_parts) == waiting(in_one) == waiting(one_by_one)
    for store in (in_parts, in_one, one_by_one):
        store.close()


def test_a_mistake_of_ours_is_not_taken_for_the_disk(store: Store) -> None:
    """Only errors of the world get a name; a wrong statement ends the loop, and rolls back."""
    with pytest.raises(sqlite3.OperationalError), store._database.transaction() as connection:
        connection.execute("INSERT INTO no_such_table VALUES (1)")
    store.record([], [fact("afterwards")])
    assert waiting(store) == ids("afterwards")
