"""`extractor plan`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from extractor import wiring
from extractor.cli.terminal import printable
from extractor.config import load_config
from extractor.daemon.process import Exit
from extractor.ruleset.plan import build_plan, plan_as_json
from extractor.ruleset.plan_formats import NotAPlanError, more_than, plan_as_csv, plan_as_schema
from extractor.ruleset.plan_page import render_markdown


def plan_command(path: Path, output: str) -> int:
    """Print the plan."""
    config = load_config(path, os.environ)
    plan = build_plan(wiring.build_rules(config))
    match output:
        case "json":
            text = _json(plan_as_json(plan))
        case "json-schema":
            text = _json(plan_as_schema(plan_as_json(plan)))
        case "csv":
            text = plan_as_csv(plan_as_json(plan))
        case _:
            text = render_markdown(plan, opt_out_variables=config.opt_out_variables)
    sys.stdout.write(text)
    return Exit.FINE


def diff_command(path: Path, old: Path) -> int:
    """Print what the config would send that a kept plan would not, a sentence a line."""
    plan = plan_as_json(build_plan(wiring.build_rules(load_config(path, os.environ))))
    try:
        kept: Any = json.loads(sys.stdin.buffer.read() if str(old) == "-" else old.read_bytes())
        more = more_than(plan, kept)
    except (ValueError, RecursionError, NotAPlanError):
        sys.stderr.write(f"extractor: {printable(old)} is no plan as --format json prints it\n")
        return Exit.USAGE
    for sentence in more:
        sys.stdout.write(f"{printable(sentence)}\n")
    return Exit.PROBLEMS if more else Exit.FINE


def _json(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"  # ASCII: a pack's words act on no terminal
