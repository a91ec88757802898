"""Whatever field of whatever rule an update changes, the alarm names both by the fifth line."""

import os
from pathlib import Path

import pytest

from extractor.learning.alarm import judge
from extractor.learning.drift import Drift
from extractor.ruleset.rule import Rule, RuleSet
from tests.learning.changing import Log
from tests.packs import assemble, shipped_pack

DATA = Path(__file__).parents[1] / "data"
REAL = os.environ.get("EXTRACTOR_REAL_LOGS", "")
"""A folder with logs of one run of the app: `api.log`, `worker.log`, `clock.log`."""
RULES = assemble(shipped_pack())


@pytest.fixture(scope="module", name="sample")
def _sample() -> Log:
    folder = DATA / "lago-1.51"
    return Log.of(RULES, folder / "api.log", folder / "worker.log")


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.id)
def test_a_change_of_any_field_is_named_by_the_fifth_line(rule: Rule, sample: Log) -> None:
    """Another name, another type, another controller; half way, with rule and field, and nothing before."""
    assert list(sample.about(rule).late(rule, 0.5)) == []


needs_real_logs = pytest.mark.skipif(
    not REAL, reason="EXTRACTOR_REAL_LOGS names no folder with api.log, worker.log and clock.log of the app"
)


@pytest.mark.soak
@needs_real_logs
@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.id)
def test_a_change_at_any_place_of_real_logs_is_named_by_the_fifth_line(rule: Rule, real: Log) -> None:
    """The same at three places of whole logs; those of which a rule has few lines are read four times."""
    assert list(real.late(rule, 0.35, 0.5, 0.65)) == []


@pytest.fixture(scope="module", name="real")
def _real(request: pytest.FixtureRequest) -> Log:
    return Log.of(RULES, *sorted(Path(REAL).glob("*.log")), times=4)


@pytest.mark.soak
@needs_real_logs
def test_whole_real_logs_raise_no_alarm() -> None:
    """At no line of them."""
    rules: RuleSet = RULES
    log, drift = Log.of(rules, *sorted(Path(REAL).glob("*.log"))), Drift(rules)
    for number, line in enumerate(log.lines):
        log.feed(drift, number, line)
        assert judge(drift.rows, now=float(number)) == ()
