"""What is delivered while it is read comes from memory; what waits, and what is erased, the disk alone decides."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from extractor.store import Batch, Store, Traces
from extractor.store.batch import KeptEvents
from extractor.store.fresh import KEPT_BYTES
from tests.storing import FakeClock, fact, ids, open_store, waiting


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def lease(store: Store, count: int) -> tuple[list[str], bool]:
    """Ids of the next so many events, which are acknowledged, and whether they came from memory."""
    batch = store.lease(count, 1 << 30)
    store.acknowledge(batch)
    return [stored.event.message_id for stored in batch.events], isinstance(batch.events, KeptEvents)


def test_what_was_recorded_just_now_is_not_read_back(store: Store) -> None:
    """Batches of any cut over the events of several transactions are theirs, in order, without the disk."""
    store.record([], [fact(name) for name in "abc"])
    store.record([], [fact(name) for name in "cde"])
    store.record([], [fact(name) for name in "fg"])

    assert lease(store, 2) == (ids("a", "b"), True)
    assert lease(store, 4) == (ids("c", "d", "e", "f"), True)
    assert lease(store, 9) == (ids("g"), True)


def test_what_is_too_much_for_memory_is_read_from_the_disk(store: Store) -> None:
    """What is kept is bounded in bytes; what came later is leased at its place, and memory serves again after it."""
    half = KEPT_BYTES // 2
    for name in "abcd":
        store.record([], [fact(name, size=half)])

    assert [lease(store, 1) for _ in "abcd"] == [(ids(name), name in "ab") for name in "abcd"]

    store.record([], [fact("e", size=half)])
    assert lease(store, 1) == (ids("e"), True)


def test_what_waits_is_what_the_disk_says(store: Store, tmp_path: Path) -> None:
    """Gaps, events that came back to an old place, and those of a process before this one are leased where they belong."""
    store.record([], [fact(name) for name in "abcd"])
    batch = store.lease(4, 1 << 20)
    store.bury(batch.events[1], reason="bad_request")
    store.release(Batch([batch.events[at] for at in (0, 2, 3)]))
    assert waiting(store) == ids("a", "c", "d")

    store.replay(ids("b"))
    assert waiting(store) == ids("a", "b", "c", "d")

    store.close()
    again = open_store(tmp_path)
    again.record([], [fact("e")])
    assert lease(again, 9) == (ids("a", "b", "c", "d", "e"), False)
    again.close()


@pytest.mark.parametrize("opted_out", [False, True])
def test_what_another_process_erases_is_not_leased_and_leaves_memory(
    store: Store, tmp_path: Path, *, opted_out: bool
) -> None:
    """`forget` and an opt-out beside the one that delivers take events away from it, too."""
    store.record([], [fact("a", private="gone")])
    beside = Store.open_beside(tmp_path, clock=FakeClock())
    if opted_out:
        beside.opt_out("EXTRACTOR_OFF")
    else:
        assert beside.forget(Traces(texts=frozenset({"gone"}))).waiting == 1
    beside.close()

    assert waiting(store) == []
    assert not store._leases.fresh._recorded


@pytest.mark.parametrize("opted_out", [False, True])
def test_what_is_erased_here_leaves_memory_at_once(store: Store, *, opted_out: bool) -> None:
    """No message outlives its erasure in the process that erased it."""
    store.record([], [fact("a", private="gone")])
    if opted_out:
        store.opt_out("EXTRACTOR_OFF")
    else:
        store.forget(Traces(texts=frozenset({"gone"})))

    assert not store._leases.fresh._recorded
