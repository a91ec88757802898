"""From a state folder to a database that can be trusted: examined, set aside and rebuilt if need be, migrated.

Every step leaves the folder in a state from which the next start goes on, whenever the process dies:
a rebuilt file gets its name `state.db.rescue` only when it is complete, and it is looked for before anything else.
"""

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from extractor.store.checkpoints import UnknownFiles
from extractor.store.database import MINIMUM_SQLITE, Database
from extractor.store.errors import StoreBroken, StoreUnavailable
from extractor.store.examine import CLOSE_LOOK_BYTES, Damaged, check_header, examine
from extractor.store.folder import StateFolder, unavailable
from extractor.store.migrate import migrate, newest, version
from extractor.store.optout import OptOutHistory, read_history, read_opt_out
from extractor.store.recording import Incident, write_incidents
from extractor.store.salvage import Salvage, carry_over
from extractor.telemetry import IncidentKind


@dataclass(frozen=True, slots=True)
class Opening:
    """How to open: the connection class (tests give one that fails) and the time (unix seconds)."""

    factory: type[sqlite3.Connection]
    now: float


def open_database(folder: StateFolder, opening: Opening) -> Database:
    """A sound database with the newest schema; the caller holds the folder's lock.

    Raises:
        StoreTooNew: A newer version wrote it; nothing was touched.
        StoreUnavailable: The disk refuses for now.
    """
    if sqlite3.sqlite_version_info < MINIMUM_SQLITE:
        wanted = ".".join(map(str, MINIMUM_SQLITE))
        raise StoreUnavailable(
            f"SQLite {sqlite3.sqlite_version} is too old; this needs {wanted}: use a newer Python build"
        )
    try:
        _finish_rescue(folder, opening)
        if not folder.database.exists() and not folder.log.exists():
            _create(folder, opening)
        else:
            try:
                _examine_file(folder, opening)
            except Damaged as damage:
                _set_aside(folder, opening, str(damage))
        folder.clear_suspect()
    except OSError as error:
        raise unavailable(error, f"state folder {folder.path}") from error
    database = Database(folder.database, factory=opening.factory, on_damage=folder.mark_suspect)
    try:
        _upgrade(database, folder, opening)
        _heed_history(database, folder)
    except BaseException:
        database.close()
        raise
    return database


def _finish_rescue(folder: StateFolder, opening: Opening) -> None:
    for path in folder.unfinished():
        path.unlink()
    if folder.rescue.exists():
        _exchange(folder, folder.spare("damaged", opening.now))


def _exchange(folder: StateFolder, kept: Path) -> None:
    folder.move_aside(kept)
    folder.rescue.rename(folder.database)
    folder.sync()


def _create(folder: StateFolder, opening: Opening) -> None:
    """A state of ours never has the length 0: it gets its name when it is complete."""
    folder.create_file(folder.rescue_part)
    target = Database(folder.rescue_part, factory=opening.factory)
    try:
        with target.alone() as connection:
            migrate(connection)
        target.empty_log()
    finally:
        target.close()
    folder.rescue_part.rename(folder.database)
    folder.sync()


def _examine_file(folder: StateFolder, opening: Opening) -> None:
    if not folder.database.exists():
        raise Damaged("it was gone, its log was not")
    check_header(folder.database)
    suspect = folder.is_suspect()
    closely = not suspect and folder.database.stat().st_size <= CLOSE_LOOK_BYTES
    database = Database(folder.database, factory=opening.factory)
    try:
        with database.reading() as connection:
            examine(connection, closely=closely)
    except StoreBroken as error:
        raise Damaged("it cannot be read") from error
    except sqlite3.Error as error:
        # Without a name for it, SQLite could not make sense of the file.
        raise Damaged("it cannot be read") from error
    finally:
        with suppress(sqlite3.Error):
            database.close()
    if suspect:
        # It looks sound, and yet it was met as damaged: written anew, it is sound.
        raise Damaged("damage was met while it was in use")


def _set_aside(folder: StateFolder, opening: Opening, why: str) -> None:
    kept = folder.spare("damaged", opening.now)
    history = read_history(folder)
    folder.create_file(folder.rescue_part)
    target = Database(folder.rescue_part, factory=opening.factory)
    try:
        with target.alone() as connection:
            migrate(connection)
        with target.transaction() as connection:
            salvage = _carry_from(folder.database, connection)
            damage = f"the state was damaged ({why}) and is kept as {kept.name}"
            _conclude(connection, salvage, history, at=opening.now, damage=damage)
        target.empty_log()
    finally:
        target.close()
    folder.rescue_part.rename(folder.rescue)
    folder.sync()
    _exchange(folder, kept)


def _carry_from(path: Path, target: sqlite3.Connection) -> Salvage:
    # Read-only: the damaged copy is kept as it was found, its log included.
    try:
        source = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error:
        return Salvage()
    with closing(source):
        return carry_over(source, target)


def _conclude(
    connection: sqlite3.Connection, salvage: Salvage, history: OptOutHistory, *, at: float, damage: str
) -> None:
    """Decide where files begin that have no checkpoint now, and say what happened."""
    if salvage.whole:
        unknown, then = UnknownFiles.FROM_BEGINNING, "files go on where they were"
    elif history.ever and not salvage.suppressions_whole:
        # Opt-out is absolute: what was logged meanwhile cannot be told apart any more, so nothing old is read.
        unknown, then = (
            UnknownFiles.FROM_END,
            "an opt-out's ids were lost, so files go on from their present end",
        )
    else:
        unknown, then = UnknownFiles.FROM_BEGINNING, "files are read again from their beginning"
    connection.execute("UPDATE state SET unknown_files = ?", (unknown.value,))
    if history.current is not None and not salvage.opted_out:
        connection.execute(
            "UPDATE state SET opt_out_since = ?, opt_out_by = ?", (history.current.since, history.current.by)
        )
    detail = (
        f"{damage}; carried over: {salvage.events} waiting events, {salvage.ledger} ledger ids,"
        f" {salvage.memory} rows of memory, {salvage.checkpoints} checkpoints; {then}"
    )
    write_incidents(connection, [Incident(IncidentKind.STATE_DAMAGED, at, detail=detail)])


def _upgrade(database: Database, folder: StateFolder, opening: Opening) -> None:
    with database.alone() as connection:
        number = version(connection)
        if 0 < number < newest():
            backup = folder.spare(f"backup-v{number}", opening.now)
            folder.create_file(backup)
            try:
                connection.execute("VACUUM INTO ?", (str(backup),))
            except BaseException:
                backup.unlink(missing_ok=True)
                raise
        migrate(connection)


def _heed_history(database: Database, folder: StateFolder) -> None:
    """An opt-out is noted in its history first: if the process died before the database knew, it knows now."""
    current = read_history(folder).current
    if current is None:
        return
    with database.transaction() as connection:
        if read_opt_out(connection) is None:
            connection.execute(
                "UPDATE state SET opt_out_since = ?, opt_out_by = ?, erasure_due = 1",
                (current.since, current.by),
            )
