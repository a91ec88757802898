"""`extractor coverage`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from extractor import wiring
from extractor.cli.explain import wrapping_of
from extractor.cli.terminal import absolute, columns, printable
from extractor.config import load_config
from extractor.decode.assemble import Logical
from extractor.learning.coverage import Coverage, KindCoverage
from extractor.lines import LineReader


def coverage_command(path: Path, files: list[str], *, as_json: bool) -> int:
    """Print the kinds of lines of these files; 1 where one looks like an activation that no rule is about."""
    config = load_config(path, os.environ)
    rules = wiring.build_rules(config)
    coverage = Coverage(rules)
    for file in files:
        reader = LineReader(wrapping_of(file, config), wiring.build_limits(config))
        for numbered in reader.read_file(absolute(file)):
            if isinstance(numbered.line, Logical) and numbered.wanted:
                coverage.add(numbered.line)
    kinds = coverage.kinds()
    if as_json:
        sys.stdout.write(orjson.dumps(as_object(coverage, kinds)).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in words(coverage, kinds))
    return int(any(one.unknown_activation for one in kinds))


def words(coverage: Coverage, kinds: list[KindCoverage]) -> Iterator[str]:
    """A row a kind and rule."""
    rows = [("kind of line", "lines", "rule", "takes")]
    for one in kinds:
        name = printable(one.kind) or "(no kind that the rule packs name)"
        if one.unknown_activation:
            name = f"! {name}"
        taken = list(one.rules.items()) or [("-", 0)]
        for number, (rule, lines) in enumerate(taken):
            first = (name, str(one.lines)) if number == 0 else ("", "")
            rows.append((*first, rule, str(lines) if lines else ""))
    yield from columns(rows, right=(1, 3))
    for reason, lines in coverage.no_records.most_common():
        yield f"{lines} lines: {reason.meaning}"
    if any(one.unknown_activation for one in kinds):
        yield "! looks like an activation, and no rule is about it; list it under known_kinds if it is none"


def as_object(coverage: Coverage, kinds: list[KindCoverage]) -> dict[str, object]:
    """The same for programs."""
    return {
        "kinds": [
            {
                "kind": one.kind,
                "lines": one.lines,
                "rules": dict(one.rules),
                "unknown_activation": one.unknown_activation,
            }
            for one in kinds
        ],
        "no_records": {reason.value: lines for reason, lines in coverage.no_records.items()},
    }
