"""`extractor check`."""

import os
import sys
from pathlib import Path

from extractor import wiring
from extractor.cli.terminal import printable
from extractor.config import load_config
from extractor.problems import Problem, ProblemError
from extractor.ruleset.assemble import assemble_rules
from extractor.ruleset.examples import check_examples


def check_command(path: Path) -> int:
    """Check everything that can be checked without a log."""
    config = load_config(path, os.environ)
    problems: list[Problem] = []
    choices = wiring.load_packs(config)
    try:
        rules = assemble_rules(choices, wiring.build_settings(config))
    except ProblemError as error:
        problems.extend(error.problems)
        rules = None
    for choice in choices:
        problems.extend(check_examples(choice.pack))
    if problems or rules is None:
        raise ProblemError(problems)
    examples = sum(len(choice.pack.examples) for choice in choices)
    sys.stdout.write(
        f"{printable(path)}: fine. {len(rules.rules)} rules of {len(choices)} rule packs, {len(rules.disabled)} switched off, "
        f"{examples} examples hold\n"
    )
    opted_out = config.opted_out_by(os.environ)
    if opted_out is not None:
        sys.stdout.write(f"note: {opted_out} opts out: nothing would be sent\n")
    return 0
