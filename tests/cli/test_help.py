"""The command line itself: help that answers at once, every command described alike, errors in words."""

import contextlib
import gc
import json
import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main

from extractor.cli import guard
from extractor.cli.app import app
from extractor.config import config_schema
from tests.commands import LOGS, Shell

ROOT = Path(__file__).parents[2]
CANARY = "canary-7731"
HEAVY = (
    "pydantic",
    "orjson",
    "rich",
    "yaml",
    "re2",
    "hyperscan",
    "requests",
    "segment",
    "sqlite3",
    "structlog",
    "watchdog",
)


def every_command() -> dict[str, Any]:
    """All commands by the words that call them."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: str) -> None:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                walk(inner, f"{words} {name}".strip())
        else:
            found[words] = command

    walk(typer.main.get_command(app), "")
    return found


def test_help_imports_nothing_heavy() -> None:
    """`extractor --help` has to answer before one wonders: nothing of the program is loaded for it."""
    code = (
        "import sys; sys.argv = ['extractor', '--help']\n"
        "import extractor.daemon.process\n"  # by which the console script leaves
        "from extractor.cli.app import app\n"
        "from extractor.cli.guard import guarded\n"
        "try: guarded(app)\n"
        f"except SystemExit: print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("words", sorted(every_command()))
def test_each_command_has_an_example_and_its_exit_codes(words: str) -> None:
    """Whoever asks for help sees how it is typed and what it leaves behind."""
    command = every_command()[words]
    assert f"Example: extractor {words}" in (command.help or "")
    assert (command.epilog or "").startswith("Exit codes: 0 ")
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter.name


def examples() -> list[tuple[str, str]]:
    """Every example in a help text."""
    return [
        (words, example)
        for words, command in every_command().items()
        for example in re.findall(r"Example: (extractor .*)", command.help or "")
    ]


@pytest.mark.parametrize(("words", "example"), examples())
def test_each_example_is_understood(words: str, example: str) -> None:
    """No example names an option that is not there."""
    command = every_command()[words]
    given = example.removeprefix("extractor ").removeprefix(words).partition(" > ")[0].split()
    command.make_context(words, given, resilient_parsing=False)


def test_a_misspelt_option_is_a_usage_mistake(shell: Shell) -> None:
    """Exit code 2, with the way to the help."""
    said = shell("preview", "--bogus")
    assert said.code == 2
    assert "--help" in said.err


def test_a_missing_config_is_named(shell: Shell) -> None:
    """Exit code 1."""
    (shell.folder / "extractor.yaml").unlink()
    said = shell("check")
    assert said.code == 1
    assert "extractor.yaml: E001 cannot be read: no such file or directory" in said.err


def test_the_config_can_come_from_the_environment(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXTRACTOR_CONFIG names it where no option does."""
    (shell.folder / "extractor.yaml").rename(shell.folder / "other.yaml")
    monkeypatch.setenv("EXTRACTOR_CONFIG", "other.yaml")
    assert shell("check").out.startswith("other.yaml: fine.")


def test_a_mistake_of_ours_shows_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    """What a broken program prints: type and places, never the text of the exception."""

    def broken() -> None:
        raise KeyError("jane@example.com")

    with pytest.raises(SystemExit) as left:
        guard.guarded(broken)
    assert left.value.code == 70
    err = capsys.readouterr().err
    assert "internal error: KeyError at test_help.py" in err
    assert "jane" not in err


class PanicError(BaseException):
    """What a library written in Rust raises: no `Exception`, and its text quotes what it was given."""


class Dying:
    """Fails where nobody can catch it."""

    def __del__(self) -> None:
        raise ValueError(CANARY)


def raise_panic() -> None:
    """A mistake that no `except Exception` sees."""
    raise PanicError(CANARY)


def fail_in_a_thread() -> None:
    """A mistake in another thread."""
    thread = threading.Thread(target=lambda: int(CANARY))
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("fail", "said"),
    [
        (raise_panic, "internal error: PanicError at"),
        (fail_in_a_thread, "internal error: ValueError at"),
        (Dying, "internal error: ValueError at"),
        (lambda: warnings.warn(CANARY, UserWarning, stacklevel=1), ""),
    ],
    ids=["a panic", "a thread", "a destructor", "a warning"],
)
def test_the_interpreter_s_own_words_are_ours(
    fail: Callable[[], object],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever an error comes up, Python would print its text, in which a value may stand."""
    monkeypatch.setattr(warnings, "filters", [])
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: sys.stderr.write(str(message)))

    def command() -> None:
        fail()
        gc.collect()

    with contextlib.suppress(SystemExit):
        guard.guarded(command)
    err = capsys.readouterr().err
    assert said in err
    assert CANARY not in err


def test_a_reader_that_had_enough_is_no_error() -> None:
    """`extractor preview | head -1` ends quietly."""
    command = f"{sys.executable} -m extractor preview --format jsonl -c examples/lago.yaml | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) in {(0, ""), (1, "")}


def test_schemas_are_valid_and_take_what_we_take(shell: Shell) -> None:
    """What editors are given agrees with what the program reads: the sample config is good by both."""
    config = json.loads(shell("schema", "config").out)
    jsonschema.Draft202012Validator.check_schema(config)
    assert config == config_schema()
    pack = json.loads(shell("schema", "pack").out)
    jsonschema.Draft202012Validator.check_schema(pack)
    jsonschema.validate({"sources": [{"paths": [str(LOGS)]}]}, config)


def canary_lines() -> str:
    """Lines with a private value in every place that a rule may look at, or may not."""
    text = (LOGS / "api.log").read_text(encoding="utf-8")
    return re.sub(
        r'("(?:external_id|externalId|external_customer_id|name|email|path|code)":")[^"]*',
        rf"\g<1>{CANARY}@x.example",
        text,
    )


@pytest.mark.parametrize(
    "command",
    [
        ["explain", "api.log", "--all"],
        ["backfill", "api.log"],
        ["prime", "--from-logs", "api.log"],
        ["status"],
        ["status", "--json"],
        ["check"],
        ["plan"],
        ["dead-letters", "list"],
        ["preview", "--format", "jsonl"],
    ],
)
def test_no_private_value_of_a_line_is_printed(shell: Shell, command: list[str]) -> None:
    """Outputs are doors, too: none of these shows what a line holds beyond the allowlist."""
    shell.write("api.log", canary_lines())
    shell("backfill", "api.log", "--assume-time", "now", "--yes")
    said = shell(*command)
    assert said.code in (0, 2)
    assert CANARY not in said.out + said.err
