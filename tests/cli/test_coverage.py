"""`coverage` and `suggest`: what a log has, and rules from it, from the command line."""

import io
import json
import sys
from pathlib import Path

import pytest

from tests.commands import LOGS, Shell, customer_line

GIFT = (
    '{"controller":"Api::V1::GiftsController","action":"create","method":"POST","status":200,"secret":"hush"}'
)


@pytest.fixture(name="logs")
def _logs(shell: Shell) -> Path:
    for name in ("api.log", "worker.log"):
        shell.write(name, (LOGS / name).read_bytes())
    return shell.folder


def test_kinds_with_their_lines_and_rules(shell: Shell, logs: Path) -> None:
    """How many of each kind there are and how many of them each rule takes, as the lines themselves say."""
    said = shell("coverage", "api.log", "--json")
    assert said.code == 0
    found = {one["kind"]: one for one in json.loads(said.out)["kinds"]}
    lines = [
        line for line in (logs / "api.log").read_text(encoding="utf-8").splitlines() if line.startswith("{")
    ]
    customers = [
        line for line in lines if '"controller":"Api::V1::CustomersController","action":"create"' in line
    ]
    row = found["Api::V1::CustomersController#create POST"]
    assert row["lines"] == len(customers) > 0
    assert row["rules"] == {"lago/customer-created-rest": sum('"status":200' in line for line in customers)}
    assert not any(one["unknown_activation"] for one in found.values())
    assert sum(one["lines"] for one in found.values()) == len(lines)


def test_an_unknown_kind_that_looks_like_an_activation_is_marked(shell: Shell) -> None:
    """First in the list, and in the exit code; nothing of the line but its kind is shown."""
    shell.write("api.log", [customer_line("x"), GIFT, GIFT, "=> Booting Puma"])
    said = shell("coverage", "api.log")
    assert said.code == 1
    assert said.out.splitlines()[1].startswith("! Api::V1::GiftsController#create POST")
    assert "1 lines: the line is no JSON" in said.out
    assert "hush" not in said.out


def test_a_suggested_pack_is_one_that_check_takes(shell: Shell, logs: Path) -> None:
    """What is printed can be saved and used."""
    said = shell(
        "suggest",
        "api.log",
        "worker.log",
        "--event",
        "plan_created",
        "--words",
        "SegmentTrackJob plan_created",
    )
    assert said.code == 0
    assert "rules from" in said.err
    shell.write("mine.yaml", said.out)
    shell.write("extractor.yaml", "sources: [{paths: [api.log, worker.log]}]\nrules: [./mine.yaml]\n")
    assert shell("check").code == 0
    events = shell("preview", "--format", "jsonl").out.splitlines()
    shell.write("extractor.yaml", "sources: [{paths: [api.log, worker.log]}]\nrules: [lago]\n")
    shipped = [
        line for line in shell("preview", "--format", "jsonl").out.splitlines() if "plan_created" in line
    ]
    assert len(events) == len(shipped) > 0


def test_without_a_config_the_shipped_packs_name_the_kinds(shell: Shell, logs: Path) -> None:
    """Nothing has to be set up to try it."""
    (logs / "extractor.yaml").unlink()
    said = shell("suggest", "api.log", "--event", "coupon_created", "--words", "CouponsController create")
    assert said.code == 0
    assert 'equals: "Api::V1::CouponsController"' in said.out


def test_no_example_and_no_difference_are_said(shell: Shell, logs: Path) -> None:
    """Exit code 1 with a sentence, and nothing that could be taken for a pack."""
    said = shell("suggest", "api.log", "--event", "a", "--words", "no-such-word")
    assert (said.code, said.out) == (1, "")
    assert "is an example" in said.err
    shell.write("same.log", [GIFT] * 3)
    said = shell("suggest", "same.log", "--event", "a", "--words", "GiftsController")
    assert (said.code, said.out) == (1, "")
    assert "nothing tells" in said.err


def test_usage_is_looked_at_first(shell: Shell) -> None:
    """An event's name that no pack takes, and no words where nobody can be asked."""
    assert shell("suggest", "api.log", "--event", "Not A Name", "--words", "x").code == 2
    assert shell("suggest", "api.log", "--event", "a").code == 2


class _Terminal(io.StringIO):
    """Somebody at a keyboard."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_person_picks_the_kinds(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number; the list shows kinds and counts, and no value."""
    shell.write("api.log", [GIFT.replace("POST", "GET")] * 3 + [GIFT] * 2)
    monkeypatch.setattr(sys, "stdin", _Terminal("2\n"))
    said = shell("suggest", "api.log", "--event", "gift_made")
    assert said.code == 0
    assert "2  Api::V1::GiftsController#create POST" in said.err
    assert '{field: "method", equals: "POST"}' in said.out
    assert "hush" not in said.out + said.err


def test_on_a_terminal_words_will_do_too(shell: Shell, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the option."""
    monkeypatch.setattr(sys, "stdin", _Terminal("CouponsController create\n"))
    assert "CouponsController" in shell("suggest", "api.log", "--event", "coupon_created").out
