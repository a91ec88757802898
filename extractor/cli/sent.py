"""`extractor sent` and `extractor resend`."""

import os
import sys
from collections import Counter
from pathlib import Path

import orjson

from extractor.cli.state import changing, reading
from extractor.cli.table import Row, show_rows
from extractor.cli.terminal import parse_moment, printable, time_text
from extractor.clock import SystemClock
from extractor.config import load_config
from extractor.destination.stdout import spell_unsafe
from extractor.store import SentEvent


def sent_command(path: Path, since: str, until: str, event: str | None, *, as_json: bool) -> int:
    """Print what was acknowledged in that time."""
    config = load_config(path, os.environ)
    now = SystemClock().now()
    begin, end = parse_moment(since, now), parse_moment(until, now)
    with reading(config) as state:
        sent = state.sent(begin, end, event)
    if as_json:
        sys.stdout.buffer.writelines(
            spell_unsafe(orjson.dumps(about(one), option=orjson.OPT_APPEND_NEWLINE)) for one in sent
        )
        sys.stdout.buffer.flush()
        return 0
    show_rows([Row(at=one.at, message=one.stored.event.message) for one in sent])
    for name, count in Counter(one.stored.event.name for one in sent).most_common():
        sys.stdout.write(f"{count:7} {name}\n")
    sys.stdout.write(f"{len(sent):7} events acknowledged from {time_text(begin)} to {time_text(end)}\n")
    kept_since = now - config.sent_s
    if begin < kept_since:
        sys.stdout.write(f"        messages are kept since {time_text(kept_since)} (retention.sent)\n")
    return 0


def about(sent: SentEvent) -> dict[str, object]:
    """One delivery with its message. Times are unix seconds."""
    event = sent.stored.event
    return {
        "at": sent.at,
        "destination": sent.destination,
        "rule": event.rule,
        "origin": {"path": printable(event.path), "offset": event.offset},
        "message": orjson.Fragment(event.message),
    }


def resend_command(path: Path, since: str, until: str, event: str | None, *, dry_run: bool) -> int:
    """Put what was acknowledged in that time back into the outbox."""
    config = load_config(path, os.environ)
    now = SystemClock().now()
    begin, end = parse_moment(since, now), parse_moment(until, now)
    if dry_run:
        with reading(config) as state:
            count = len({one.stored.sequence for one in state.sent(begin, end, event)})
        sys.stdout.write(f"{count} events would be sent again\n")
        return 0
    with changing(config) as store:
        count = store.resend(begin, end, event)
    sys.stdout.write(f"{count} events wait again, under the same ids; `extractor run` delivers them\n")
    sys.stdout.write(
        "Segment drops ids that it has seen in about the last day; older ones count twice downstream\n"
    )
    return 0
