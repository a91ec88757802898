"""`extractor explain`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from extractor import wiring
from extractor.config import load_config
from extractor.decode.assemble import Assembler, Logical
from extractor.decode.cut import cut
from extractor.decode.envelope import Broken, Envelope, detect, unwrap
from extractor.ruleset.evaluate import Origin
from extractor.ruleset.event import TimeSource
from extractor.ruleset.explain import Explanation, Tried, explain
from extractor.ruleset.rule import RuleSet
from extractor.source import read_whole
from extractor.cli.preview import printable


def explain_command(path: Path, target: str, *, show_values: bool, all_lines: bool) -> int:
    """Explain the lines of a file, one of them, or those on standard input."""
    rules = wiring.build_rules(load_config(path, os.environ))
    file, wanted = split_target(target)
    for number, envelope, line in lines_of(file):
        if wanted is None or number == wanted:
            explain_line(number, envelope, line, rules, show_values=show_values, always=all_lines or wanted is not None)
    return 0


def split_target(target: str) -> tuple[str, int | None]:
    """`api.log:120` is line 120 of `api.log`, unless there is a file of that whole name."""
    file, colon, line = target.rpartition(":")
    if colon and line.isdigit() and not Path(target).exists():
        return file, int(line)
    return target, None


def lines_of(file: str) -> Iterator[tuple[int, Envelope, Logical | Broken]]:
    """Lines with their number in the file (of the piece that ends them) and the envelope they came in."""
    assembler = Assembler()
    envelope = Envelope.AUTO
    number = 0
    chunks = [(sys.stdin.buffer.read(), 0)] if file == "-" else ((bytes(c.data), c.start) for c in read_whole(file))
    for data, start in chunks:
        if envelope is Envelope.AUTO:
            envelope = detect(data)
        for raw in data.split(b"\n"):
            number += 1
            for cut_line in cut(raw, start):
                piece = unwrap(cut_line.data, envelope)
                if isinstance(piece, Broken):
                    yield number, envelope, piece
                    continue
                for line in assembler.feed(piece, cut_line.start, cut_line.end):
                    yield number, envelope, line
            start += len(raw) + 1
        number -= 1  # what follows the last newline is the next chunk's first line


def explain_line(
    number: int, envelope: Envelope, line: Logical | Broken, rules: RuleSet, *, show_values: bool, always: bool
) -> None:
    """Print one line's explanation."""
    if isinstance(line, Broken):
        if always:
            sys.stdout.write(f"line {number}: broken {line.envelope.value} envelope\n")
        return
    origin = Origin(path="", time=0.0, time_source=TimeSource.READ)
    explanation = explain(line, origin, rules)
    if not (always or explanation.matched or explanation.outcome.rejections):
        return
    wrapped = "bare" if envelope in (Envelope.NONE, Envelope.AUTO) else envelope.value
    reason = explanation.outcome.reason
    sys.stdout.write(f"line {number}: {wrapped}, {'JSON' if reason is None or reason.value == 'no_rule' else reason.value}\n")
    sys.stdout.writelines(words(explanation, show_values=show_values))


def words(explanation: Explanation, *, show_values: bool) -> Iterator[str]:
    """What is said under a line's heading."""
    for tried in explanation.matched:
        event = tried.event or "memory only"
        element = f" (element {tried.element})" if tried.element else ""
        yield f"  matched {tried.rule}: {event}{element}\n"
        yield from kept_words(tried, show_values=show_values)
    for rejection in explanation.outcome.rejections:
        if rejection.whole_event:
            about = f" ({rejection.property})" if rejection.property else ""
            yield f"  rejected {rejection.rule}: {rejection.reason.value}{about}\n"
    if not explanation.matched:
        for tried in explanation.nearest:
            yield f"  not {tried.rule}: {tried.held} conditions hold, then fails: {tried.failed}\n"
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
