"""Opt-out and erasure: what is gone is gone from every byte of the folder."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.outcome import Outcome, PendingEvent, Rejection
from extractor.store import Store, StoreReader, StoreUnavailable, Traces
from extractor.telemetry import Reason
from tests.storing import (
    DAY,
    START,
    FakeClock,
    checkpoint,
    dump,
    event_id,
    fact,
    files_with,
    ids,
    key,
    open_store,
    remember,
    waiting,
)

CANARY = "canary-7f3a9c"


def fill(store: Store, folder: Path) -> None:
    """Put the canary everywhere where a message or a value can be: many rows, so that pages split and are freed."""
    for part in range(4):
        outcomes = [
            fact(f"{part} {number}", private=f"{CANARY}-{number}", size=number * 23) for number in range(150)
        ]
        store.record([checkpoint("a", part)], [*outcomes, remember(f"org {part}", f"{CANARY}/{part}")])
        batch = store.lease(100, 1 << 20)
        store.bury(batch.events[0], reason="bad_request", status=400)
        store.acknowledge(type(batch)(batch.events[1:]))
    store.discard([store.dead_letters()[0].stored.event.message_id])
    store.resend(0, START + 1)
    for name in (
        "state.db.damaged-20250101T000000Z",
        "state.db.damaged-20250101T000000Z-wal",
        "state.db.backup-v1-20250101T000000Z",
        "state.db.rescue-part",
    ):
        (folder / name).write_bytes(CANARY.encode())


@pytest.fixture(name="clock")
def _clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(name="store")
def _store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    store = open_store(tmp_path, clock)
    yield store
    store.close()


def test_opt_out_leaves_no_byte_of_a_message(store: Store, tmp_path: Path) -> None:
    """Outbox, sent, dead letters, values, backups, damaged copies, free pages, log: nothing, while it still runs."""
    fill(store, tmp_path)
    assert len(list(files_with(tmp_path, CANARY.encode()))) >= 5

    store.opt_out("LAGO_DISABLE_SEGMENT")

    assert list(files_with(tmp_path, CANARY.encode())) == []
    with store._database.reading() as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert (tmp_path / "state.db-wal").stat().st_size < 100_000
    status = store.status()
    assert (status.outbox_rows, status.outbox_bytes, status.dead_letters) == (0, 0, 0)
    assert store.sent(0, START + DAY) == []
    store.close()
    assert list(files_with(tmp_path, CANARY.encode())) == []


def test_opt_out_says_since_when_and_by_what(store: Store, clock: FakeClock) -> None:
    """`status` shows the opt-out with its first time and name, until it is lifted."""
    store.opt_out("LAGO_DISABLE_SEGMENT")
    clock.time += 60
    store.opt_out("EXTRACTOR_DISABLED")
    opt_out = store.status().opt_out
    assert opt_out is not None
    assert (opt_out.since, opt_out.by) == (START, "LAGO_DISABLE_SEGMENT")

    store.opt_in()
    assert store.status().opt_out is None
    store.opt_in()


def test_what_is_logged_meanwhile_is_never_sent(store: Store, tmp_path: Path) -> None:
    """Offsets move on, ids are suppressed: not by reading on, not by a backfill, to no destination, at no time."""
    store.opt_out("LAGO_DISABLE_SEGMENT")
    recorded = store.record(
        [checkpoint("a", 10)], [fact("meanwhile", private=CANARY), remember("org", CANARY)]
    )
    assert (recorded.events, recorded.suppressed) == ((), 1)
    assert store.checkpoints() == [checkpoint("a", 10)]
    assert list(files_with(tmp_path, CANARY.encode())) == []
    assert (store.status().rules, store.status().counters) == ((), ())
    store.opt_in()

    again = store.record([], [fact("meanwhile"), fact("later")])

    assert [event.message_id for event in again.events] == ids("later")
    store.close()
    later = FakeClock()
    later.time += 4_000 * DAY
    other = open_store(tmp_path, later, destination="stdout")
    other.prune()
    assert other.record([], [fact("meanwhile")]).repeats == 1
    assert other.status().suppressed == 1
    other.close()


def test_suppressing_one_record_is_as_good_as_an_opt_out(store: Store) -> None:
    """A caller that knows of the opt-out first is obeyed before the state knows."""
    assert store.record([], [fact("x")], suppress=True).suppressed == 1
    assert store.record([], [fact("x")]).repeats == 1


def test_what_was_queued_is_suppressed(store: Store, tmp_path: Path) -> None:
    """The facts that were purged do not come back when their lines are read again."""
    store.record([], [fact("waiting"), fact("dead"), fact("sent")])
    batch = store.lease(3, 10_000)
    store.bury(batch.events[1], reason="bad_request")
    store.acknowledge(type(batch)(batch.events[2:]))
    store.opt_out("X")
    store.opt_in()

    assert store.record([], [fact("waiting"), fact("dead"), fact("sent")]).repeats == 3
    assert waiting(store) == []


def test_answer_that_arrives_after_the_purge_brings_nothing_back(store: Store) -> None:
    """A batch that was on its way is acknowledged, buried or released without its messages returning."""
    store.record([], [fact(name) for name in "abc"])
    batch = store.lease(3, 10_000)
    store.opt_out("X")

    store.acknowledge(type(batch)(batch.events[:1]))
    store.bury(batch.events[1], reason="bad_request")
    store.release(type(batch)(batch.events[2:]))

    assert waiting(store) == []
    status = store.status()
    assert (status.outbox_rows, status.outbox_bytes, status.dead_letters) == (0, 0, 0)
    assert store.sent(0, START + 1) == []


def recalled_user() -> tuple[list[dict[str, str]], Outcome]:
    """An outcome that asks for the user of `org`, and what it is told each time."""
    seen: list[dict[str, str]] = []

    def build(_reset: bytes, recalled: object) -> Rejection:
        seen.append(dict(recalled))  # type: ignore[call-overload]
        return Rejection(Reason.KEY_MISSING)

    return seen, Outcome(events=(PendingEvent("r", build, recalls={"user": key("org")}),))


def test_values_forgotten_by_an_opt_out_are_known_again_afterwards(store: Store) -> None:
    """Digests go on: the same value recalls again once it is seen again, a different one is still a conflict."""
    seen, recalling = recalled_user()
    store.record([], [remember("org", "membership/1")])
    store.opt_out("X")
    store.record([], [recalling, remember("org", "membership/1"), recalling])
    store.opt_in()
    store.record([], [recalling, remember("org", "membership/1"), recalling])

    assert seen == [{}, {}, {}, {"user": "membership/1"}]


def test_purge_that_a_reader_delays_is_done_later(store: Store, tmp_path: Path, clock: FakeClock) -> None:
    """While somebody reads, old pages cannot go; that is said, and made up for."""
    fill(store, tmp_path)
    reader = StoreReader.open_for_reading(tmp_path, clock=clock)
    with store._database.alone() as connection:
        connection.execute("PRAGMA busy_timeout = 1").fetchone()
    with reader._database.reading() as reading:
        reading.execute("SELECT * FROM state").fetchone()
        with pytest.raises(StoreUnavailable):
            store.opt_out("X")
        assert waiting(store) == []
    reader.close()

    store.prune()

    assert list(files_with(tmp_path, CANARY.encode())) == []


def about(name: str, *, organization: str, user: str) -> Outcome:
    """A fact about an organization, by a user."""
    message = (
        f'{{"messageId":"{event_id(name)}","userId":"{user}","context":{{"groupId":"{organization}"}},'
        f'"properties":{{"organization_id":"{organization}"}}}}'
    )
    event = Event(
        message_id=event_id(name),
        name="plan_created",
        rule="test/plan",
        message=message.encode(),
        time=START,
        time_source=TimeSource.READ,
        path="/a",
        offset=0,
    )
    return Outcome(events=(PendingEvent("test/plan", lambda _reset, _recalled: event),))


def named(
    *texts: str, keys: Iterable[str] = (), digests: Iterable[str] = (), organizations: Iterable[str] = ()
) -> Traces:
    """What somebody is found by, in the hashes of these tests."""
    return Traces(
        texts=frozenset(texts),
        digests=frozenset(map(key, digests)),
        keys=frozenset(map(key, keys)),
        organizations=frozenset(map(key, organizations)),
    )


@pytest.mark.parametrize("identifier", ["org-1", "membership/1"])
def test_forgetting_erases_all_about_one_and_nothing_of_others(
    identifier: str, store: Store, tmp_path: Path
) -> None:
    """Outbox, sent, dead letters, memory and copies; the answer says what the destination must still delete."""
    names = [f"{kind} {number}" for number in range(40) for kind in ("1", "11")]
    store.record(
        [],
        [
            *(
                about(name, organization=f"org-{name.split()[0]}", user=f"membership/{name.split()[0]}")
                for name in names
            ),
            remember("o1", identifier),
            remember("o11", f"{identifier}1"),
        ],
    )
    batch = store.lease(10, 1 << 20)
    store.acknowledge(batch)
    for stored in store.lease(4, 1 << 20).events:
        store.bury(stored, reason="bad_request")
    (tmp_path / "state.db.backup-v1-20250101T000000Z").write_bytes(identifier.encode())

    erased = store.forget(named(identifier))

    assert (erased.sent, erased.dead_letters, erased.waiting, erased.memory) == (5, 2, 33, 1)
    assert erased.destinations == ("segment",)
    for spelling in (f'"{identifier}"', f"{identifier},", f"{identifier}\0"):
        assert list(files_with(tmp_path, spelling.encode())) == []
    assert not list(tmp_path.glob("state.db.backup*"))
    assert waiting(store) == ids(*(name for name in names[14:] if name.startswith("11 ")))
    status = store.status()
    assert (status.outbox_rows, status.dead_letters, len(store.sent(0, START + 1))) == (33, 2, 5)
    again = store.record([], [about(name, organization="org-1", user="membership/1") for name in names])
    assert again.events == ()


def test_forgetting_takes_what_is_remembered_under_given_keys(store: Store, tmp_path: Path) -> None:
    """The members that were remembered of an organization go with it, and its other keys stay known."""
    store.record(
        [], [remember("org-1", "membership/9"), remember("org-2", "membership/8"), fact("x", once="org-1 c")]
    )

    assert store.forget(named("org-1", keys=["org-1", "unknown"])).memory == 1

    assert list(files_with(tmp_path, b"membership/9")) == []
    assert list(files_with(tmp_path, b"membership/8")) != []
    assert store.record([], [fact("again", once="org-1 c")]).events == ()


def test_forgetting_an_unknown_one_changes_nothing(store: Store) -> None:
    """An id that stands nowhere, not even within another, erases nothing."""
    store.record([], [about("a", organization="org-12", user="membership/12")])

    erased = store.forget(named("org-1"))

    assert (erased.waiting, erased.sent, erased.dead_letters, erased.memory, erased.destinations) == (
        0,
        0,
        0,
        0,
        (),
    )
    assert waiting(store) == ids("a")


def memory_rows(folder: Path) -> dict[bytes, tuple[int, bytes, bytes | None]]:
    """Standing, digest and value of each row of memory."""
    return {row[0]: (row[1], row[2], row[4]) for row in dump(folder)["memory"]}


def test_a_value_that_is_kept_only_as_a_digest_is_forgotten_too(store: Store, tmp_path: Path) -> None:
    """Under an opt-out memory goes on with digests; one that an id can be tested against is about somebody, too."""
    store.opt_out("X")
    store.record([], [remember("org-1", "membership/1"), remember("org-2", "membership/2")])
    store.opt_in()
    assert key("membership/1") in b"".join(digest for _, digest, _ in memory_rows(tmp_path).values())

    assert store.forget(named("membership/1", digests=["membership/1"])).memory == 1

    assert list(files_with(tmp_path, key("membership/1"))) == []
    assert list(files_with(tmp_path, key("membership/2"))) != []


def test_what_is_forgotten_can_be_remembered_anew(store: Store) -> None:
    """A forgotten member is nobody's any more: the next one that shows is not taken for a second one."""
    seen, recalling = recalled_user()
    store.record([], [remember("org", "membership/1"), recalling])
    store.forget(named("membership/1", digests=["membership/1"]))
    store.record([], [recalling, remember("org", "membership/2"), recalling])

    assert seen == [{"user": "membership/1"}, {}, {"user": "membership/2"}]


