"""Rules carried to another process as data: they judge alike there, and judging alone takes little."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from hypothesis import given

from extractor.ruleset.evaluate import evaluate
from extractor.ruleset.event import Event
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.outcome import Outcome, PendingEvent, Rejection, resolve
from extractor.ruleset.rule import RuleSet
from tests.packs import INSTALLATION, ORIGIN, assemble, logical, shipped_pack
from tests.ruleset.test_prefilter import records, rule_sets

DATA = Path(__file__).parents[1] / "data"
RULES = assemble(shipped_pack(), variables={"hosting_type": "self", "version": "v1.51.0"})


def carried(rules: RuleSet) -> RuleSet:
    """The rules as another process gets them."""
    arrived: RuleSet = pickle.loads(pickle.dumps(rules))
    return arrived


def outcomes_of(rules: RuleSet) -> list[Outcome]:
    """What every line of the samples shows."""
    ready = ReadyRules(rules)
    return [
        evaluate(logical(line), ORIGIN, ready)
        for path in sorted(DATA.glob("lago-*/*.log"))
        for line in path.read_bytes().split(b"\n")
    ]


def asked(event: PendingEvent | Event) -> tuple[object, ...]:
    """What an event asks of memory; itself, where it asks nothing."""
    return (event,) if isinstance(event, Event) else (event.rule, event.once, event.changed, event.recalls)


def met(outcomes: list[Outcome]) -> list[Event | Rejection]:
    """What memory lets through of it, in the order of the lines."""
    memory = PlainMemory()
    return [one for outcome in outcomes for one in resolve(outcome, memory)]


def test_rules_that_were_carried_judge_every_line_alike() -> None:
    """The same matches, rejections and requests to memory, and the same messages under the same ids."""
    here, there = outcomes_of(RULES), outcomes_of(carried(RULES))
    for ours, theirs in zip(here, there, strict=True):
        assert theirs._replace(events=()) == ours._replace(events=())
        assert [asked(one) for one in theirs.events] == [asked(one) for one in ours.events]
    events = met(here)
    assert met(there) == events
    assert sum(isinstance(one, Event) for one in events) > 100


@given(rule_sets, records)
def test_any_rules_can_be_carried(rules: RuleSet, record: dict[str, object]) -> None:
    """Whatever condition they have."""
    arrived = carried(rules)
    assert arrived.rules == rules.rules
    line = logical(record)
    ours, theirs = (evaluate(line, ORIGIN, ReadyRules(one)) for one in (rules, arrived))
    assert met([theirs]) == met([ours])


def test_the_key_of_an_installation_is_carried_and_never_shown() -> None:
    """Ids are the same there; no representation of the rules holds the key."""
    identity = RULES.identity
    arrived = carried(RULES)
    assert arrived.identity.message_id("event", [b"key"]) == identity.message_id("event", [b"key"])
    _, (key,) = identity.__reduce__()
    shown = f"{arrived!r}{identity!r}{replace(arrived, rules=())!r}"
    assert key.hex() not in shown
    assert repr(key) not in shown
    assert INSTALLATION not in shown


def test_a_process_that_only_evaluates_stays_small() -> None:
    """It needs neither what reads configs and packs nor what stores, sends or watches."""
    code = "import sys, extractor.ruleset.index, extractor.ruleset.evaluate; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "yaml",
        "ruamel",
        "pydantic",
        "structlog",
        "watchdog",
        "requests",
        "sqlite3",
        "segment",
        "typer",
        "rich",
    }
    assert {name.partition(".")[0] for name in done.stdout.split()} & heavy == set()
