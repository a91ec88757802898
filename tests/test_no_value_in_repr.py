"""What the program holds of a line shows in no `repr`: a traceback, a debugger or a careless log line prints that."""

from extractor.clock import SystemClock
from extractor.decode.cut import cut
from extractor.decode.envelope import Envelope, unwrap
from extractor.intake import Intake, Wrapping, origin_of
from extractor.page.trial import try_lines
from extractor.ruleset.evaluate import evaluate
from extractor.ruleset.explain import explain
from extractor.source.spec import Limits
from extractor.store import Store, Traces
from tests.fuzz.targets import chunk_of, ready, rules
from tests.packs import ORIGIN, logical
from tests.process.test_own_outputs import canaries_in, lines_of_canaries

LINES = lines_of_canaries().splitlines()[::3]


def shown(*things: object) -> set[bytes]:
    """Canaries in what is printed of them."""
    return canaries_in(*(repr(thing).encode("utf-8", "replace") for thing in things))


def test_nothing_that_is_made_of_a_line_shows_it() -> None:
    """Lines, pieces, outcomes, drafts, explanations, what was tried on the page."""
    seen: dict[str, set[bytes]] = {}
    events = 0
    for data in LINES:
        line = logical(data)
        outcome = evaluate(line, ORIGIN, ready())
        drafts = [getattr(getattr(one, "build", None), "__self__", one) for one in outcome.events]
        events += len(drafts)
        made = {
            "cut": list(cut(data, 0)),
            "piece": unwrap(data, Envelope.NONE),
            "line": line,
            "outcome": outcome,
            "draft": drafts,
            "explanation": explain(line, ORIGIN, ready()),
            "trial": try_lines(data.decode("utf-8", "replace"), rules(), Limits()),
        }
        for name, thing in made.items():
            if found := shown(thing):
                seen.setdefault(name, set()).update(found)
    assert seen == {}
    assert events > 100


def test_nothing_that_is_read_or_stored_shows_it() -> None:
    """Chunks, what the intake took, what was recorded, leased, sent and is to be forgotten."""
    store = Store.in_memory(clock=SystemClock())
    intake = Intake(rules(), [Wrapping()], max_line_bytes=1 << 20)
    chunk = chunk_of(b"\n".join(LINES) + b"\n", 0, final=True)
    taken = intake.take(chunk, origin_of(chunk, 1_800_000_000.0))
    recorded = store.record([], taken.outcomes)
    batch = store.lease(10_000, 1 << 30)
    assert len(batch) > 50
    store.bury(batch.events[0], reason="bad_request")
    letters = store.dead_letters()
    assert letters
    identifier = Traces(texts=frozenset({"canaryaaaaaazq"}))
    assert shown(chunk, intake, taken, recorded, batch, list(batch.events), letters, identifier) == set()


def test_the_search_works() -> None:
    """What does hold a canary is found to."""
    assert shown(LINES[0], LINES[1]) != set()
