"""What has had its time goes, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from extractor.store import Incident, Store, StoreLimits, Tally
from tests.storing import (
    DAY,
    START,
    FakeClock,
    checkpoint,
    event_id,
    fact,
    files_with,
    ids,
    open_store,
    waiting,
)


@pytest.fixture(name="clock")
def _clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(name="store")
def _store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    store = open_store(tmp_path, clock, limits=StoreLimits(incidents=5))
    yield store
    store.close()


def deliver(store: Store, *names: str) -> None:
    """Record and acknowledge."""
    store.record([], [fact(name, private="canary") for name in names])
    store.acknowledge(store.lease(len(names), 1 << 20))


def events(store: Store) -> int:
    """How many messages are stored."""
    with store._database.reading() as connection:
        count: int = connection.execute("SELECT count(*) FROM event").fetchone()[0]
    return count


def test_sent_messages_go_after_their_retention(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    """After 30 days no byte of a delivered message is in the database; its id is still known."""
    deliver(store, *(f"old {number}" for number in range(3000)))
    clock.time += 20 * DAY
    deliver(store, "recent")
    clock.time += 10 * DAY + 1

    assert store.prune().sent == 3000

    assert [entry.stored.event.message_id for entry in store.sent(0, clock.time)] == ids("recent")
    assert events(store) == 1
    assert store.record([], [fact("old 7")]).repeats == 1
    clock.time += 30 * DAY
    store.prune()
    store.close()
    assert list(files_with(tmp_path, b"canary")) == []


def test_message_that_waits_or_is_dead_outlives_its_retention(store: Store, clock: FakeClock) -> None:
    """Nothing that is still to be sent, again or at all, is pruned."""
    deliver(store, "resent", "gone")
    store.resend(START, START + 1)
    batch = store.lease(2, 10_000)
    store.acknowledge(type(batch)(batch.events[1:]))
    store.release(type(batch)(batch.events[:1]))
    store.record([], [fact("waiting"), fact("dead")])
    store.bury(store.lease(3, 10_000).events[2], reason="bad_request")
    clock.time += 31 * DAY

    assert store.prune().sent == 2

    store._leases.held.clear()
    assert waiting(store) == ids("resent", "waiting")
    assert [letter.stored.event.message_id for letter in store.dead_letters()] == ids("dead")
    assert events(store) == 3


def test_ledger_forgets_after_its_time(store: Store, clock: FakeClock) -> None:
    """An id is known for 400 days, and the ledger is looked through once a day."""
    deliver(store, *(f"f{number}" for number in range(600)))
    clock.time += 399 * DAY
    assert store.prune().ledger == 0
    assert store.record([], [fact("f1")]).repeats == 1
    clock.time += 2 * DAY

    assert store.prune().ledger == 600
    assert store.prune().ledger == 0

    assert len(store.record([], [fact("f1")]).events) == 1


@pytest.mark.parametrize("resent", [["a", "b", "c"], ["a", "c"]])
def test_an_id_is_known_from_its_last_acknowledgement_on(
    store: Store, clock: FakeClock, resent: list[str]
) -> None:
    """What was sent again stays known for 400 days from then on, whether it was all there was or a part."""
    store.record([], [fact(name, event="plan_created" if name in resent else "b") for name in "abc"])
    store.acknowledge(store.lease(3, 1 << 20))
    clock.time += 20 * DAY
    store.resend(0, clock.time, "plan_created")
    store.acknowledge(store.lease(3, 1 << 20))

    clock.time += 390 * DAY

    assert store.prune().ledger == 3 - len(resent)
    assert store.record([], [fact(name) for name in resent]).repeats == len(resent)


def test_checkpoints_of_files_long_gone_go(store: Store, clock: FakeClock) -> None:
    """State of files is bounded: what no path has led to for 30 days is forgotten, what is there never."""
    store.record([checkpoint("there", 1), checkpoint("gone", 1, gone_since=START)], [])
    clock.time += 30 * DAY
    assert store.prune().file_ids == ()
    clock.time += 1

    assert store.prune().file_ids == ("gone",)
    assert [known.file_id for known in store.checkpoints()] == ["there"]


def test_incidents_and_counts_are_bounded(store: Store, clock: FakeClock) -> None:
    """The newest incidents stay, counts go with their days, the last match of a rule stays."""
    store.record([], [fact("a")], tallies=[Tally("lines", 1)])
    store.note([Incident("lost", float(number)) for number in range(12)])
    clock.time += 401 * DAY
    store.record([], [], tallies=[Tally("lines", 5)])
    store.prune()

    status = store.status()
    assert [incident.at for incident in status.incidents] == [11.0, 10.0, 9.0, 8.0, 7.0]
    assert [(counter.name, counter.count) for counter in status.counters] == [("lines", 5)]
    assert [(rule.rule, rule.last_at) for rule in status.rules] == [("test/plan", START)]


def test_copies_go_with_the_retention_of_what_they_hold(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    """Backups and damaged copies hold messages, so they go when messages do; other files are not ours to delete."""
    old = "20200101T000000Z"
    for name in (
        f"state.db.damaged-{old}",
        f"state.db.damaged-{old}-wal",
        f"state.db.backup-v1-{old}-2",
        f"notes-{old}",
    ):
        (tmp_path / name).write_text("x")
    clock.time = START
    (tmp_path / "state.db.damaged-20270114T080000Z").write_text("x")

    assert store.prune().copies == 3
    left = {path.name for path in tmp_path.iterdir()}
    assert {f"notes-{old}", "state.db.damaged-20270114T080000Z"} <= left
    assert event_id("a") not in left
