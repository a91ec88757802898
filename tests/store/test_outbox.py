from collections.abc import Iterator

import pytest

from extractor.store import Batch, Store, StoreLimits
from tests.delivering import outcome_of
from tests.storing import DAY, START, FakeClock, build_event, event_id, fact, ids, waiting


@pytest.fixture(name="clock")
def _clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(name="store")
def _store(clock: FakeClock) -> Iterator[Store]:
    store = Store.in_memory(destination="segment", clock=clock)
    yield store
    store.close()


def names_of(batch: Batch) -> list[str]:
    """Message ids of a batch."""
    return [stored.event.message_id for stored in batch.events]


def test_lease_keeps_order_and_limits(store: Store) -> None:
    """A batch has at most so many events and bytes, and the next one goes on where it ends."""
    store.record([], [fact(f"f{number}", size=100) for number in range(10)])

    first, second, third = store.lease(3, 10_000), store.lease(100, 250), store.lease(100, 10_000)

    assert names_of(first) == ids("f0", "f1", "f2")
    assert names_of(second) == ids("f3", "f4")
    assert names_of(third) == ids("f5", "f6", "f7", "f8", "f9")
    assert (len(third), third.bytes) == (5, sum(map(len, third.messages)))
    assert store.lease(100, 10_000) == Batch()


def test_event_larger_than_the_limit_is_leased_alone(store: Store) -> None:
    """An event that cannot fit is given to delivery all the same, which says why it cannot be sent."""
    store.record([], [fact("large", size=1000), fact("small")])

    assert names_of(store.lease(100, 500)) == ids("large")


def test_released_events_are_first_again(store: Store) -> None:
    """What was given back goes out before what came later."""
    store.record([], [fact("a"), fact("b"), fact("c")])
    batch = store.lease(2, 10_000)
    later = store.lease(2, 10_000)
    store.release(batch, retry_at=START + 30)
    store.release(later)

    assert waiting(store) == ids("a", "b", "c")


def test_parts_of_a_batch_can_meet_different_fates(store: Store) -> None:
    """After a split one part is delivered, one event is buried and the rest waits."""
    store.record([], [fact(name) for name in "abcde"])
    batch = store.lease(10, 10_000)
    first, second = batch.halves()
    assert (names_of(first), names_of(second)) == (ids("a", "b", "c"), ids("d", "e"))

    store.acknowledge(first)
    store.bury(second.events[0], reason="bad_request", status=400)
    store.release(Batch(second.events[1:]))

    assert waiting(store) == ids("e")
    status = store.status()
    assert (status.delivered, status.dead_letters, status.outbox_rows) == (3, 1, 1)
    assert status.outbox_bytes == second.events[1].event.message.__len__()


def test_acknowledgement_is_counted_once(store: Store) -> None:
    """Telling the store twice of one answer changes nothing the second time."""
    store.record([], [fact("a")])
    batch = store.lease(1, 1000)
    store.acknowledge(batch)
    store.acknowledge(batch)

    status = store.status()
    assert (status.delivered, status.outbox_rows, status.outbox_bytes) == (1, 0, 0)
    assert len(store.sent(0, START + 1)) == 1


def test_retry_time_is_kept_and_ends_with_a_success(store: Store) -> None:
    """What a server asked for with Retry-After is known to the next process."""
    store.record([], [fact("a"), fact("b")])
    batch = store.lease(1, 1000)
    store.release(batch, retry_at=START + 30)
    assert store.status().retry_at == START + 30

    store.acknowledge(store.lease(1, 1000))
    assert store.status().retry_at is None


def test_hold_keeps_its_beginning_and_ends_with_a_success(store: Store, clock: FakeClock) -> None:
    """`status` says since when and why delivery is held, for as long as it is."""
    store.record([], [fact("a")])
    store.hold("unauthorized", 401)
    clock.time += 600
    store.hold("forbidden", 403)
    hold = store.status().hold
    assert hold is not None
    assert (hold.since, hold.reason, hold.status) == (START, "forbidden", 403)

    store.acknowledge(store.lease(1, 1000))
    assert store.status().hold is None

    store.hold("unauthorized")
    store.resume()
    assert store.status().hold is None


def test_dead_letter_tells_what_why_and_when(store: Store, clock: FakeClock) -> None:
    """An event that cannot be sent stands somewhere visible with the reason."""
    store.record([], [fact("a"), fact("b")])
    batch = store.lease(2, 1000)
    clock.time += 5
    store.bury(batch.events[1], reason="too_large")

    (letter,) = store.dead_letters()
    assert letter.stored == batch.events[1]
    assert (letter.reason, letter.status, letter.at) == ("too_large", None, START + 5)


def test_replayed_dead_letter_keeps_its_id_and_place(store: Store) -> None:
    """A replayed event is the same event, in the order in which it was recorded."""
    store.record([], [fact("a"), fact("b")])
    batch = store.lease(2, 1000)
    store.bury(batch.events[0], reason="bad_request", status=400)
    store.release(Batch(batch.events[1:]))

    assert store.replay([event_id("a"), event_id("no dead letter"), event_id("b")]) == 1

    assert waiting(store) == ids("a", "b")
    assert store.dead_letters() == []
    assert store.replay([event_id("a")]) == 0


