"""Values as a terminal and a person can take them: nothing to act on, times in UTC, sizes and ages in words."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from extractor.config.quantity import seconds


def printable(value: object) -> str:
    """A value without anything that a terminal could act on: control characters are spelled out."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


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


def size_text(size: float) -> str:
    """Bytes in the largest fitting decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def age_text(age_s: float) -> str:
    """Seconds in the unit that a person would use."""
    for limit, unit_s, unit in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if age_s < limit:
            return f"{max(age_s, 0) / unit_s:.0f} {unit}"
    return f"{age_s / 86_400:.0f} days"


def time_text(moment: float) -> str:
    """Unix seconds as a UTC time."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


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
