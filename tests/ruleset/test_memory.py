"""What memory answers: once, changed, forget, remember and recall, and what is left of it under an opt-out."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.examples import PlainMemory
from extractor.ruleset.outcome import (
    Changed,
    Forget,
    Memo,
    Outcome,
    PendingEvent,
    Rejection,
    Remember,
    Standing,
    resolve,
)
from extractor.telemetry import Reason

KEY, OTHER = b"key", b"other key"


@dataclass(slots=True)
class Told:
    """A builder that keeps what it was told."""

    reset: list[bytes] = field(default_factory=list)
    recalled: list[dict[str, str]] = field(default_factory=list)
    reject: bool = False

    def __call__(self, reset: bytes, recalled: Mapping[str, str]) -> Event | Rejection:
        self.reset.append(reset)
        self.recalled.append(dict(recalled))
        if self.reject:
            return Rejection(Reason.REQUIRED_MISSING, "rule", whole_event=True)
        return Event(
            message_id="id",
            name="event",
            rule="rule",
            message=b"{}",
            time=0,
            time_source=TimeSource.READ,
            path="",
            offset=0,
        )


def meet(memory: PlainMemory, *outcomes: Outcome, keep_values: bool = True) -> list[str]:
    """`event` or the reason, for each event of the outcomes in their order."""
    results = [one for outcome in outcomes for one in resolve(outcome, memory, keep_values=keep_values)]
    return ["event" if isinstance(one, Event) else one.reason.value for one in results]


def once(key: bytes = KEY, told: Told | None = None) -> Outcome:
    """An event that is one only if its key is new."""
    return Outcome(events=(PendingEvent("rule", told or Told(), once=key),))


def changed(value: bytes, *, initial: bytes = b"", told: Told | None = None) -> Outcome:
    """An event that is one only if its value is another."""
    return Outcome(events=(PendingEvent("rule", told or Told(), changed=Changed(KEY, value, initial)),))


def recall(told: Told) -> Outcome:
    """An event whose user memory may know."""
    return Outcome(events=(PendingEvent("rule", told, recalls={"user id": KEY}),))


def remember(value: str, key: bytes = KEY) -> Outcome:
    """A line that tells a value."""
    return Outcome(memory=(Remember(key, hashlib.blake2b(value.encode(), digest_size=16).digest(), value),))


def forget(by: bytes = b"line 1", key: bytes = KEY) -> Outcome:
    """A line that makes a key new again."""
    return Outcome(memory=(Forget(key, by),))


def test_a_key_gives_one_event() -> None:
    """An upsert that is seen again creates nothing; another key does."""
    assert meet(PlainMemory(), once(), once(), once(OTHER), once()) == [
        "event",
        "already_seen",
        "event",
        "already_seen",
    ]


def test_a_forgotten_key_is_new_again_and_says_what_reset_it() -> None:
    """A customer that was deleted and comes again is another fact, with an id of its own."""
    told = Told()
    given = meet(
        PlainMemory(),
        once(told=told),
        forget(b"line 1"),
        once(told=told),
        once(),
        forget(b"line 2"),
        once(told=told),
    )
    assert given == ["event", "event", "already_seen", "event"]
    assert told.reset == [b"", b"line 1", b"line 2"]


def test_forgetting_what_was_never_seen_is_remembered_too() -> None:
    """A customer older than the log, deleted in it and created again: the id says which deletion came before."""
    told = Told()
    assert meet(PlainMemory(), forget(), once(told=told)) == ["event"]
    assert told.reset == [b"line 1"]


def test_a_line_that_both_forgets_and_shows_sees_its_own_forgetting() -> None:
    """What a line tells memory goes first, whatever the order of its rules."""
    both = Outcome(events=once().events, memory=forget().memory)
    assert meet(PlainMemory(), once(), both) == ["event", "event"]


def test_a_value_that_stays_is_no_change() -> None:
    """Succeeded, succeeded, failed, succeeded: three events."""
    given = meet(PlainMemory(), *(changed(value) for value in (b"s", b"s", b"f", b"s")))
    assert given == ["event", "unchanged", "event", "event"]


def test_the_initial_value_is_no_change_at_first_and_one_later() -> None:
    """An invoice begins as pending; that it is pending again is news."""
    given = meet(PlainMemory(), *(changed(value, initial=b"p") for value in (b"p", b"p", b"s", b"p")))
    assert given == ["unchanged", "unchanged", "event", "event"]


def test_forgetting_makes_the_same_value_a_change() -> None:
    """A terminated subscription that comes again with its old plan is new."""
    assert meet(PlainMemory(), changed(b"a"), forget(), changed(b"a")) == ["event", "event"]


def test_a_rejected_event_leaves_no_mark() -> None:
    """Another line may still show the fact better."""
    memory = PlainMemory()
    assert (
        meet(memory, once(told=Told(reject=True)), changed(b"a", told=Told(reject=True)))
        == ["required_missing"] * 2
    )
    assert memory.memos == {}
    assert meet(memory, once()) == ["event"]


def test_one_value_is_recalled_and_two_are_not() -> None:
    """An organization with two members: nobody can say which of them asked; a third time does not help."""
    memory, told = PlainMemory(), Told()
    meet(
        memory, recall(told), remember("anne"), remember("anne"), recall(told), remember("bob"), recall(told)
    )
    meet(memory, remember("anne"), recall(told))
    assert told.recalled == [{}, {"user id": "anne"}, {}, {}]
    assert memory.memos[KEY] == Memo(Standing.CONFLICT)


def test_an_event_sees_what_its_own_line_remembers() -> None:
    """The line that names the member is itself one of the member's."""
    told = Told()
    meet(PlainMemory(), Outcome(events=recall(told).events, memory=remember("anne").memory))
    assert told.recalled == [{"user id": "anne"}]


