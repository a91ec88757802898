"""Turns of the files that have something to read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.source import ready as ready_module
from extractor.source.followed import Followed
from extractor.source.ready import Ready, order_of
from tests.following import Recorder, append, numbered


def _file(lineage: str, number: int) -> Followed:
    path = lineage if number == 0 else f"{lineage}.{number}"
    return Followed(file_id=path, path=path, lineage=lineage, key=(1, number), source=0, rank=(0, 0))


_FILES = [_file(lineage, number) for lineage in ("/a.log", "/b.log", "/c.log") for number in range(4)]


@given(st.lists(st.tuples(st.sampled_from(["add", "discard", "next"]), st.sampled_from(_FILES))))
def test_the_oldest_of_each_lineage_in_its_turn(actions: list[tuple[str, Followed]]) -> None:
    """Whatever comes and goes: a turn is that of the oldest of its lineage, and within one round each has its own."""
    ready, there = Ready(), set[Followed]()
    since: dict[str, int] = {}  # turns of others since a lineage had something to read, or was served
    for action, file in actions:
        if action == "add":
            ready.add(file)
            there.add(file)
        elif action == "discard":
            ready.discard(file)
            there.discard(file)
        else:
            served = ready.next()
            assert (served is None) is (not there)
            if served is not None:
                assert served is min((f for f in there if f.lineage == served.lineage), key=order_of)
                for one in {f.lineage for f in there} - {served.lineage}:
                    since[one] = since.get(one, 0) + 1
                since[served.lineage] = 0
                assert max(since.values()) < 3
        since = {one: turns for one, turns in since.items() if any(f.lineage == one for f in there)}
        assert len(ready) == len(there)


def test_reading_that_is_left_early_goes_on_with_the_next(tmp_path: Path) -> None:
    """A file whose every chunk takes all the time of a step keeps no other waiting."""
    append(tmp_path / "a.log", numbered("a", 2000))
    append(tmp_path / "b.log", numbered("b", 3))
    with Recorder(tmp_path) as recorder:
        recorder.look()
        for _ in range(2):
            recorder.read(chunks=1)
        assert [line for line in recorder.lines if b'"b-' in line] == numbered("b", 3)


def test_what_is_ready_at_once_goes_in_the_configured_order(tmp_path: Path) -> None:
    """So that a line in a later file meets what an earlier one told."""
    for name in ("c", "a", "b"):
        append(tmp_path / f"{name}.log", [name.encode()])
    with Recorder(tmp_path, ("c.log", "b.log", "a.log")) as recorder:
        assert recorder.step() == [b"c", b"b", b"a"]


@pytest.mark.parametrize("name", ["app-{}.log", "app.log.{}"])
def test_turns_cost_the_same_however_many_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A thousand files, of as many lineages or of one: each is put in its place once, not at every turn."""
    count, orders = 1000, 0

    def counting(file: Followed) -> ready_module.Order:
        nonlocal orders
        orders += 1
        return order_of(file)

    for number in range(count):
        append(tmp_path / name.format(number), numbered(f"{number}", 1))
    monkeypatch.setattr(ready_module, "order_of", counting)
    with Recorder(tmp_path) as recorder:
        recorder.look()
        while len(recorder.lines) < count:
            recorder.read(chunks=1)
    assert orders <= 3 * count