def test_discarded_dead_letter_does_not_come_back(store: Store) -> None:
    """A discarded event is not found again by reading its line again."""
    store.record([], [fact("a", private="canary")])
    store.bury(store.lease(1, 1000).events[0], reason="bad_request")

    assert store.discard([event_id("a"), event_id("unknown")]) == 1

    assert store.dead_letters() == []
    assert store.record([], [fact("a")]).repeats == 1
    with store._database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (0,)


def test_sent_answers_what_was_sent_when(store: Store, clock: FakeClock) -> None:
    """The messages themselves, by time and by event, and where they went."""
    store.record([], [fact("a"), fact("b", event="coupon_created"), fact("c")])
    for _ in range(3):
        store.acknowledge(store.lease(1, 1000))
        clock.time += 10

    sent = store.sent(START, START + 20)
    assert [(entry.stored.event.message_id, entry.at) for entry in sent] == [
        (event_id("a"), START),
        (event_id("b"), START + 10),
    ]
    assert {entry.destination for entry in sent} == {"segment"}
    assert sent[0].stored.event.message == store.sent(START, START + 1)[0].stored.event.message
    assert [entry.stored.event.name for entry in store.sent(0, START + 99, "coupon_created")] == [
        "coupon_created"
    ]


def test_resent_events_pass_the_ledger_with_their_ids(store: Store, clock: FakeClock) -> None:
    """`resend` sends once more what was sent, and both times stay in the answer of `sent`."""
    store.record([], [fact("a"), fact("b", event="coupon_created"), fact("c")])
    store.acknowledge(store.lease(10, 1000))
    clock.time += 60

    assert store.resend(START, START + 1, "plan_created") == 2
    assert store.resend(START, START + 1, "plan_created") == 0
    assert waiting(store) == ids("a", "c")
    assert store.status().outbox_rows == 2

    store.acknowledge(store.lease(10, 1000))
    assert [entry.at for entry in store.sent(0, START + 99, "plan_created")] == [
        START,
        START,
        START + 60,
        START + 60,
    ]
    assert store.record([], [fact("a")]).repeats == 1


def test_messages_go_at_once_where_none_are_to_be_kept(clock: FakeClock) -> None:
    """With no retention an acknowledged message is gone with its acknowledgement; its id stays."""
    store = Store.in_memory(clock=clock, limits=StoreLimits(sent_s=0))
    store.record([], [fact("a")])
    store.acknowledge(store.lease(1, 1000))

    assert store.sent(0, START + DAY) == []
    with store._database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (0,)
    assert store.record([], [fact("a")]).repeats == 1
    store.close()


def test_payload_shows_in_no_representation(store: Store) -> None:
    """Values never reach a log by way of a repr."""
    store.record([], [fact("a", private="canary")])
    batch = store.lease(1, 1000)
    store.bury(batch.events[0], reason="bad_request")

    assert "canary" not in repr((batch, store.dead_letters(), store.status(), store))


@pytest.mark.parametrize("path", ["/var/log/app.log", "/a\nb", "/a\x01b", "/caf\udce9", ""])
def test_events_are_the_same_however_they_are_read(store: Store, path: str) -> None:
    """A batch is the same from memory, read in one row and read row by row, whatever a path looks like."""
    times = (START - 60, 0.1 + 0.2, 1e-7, -1.5, 1e17)
    made = [
        build_event(f"e{number}", private='"quoted" \\n ü')._replace(path=path, time=time, offset=1 << 40)
        for number, time in enumerate(times)
    ]
    store.record([], [outcome_of(event) for event in made])

    kept = store.lease(10, 10_000)
    store.release(kept)
    store._leases.fresh.clear()
    at_once = store.lease(10, 10_000)
    store.release(Batch(at_once.events[1:]))
    one_by_one = store.lease(10, 10_000)

    assert [stored.event for stored in kept.events] == made
    assert list(kept.events) == list(at_once.events)
    assert kept.messages == at_once.messages
    assert list(kept.sequences) == list(at_once.sequences)
    assert list(one_by_one.events) == list(at_once.events)[1:]
    assert one_by_one.messages == [event.message for event in made[1:]]
    assert one_by_one.sequences == list(at_once.sequences)[1:]


def test_acknowledging_takes_what_was_sent_and_nothing_between(store: Store) -> None:
    """Events on lease elsewhere, and those replayed to their old place meanwhile, stay when their neighbours leave."""
    store.record([], [fact(name) for name in "abcde"])
    batch = store.lease(5, 10_000)
    store.bury(batch.events[2], reason="bad_request")
    store.replay([event_id("c")])

    store.acknowledge(Batch([batch.events[at] for at in (0, 1, 3)]))
    store.release(Batch(batch.events[4:]))

    assert waiting(store) == ids("c", "e")
    assert (store.status().delivered, store.status().outbox_rows) == (3, 2)
    assert store.record([], [fact(name) for name in "abcde"]).repeats == 5


def test_what_died_when_it_was_resent_is_not_resent_again(store: Store) -> None:
    """An event waits or is dead, never both: a dead letter comes back by `replay` alone."""
    store.record([], [fact("a")])
    store.acknowledge(store.lease(1, 10_000))
    store.resend(0, START + 1)
    store.bury(store.lease(1, 10_000).events[0], reason="bad_request", status=400)

    assert store.resend(0, START + 1) == 0
    assert waiting(store) == []
    assert store.replay(ids("a")) == 1
