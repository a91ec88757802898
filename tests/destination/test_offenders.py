from hypothesis import given
from hypothesis import strategies as st

from extractor.deliver import Deliverer, DeliveryPace, ProgressKind
from extractor.destination.limits import BatchLimits
from extractor.destination.offenders import BELIEVED, SERVER_AFTER, OffenderSearch
from extractor.destination.verdict import DeliveryReason, Verdict
from tests.delivering import (
    BAD_REQUEST,
    FakeClock,
    FakeDestination,
    FakeOutbox,
    build_event,
    event_id,
    refusing,
    step_until,
)

QUEUED = 80
SOME_BAD = st.frozensets(st.integers(0, QUEUED - 1), max_size=12)


def drained(destination: FakeDestination, *, until: ProgressKind = ProgressKind.IDLE) -> FakeOutbox:
    """The outbox after everything in it met the destination."""
    outbox, clock = FakeOutbox([build_event(number) for number in range(QUEUED)]), FakeClock()
    pace = DeliveryPace(requests_per_second=1e6)
    step_until(Deliverer(outbox, destination, clock=clock, pace=pace), clock, until)
    return outbox


def limits(batch: int) -> BatchLimits:
    """So many events a batch."""
    return BatchLimits(max_event_bytes=32_768, max_batch_bytes=500_000, max_batch_events=batch)


@given(SOME_BAD, st.integers(1, 100))
def test_every_good_event_arrives_once_and_only_bad_ones_are_dead(bad: frozenset[int], batch: int) -> None:
    """Wherever the bad ones stand and however large the batches are."""
    destination = FakeDestination(refusing(*bad), limits(batch))
    # The last event is good: bad ones at the very end may have to wait for another one to speak against them.
    outbox = drained(destination) if QUEUED - 1 not in bad else drained_with_a_good_end(destination)
    assert set(outbox.dead) == {event_id(number) for number in bad}
    assert sorted(outbox.delivered) == [event_id(number) for number in range(len(outbox.delivered) + len(bad))
                                        if number not in bad]  # fmt: skip


def drained_with_a_good_end(destination: FakeDestination) -> FakeOutbox:
    """The same, with good events after all others."""
    good = range(QUEUED, QUEUED + 2 * BELIEVED)
    outbox, clock = FakeOutbox([build_event(number) for number in [*range(QUEUED), *good]]), FakeClock()
    pace = DeliveryPace(requests_per_second=1e6)
    step_until(Deliverer(outbox, destination, clock=clock, pace=pace), clock, ProgressKind.IDLE)
    return outbox


@given(SOME_BAD, st.integers(1, 100), st.integers(0, 60), st.integers(1, 300))
def test_a_server_that_refuses_everything_for_a_while_costs_few_innocents(
    bad: frozenset[int], batch: int, begins: int, lasts: int
) -> None:
    """Whenever it begins and however long it lasts: all good events arrive but for `BELIEVED` at most."""
    refuse, turn = refusing(*bad), iter(range(1_000_000))

    def script(ids: list[str]) -> Verdict:
        return BAD_REQUEST if begins <= next(turn) < begins + lasts else refuse(ids)

    outbox = drained_with_a_good_end(FakeDestination(script, limits(batch)))
    innocents = set(outbox.dead) - {event_id(number) for number in bad}
    assert len(innocents) <= BELIEVED
    assert len(outbox.delivered) + len(outbox.dead) == QUEUED + 2 * BELIEVED
    assert len(outbox.delivered) == len(set(outbox.delivered))


@given(st.integers(1, 100))
def test_a_server_that_refuses_everything_from_the_start_kills_nobody(batch: int) -> None:
    """However the batches are cut."""
    assert drained(FakeDestination(lambda _: BAD_REQUEST, limits(batch)), until=ProgressKind.HELD).dead == {}


def test_one_offender_costs_few_requests() -> None:
    """A search halves: 2,500 events, one of them bad, and at most 2 · log2 requests more than without it."""
    for bad in (0, 1, 1249, 1250, 2498):
        outbox, clock = FakeOutbox([build_event(number) for number in range(2_500)]), FakeClock()
        destination = FakeDestination(refusing(bad), limits(2_500))
        deliverer = Deliverer(outbox, destination, clock=clock, pace=DeliveryPace(requests_per_second=1e6))
        step_until(deliverer, clock, ProgressKind.IDLE)
        assert list(outbox.dead) == [event_id(bad)]
        assert len(destination.requests) <= 26


def test_ten_in_a_row_are_not_believed_at_the_end_of_the_outbox() -> None:
    """Where nothing more can be tried, few are blamed on an earlier acceptance and many are held."""
    for count, kind in ((BELIEVED - 1, ProgressKind.IDLE), (BELIEVED, ProgressKind.HELD)):
        bad = range(QUEUED - count, QUEUED)
        outbox = drained(FakeDestination(refusing(*bad), limits(100)), until=kind)
        assert len(outbox.dead) == (count if kind is ProgressKind.IDLE else 0)
        assert len(outbox.delivered) == QUEUED - count


def test_a_search_given_up_remembers_nothing() -> None:
    """After an opt-out nothing of the search is left."""
    search: OffenderSearch[int] = OffenderSearch()
    assert search.refuse((1, 2, 3, 4), DeliveryReason.BAD_REQUEST, 400) is False
    assert search.size(100) == 2
    assert search.refuse((1,), DeliveryReason.BAD_REQUEST, 400) is True
    assert [suspect.item for suspect in search.give_up()] == [1]
    assert (search.size(100), search.suspects, search.points_to_server) == (100, (), False)


def test_so_many_suspects_point_to_the_server() -> None:
    """A hundred, exactly."""
    search: OffenderSearch[int] = OffenderSearch()
    for number in range(SERVER_AFTER):
        assert not search.points_to_server
        search.refuse((number,), DeliveryReason.BAD_REQUEST, 400)
    assert search.points_to_server
