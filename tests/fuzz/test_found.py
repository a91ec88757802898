"""What fuzzing found stays mended, and each target holds its law on the seeds and on what is made of them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

FOUND = sorted((Path(__file__).parent / "found").glob("*/*"))
SEEDS = {name: sorted(set(target.seeds()))[:400] for name, target in TARGETS.items()}


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_is_mended(path: Path) -> None:
    """An input that once broke a law."""
    TARGETS[path.parent.name].run(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_hold_the_law(name: str) -> None:
    """Real lines first; and there are some."""
    assert SEEDS[name]
    for seed in SEEDS[name]:
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_what_is_made_of_the_seeds_holds_the_law(name: str, data: st.DataObject) -> None:
    """Cut, joined, with bytes put in between: the minute of fuzzing that every change gets."""
    first, second = (data.draw(st.sampled_from(SEEDS[name])) for _ in range(2))
    cut, rest = (data.draw(st.integers(0, len(seed))) for seed in (first, second))
    TARGETS[name].run(first[:cut] + data.draw(st.binary(max_size=12)) + second[rest:])
