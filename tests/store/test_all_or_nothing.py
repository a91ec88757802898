"""SQLite made to fail at statement n, for every n: all or nothing, and it goes on afterwards."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from extractor.store import Incident, Store, StoreError, StoreLimits, StoreUnavailable, Tally
from tests.storing import (
    START,
    Failure,
    FakeClock,
    checkpoint,
    dump,
    event_id,
    fact,
    flaky,
    forget,
    ids,
    open_store,
    remember,
    status_change,
    waiting,
)

Operation = Callable[[Store], object]


def some_of_everything(store: Store) -> None:
    """A state in which every table has rows, with a batch of two on lease."""
    store.record(
        [checkpoint("a", 10)],
        [fact("sent"), fact("dead"), fact("x", once="kx"), remember("org", "m/1")],
        incidents=[Incident("lost", START)],
    )
    batch = store.lease(2, 10_000)
    store.acknowledge(type(batch)(batch.events[:1]))
    store.bury(batch.events[1], reason="bad_request", status=400)
    store.record([checkpoint("b", 10)], [fact("one"), fact("two"), fact("three")])


def record(store: Store) -> None:
    """A transaction in which everything moves that can."""
    store.record(
        [checkpoint("a", 20), checkpoint("c", 5)],
        [
            fact("new", once="new"),
            fact("sent"),
            forget("kx", by="deleted"),
            fact("x again", once="kx"),
            remember("org", "m/2"),
            status_change("paid", "i1", "succeeded"),
        ],
        tallies=[Tally("lines", 6)],
        incidents=[Incident("lost", START, "/a", 3)],
    )


def record_suppressed(store: Store) -> None:
    """The same while opted out."""
    store.record([checkpoint("a", 20)], [fact("new", once="new"), remember("org", "m/1")], suppress=True)


OPERATIONS: dict[str, Operation] = {
    "record": record,
    "record suppressed": record_suppressed,
    "prime": lambda store: store.prime([fact("p", once="p")]),
    "acknowledge": lambda store: store.acknowledge(store.lease(3, 10_000)),
    "release": lambda store: store.release(store.lease(2, 10_000), retry_at=START + 9),
    "bury": lambda store: store.bury(store.lease(1, 10_000).events[0], reason="bad_request", status=400),
    "hold": lambda store: store.hold("unauthorized", 401),
    "replay": lambda store: store.replay([event_id("dead")]),
    "discard": lambda store: store.discard([event_id("dead")]),
    "resend": lambda store: store.resend(0, START + 1),
    "note": lambda store: store.note([Incident("lost", START)]),
}


def statements(operation: Operation, folder: Path) -> int:
    """How many statements an undisturbed operation has; what it leaves is in the folder."""
    failure = Failure(armed=False)
    store = open_store(folder, factory=flaky(failure))
    some_of_everything(store)
    failure.armed = True
    operation(store)
    failure.armed = False
    store.close()
    return failure.seen


def fails(operation: Operation, store: Store) -> bool:
    """Whether the disk's failure reached the caller; the end of a mere question can fail unnoticed."""
    try:
        operation(store)
    except StoreUnavailable:
        return True
    return False


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE], ids=["full", "io"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_each_write_is_all_or_nothing_wherever_it_fails(
    name: str, code: int, tmp_path: Path, *, late: bool
) -> None:
    """A disk that fails at any statement leaves the state as it was, or as it should become, and can be tried again."""
    operation = OPERATIONS[name]
    undisturbed = tmp_path / "undisturbed"
    count = statements(operation, undisturbed)
    after = dump(undisturbed)
    assert count >= 3

    for at in range(1, count + 1):
        folder = tmp_path / str(at)
        failure = Failure(at=at, code=code, late=late, armed=False)
        store = open_store(folder, factory=flaky(failure))
        some_of_everything(store)
        before = dump(folder)
        failure.armed = True
        failed = fails(operation, store)
        failure.armed = False
        found = dump(folder)
        if failed and found != after:  # equal where the commit itself reported a failure that was none
            assert found == before
            store._leases.held.clear()  # the loops keep their batch and try again with it; here it is leased again
            operation(store)
            found = dump(folder)
        assert found == after
        store.close()


def test_leases_outlive_an_answer_that_could_not_be_written(tmp_path: Path) -> None:
    """What was accepted stays on lease until that is on disk: it is not sent again meanwhile."""
    failure = Failure(armed=False)
    store = open_store(tmp_path, factory=flaky(failure))
    store.record([], [fact("a"), fact("b")])
    batch = store.lease(1, 10_000)
    failure.armed, failure.at = True, 3
    with pytest.raises(StoreUnavailable):
        store.acknowledge(batch)
    failure.armed = False

    assert [stored.event.message_id for stored in store.lease(9, 10_000).events] == ids("b")
    store.acknowledge(batch)
    assert store.status().delivered == 1
    store.close()


def test_rollback_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """A connection that cannot even roll back is given up; the next write begins with a new one."""

    class Stuck(sqlite3.Connection):
        stuck = False

        def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
            if Stuck.stuck and sql in {"COMMIT", "ROLLBACK"}:
                raise Failure(code=sqlite3.SQLITE_IOERR).error()
            return super().execute(sql, parameters)  # type: ignore[arg-type]

    store = open_store(tmp_path, factory=Stuck)
    store.record([], [fact("a")])
    Stuck.stuck = True
    with pytest.raises(StoreUnavailable):
        store.record([checkpoint("a", 1)], [fact("b")])
    Stuck.stuck = False

    assert (waiting(store), store.checkpoints()) == (ids("a"), [])
    store.record([checkpoint("a", 1)], [fact("b")])
    assert waiting(store) == ids("a", "b")
    store.close()


def test_full_disk_stops_recording_and_nothing_else(tmp_path: Path) -> None:
    """SQLite's own refusal: named, nothing half written, and delivery makes room again."""
    store = open_store(tmp_path, limits=StoreLimits(sent_s=0))
    store.record([], [fact("small", size=3000)])
    with store._database.alone() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 20}").fetchone()
    recorded: list[str] = []

    def fill() -> None:
        for number in range(100):
            store.record([checkpoint("a", number)], [fact(f"f{number}", size=3000)])
            recorded.append(f"f{number}")

    with pytest.raises(StoreUnavailable, match="disk is full"):
        fill()

    assert len(recorded) > 3
    assert waiting(store) == ids("small", *recorded)
    assert store.checkpoints() == [checkpoint("a", len(recorded) - 1)]
    store.acknowledge(store.lease(100, 1 << 20))
    store.record([checkpoint("a", 500)], [fact("goes on", size=3000)])
    assert waiting(store) == ids("goes on")
    store.close()


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_the_first_start_can_die_at_any_statement(tmp_path: Path, *, late: bool) -> None:
    """Wherever making a new state fails, the next start makes it, and it is still the very first."""
    failure = Failure()
    open_store(tmp_path / "undisturbed", factory=flaky(failure)).close()
    assert failure.seen > 20

    for at in range(1, failure.seen + 1):
        folder = tmp_path / str(at)
        with suppress(StoreError):
            open_store(folder, factory=flaky(Failure(at=at, late=late))).close()
        store = open_store(folder)
        assert store.unknown_files == "as_configured"
        store.record([], [fact("a")])
        assert waiting(store) == ids("a")
        assert store.status().incidents == ()
        store.close()
        assert sorted(path.name for path in folder.iterdir()) == ["lock", "state.db"]


