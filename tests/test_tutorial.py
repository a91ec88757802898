"""`docs/tutorial.md` takes two foreign logs to packs: its programs, packs, commands and outputs are real."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from extractor.document import load_file
from extractor.ruleset.examples import check_examples
from extractor.ruleset.load import Pack, load_pack
from tests.cli.test_pages import BLOCK, run
from tests.packs import Reader, assemble, messages

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial"
PAGE = TUTORIAL.with_suffix(".md")
TEXT = PAGE.read_text(encoding="utf-8")
SHOWN = re.compile(
    r"(<!-- real output in (?P<app>\w+): (?P<command>[^\n]*) -->\n```text\n)(?P<output>.*?)(```)", re.DOTALL
)

APPS = ("django", "node")
NODE_MODULES = Path(os.environ.get("EXTRACTOR_NODE_MODULES", TUTORIAL / "node" / "node_modules"))
EVENTS: Mapping[str, Mapping[str, int]] = {
    "django": {
        "team_registered": 3,
        "channel_connected": 3,
        "member_invited": 3,
        "ticket_received": 2,
        "ticket_state_changed": 4,
    },
    "node": {
        "workspace_registered": 3,
        "survey_created": 3,
        "survey_published": 1,
        "answer_received": 2,
        "plan_changed": 1,
    },
}
"""What `people` did in each app."""

PRIVATE = {
    "django": ("grace.hopper", "@", "Acme", "901820", "2345678", "1.299", "squeaks", "Edsger", "owner of"),
    "node": ("grace.hopper", "@", "Acme", "4242 4242", "Hank", "an ad", "Redacted"),
}
"""Texts in each log that no rule allows."""


def pack_of(app: str) -> Pack:
    """The app's pack."""
    return load_pack(load_file(TUTORIAL / app / "pack.yaml"))


def sent(app: str, log: Path) -> list[dict[str, Any]]:
    """The messages of a log."""
    reader = Reader(assemble(pack_of(app)))
    return messages(reader.events(*log.read_bytes().splitlines()))


def told(found: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Which events with which properties: all that does not change from one run of the program to the next."""
    return [(one["event"], one["properties"]) for one in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tutorial's folder, to write in."""
    copy = tmp_path / "tutorial"
    shutil.copytree(TUTORIAL, copy, ignore=shutil.ignore_patterns("node_modules", "state", "__pycache__"))
    return copy


@pytest.mark.parametrize("app", APPS)
def test_all_examples_of_the_pack_hold(app: str) -> None:
    """What `extractor check` says of it."""
    assert check_examples(pack_of(app)) == []


@pytest.mark.parametrize("app", APPS)
def test_the_committed_log_gives_what_was_done(app: str) -> None:
    """Each fact once: refused, repeated and unchanged ones are none."""
    found = sent(app, TUTORIAL / app / "app.log")
    assert Counter(one["event"] for one in found) == EVENTS[app]
    assert len({one["messageId"] for one in found}) == len(found)
    assert all(one["userId"] != "nobody" and one["context"]["groupId"] for one in found)


@pytest.mark.parametrize("app", APPS)
def test_every_event_is_there_at_the_time_the_app_said(app: str) -> None:
    """Neither structlog's nor pino's time is that of reading."""
    logged = (TUTORIAL / app / "app.log").read_bytes().splitlines()[-1]
    assert b"2026-11-22" in logged or b'"time":1795355' in logged
    assert {one["timestamp"][:10] for one in sent(app, TUTORIAL / app / "app.log")} == {"2026-11-22"}


@pytest.mark.parametrize("app", APPS)
def test_nothing_private_of_the_log_is_in_a_message(app: str) -> None:
    """Each of these texts is in the log, and none in what would leave."""
    log = (TUTORIAL / app / "app.log").read_text(encoding="utf-8")
    leaving = orjson.dumps(sent(app, TUTORIAL / app / "app.log")).decode()
    assert [word for word in PRIVATE[app] if word not in log] == []
    assert [word for word in PRIVATE[app] if word in leaving] == []


@pytest.mark.parametrize("app", APPS)
def test_the_log_is_of_no_particular_machine(app: str) -> None:
    """It is published: no host's name, no path."""
    log = (TUTORIAL / app / "app.log").read_text(encoding="utf-8")
    assert "hostname" not in log
    assert "/home" not in log
    assert os.uname().nodename not in log


def test_every_rule_on_the_page_is_one_of_the_packs() -> None:
    """What people copy from the page is what was checked."""
    found = [one for one in BLOCK.finditer(TEXT) if one["kind"].startswith("yaml")]
    assert len(found) >= 8
    for one in found:
        _, app, *name = one["kind"].split()
        assert one["text"] in (TUTORIAL / app / (name[0] if name else "pack.yaml")).read_text(
            encoding="utf-8"
        )


@pytest.mark.parametrize("app", APPS)
def test_every_command_on_the_page_runs(app: str, folder: Path, tmp_path: Path) -> None:
    """In its order, in the app's folder."""
    scripts = [one["text"] for one in BLOCK.finditer(TEXT) if one["kind"] == f"sh {app}"]
    assert scripts
    run("\n".join(scripts), folder / app, tmp_path)


def test_the_page_shows_what_comes_out(folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Its output is real: `pytest --rewrite-golden` writes it anew."""

    def shown(found: re.Match[str]) -> str:
        return found[1] + run(found["command"], folder / found["app"], tmp_path) + found[5]

    real = SHOWN.sub(shown, TEXT)
    assert len(SHOWN.findall(TEXT)) >= 4
    if request.config.getoption("--rewrite-golden"):
        PAGE.write_text(real, encoding="utf-8")
    else:
        assert real == TEXT


def runs_anew(app: str, folder: Path) -> None:
    """Run the program as the page says; its log gives the same events as the committed one."""
    (script,) = [one["text"] for one in BLOCK.finditer(TEXT) if one["kind"] == f"sh {app} program"]
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    paths = {"PATH": f"{python.parent}:{os.environ['PATH']}"}
    subprocess.run(
        ["bash", "-euc", script], cwd=folder / app, env={**os.environ, **paths}, check=True, timeout=60
    )
    found = sent(app, folder / app / "fresh.log")
    assert told(found) == told(sent(app, TUTORIAL / app / "app.log"))
    assert {one["messageId"] for one in found}.isdisjoint(
        one["messageId"] for one in sent(app, TUTORIAL / app / "app.log")
    )


def test_the_django_app_still_writes_such_a_log(folder: Path) -> None:
    """The log is no invention: the program writes it anew, and the same pack finds the same facts in it."""
    pytest.importorskip("django_structlog", reason="django-structlog is in the dev dependencies")
    runs_anew("django", folder)


def test_the_node_app_still_writes_such_a_log(folder: Path) -> None:
    """The same of the Node app, where its packages are installed: `.ci/run` does, and `npm ci` in its folder."""
    packages = NODE_MODULES
    if shutil.which("node") is None or not packages.is_dir():
        pytest.skip("needs Node, and `npm ci` in docs/tutorial/node: it downloads, so no test does it")
    (folder / "node" / "node_modules").symlink_to(packages)
    runs_anew("node", folder)


@pytest.mark.soak
def test_the_node_app_runs_from_its_lock_file(folder: Path) -> None:
    """As a reader of the page has it: `npm ci`, then the program. Needs the network."""
    subprocess.run(["npm", "ci", "--silent"], cwd=folder / "node", check=True, timeout=300)
    runs_anew("node", folder)
