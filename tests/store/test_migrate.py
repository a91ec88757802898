"""A newer schema is refused, an older one migrated step by step with a backup first."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from extractor.store import Store, StoreError, StoreReader, StoreTooNew, StoreUnavailable, migrate
from extractor.store.folder import StateFolder
from extractor.store.migrate import Migration, expected_schema, migrations, newest
from tests.storing import Failure, FakeClock, checkpoint, dump, fact, flaky, ids, open_store, waiting

NOW = newest()
LATER = (
    Migration(
        NOW + 1,
        (
            "ALTER TABLE incident ADD COLUMN note TEXT",
            "CREATE TABLE tally (name TEXT PRIMARY KEY) STRICT",
            "INSERT INTO tally VALUES ('x')",
        ),
    ),
    Migration(NOW + 2, ("CREATE TABLE other (name TEXT) STRICT", "INSERT INTO other SELECT name FROM tally")),
)


@pytest.fixture(name="newer")
def _newer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A version of this program that knows two more migrations."""
    steps = (*migrations(), *LATER)
    expected_schema.cache_clear()
    monkeypatch.setattr(migrate, "migrations", lambda: steps)
    yield
    expected_schema.cache_clear()


@pytest.fixture(name="older")
def _older(tmp_path: Path) -> Path:
    """A state that the present version left."""
    folder = tmp_path / "older"
    store = open_store(folder)
    store.record([checkpoint("a", 10)], [fact("one"), fact("two")])
    store.close()
    return folder


def version(path: Path) -> int:
    """The schema of a database."""
    connection = sqlite3.connect(path)
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return number


def test_migrations_are_numbered_without_gaps() -> None:
    """Every step has the number of its file, and no number is missing."""
    assert [step.number for step in migrations()] == list(range(1, len(migrations()) + 1))
    assert all(statement.endswith(";") for step in migrations() for statement in step.statements)


def test_older_state_is_migrated_after_a_backup(older: Path, newer: None) -> None:
    """What an upgrade changes can be undone: the state as it was stays beside it, private."""
    store = open_store(older)

    assert waiting(store) == ids("one", "two")
    assert store.checkpoints() == [checkpoint("a", 10)]
    assert version(older / "state.db") == NOW + 2
    ((backup, _),) = StateFolder(older).copies()
    assert backup.name.startswith(f"state.db.backup-v{NOW}-")
    assert (version(backup), backup.stat().st_mode & 0o777) == (NOW, 0o600)
    store.close()
    open_store(older).close()
    assert len(StateFolder(older).copies()) == 1


def test_backup_is_a_state_that_works(older: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Going back to the older version is putting its backup in place."""
    request.getfixturevalue("newer")
    open_store(older).close()
    ((backup, _),) = StateFolder(older).copies()
    expected_schema.cache_clear()
    request.getfixturevalue("monkeypatch").undo()
    folder = tmp_path / "back"
    folder.mkdir()
    (folder / "state.db").write_bytes(backup.read_bytes())

    store = open_store(folder)
    assert waiting(store) == ids("one", "two")
    assert store.status().incidents == ()
    store.close()


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_migration_is_all_or_nothing_wherever_it_fails(
    older: Path, tmp_path: Path, newer: None, *, late: bool
) -> None:
    """Each step and its number are one transaction; the next start goes on with the first that is missing."""
    failure = Failure()

    def copied(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "state.db").write_bytes((older / "state.db").read_bytes())
        return folder

    undisturbed = copied("undisturbed")
    open_store(undisturbed, factory=flaky(failure)).close()
    after = dump(undisturbed)
    assert failure.seen > 15

    for at in range(1, failure.seen + 1):
        folder = copied(str(at))
        with suppress(StoreError):
            open_store(folder, factory=flaky(Failure(at=at, late=late))).close()
        number = version(folder / "state.db")
        assert number in {NOW, NOW + 1, NOW + 2}
        connection = sqlite3.connect(folder / "state.db")
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        }
        connection.close()
        assert ("tally" in tables, "other" in tables) == (number > NOW, number > NOW + 1)

        store = open_store(folder)
        assert waiting(store) == ids("one", "two")
        assert store.status().incidents == ()
        store.close()
        assert version(folder / "state.db") == NOW + 2
        assert dump(folder)["event"] == after["event"]


def test_newer_state_is_refused_and_left_alone(older: Path, request: pytest.FixtureRequest) -> None:
    """An older program never writes to what a newer one has made of the state."""
    request.getfixturevalue("newer")
    open_store(older).close()
    request.getfixturevalue("monkeypatch").undo()
    expected_schema.cache_clear()
    before = (older / "state.db").read_bytes()

    with pytest.raises(StoreTooNew, match="written by a newer extractor"):
        open_store(older)
    with pytest.raises(StoreTooNew):
        StoreReader.open_for_reading(older, clock=FakeClock())
    with pytest.raises(StoreTooNew):
        Store.open_beside(older, clock=FakeClock())

    assert (older / "state.db").read_bytes() == before


def test_reader_asks_for_the_migration_that_it_must_not_make(older: Path, newer: None) -> None:
    """`status` of a new version on an old state says what to do."""
    with pytest.raises(StoreUnavailable, match="start `extractor run` once"):
        StoreReader.open_for_reading(older, clock=FakeClock())


def test_damaged_older_state_is_rescued(older: Path, newer: None) -> None:
    """An upgrade over a damaged state sets it aside like any other start."""
    connection = sqlite3.connect(older / "state.db")
    connection.execute("DROP TABLE incident")
    connection.commit()
    connection.close()

    store = open_store(older)

    assert waiting(store) == ids("one", "two")
    assert store.status().incidents[0].kind == "state_damaged"
    assert version(older / "state.db") == NOW + 2
    store.close()


def test_sqlite_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python built with an old SQLite is told what is missing."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(StoreUnavailable, match=r"needs 3\.37\.0"):
        open_store(tmp_path)
