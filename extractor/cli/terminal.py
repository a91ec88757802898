"""Values as a terminal and a person can take them: nothing to act on, times in UTC, sizes and ages in words."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from extractor.config.quantity import seconds
from extractor.words import age_text, printable, size_text, time_text

__all__ = ["absolute", "age_text", "columns", "parse_moment", "printable", "size_text", "time_text"]


def absolute(path: str) -> str:
    """A path as the config's patterns are held against it: whole and without `..`, but with its links."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.resolve() would follow the links


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Rows as lines with aligned columns, two spaces apart.

    Args:
        rows: All of one length; the first may be headings.
        right: Numbers of the columns that are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def parse_moment(text: str, now: float) -> float:
    """Unix seconds of a time that a person wrote: `2026-11-22`, `2026-11-22T10:30`, or `24h` and `7d` ago.

    Raises:
        ValueError: It is none of these.
    """
    try:
        return now - seconds(text)
    except ValueError:
        pass
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    except OverflowError as error:
        raise ValueError(text) from error
