"""`extractor funnel`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from extractor import wiring
from extractor.cli.state import reading
from extractor.cli.terminal import columns, printable
from extractor.config import load_config
from extractor.destination.stdout import spell_unsafe
from extractor.funnel import FunnelReport, build_funnels, funnel_as_object
from extractor.words import share_text, span_text

WEEKS = 8


def funnel_command(path: Path, *, as_json: bool) -> int:
    """Print how far organizations came."""
    config = load_config(path, os.environ)
    rules = wiring.build_rules(config)
    with reading(config) as state:
        funnels = build_funnels(rules.funnels, state.first_times())
    if as_json:
        document = {"funnels": [funnel_as_object(one) for one in funnels]}
        sys.stdout.write(spell_unsafe(orjson.dumps(document)).decode() + "\n")
        return 0
    if not funnels:
        sys.stdout.write("no rule pack in use names a funnel; a pack says its steps under `funnel`\n")
    for one in funnels:
        sys.stdout.writelines(f"{line}\n" for line in words(one))
    return 0


def words(report: FunnelReport) -> Iterator[str]:
    """One funnel for people."""
    yield f"{printable(report.pack)}: {report.organizations} organizations"
    rows = [("step", "organizations", "of first", "after the step before", "read then", "stop here")]
    for number, step in enumerate(report.steps):
        since = step.since_previous
        median = "" if since.median_s is None else f"{span_text(since.median_s)} (median of {since.measured})"
        last = number == len(report.steps) - 1
        rows.append(
            (
                f"  {printable(step.about)}",
                str(step.reached),
                share_text(step.reached, report.steps[0].reached),
                median,
                str(step.read_then or ""),
                "" if last else str(step.stopped or ""),
            )
        )
    yield from columns(rows, right=(1, 2, 3, 4, 5))
    if any(step.read_then for step in report.steps):
        yield "  read then: the line has no time, only when it was read is known; it is in no median"
    if report.not_seen_first:
        yield f"  {report.not_seen_first} were not seen to take the first step: older than the log"
    if report.cohorts:
        yield ""
        heads = ["week of the first step", "began", *(printable(step.about) for step in report.steps[1:])]
        weeks = [
            [f"  {cohort.week.isoformat()}", *map(str, cohort.reached)] for cohort in report.cohorts[-WEEKS:]
        ]
        yield from columns([heads, *weeks], right=range(1, len(heads)))
