"""`extractor plan`: formats made of one plan, and what an operator's CI learns from `--diff`."""

import json
from pathlib import Path

import jsonschema
import pytest

from extractor.ruleset.plan_formats import plan_as_csv, plan_as_schema
from tests.commands import LOGS, Said, Shell


def test_every_format_comes_from_one_plan(shell: Shell) -> None:
    """What is printed as JSON is what the other formats are made of."""
    printed = json.loads(shell("plan", "--format", "json").out)
    assert json.loads(shell("plan", "--format", "json-schema").out) == plan_as_schema(printed)
    assert shell("plan", "--format", "csv").out == plan_as_csv(printed)
    assert shell("plan", "--format", "markdown").out.startswith("# Tracking plan\n")


def test_the_printed_schema_takes_all_that_preview_prints(shell: Shell) -> None:
    """As an auditor would check it, with files and a validator of his own."""
    for name in ("api.log", "worker.log", "clock.log"):
        shell.write(name, (LOGS / name).read_bytes())
    validator = jsonschema.Draft7Validator(json.loads(shell("plan", "--format", "json-schema").out))
    shown = [json.loads(line) for line in shell("preview", "--format", "jsonl").out.splitlines()]
    assert len(shown) > 20
    assert [error.message for one in shown for error in validator.iter_errors(one["message"])] == []


def test_diff_is_quiet_and_0_where_nothing_more_would_be_sent(shell: Shell) -> None:
    """Against itself, and against a wider one."""
    shell.write("old.json", shell("plan", "--format", "json").out)
    assert shell("plan", "--diff", "old.json") == Said(0, "", "")


def test_diff_says_what_more_would_be_sent_and_is_1(shell: Shell, tmp_path: Path) -> None:
    """For a CI of the operator's."""
    config = (tmp_path / "extractor.yaml").read_text(encoding="utf-8")
    shell.write("extractor.yaml", config + "drop_properties: [name]\n")
    shell.write("old.json", shell("plan", "--format", "json").out)
    shell.write("extractor.yaml", config)
    said = shell("plan", "--diff", "old.json")
    assert said.code == 1
    assert "plan_created.name is new: string, max length 255\n" in said.out


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, '{"events": []}', "\x00"])
def test_diff_with_what_is_no_plan_is_a_usage_mistake(shell: Shell, content: str) -> None:
    """Exit code 2 and a sentence: neither 0, which would let a change pass, nor a traceback."""
    shell.write("old.json", content)
    said = shell("plan", "--diff", "old.json")
    assert (said.code, said.out) == (2, "")
    assert said.err == "extractor: old.json is no plan as --format json prints it\n"


def test_diff_with_a_file_that_is_not_there_is_a_problem(shell: Shell) -> None:
    """Exit code 1, and its name."""
    said = shell("plan", "--diff", "gone.json")
    assert (said.code, said.err) == (1, "extractor: gone.json: No such file or directory\n")