def test_opt_out_is_complete_once_it_returns_wherever_it_failed_before(tmp_path: Path) -> None:
    """Purging can be tried again until nothing is left, and a restart in between does not stop it."""
    failure = Failure(armed=False)
    clock = FakeClock()

    def prepared(folder: Path, *, at: int) -> Store:
        failure.armed, failure.seen, failure.at = False, 0, at
        store = open_store(folder, clock, factory=flaky(failure))
        store.record([], [fact("a", private="canary"), remember("org", "canary")])
        (folder / "state.db.damaged-20250101T000000Z").write_bytes(b"canary")
        failure.armed = True
        return store

    store = prepared(tmp_path / "undisturbed", at=0)
    store.opt_out("LAGO_DISABLE_SEGMENT")
    count = failure.seen
    store.close()
    for at in range(1, count + 1):
        for again in ("call", "restart"):
            folder = tmp_path / f"{again}{at}"
            store = prepared(folder, at=at)
            fails(lambda store: store.opt_out("LAGO_DISABLE_SEGMENT"), store)
            failure.armed = False
            if again == "restart":
                store.close()
                store = open_store(folder, clock)
            store.opt_out("LAGO_DISABLE_SEGMENT")
            held = [path.name for path in folder.iterdir() if b"canary" in path.read_bytes()]
            assert held == []
            assert waiting(store) == []
            assert store.record([], [fact("a", private="canary")]).events == ()
            store.close()
