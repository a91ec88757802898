"""Bring a state file to the newest schema: numbered .sql files, each in its own transaction with its number."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Migration:
    """One step; `number` is the `user_version` after it."""

    number: int
    statements: tuple[str, ...]


def _statements(script: str) -> Iterator[str]:
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending.strip()
            pending = ""


@lru_cache(maxsize=1)
def migrations() -> tuple[Migration, ...]:
    """All steps that this version knows, in order."""
    folder = files("extractor.store") / "migrations"
    scripts = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return tuple(
        Migration(int(script.name[:4]), tuple(_statements(script.read_text(encoding="utf-8"))))
        for script in scripts
    )


def newest() -> int:
    """The schema that this version writes."""
    return migrations()[-1].number


def version(connection: sqlite3.Connection) -> int:
    """The schema that a file has; 0 for an empty one."""
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def migrate(connection: sqlite3.Connection, *, steps: tuple[Migration, ...] | None = None) -> None:
    """Apply what is missing. A step that fails leaves the file as it was before that step.

    Raises:
        sqlite3.Error: As SQLite reports it; the caller names it.
    """
    for step in migrations() if steps is None else steps:
        if step.number <= version(connection):
            continue
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement in step.statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {step.number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def schema(connection: sqlite3.Connection) -> frozenset[tuple[str, str]]:
    """Names and definitions of all that a file holds."""
    return frozenset(connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))


@lru_cache(maxsize=8)
def expected_schema(number: int) -> frozenset[tuple[str, str]]:
    """What `schema` must give for a sound file of this version."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, steps=tuple(step for step in migrations() if step.number <= number))
        return schema(connection)
    finally:
        connection.close()
