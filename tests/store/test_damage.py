"""A state that was cut, zeroed or flipped: it starts, sets the bad copy aside, says so, and reads again rather than skips."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from extractor.ruleset.outcome import Outcome
from extractor.store import Batch, OptOut, Store, StoreBroken, StoreUnavailable, UnknownFiles
from extractor.store.folder import StateFolder
from extractor.store.optout import append_history
from tests.storing import (
    FakeClock,
    Unsynced,
    checkpoint,
    event_id,
    fact,
    forget,
    ids,
    open_store,
    remember,
    waiting,
)

LINES = 300
FILES = ("a", "b")


def line(file: str, number: int) -> Outcome:
    """What line `number` of a made-up log shows: facts, customers that come and go, members."""
    match number % 10:
        case 3:
            return remember(f"org {file} {number % 4}", f"membership/{number % 4}")
        case 7:
            return forget(f"customer {file} {number - 2}", by=f"{file} {number}")
        case 5:
            return fact(f"{file} {number}", once=f"customer {file} {number}", size=500)
        case 8:
            return fact(f"{file} {number} again", once=f"customer {file} {number - 3}")
        case _:
            return fact(f"{file} {number}", size=number * 3)


def all_facts() -> set[str]:
    """Every message id that the two logs show, by way of a store that nothing happens to."""
    store = Store.in_memory(clock=FakeClock())
    for file in FILES:
        store.record([], [line(file, number) for number in range(LINES)])
    found = set(waiting(store))
    store.close()
    return found


FACTS = all_facts()


class World:
    """Two logs, a state folder, a destination that counts. Reads and delivers as the loops do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.accepted: list[str] = []
        self.dead: set[str] = set()

    def open(self) -> Store:
        self.clock.time += 100
        return open_store(self.folder, self.clock, factory=Unsynced)

    def collect(self, store: Store, until: int, step: int = 75) -> None:
        """Read on in each file from its checkpoint, or from where a file without one begins."""
        offsets = {known.file_id: known.offset for known in store.checkpoints()}
        for file in FILES:
            start = offsets.get(file, until if store.unknown_files is UnknownFiles.FROM_END else 0)
            for first in range(start, until, step):
                last = min(until, first + step)
                store.record(
                    [checkpoint(file, last, identity=b"i" * 40)],
                    [line(file, number) for number in range(first, last)],
                )

    def deliver(self, store: Store, count: int) -> None:
        while count > 0 and (batch := store.lease(min(count, 120), 1 << 20)):
            self.accepted += [stored.event.message_id for stored in batch.events]
            store.acknowledge(batch)
            count -= len(batch)

    def bury(self, store: Store, count: int) -> None:
        batch = store.lease(count, 1 << 20)
        for stored in batch.events:
            store.bury(stored, reason="bad_request", status=400)
            self.dead.add(stored.event.message_id)

    def half_way(self) -> None:
        """Stop in the middle: some delivered, some dead, some waiting, the rest unread."""
        store = self.open()
        self.collect(store, LINES // 2)
        self.deliver(store, 80)
        self.bury(store, 3)
        store.close()

    def finish(self) -> int:
        """Run to the end, through every restart that damage met in use asks for; how many there were."""
        restarts = 0
        while True:
            store = self.open()
            try:
                self.check_never_ahead(store)
                self.collect(store, LINES)
                self.deliver(store, 1 << 30)
            except StoreBroken:
                restarts += 1
                assert restarts < 4
                continue
            else:
                found = {letter.stored.event.message_id for letter in store.dead_letters()}
                assert set(self.accepted) | found >= FACTS
                assert set(self.accepted) <= FACTS
                return restarts
            finally:
                store.close()

    def check_never_ahead(self, store: Store) -> None:
        """Whatever facts lie before a checkpoint were delivered, are dead or wait."""
        batch = store.lease(1 << 30, 1 << 40)
        store.release(batch)
        letters = store.dead_letters()
        there = set(self.accepted) | {stored.event.message_id for stored in batch.events}
        there |= {letter.stored.event.message_id for letter in letters}
        memory = Store.in_memory(clock=FakeClock())
        for known in store.checkpoints():
            memory.record([], [line(known.file_id, number) for number in range(known.offset)])
        assert set(waiting(memory)) <= there
        memory.close()


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.half_way()
    return world


def damaged_copies(folder: Path) -> list[Path]:
    """Copies that were set aside."""
    return [path for path, _ in StateFolder(folder).copies() if ".damaged-" in path.name]


def flip(data: bytearray, rng: random.Random) -> None:
    """One bit anywhere."""
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_many(data: bytearray, rng: random.Random) -> None:
    """Bits all over one page."""
    page = rng.randrange(len(data) // 4096) * 4096
    for _ in range(64):
        data[page + rng.randrange(4096)] ^= 1 << rng.randrange(8)


def zero_page(data: bytearray, rng: random.Random) -> None:
    """A page that was never written."""
    page = rng.randrange(len(data) // 4096) * 4096
    data[page : page + 4096] = bytes(4096)


def zero_tail(data: bytearray, rng: random.Random) -> None:
    """A crash of the file system: the length is there, the data is not."""
    start = rng.randrange(len(data))
    data[start:] = bytes(len(data) - start)


def cut(data: bytearray, rng: random.Random) -> None:
    """The end is gone."""
    del data[rng.randrange(len(data)) :]


def swap_pages(data: bytearray, rng: random.Random) -> None:
    """A write that went to the wrong place."""
    first, second = (rng.randrange(len(data) // 4096) * 4096 for _ in range(2))
    one, other = data[first : first + 4096], data[second : second + 4096]
    data[first : first + 4096], data[second : second + 4096] = other, one


Damage = Callable[[bytearray, random.Random], None]
DAMAGES: tuple[Damage, ...] = (flip, flip_many, zero_page, zero_tail, cut, swap_pages)


def survives(damage: Damage, seeds: range, folder: Path) -> int:
    """Drive each damaged copy of one half-way state to the end; how many copies were set aside."""
    original = World(folder / "original")
    original.half_way()
    data = (original.folder / "state.db").read_bytes()
    set_aside = 0
    for seed in seeds:
        altered = bytearray(data)
        damage(altered, random.Random(seed))
        world = World(folder / str(seed))
        world.folder.mkdir()
        (world.folder / "state.db").write_bytes(altered)
        world.accepted, world.dead = list(original.accepted), set(original.dead)

        restarts = world.finish()

        copies = damaged_copies(world.folder)
        set_aside += bool(copies)
        assert len(copies) >= restarts
        if copies:
            store = world.open()
            assert store.status().incidents[-1].kind == "state_damaged"
            store.close()
        shutil.rmtree(world.folder)
    return set_aside


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_is_lost_whatever_the_damage(damage: Damage, tmp_path: Path) -> None:
    """A damaged state starts, says so if it had to set a copy aside, and every fact is delivered or shown dead."""
    count = 64 if damage is flip else 20
    set_aside = survives(damage, range(count), tmp_path)

    assert set_aside > count // 3  # else the test damages nothing; many bits are free space


@pytest.mark.soak
@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_is_lost_whatever_the_damage_a_thousand_times(damage: Damage, tmp_path: Path) -> None:
    """The same promise, looked for longer."""
    survives(damage, range(1000, 2000), tmp_path)


@pytest.mark.parametrize("seed", range(16))
def test_damaged_log_loses_nothing(seed: int, tmp_path: Path) -> None:
    """SQLite's log after a kill, flipped or cut: what it held of transactions goes as a whole, and is read again."""
    world = World(tmp_path / "killed")
    store = world.open()
    world.collect(store, LINES // 2)
    world.deliver(store, 50)
    rng = random.Random(seed)
    after = World(tmp_path / "after")
    after.folder.mkdir()
    (after.folder / "state.db").write_bytes((world.folder / "state.db").read_bytes())
    log = bytearray((world.folder / "state.db-wal").read_bytes())
    store.close()
    assert len(log) > 100_000
    (flip if seed % 2 else cut)(log, rng)
    (after.folder / "state.db-wal").write_bytes(log)

    after.finish()


def test_emptied_state_is_read_again_from_the_beginning(world: World) -> None:
    """A state of length 0 is damage, not a first start: `start_at: end` must not skip what is there."""
    (world.folder / "state.db").write_bytes(b"")
    store = world.open()

    assert store.unknown_files is UnknownFiles.FROM_BEGINNING
    assert store.checkpoints() == []
    (incident,) = store.status().incidents
    (kept,) = damaged_copies(world.folder)
    assert kept.name in incident.detail
    assert "read again from their beginning" in incident.detail
    store.close()
    world.finish()


def test_removed_folder_is_a_first_start(world: World) -> None:
    """With the whole folder gone nothing is known; the ids make reading again harmless at the destination."""
    for path in world.folder.iterdir():
        path.unlink()
    store = world.open()
    assert store.unknown_files is UnknownFiles.AS_CONFIGURED
    assert store.status().incidents == ()
    store.close()
    world.finish()


def test_database_gone_but_not_its_log_is_no_first_start(world: World) -> None:
    """Half a state is damage."""
    (world.folder / "state.db").rename(world.folder / "state.db-wal")
    store = world.open()
    assert store.unknown_files is UnknownFiles.FROM_BEGINNING
    assert len(damaged_copies(world.folder)) == 1
    store.close()


def alter(folder: Path, statement: str) -> None:
    """Change a row behind the store's back."""
    connection = sqlite3.connect(folder / "state.db", isolation_level=None)
    connection.execute(statement)
    connection.close()


def test_damage_that_hits_no_event_costs_nothing(world: World) -> None:
    """Where every waiting event can be read back, checkpoints and memory go on as they were."""
    store = world.open()
    before = (store.checkpoints(), waiting(store), store.status())
    store.close()
    alter(world.folder, "DROP TABLE rule_seen")

    store = world.open()

    assert (store.checkpoints(), waiting(store)) == before[:2]
    assert store.status().dead_letters == before[2].dead_letters
    assert store.status().delivered == before[2].delivered
    repeated = store.record([], [line("a", 55), line("a", 58)])
    assert repeated.events == ()
    assert "files go on where they were" in store.status().incidents[0].detail
    store.close()
    world.finish()
    assert len(world.accepted) == len(set(world.accepted))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM outbox WHERE sequence = (SELECT max(sequence) FROM outbox)",
        "DELETE FROM dead_letter",
        "DELETE FROM event WHERE sequence = (SELECT min(sequence) FROM outbox)",
        "UPDATE event SET message = 'x' || substr(message, 2) WHERE sequence = (SELECT min(sequence) FROM outbox)",
        "UPDATE event SET time = time + 1 WHERE sequence = (SELECT min(sequence) FROM outbox)",
        "UPDATE outbox SET message_id = zeroblob(24) WHERE sequence = (SELECT min(sequence) FROM outbox)",
        "UPDATE checkpoint SET offset = offset + 1",
        "UPDATE state SET outbox_rows = outbox_rows + 1",
        "DELETE FROM state",
        "DROP TABLE checkpoint",
        "UPDATE state SET unknown_files = 'from_beginnIng'",
        "UPDATE memory SET standing = 1 - standing WHERE standing < 2",
        "PRAGMA user_version = 77",
        "PRAGMA user_version = 0",
    ],
)
def test_event_or_checkpoint_that_was_altered_makes_files_be_read_again(statement: str, world: World) -> None:
    """Damage that SQLite itself cannot see is found at the start by seals and counts."""
    if "event" in statement:  # STRICT columns take no text for a blob
        statement = statement.replace("'x' || substr(message, 2)", "CAST('x' || substr(message, 2) AS BLOB)")
    alter(world.folder, statement)

    world.finish()

    assert len(damaged_copies(world.folder)) == 1


def test_ledger_keeps_what_was_sent_from_being_sent_again(world: World) -> None:
    """Files are read again from the beginning, but what the ledger has is not delivered twice."""
    alter(world.folder, "DELETE FROM outbox WHERE sequence = (SELECT max(sequence) FROM outbox)")
    delivered = list(world.accepted)

    world.finish()

    assert len(delivered) == 80
    assert len(world.accepted) == len(set(world.accepted))


def test_memory_that_says_seen_goes_where_its_events_may_be_lost(world: World) -> None:
    """A key that is known must not keep a lost event from being found again; values and primed keys stay."""
    store = world.open()
    store.prime([fact("p", once="primed")])
    store.close()
    alter(world.folder, "DELETE FROM outbox WHERE sequence = (SELECT max(sequence) FROM outbox)")

    store = world.open()

    assert store.record([], [fact("update", once="primed")]).events == ()
    with store._database.reading() as connection:
        rows = connection.execute("SELECT standing, value, primed FROM memory").fetchall()
    assert len(rows) > 4
    assert all(value is not None or primed for _, value, primed in rows)
    store.close()
    world.finish()


def test_damage_met_in_use_ends_in_a_rescue(world: World) -> None:
    """What a start did not see, the next one does: the damage is remembered until it was dealt with."""
    store = world.open()
    with store._database.transaction() as connection:
        connection.execute(
            "UPDATE event SET offset = offset + 1 WHERE sequence = (SELECT min(sequence) FROM outbox)"
        )
    with pytest.raises(StoreBroken, match="start again"):
        store.lease(10, 1 << 20)
    store.close()
    assert StateFolder(world.folder).is_suspect()

    world.finish()

    assert not StateFolder(world.folder).is_suspect()
    assert len(damaged_copies(world.folder)) == 1


def test_large_state_is_not_read_as_a_whole_at_each_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limit pages are not looked at until they are used; what is found then is dealt with all the same."""
    monkeypatch.setattr("extractor.store.opening.CLOSE_LOOK_BYTES", 0)
    data = bytearray((world.folder / "state.db").read_bytes())
    connection = sqlite3.connect(world.folder / "state.db")
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'event'").fetchone()
    connection.close()
    data[(page - 1) * 4096 : page * 4096] = bytes(4096)
    (world.folder / "state.db").write_bytes(data)
    store = world.open()
    assert damaged_copies(world.folder) == []
    with pytest.raises(StoreBroken):
        store.lease(1 << 20, 1 << 40)
    store.close()

    world.finish()
    assert len(damaged_copies(world.folder)) == 1


@pytest.mark.parametrize("step", ["log moved", "database moved", "part only"])
def test_rescue_that_was_interrupted_is_finished(step: str, world: World) -> None:
    """Dying between any two steps of setting a copy aside leaves a folder from which the next start goes on."""
    database = world.folder / "state.db"
    sound = database.read_bytes()
    (world.folder / "state.db-wal").write_bytes(b"log")
    database.write_bytes(b"damaged" * 1000)
    if step == "part only":
        (world.folder / "state.db.rescue-part").write_bytes(b"half")
    else:
        (world.folder / "state.db.rescue").write_bytes(sound)
        (world.folder / "state.db-wal").rename(world.folder / "state.db.damaged-20250101T000000Z-wal")
    if step == "database moved":
        database.rename(world.folder / "state.db.damaged-20250101T000000Z")

    world.finish()

    assert not list(world.folder.glob("state.db.rescue*"))
    assert damaged_copies(world.folder)


def test_no_room_for_a_rescue_is_said_and_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged state on a full disk stops the start by name, and changes nothing."""
    alter(world.folder, "UPDATE checkpoint SET offset = offset + 1")
    before = (world.folder / "state.db").read_bytes()

    def full(*_: object) -> None:
        raise StoreUnavailable("full")

    with monkeypatch.context() as patched:
        patched.setattr(StateFolder, "create_file", full)
        with pytest.raises(StoreUnavailable):
            world.open()
    assert (world.folder / "state.db").read_bytes() == before

    world.finish()


@pytest.mark.parametrize("lost", [False, True], ids=["ids kept", "ids lost"])
def test_opt_out_outlives_a_damaged_state(tmp_path: Path, *, lost: bool) -> None:
    """What was logged during an opt-out is never sent, not even when its suppressed ids were lost with the state."""
    world = World(tmp_path)
    store = world.open()
    world.collect(store, 50)
    store.opt_out("LAGO_DISABLE_SEGMENT")
    world.collect(store, 100)
    store.opt_in()
    world.collect(store, 120)
    store.close()
    alter(tmp_path, "DELETE FROM outbox WHERE sequence = (SELECT max(sequence) FROM outbox)")
    if lost:
        alter(tmp_path, "DELETE FROM ledger")

    store = world.open()
    world.collect(store, 130)
    world.deliver(store, 1 << 30)

    meanwhile = {event_id(f"{file} {number}") for file in FILES for number in range(100)}
    assert not meanwhile & set(world.accepted)
    later = {event_id(f"{file} {number}") for file in FILES for number in (110, 111, 112)}
    assert later <= set(world.accepted)
    assert ("from their present end" in store.status().incidents[0].detail) is lost
    store.close()


def test_opt_out_in_force_outlives_a_lost_state(world: World) -> None:
    """Even with nothing left of the database, an opt-out that was in force is."""
    store = world.open()
    store.opt_out("OPT_OUT")
    opt_out = store.status().opt_out
    store.close()
    (world.folder / "state.db").write_bytes(b"")

    store = world.open()

    assert store.status().opt_out == opt_out
    assert store.record([], [fact("x")]).events == ()
    store.close()


def test_opt_out_that_died_before_the_database_knew_is_in_force(world: World) -> None:
    """The history is written first: a process that died right after it has opted out."""
    append_history(StateFolder(world.folder), OptOut(5.0, "OPT_OUT"), now=5.0)

    store = world.open()
    assert store.status().opt_out == OptOut(5.0, "OPT_OUT")
    assert store.record([], [fact("x")]).events == ()
    store.opt_out("OPT_OUT")
    assert waiting(store) == []
    store.opt_in()
    store.close()

    store = world.open()
    assert store.status().opt_out is None
    store.close()


def test_leased_part_of_a_salvaged_batch_is_whole(world: World) -> None:
    """Salvaged events are delivered as they were, in their order."""
    store = world.open()
    before = store.lease(1 << 20, 1 << 40)
    store.close()
    alter(world.folder, "DELETE FROM outbox WHERE sequence = (SELECT max(sequence) FROM outbox)")
    store = world.open()

    assert store.lease(1 << 20, 1 << 40) == Batch(before.events[:-1])
    assert ids("x") != waiting(store)
    store.close()