def test_while_opted_out_no_value_is_kept_and_keys_go_on() -> None:
    """After the opt-out nothing that was logged meanwhile is new, and no value of then or before is there."""
    memory, told = PlainMemory(), Told()
    meet(memory, remember("anne"), once())
    meet(memory, remember("anne"), remember("bob", OTHER), once(), changed(b"a"), keep_values=False)
    assert [memo.value for memo in memory.memos.values()] == [None] * len(memory.memos)
    meet(memory, recall(told))
    assert told.recalled == [{}]
    assert meet(memory, once(), changed(b"a")) == ["already_seen", "unchanged"]


def test_after_the_opt_out_the_same_value_is_known_again_and_another_is_a_conflict() -> None:
    """The digest that was kept proves which it is."""
    memory, told = PlainMemory(), Told()
    meet(memory, remember("anne"), remember("bob", OTHER), keep_values=False)
    meet(memory, remember("anne"), remember("carl", OTHER), recall(told))
    assert told.recalled == [{"user id": "anne"}]
    assert memory.memos[OTHER].standing is Standing.CONFLICT


def test_nothing_private_shows_in_a_repr() -> None:
    """Memos, requests and outcomes may end up in a traceback."""
    shown = repr([remember("canary"), Memo(Standing.KNOWN, value="canary"), recall(Told())])
    assert "canary" not in shown


STEPS = st.lists(
    st.one_of(
        st.builds(lambda key: ("once", key), st.sampled_from([KEY, OTHER])),
        st.builds(lambda key: ("forget", key), st.sampled_from([KEY, OTHER])),
    ),
    max_size=30,
)


@given(STEPS)
def test_once_is_one_event_for_each_life_of_a_key(steps: list[tuple[str, bytes]]) -> None:
    """Whatever the order: an event comes exactly when the key was never seen, or was forgotten since."""
    memory, alive = PlainMemory(), set[bytes]()
    for number, (what, key) in enumerate(steps):
        if what == "forget":
            alive.discard(key)
            meet(memory, forget(str(number).encode(), key))
        else:
            assert meet(memory, once(key)) == ["already_seen" if key in alive else "event"]
            alive.add(key)


@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=30), st.sampled_from([b"", b"a"]))
def test_changed_is_one_event_for_each_change(values: list[bytes], initial: bytes) -> None:
    """The events are the values that differ from the one before."""
    before = [initial, *values]
    expected = [
        "event" if value != last else "unchanged" for last, value in zip(before, values, strict=False)
    ]
    assert meet(PlainMemory(), *(changed(value, initial=initial) for value in values)) == expected


@given(st.lists(st.sampled_from(["anne", "bob"]), max_size=10), st.lists(st.booleans(), max_size=10))
def test_what_is_recalled_is_the_only_value_ever_remembered(values: list[str], kept: list[bool]) -> None:
    """With and without opt-outs in between: never a value of two, never one that was only seen while opted out."""
    memory, told = PlainMemory(), Told()
    keeping = [*kept, *[True] * len(values)]
    for value, keep in zip(values, keeping, strict=False):
        meet(memory, remember(value), keep_values=keep)
    meet(memory, recall(told))
    alone = len(set(values)) == 1
    last_kept = bool(values) and keeping[len(values) - 1]
    assert told.recalled == [{"user id": values[0]} if alone and last_kept else {}]


@pytest.mark.parametrize("outcome", [once(), changed(b"a"), remember("anne"), forget()])
def test_nothing_happens_before_the_results_are_asked_for(outcome: Outcome) -> None:
    """The store's transaction is open by then."""
    memory = PlainMemory()
    results = resolve(outcome, memory)
    assert memory.memos == {}
    list(results)
    assert KEY in memory.memos
