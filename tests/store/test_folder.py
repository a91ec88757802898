"""The state folder: whose it is, who may write to it, who may look."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from extractor.store import Store, StoreLocked, StoreMissing, StoreReader, StoreUnavailable
from tests.storing import START, FakeClock, checkpoint, event_id, fact, ids, open_store, waiting

HOLDER = """
import sys, time
from pathlib import Path
from extractor.store import Store
class Clock:
    def now(self): return time.time()
store = Store.open(Path(sys.argv[1]), destination="segment", clock=Clock())
print("open", flush=True)
sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """A process that has the state open until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def modes(folder: Path) -> dict[str, str]:
    """Permissions of a folder and of all in it."""
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in (folder, *sorted(folder.iterdir()))}


def test_folder_and_files_are_for_their_owner_only(tmp_path: Path) -> None:
    """0700 and 0600, whatever the umask, also for what SQLite puts beside its file."""
    before = os.umask(0)
    try:
        folder = tmp_path / "new" / "state"
        store = open_store(folder)
        store.record([], [fact("a")])
        store.opt_out("X")
        store.opt_in()
        found = modes(folder)
        store.close()
    finally:
        os.umask(before)

    assert found.pop("state") == "0o700"
    assert set(found) == {"lock", "state.db", "state.db-wal", "state.db-shm", "opt-out-history"}
    assert set(found.values()) == {"0o600"}


def test_folder_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    """A folder that an operator made with the usual umask becomes private."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    open_store(folder).close()
    assert modes(folder)["state"] == "0o700"


def test_second_writer_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    """Two processes on one state: the second is refused by name, the first goes on, its end frees the state."""
    first = hold(tmp_path)
    with pytest.raises(StoreLocked, match=rf"another extractor \(pid {first.pid}\); stop it first"):
        open_store(tmp_path)
    first.communicate("")
    assert first.returncode == 0

    open_store(tmp_path).close()


def test_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    """The lock is the kernel's: a kill -9 needs no cleaning up."""
    first = hold(tmp_path)
    first.kill()
    first.communicate()
    open_store(tmp_path).close()


def test_lock_is_free_after_a_start_that_failed(tmp_path: Path) -> None:
    """A start that could not go on does not stand in the way of the next."""
    (tmp_path / "state.db").mkdir()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            open_store(tmp_path)


@pytest.mark.parametrize("kind", ["file", "missing parent"])
def test_folder_that_cannot_be_made_is_named(kind: str, tmp_path: Path) -> None:
    """The error names the folder and what the system says."""
    blocker = tmp_path / "blocker"
    blocker.write_text("")
    folder = blocker if kind == "file" else blocker / "state"
    with pytest.raises(StoreUnavailable, match=str(folder)):
        open_store(folder)


NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user who may not do everything."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture(name="open_folder")
def _open_folder() -> Iterator[Path]:
    """A folder that everybody can reach; pytest's own are closed to other users."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("case", ["folder of another", "read-only folder", "read-only database"])
def test_missing_permission_is_named_and_told_what_to_check(case: str, open_folder: Path) -> None:
    """Without the right to write, a start ends with a sentence, and leaves the state as it is."""
    state = open_folder / "state"
    open_store(state).close()
    if case == "folder of another":
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder to another user")
    elif os.geteuid() == 0:
        for path in (state, *state.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    if case == "read-only folder":
        (state / "lock").unlink()
        state.chmod(0o500)
    if case == "read-only database":
        (state / "state.db").chmod(0o400)
    before = (state / "state.db").read_bytes()

    with (
        unprivileged(),
        pytest.raises(StoreUnavailable, match=rf"{state}.*Permission denied|check its owner|owner and mode"),
    ):
        open_store(state)

    state.chmod(0o700)
    assert (state / "state.db").read_bytes() == before
    (state / "state.db").chmod(0o600)
    open_store(state).close()


def test_status_is_read_with_the_writer_up_and_down(tmp_path: Path) -> None:
    """A reader needs no lock, sees what is committed, and stands in nobody's way."""
    clock = FakeClock()
    store = open_store(tmp_path, clock)
    store.record([checkpoint("a", 10, size=25, lost_bytes=3)], [fact("one"), fact("two")])
    reader = StoreReader.open_for_reading(tmp_path, clock=clock)
    up = reader.status()
    store.record([], [fact("three")])
    assert reader.status().outbox_rows == 3
    store.acknowledge(store.lease(1, 10_000))
    store.close()
    reader.close()
    reader = StoreReader.open_for_reading(tmp_path, clock=clock)
    down = reader.status()

    assert (up.outbox_rows, up.outbox_oldest, up.delivered, up.destination) == (2, START, 0, "segment")
    assert [(file.path, file.lag, file.lost_bytes) for file in up.files] == [("/var/log/a.log", 15, 3)]
    assert (down.outbox_rows, down.delivered, down.opt_out) == (2, 1, None)
    assert reader.checkpoints() == [checkpoint("a", 10, size=25, lost_bytes=3)]
    assert reader.dead_letters() == []
    assert len(reader.sent(0, START + 1)) == 1
    reader.close()


def test_reader_cannot_write(tmp_path: Path) -> None:
    """A reader's connection is read-only for SQLite, too."""
    open_store(tmp_path).close()
    reader = StoreReader.open_for_reading(tmp_path, clock=FakeClock())
    with pytest.raises(StoreUnavailable), reader._database.transaction() as connection:
        connection.execute("DELETE FROM state")
    reader.close()


def test_state_that_is_not_there_is_no_empty_state(tmp_path: Path) -> None:
    """`status` on a wrong folder says so, and makes nothing there."""
    with pytest.raises(StoreMissing, match="nothing has run"):
        StoreReader.open_for_reading(tmp_path / "none", clock=FakeClock())
    with pytest.raises(StoreMissing):
        Store.open_beside(tmp_path / "none", clock=FakeClock())
    assert list(tmp_path.iterdir()) == []


def test_dead_letters_are_replayed_beside_the_running_daemon(tmp_path: Path) -> None:
    """An operator's command changes the state without stopping its writer, which sees the change."""
    clock = FakeClock()
    daemon = open_store(tmp_path, clock)
    daemon.record([], [fact("a"), fact("b")])
    batch = daemon.lease(1, 10_000)
    daemon.bury(batch.events[0], reason="bad_request", status=400)

    command = Store.open_beside(tmp_path, clock=clock)
    assert command.replay([event_id("a")]) == 1
    command.close()

    assert waiting(daemon) == ids("a", "b")
    daemon.acknowledge(daemon.lease(2, 10_000))
    command = Store.open_beside(tmp_path, clock=clock)
    assert command.resend(0, START + 1) == 2
    command.close()
    assert waiting(daemon) == ids("a", "b")
    daemon.close()


def test_threads_record_and_deliver_at_the_same_time(tmp_path: Path) -> None:
    """Two loops on one store: every event comes out once, in order, and nobody waits for a time-out."""
    store = open_store(tmp_path)
    names = [f"f{number}" for number in range(400)]
    failures: list[BaseException] = []

    def collect() -> None:
        try:
            for number, name in enumerate(names):
                store.record([checkpoint("a", number)], [fact(name)])
        except BaseException as error:
            failures.append(error)
            raise

    delivered: list[str] = []
    collecting = threading.Thread(target=collect)
    collecting.start()
    while len(delivered) < len(names) and not failures:
        batch = store.lease(7, 10_000)
        if batch:
            delivered += [stored.event.message_id for stored in batch.events]
            store.acknowledge(batch)
    collecting.join()

    assert delivered == ids(*names)
    store.close()
