"""When an organization first did what counts: kept beside the messages, for longer, and erased with them."""

from pathlib import Path

import pytest

from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.outcome import Outcome, PendingEvent
from extractor.store import Store, StoreLimits, Traces
from tests.storing import DAY, START, FakeClock, build_event, checkpoint, key, open_store


def shown(
    name: str, time: float = START, source: TimeSource = TimeSource.LINE, organization: str = "a", *also: str
) -> Outcome:
    """What a line gives that shows one fact of an organization at a time."""
    event = build_event(name)
    milestones = ("plan_created", *also)
    return giving(
        event._replace(time=time, time_source=source, organization=key(organization), milestones=milestones)
    )


def giving(event: Event) -> Outcome:
    """What a line gives that shows this event."""
    return Outcome(events=(PendingEvent("test/plan", lambda _reset, _recalled: event),))


def known(store: Store) -> dict[tuple[bytes, str], tuple[float, TimeSource]]:
    """What is kept."""
    return {(one.organization, one.milestone): (one.time, one.time_source) for one in store.first_times()}


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Store:
    return open_store(tmp_path)


def test_the_earliest_of_each_organization_is_kept(store: Store) -> None:
    """In whichever order facts are met, in one transaction or in several, the first of each milestone stays."""
    store.record(
        [], [shown("1", START + 5), shown("2", START + 3), shown("3", START + 9, TimeSource.READ, "b")]
    )
    store.record(
        [], [shown("4", START + 1, TimeSource.ENVELOPE, "a", "plan_created plan=pro"), shown("5", START + 8)]
    )
    assert known(store) == {
        (key("a"), "plan_created"): (START + 1, TimeSource.ENVELOPE),
        (key("a"), "plan_created plan=pro"): (START + 1, TimeSource.ENVELOPE),
        (key("b"), "plan_created"): (START + 9, TimeSource.READ),
    }


@pytest.mark.parametrize("together", [True, False])
def test_another_line_of_the_same_fact_may_know_its_time_better(store: Store, *, together: bool) -> None:
    """A request line has no time and is read first; the job's line of the same fact has one, and is earlier."""
    lines = [shown("1", START + 50, TimeSource.MODIFIED), shown("1", START + 2)]
    for part in [lines] if together else [lines[:1], lines[1:]]:
        store.record([], part)
    assert known(store) == {(key("a"), "plan_created"): (START + 2, TimeSource.LINE)}


def test_events_of_no_known_organization_count_for_none(store: Store) -> None:
    """Where a line does not tell the organization there is nobody to count."""
    store.record([], [giving(build_event("1")._replace(organization=b""))])
    assert known(store) == {}


def test_they_outlive_the_messages(tmp_path: Path) -> None:
    """Messages go after the retention; the funnel is about months."""
    clock = FakeClock()
    store = open_store(tmp_path, clock, limits=StoreLimits(sent_s=DAY))
    store.record([], [shown("1")])
    store.acknowledge(store.lease(10, 10_000))
    clock.time += 300 * DAY
    store.prune()
    assert store.sent(0, clock.time) == []
    assert len(known(store)) == 1


def test_an_opt_out_writes_none_and_purges_them(store: Store) -> None:
    """Nothing is kept of anybody, and what was logged meanwhile does not come back afterwards."""
    store.record([], [shown("1")])
    store.opt_out("VARIABLE")
    assert known(store) == {}
    store.record([], [shown("2")])
    store.opt_in()
    store.record([], [shown("2"), shown("1")])
    assert known(store) == {}


def test_a_forgotten_organization_does_not_come_back_by_its_old_lines(store: Store) -> None:
    """Rows go with the messages; reading the logs again brings none of them, and dates none of what is new."""
    message = b'{"context":{"groupId":"org-a"}}'
    old = build_event("1")._replace(time=START, message=message, organization=key("a"))
    store.record([], [giving(old), shown("2", organization="b")])
    assert (
        store.forget(Traces(texts=frozenset({"org-a"}), organizations=frozenset({key("a")}))).first_times == 1
    )
    assert known(store).keys() == {(key("b"), "plan_created")}
    store.record([], [giving(old)])
    assert known(store).keys() == {(key("b"), "plan_created")}
    store.record([], [shown("3", START + 99)])
    store.record([], [giving(old)])
    assert known(store)[key("a"), "plan_created"] == (START + 99, TimeSource.LINE)


def test_they_are_carried_over_from_a_damaged_state(tmp_path: Path) -> None:
    """A state that is rebuilt keeps what can be read of them."""
    store = open_store(tmp_path)
    store.record([checkpoint("a", 10)], [shown("1"), shown("2", organization="b")])
    before = known(store)
    store.close()
    (tmp_path / "state.db.suspect").touch()
    store = open_store(tmp_path)
    assert [incident.kind for incident in store.status().incidents] == ["state_damaged"]
    assert known(store) == before
    store.close()
