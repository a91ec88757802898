"""Checkpoints to rows and back."""

import sqlite3
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from extractor.checkpoint import Checkpoint
from extractor.store.errors import StoreBroken
from extractor.store.paths import path_bytes, path_text
from extractor.store.seal import ROW_ERRORS, seal_checkpoint

_SIGN = 1 << 63
COLUMNS = "file_id, path, device, inode, offset, size, identity, lost_bytes, gone_since, seal"


class UnknownFiles(StrEnum):
    """Where a file without a checkpoint is to be begun at this start."""

    AS_CONFIGURED = "as_configured"  # the very first start: `start_at` holds
    FROM_BEGINNING = "from_beginning"  # any later start: what is new is new as a whole
    FROM_END = "from_end"  # its lines may be of an opt-out whose ids were lost: never send them


def write_checkpoints(connection: sqlite3.Connection, checkpoints: Iterable[Checkpoint]) -> None:
    """Insert or move checkpoints."""
    connection.executemany(
        f"INSERT OR REPLACE INTO checkpoint ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        [
            (
                checkpoint.file_id,
                path_bytes(checkpoint.path),
                signed(checkpoint.device),
                signed(checkpoint.inode),
                checkpoint.offset,
                checkpoint.size,
                checkpoint.identity,
                checkpoint.lost_bytes,
                checkpoint.gone_since,
                seal_checkpoint(checkpoint),
            )
            for checkpoint in checkpoints
        ],
    )


def forget_checkpoints(connection: sqlite3.Connection, file_ids: Iterable[str]) -> None:
    """Drop the rows of files that will not be known again."""
    connection.executemany("DELETE FROM checkpoint WHERE file_id = ?", [(file_id,) for file_id in file_ids])


def signed(number: int) -> int:
    """Device and inode numbers have 64 bits without a sign, SQLite's integers have one."""
    return number - 2 * _SIGN if number >= _SIGN else number


def unsigned(number: int) -> int:
    """The inverse of `signed`."""
    return number + 2 * _SIGN if number < 0 else number


def read_checkpoints(connection: sqlite3.Connection) -> list[Checkpoint]:
    """Every checkpoint, in the order of the ids.

    Raises:
        StoreBroken: A row is not what was written.
    """
    rows = connection.execute(f"SELECT {COLUMNS} FROM checkpoint ORDER BY file_id")  # noqa: S608 - a constant
    return [build_checkpoint(row) for row in rows]


def build_checkpoint(row: Sequence[Any]) -> Checkpoint:
    """A checkpoint from `COLUMNS`.

    Raises:
        StoreBroken: The row is not what was written.
    """
    file_id, path, device, inode, offset, size, identity, lost_bytes, gone_since, seal = row
    checkpoint = None
    try:
        checkpoint = Checkpoint(
            file_id=file_id,
            path=path_text(path),
            device=unsigned(device),
            inode=unsigned(inode),
            offset=offset,
            size=size,
            identity=identity,
            lost_bytes=lost_bytes,
            gone_since=gone_since,
        )
        sound = seal == seal_checkpoint(checkpoint)
    except ROW_ERRORS:
        sound = False
    if checkpoint is None or not sound:
        raise StoreBroken("the state is damaged: a checkpoint was altered; start again to set it aside")
    return checkpoint
