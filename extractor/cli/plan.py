"""`extractor plan`."""

import json
import os
import sys
from pathlib import Path

from extractor import wiring
from extractor.config import load_config
from extractor.ruleset.plan import build_plan, plan_as_json, render_markdown


def plan_command(path: Path, output: str) -> int:
    """Print the plan."""
    plan = build_plan(wiring.build_rules(load_config(path, os.environ)))
    if output == "json":
        sys.stdout.write(json.dumps(plan_as_json(plan), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(render_markdown(plan))
    return 0
