"""Events as a table: a row each, for eyes. What is shortened here stands whole in `--format jsonl`."""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from extractor.cli.terminal import columns, printable

SHORT_ID = 8
INDENT = 11
SAME_IN_ALL = frozenset({"organization_id", "hosting_type", "version"})
"""Properties that every event has: the organization has a column of its own, the others are the config's."""

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


NARROW = 110
"""Below so many columns properties go below their event: beside it they would stand in a strip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One event to show.

    Attributes:
        message: As it is posted.
        at: The time to show instead of the event's own (unix seconds), or None.
        guessed: The event's own time is only when its line was read, or its file changed.
    """

    message: bytes = field(repr=False)
    at: float | None = None
    guessed: bool = False


def show_rows(rows: Sequence[Row]) -> None:
    """Print the table: as wide as the terminal, in color if it may; where a program reads, a plain line each."""
    if not rows:
        return
    day, cells = read_rows(rows)
    width = width_of_output()
    heads = columns([("time", "event", "org.", "user"), *(fixed for fixed, _ in cells)])
    beside = max(map(len, heads)) + 2
    out = Printer()
    out.write(heads[0] + " " * (beside - len(heads[0])) + "properties", "bold")
    for head, (_, properties) in zip(heads[1:], cells, strict=True):
        if width is None:
            out.write((head.ljust(beside) + "  ".join(properties)).rstrip())
        elif width < NARROW:
            out.write(head)
            for line in wrap(properties, width - INDENT):
                out.write(" " * INDENT + line, "dim")
        else:
            first, *others = wrap(properties, width - beside) or [""]
            out.write((head.ljust(beside) + first).rstrip())
            for line in others:
                out.write(" " * beside + line)
    out.write("")
    out.write(f"times are UTC{day}; ids are shortened", "dim")
    if any(row.guessed for row in rows):
        out.write("~ the line carries no time: it is its file's last change, or that of reading", "dim")
    out.write("")


class Printer:
    """Lines to standard output, with a style where the terminal takes one."""

    def __init__(self) -> None:
        self._console = None
        if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
            from rich.console import Console

            self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True)

    def write(self, line: str, style: str = "") -> None:
        """One line; it is no markup."""
        if self._console is None:
            sys.stdout.write(f"{line}\n")
            return
        from rich.text import Text

        self._console.print(Text(line, style=style))


def width_of_output() -> int | None:
    """Columns of the terminal; None where a program reads, unless COLUMNS says what it wants."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdigit() and int(wanted) >= 40:
        return int(wanted)
    if not sys.stdout.isatty():
        return None
    # A terminal that was never told its size says 0.
    return max(os.get_terminal_size(sys.stdout.fileno()).columns or 80, 40)


def wrap(units: Sequence[str], width: int) -> list[str]:
    """Units two spaces apart on lines of at most so many cells; one that is longer than a line is cut."""
    from rich.cells import cell_len, chop_cells

    lines: list[str] = []
    for unit in units:
        if lines and cell_len(lines[-1]) + 2 + cell_len(unit) <= width:
            lines[-1] += f"  {unit}"
        else:
            lines += chop_cells(unit, width)
    return lines


def read_rows(rows: Sequence[Row]) -> tuple[str, list[tuple[tuple[str, ...], list[str]]]]:
    """Words for the day, if all rows are of one; and for each row its fixed cells and its properties."""
    read = []
    for row in rows:
        message = orjson.loads(row.message)
        at = (
            datetime.fromisoformat(message["timestamp"])
            if row.at is None
            else datetime.fromtimestamp(row.at, UTC)
        )
        read.append((at, "~" if row.guessed and row.at is None else "", message))
    days = {f"{at:%Y-%m-%d}" for at, _, _ in read}
    form = "%H:%M:%S" if len(days) == 1 else "%m-%d %H:%M:%S"
    day = f" of {next(iter(days))}" if len(days) == 1 else ""
    return day, [
        (
            (
                f"{at:{form}}{guessed}",
                printable(message["event"]),
                short(str(message.get("context", {}).get("groupId", ""))),
                short(str(message.get("userId") or message.get("anonymousId") or "")),
            ),
            [
                f"{printable(name)}={short(str(value))}"
                for name, value in message["properties"].items()
                if name not in SAME_IN_ALL
            ],
        )
        for at, guessed, message in read
    ]


def short(text: str) -> str:
    """An id cut to what tells a few dozen apart; anything else as it is."""
    bare = text.rpartition("/")[2]
    if _UUID.fullmatch(bare):
        return bare[:SHORT_ID]
    return "nobody" if bare == "unidentifiable" else printable(text)
