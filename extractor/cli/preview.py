"""`extractor preview`."""

import os
import sys
from collections import Counter
from pathlib import Path

import orjson

from extractor import wiring
from extractor.config import load_config
from extractor.preview import preview
from extractor.ruleset.event import Event


def preview_command(path: Path, files: list[str], *, as_json: bool) -> int:
    """Print the events, one JSON object a line or as a table."""
    config = load_config(path, os.environ)
    events = preview(config, wiring.build_rules(config), [os.path.abspath(file) for file in files])
    if as_json:
        out = sys.stdout.buffer
        for event in events:
            out.write(render_line(event))
        out.flush()
    else:
        show_table(list(events))
    opted_out = config.opted_out_by(os.environ)
    if opted_out is not None:
        sys.stderr.write(f"note: {opted_out} opts out: none of this would be sent\n")
    return 0


def render_line(event: Event) -> bytes:
    """`{"origin": {"path", "offset"}, "rule", "message"}`."""
    origin = {"path": event.path, "offset": event.offset}
    line = {"origin": origin, "rule": event.rule, "message": orjson.Fragment(event.message)}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def show_table(events: list[Event]) -> None:
    """A row an event, and a count of each kind."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("time", "event", "organization", "user", "properties"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "event")
    for event in events:
        message = orjson.loads(event.message)
        properties = {
            name: value for name, value in message["properties"].items() if name not in ("organization_id", "hosting_type", "version")
        }
        # `Text` takes no markup, and what a terminal could act on is spelled out.
        cells = (
            message["timestamp"][:19],
            event.name,
            str(message["context"].get("groupId", ""))[:8],
            str(message["userId"]).removeprefix("membership/")[:8],
            ", ".join(f"{name}={printable(value)}" for name, value in properties.items()),
        )
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    counts = Counter(event.name for event in events)
    for name, count in counts.most_common():
        console.print(f"{count:7} {name}", highlight=False)
    console.print(f"{len(events):7} events; organization and user are shortened here", highlight=False)


def printable(value: object) -> str:
    """A value without anything that a terminal could act on."""
    return str(value) if str(value).isprintable() else ascii(value)
