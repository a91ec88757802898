"""What the page asks of the past: counts by day, the last message of each event, why letters are dead, rates."""

from pathlib import Path

import pytest

from extractor.store import DailyCount, DeadReason, SentRate, Store, Tally, history
from tests.storing import DAY, START, FakeClock, event_id, fact, open_store


@pytest.fixture(name="clock")
def _clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(name="store")
def _store(tmp_path: Path, clock: FakeClock) -> Store:
    return open_store(tmp_path, clock)


def send(store: Store, *names: str, event: str = "plan_created") -> None:
    """Record facts and acknowledge them."""
    store.record([], [fact(name, event=event) for name in names])
    store.acknowledge(store.lease(100, 1 << 20))


def test_the_last_message_of_each_event_is_the_one_acknowledged_last(store: Store, clock: FakeClock) -> None:
    """Also where an older event was sent again; what was never sent is not there."""
    send(store, "1", "2")
    clock.time += 10
    send(store, "3", event="coupon_created")
    last = store.last_sent(["plan_created", "coupon_created", "invoice_created"])
    assert {name: one.stored.event.message_id for name, one in last.items()} == {
        "plan_created": event_id("2"),
        "coupon_created": event_id("3"),
    }
    store.resend(0, START + 1)
    clock.time += 10
    store.acknowledge(store.lease(1, 1 << 20))
    assert store.last_sent(["plan_created"])["plan_created"].stored.event.message_id == event_id("1")


def test_looking_for_it_ends(store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rare event is not looked for in all of a month's messages."""
    monkeypatch.setattr(history, "LOOKED_BACK", 3)
    send(store, "rare", event="coupon_created")
    clock.time += 10
    send(store, "1", "2", "3")
    assert store.last_sent(["coupon_created", "plan_created"]).keys() == {"plan_created"}


def test_counts_stay_by_day(store: Store, clock: FakeClock) -> None:
    """Of one name, since a day."""
    for count in (3, 5, 7):
        store.record([], [], tallies=[Tally("matched", count, "a/b"), Tally("lines", 1)])
        clock.time += DAY
    day = int(START // DAY)
    assert store.daily("matched", START + DAY) == [
        DailyCount("matched", "a/b", "", day + 1, 5),
        DailyCount("matched", "a/b", "", day + 2, 7),
    ]


def test_dead_letters_by_kind(store: Store, clock: FakeClock) -> None:
    """The most frequent first, with the time of the last."""
    store.record([], [fact("1"), fact("2"), fact("3")])
    for name, status in zip("123", (400, 413, 400), strict=True):
        clock.time += 1
        store.bury(
            store.lease(1, 1 << 20).events[0], reason="refused" if name != "2" else "too_large", status=status
        )
    assert store.dead_reasons() == [
        DeadReason("plan_created", "refused", 400, 2, START + 3),
        DeadReason("plan_created", "too_large", 413, 1, START + 2),
    ]


def test_rates_count_what_was_acknowledged_lately(store: Store, clock: FakeClock) -> None:
    """Each span ends now."""
    send(store, "1")
    clock.time += DAY
    send(store, "2", "3")
    assert store.sent_rates([60, 2 * DAY]) == [SentRate(60, 2), SentRate(2 * DAY, 3)]