def test_a_key_with_two_values_stays_one_that_recalls_nothing(store: Store, tmp_path: Path) -> None:
    """It holds neither of them; forgetting must not make the next member the only one."""
    store.record([], [remember("org", "membership/1"), remember("org", "membership/2")])
    assert store.forget(named("org", keys=["org"])).memory == 0
    assert memory_rows(tmp_path)[key("org")] == (2, b"", None)


def test_an_answer_that_arrives_after_forgetting_brings_nothing_back(store: Store, tmp_path: Path) -> None:
    """A command forgets beside the daemon, whose batch is on its way: its answer stores nothing of it again."""
    store.record([], [about(name, organization="org-1", user=CANARY) for name in "abc"])
    batch = store.lease(3, 10_000)
    beside = Store.open_beside(tmp_path, clock=FakeClock())
    try:
        assert beside.forget(named(CANARY)).waiting == 3
    finally:
        beside.close()

    store.acknowledge(type(batch)(batch.events[:1]))
    store.bury(batch.events[1], reason="bad_request")
    store.release(type(batch)(batch.events[2:]))

    assert waiting(store) == []
    status = store.status()
    assert (status.outbox_rows, status.outbox_bytes, status.dead_letters) == (0, 0, 0)
    assert list(files_with(tmp_path, CANARY.encode())) == []


def test_the_passing_copy_of_an_erasure_lies_in_the_state_folder(store: Store, tmp_path: Path) -> None:
    """Not where others may read, nor in a container's few megabytes for temporary files, where it could not be made."""
    with store._database.reading() as connection:
        if ("OMIT_DEPRECATED",) in connection.execute("PRAGMA compile_options").fetchall():
            pytest.skip("this SQLite cannot be told where")
    store.record([], [fact(str(number), private="x", size=900) for number in range(4000)])
    folders: set[str] = set()

    def look() -> int:
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                target = descriptor.readlink()
                if "etilqs" in target.name:
                    folders.add(str(target.parent))
        return 0

    with store._database.alone() as connection:
        connection.execute("PRAGMA cache_size = 10")  # a large state's copy does not fit into memory either
        connection.set_progress_handler(look, 1000)
    store.record([], [about("a", organization="org-1", user="membership/1")])
    store.forget(named("org-1"))
    with store._database.alone() as connection:
        connection.set_progress_handler(None, 0)

    assert folders == {str(tmp_path)}
    assert not list(tmp_path.glob("etilqs*"))
