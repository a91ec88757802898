"""The steps that a pack says: checked like its rules, and told apart on events."""

import pytest

from extractor.problems import ProblemError
from extractor.ruleset.codes import Code
from extractor.ruleset.evaluate import evaluate
from extractor.ruleset.event import Event
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.identity import Identity
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.outcome import resolve
from tests.packs import HEAD, INSTALLATION, ORIGIN, assemble, logical, pack, rule

BODY = (
    "    group: {from: shop}\n    properties:\n      plan: {from: plan, enum: [free, pro], about: The plan}\n"
)
STEPS = "funnel:\n  - {event: order_placed, about: First}\n  - {event: order_placed, property: plan, equals: pro, about: Pro}\n"


def with_funnel(funnel: str) -> str:
    """The head of a pack with these steps."""
    return HEAD.replace("rules:\n", f"{funnel}rules:\n")


def milestones(line: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Of the one event of a line: whose it is, and what it may be the first time of."""
    ready = ReadyRules(assemble(pack(rule(BODY), head=with_funnel(STEPS))))
    (event,) = resolve(evaluate(logical(line), ORIGIN, ready), PlainMemory())
    assert isinstance(event, Event)
    return event.organization, event.milestones


def test_an_event_is_of_the_steps_that_it_fits() -> None:
    """Its name always; a step with a value only where the event has it."""
    assert milestones(b'{"job":"Order","plan":"pro"}')[1] == ("order_placed", "order_placed plan=pro")
    assert milestones(b'{"job":"Order","plan":"free"}')[1] == ("order_placed",)
    assert milestones(b'{"job":"Order"}')[1] == ("order_placed",)


def test_the_organization_is_known_by_a_hash_alone() -> None:
    """Keyed with the installation, so that nobody outside can guess it; none where the line names none."""
    organization, _ = milestones(b'{"job":"Order","shop":"s1"}')
    assert organization == Identity.of(INSTALLATION).organization_key("s1")
    assert b"s1" not in organization
    assert organization != Identity.of("another installation").organization_key("s1")
    assert milestones(b'{"job":"Order"}')[0] == b""


@pytest.mark.parametrize(
    ("step", "code", "says"),
    [
        ("{event: order_place, about: A}", Code.UNKNOWN_EVENT, "order_placed"),
        ("{event: order_placed, property: plam, equals: pro, about: A}", Code.UNKNOWN_PROPERTY, "plan"),
        ("{event: order_placed, property: plan, about: A}", Code.UNKNOWN_PROPERTY, "say both"),
        ("{event: order_placed, equals: pro, about: A}", Code.UNKNOWN_PROPERTY, "say both"),
    ],
)
def test_a_step_that_nothing_can_reach_is_refused(step: str, code: Code, says: str) -> None:
    """Where the mistake stands, and what was meant."""
    with pytest.raises(ProblemError) as refused:
        pack(rule(BODY), head=with_funnel(f"funnel:\n  - {step}\n"))
    (problem,) = refused.value.problems
    assert problem.code == code
    assert says in (problem.hint or "")
