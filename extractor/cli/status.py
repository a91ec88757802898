"""`extractor status`."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from extractor import wiring
from extractor.cli.terminal import age_text, columns, printable, size_text, time_text
from extractor.clock import SystemClock
from extractor.config import Config, load_config
from extractor.destination.stdout import spell_unsafe
from extractor.ruleset.rule import RuleSet
from extractor.status import FileReport, Report, Standing, build_report
from extractor.store import StoreError, StoreReader

WATCH_EVERY_S = 2.0
SHOWN_INCIDENTS = 10
CLEAR_SCREEN = "\x1b[H\x1b[2J"


def status_command(path: Path, *, as_json: bool, watch: bool) -> int:
    """Print the report; 1 if something needs a person, or there is no state."""
    config = load_config(path, os.environ)
    rules = wiring.build_rules(config)
    if not watch:
        return look(config, rules, as_json=as_json, clear=False)
    with contextlib.suppress(KeyboardInterrupt):  # that is how watching ends
        while True:
            look(config, rules, as_json=as_json, clear=sys.stdout.isatty())
            time.sleep(WATCH_EVERY_S)
    return 0


def look(config: Config, rules: RuleSet, *, as_json: bool, clear: bool) -> int:
    """Print one report, or why there is none; 1 if something needs a person, or there is no state."""
    try:
        report = read_report(config, rules)
    except StoreError as error:
        sys.stderr.write(f"extractor: {error}\n")
        return 1
    show(report, as_json=as_json, clear=clear)
    return 1 if report.attention else 0


def read_report(config: Config, rules: RuleSet) -> Report:
    """One report; the state is closed again, so that it can be moved or removed between two looks."""
    clock = SystemClock()
    reader = StoreReader.open_for_reading(config.state_dir, clock=clock)
    try:
        return build_report(config, rules, reader, os.environ, clock=clock)
    finally:
        reader.close()


def show(report: Report, *, as_json: bool, clear: bool) -> None:
    """Print it."""
    if as_json:
        sys.stdout.write(spell_unsafe(orjson.dumps(as_object(report))).decode() + "\n")
    else:
        lines = list(words(report))
        if clear:
            # What needs a person stands first; what does not fit below must not push it off the screen.
            rows = os.get_terminal_size(sys.stdout.fileno()).lines
            lines = [f"{CLEAR_SCREEN}{lines[0]}", *lines[1 : rows - 1 if rows else None]]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def words(report: Report) -> Iterator[str]:
    """The report for people: what needs one first."""
    snapshot = report.snapshot
    for sentence in report.attention:
        yield f"ATTENTION  {printable(sentence)}"
    if snapshot.opt_out is not None:
        since = time_text(snapshot.opt_out.since)
        yield f"OPTED OUT  since {since} by {snapshot.opt_out.by}: nothing is stored, nothing leaves"
    if report.opted_out_by is not None and snapshot.opt_out is None:
        yield f"OPTED OUT  {report.opted_out_by} opts out here; what runs with it purges what waits"
    yield f"state      {printable(report.state_dir)}; {writer_words(report)}"
    yield from delivery_words(report)
    yield ""
    yield from file_words(report.files)
    yield ""
    yield from rule_words(report)
    if report.drift:
        yield ""
        yield "what seems to have changed in the app's lines: docs/drift.md"
        yield from (f"  since {time_text(one.since)}: {printable(one.words)}" for one in report.drift)
    if snapshot.incidents:
        yield ""
        yield "incidents, the newest first"
        rows = [
            (
                f"  {time_text(one.at)}",
                printable(one.kind),
                f"{size_text(one.lost_bytes)} lost" if one.lost_bytes else "",
                printable(f"{one.path} {one.detail}".strip()),
            )
            for one in snapshot.incidents[:SHOWN_INCIDENTS]
        ]
        yield from columns(rows)
        if len(snapshot.incidents) > SHOWN_INCIDENTS:
            yield f"  and {len(snapshot.incidents) - SHOWN_INCIDENTS} more"


def writer_words(report: Report) -> str:
    """Whether something runs with the state."""
    if report.writer:
        return f"process {report.writer} is at work"
    if report.beat_at is not None:
        ago = age_text(max(report.snapshot.at - report.beat_at, 0.0))
        return f"a process was at work {ago} ago and is not seen from here: it died, or runs in another container"
    return "nothing is seen to run with it"


def delivery_words(report: Report) -> Iterator[str]:
    """What waits, went and could not."""
    snapshot = report.snapshot
    waiting = f"{snapshot.outbox_rows} events wait ({size_text(snapshot.outbox_bytes)})"
    if snapshot.outbox_oldest is not None:
        waiting += f", the first for {age_text(snapshot.at - snapshot.outbox_oldest)}"
    yield f"outbox     {waiting}"
    to = f", now to {snapshot.destination}" if snapshot.destination else ""
    yield f"delivered  {snapshot.delivered} events{to}"
    if snapshot.hold is not None:
        answer = f" ({snapshot.hold.status})" if snapshot.hold.status is not None else ""
        yield f"held       since {time_text(snapshot.hold.since)}: {snapshot.hold.reason}{answer}; it resumes by itself"
    if snapshot.retry_at is not None and snapshot.retry_at > snapshot.at:
        yield f"silent     until {time_text(snapshot.retry_at)}, as the server asked"
    yield f"dead       {snapshot.dead_letters} events"
    if snapshot.suppressed:
        yield f"suppressed {snapshot.suppressed} facts, by opt-outs or primed: they are never sent"


def file_words(files: tuple[FileReport, ...]) -> Iterator[str]:
    """A row a file that is there; the others in one line."""
    here = [file for file in files if file.standing in (Standing.FOLLOWED, Standing.NEW)]
    rows: list[tuple[str, ...]] = [("files", "size", "read", "to read", "lost")]
    for file in here:
        new = " (new)" if file.standing is Standing.NEW else ""
        sizes = map(size_text, (file.size, file.offset, file.lag))
        lost = size_text(file.lost_bytes) if file.lost_bytes else "-"
        rows.append((f"  {printable(file.path)}{new}", *sizes, lost))
    if here:
        yield from columns(rows, right=(1, 2, 3, 4))
    else:
        yield "files: none of the configured paths leads to one"
    all_lost = sum(file.lost_bytes for file in files)
    if others := len(files) - len(here):
        yield f"  {others} more that are gone or were read once"
    if all_lost:
        yield f"  lost in all: {size_text(all_lost)}, gone before they could be read"


def rule_words(report: Report) -> Iterator[str]:
    """When each rule last matched."""
    rows = [("rules", "last match", "lines")]
    for rule in report.snapshot.rules:
        ago = age_text(report.snapshot.at - rule.last_at)
        rows.append((f"  {rule.rule}", f"{time_text(rule.last_at)} ({ago} ago)", str(rule.matches)))
    rows += [(f"  {rule}", "never", "0") for rule in report.never_matched]
    yield from columns(rows, right=(2,))


def as_object(report: Report) -> dict[str, object]:
    """The report for programs; `docs/operations.md` says what the keys mean. Times are unix seconds."""
    snapshot = report.snapshot
    hold, opt_out = snapshot.hold, snapshot.opt_out
    return {
        "at": snapshot.at,
        "state_dir": str(report.state_dir),
        "writer": report.writer,
        "beat_at": report.beat_at,
        "attention": list(report.attention),
        "opt_out": None if opt_out is None else {"since": opt_out.since, "by": opt_out.by},
        "opted_out_by": report.opted_out_by,
        "outbox": {
            "events": snapshot.outbox_rows,
            "bytes": snapshot.outbox_bytes,
            "oldest": snapshot.outbox_oldest,
        },
        "delivered": snapshot.delivered,
        "destination": snapshot.destination,
        "dead_letters": snapshot.dead_letters,
        "suppressed": snapshot.suppressed,
        "hold": None if hold is None else {"since": hold.since, "reason": hold.reason, "status": hold.status},
        "retry_at": snapshot.retry_at,
        "files": [
            {
                "path": file.path.encode("utf-8", "replace").decode(),
                "standing": file.standing.value,
                "size": file.size,
                "offset": file.offset,
                "lag": file.lag,
                "lost_bytes": file.lost_bytes,
            }
            for file in report.files
        ],
        "rules": [
            *({"rule": rule.rule, "last_at": rule.last_at, "lines": rule.matches} for rule in snapshot.rules),
            *({"rule": rule, "last_at": None, "lines": 0} for rule in report.never_matched),
        ],
        "drift": [
            {
                "what": one.what.value,
                "rule": one.rule,
                "field": one.field,
                "kind": one.kind,
                "since": one.since,
                "words": one.words,
            }
            for one in report.drift
        ],
        "counters": [
            {"name": one.name, "rule": one.rule, "label": one.label, "count": one.count}
            for one in snapshot.counters
        ],
        "incidents": [
            {
                "at": one.at,
                "kind": one.kind,
                "path": one.path.encode("utf-8", "replace").decode(),
                "lost_bytes": one.lost_bytes,
                "detail": one.detail,
            }
            for one in snapshot.incidents
        ],
    }
