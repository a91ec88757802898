"""Options that several commands have. Imports nothing but typer, as `app` does."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EXIT_CODES = (
    "Exit codes: 0 fine, 1 problems found, 2 wrong usage, 70 a mistake in this program; docs/operations.md."
)

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="The config file.", envvar="EXTRACTOR_CONFIG"),
]
DEFAULT_CONFIG = Path("extractor.yaml")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]


class RowsFormat(StrEnum):
    """Ways to show events."""

    TABLE = "table"
    JSONL = "jsonl"


def check_moment(text: str) -> str:
    """Refuse at the door what is no time."""
    from extractor.cli.terminal import parse_moment

    try:
        parse_moment(text, 0.0)
    except ValueError:
        raise typer.BadParameter(
            "not a time; like 2026-11-22, 2026-11-22T10:30 (UTC), or 24h or 7d ago"
        ) from None
    return text


UNTIL_NOW = "0s"
UntilOption = Annotated[
    str,
    typer.Option(
        "--until", metavar="TIME", help="To before then: as --since; 0s is now.", callback=check_moment
    ),
]
EventOption = Annotated[
    str | None, typer.Option("--event", metavar="NAME", help="Only this event.", show_default=False)
]
