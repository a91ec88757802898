"""`extractor explain`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from extractor import wiring
from extractor.cli.terminal import absolute, printable
from extractor.config import Config, load_config
from extractor.decode.envelope import Broken, Envelope
from extractor.intake import Wrapping
from extractor.lines import LineReader, Numbered
from extractor.ruleset.evaluate import Origin
from extractor.ruleset.event import TimeSource
from extractor.ruleset.explain import NOT_A_RECORD, Explanation, Tried, explain, memory_notes
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.rule import Rule
from extractor.telemetry import Reason
from extractor.whole.reader import given_files


def explain_command(path: Path, target: str, *, show_values: bool, all_lines: bool) -> int:
    """Explain the lines of a file, one of them, or those on standard input."""
    config = load_config(path, os.environ)
    ready = ReadyRules(wiring.build_rules(config))
    file, wanted = split_target(target)
    reader = LineReader(wrapping_of(file, config), wiring.build_limits(config))
    lines = reader.read_stream(sys.stdin.buffer) if file == "-" else reader.read_file(absolute(file))
    told = read = 0
    for numbered in lines:
        read = numbered.last
        if wanted is not None and numbered.first > wanted and reader.is_past(wanted):
            break
        if wanted is None or numbered.first <= wanted <= numbered.last:
            always = all_lines or wanted is not None
            told += show(numbered, ready, show_values=show_values, always=always)
            sys.stdout.flush()
    for number in reader.too_long:
        if wanted in (None, number):
            told += 1
            sys.stdout.write(f"line {number}: longer than max_line_bytes, so it is skipped and counted\n")
    if wanted is not None and not told:
        sys.stderr.write(f"extractor: {printable(file)} has no line {wanted} (or it is empty)\n")
        return 1
    if not told:
        sys.stdout.write(f"no rule matched any of {read} lines; --all explains each of them\n")
    return 0


def split_target(target: str) -> tuple[str, int | None]:
    """`api.log:120` is line 120 of `api.log`, unless there is a file of that whole name."""
    file, colon, line = target.rpartition(":")
    if colon and line.isascii() and line.isdigit() and not Path(target).exists():
        return file, int(line)
    return target, None


def wrapping_of(file: str, config: Config) -> Wrapping:
    """How the file's source wraps its lines; found out where no source would have found the file."""
    wrappings = wiring.build_wrappings(config, any_file=True)
    if file == "-":
        return wrappings[-1]
    (one,) = given_files([absolute(file)], wiring.build_sources(config))
    return wrappings[one.source]


def show(numbered: Numbered, ready: ReadyRules, *, show_values: bool, always: bool) -> int:
    """Print one line's explanation, if it is worth it or asked for; how many were printed."""
    place = (
        f"line {numbered.first}"
        if numbered.first == numbered.last
        else f"lines {numbered.first}-{numbered.last}"
    )
    line = numbered.line
    if isinstance(line, Broken):
        if always:
            sys.stdout.write(
                f"{place}: not what the envelope {line.envelope.value} looks like, so it is skipped\n"
            )
        return int(always)
    explanation = explain(line, Origin(path="", time=0.0, time_source=TimeSource.READ), ready)
    if not (always or explanation.matched or explanation.outcome.rejections):
        return 0
    bare = numbered.envelope in (Envelope.NONE, Envelope.AUTO)
    envelope = "bare" if bare else f"{numbered.envelope.value}, {line.stream}"
    if line.pieces > 1:
        envelope += f" in {line.pieces} pieces"
    reason = explanation.outcome.reason
    kind = "JSON" if reason in (None, Reason.NO_RULE) else NOT_A_RECORD.get(reason, reason.value)
    sys.stdout.write(f"{place}: {envelope}, {kind}\n")
    if not numbered.wanted:
        sys.stdout.write("  not read: its source's `where` does not want it; if it did:\n")
    sys.stdout.writelines(
        words(explanation, {rule.id: rule for rule in ready.rules.rules}, show_values=show_values)
    )
    return 1


def words(explanation: Explanation, rules: dict[str, Rule], *, show_values: bool) -> Iterator[str]:
    """What is said under a line's heading."""
    for tried in explanation.matched:
        event = tried.event or "memory only"
        element = f" (element {tried.element})" if tried.element else ""
        yield f"  matched {tried.rule}: {event}{element}\n"
        yield from kept_words(tried, show_values=show_values)
        yield from (f"    {note}\n" for note in memory_notes(rules[tried.rule]))
    for rejection in explanation.outcome.rejections:
        if rejection.whole_event:
            about = f" ({rejection.property})" if rejection.property else ""
            yield f"  rejected {rejection.rule}: {rejection.reason.value}{about}\n"
    if explanation.matched or explanation.outcome.reason not in (None, Reason.NO_RULE):
        return
    for tried in explanation.nearest:
        held = f"{tried.held} condition{'s hold' if tried.held > 1 else ' holds'}"
        yield f"  not {tried.rule}: {held}, this does not: {printable(tried.failed)}\n"
    if not explanation.nearest:
        yield "  no rule comes near\n"


def kept_words(tried: Tried, *, show_values: bool) -> Iterator[str]:
    """A property a line."""
    for kept in tried.kept:
        if kept.reason is not None:
            yield f"    left out {kept.name}: {kept.reason.value}\n"
        elif show_values:
            yield f"    kept {kept.name} = {printable(kept.value)}\n"
        else:
            yield f"    kept {kept.name}\n"
