"""`extractor preview`."""

import os
import sys
from collections import Counter
from pathlib import Path

import orjson

from extractor import wiring
from extractor.cli.bar import reading_bar
from extractor.cli.table import Row, show_rows
from extractor.cli.terminal import absolute
from extractor.config import load_config
from extractor.destination.stdout import spell_unsafe
from extractor.optout import OptOut
from extractor.ruleset.event import Event
from extractor.whole.backfill import TIMELESS
from extractor.whole.preview import preview


def preview_command(path: Path, files: list[str], *, as_json: bool) -> int:
    """Print the events, one JSON object a line or as a table."""
    config = load_config(path, os.environ)
    rules = wiring.build_rules(config)
    # Rows that are printed as they are found would stand in a bar's way.
    with reading_bar(wanted=not (as_json and sys.stdout.isatty())) as listen:
        events = preview(config, rules, [absolute(file) for file in files], listen=listen)
        if as_json:
            out = sys.stdout.buffer
            for event in events:
                out.write(render_line(event))
            out.flush()
        table = list(events)
    if not as_json:
        show_table(table)
    opted_out = OptOut(config, os.environ).by()
    if opted_out is not None:
        sys.stderr.write(f"note: {opted_out} opts out: none of this would be sent\n")
    return 0


def render_line(event: Event) -> bytes:
    """`{"origin": {"path", "offset"}, "rule", "message"}`; a path that is not UTF-8 is shown with `?`."""
    path = event.path.encode("utf-8", "replace").decode()
    line = {
        "origin": {"path": path, "offset": event.offset},
        "rule": event.rule,
        "message": orjson.Fragment(event.message),
    }
    return spell_unsafe(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def show_table(events: list[Event]) -> None:
    """A row an event, and a count of each kind."""
    show_rows([Row(message=event.message, guessed=event.time_source in TIMELESS) for event in events])
    for name, count in Counter(event.name for event in events).most_common():
        sys.stdout.write(f"{count:7} {name}\n")
    sys.stdout.write(f"{len(events):7} events\n")
    if not events:
        sys.stdout.write(
            "        `extractor explain` tells what the lines of a file lack; `extractor check` the rules\n"
        )
