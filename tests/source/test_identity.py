"""Knowing a file again by its bytes."""

from hypothesis import given
from hypothesis import strategies as st

from extractor.source.identity import MAX_PLACES, Compared, Identity, Verdict, hash_window
from extractor.telemetry import IncidentKind

LINES = st.lists(
    st.binary(min_size=1, max_size=60).map(lambda line: line.replace(b"\n", b"").replace(b"\0", b"") + b"\n"),
    max_size=80,
)


def known(data: bytes) -> Identity:
    """The identity of a file of which every line was read on its own."""
    identity = Identity().learn(lambda offset, size: data[offset : offset + size], len(data), len(data))
    end = 0
    for line in data.splitlines(keepends=True):
        end += len(line)
        identity = identity.with_places([(end, hash_window(data[max(0, end - 1024) : end]))])
    return identity


def compare(identity: Identity, data: bytes, offset: int) -> Compared:
    """Hold an identity against other bytes."""
    return identity.compare(lambda at, size: data[at : at + size], len(data), offset)


@given(lines=LINES, more=LINES)
def test_growth_is_no_change(lines: list[bytes], more: list[bytes]) -> None:
    """A file that only grew is the same, and reading goes on where it was."""
    data = b"".join(lines)
    compared = compare(known(data), data + b"".join(more), len(data))
    assert compared.verdict is Verdict.SAME
    assert compared.resume == len(data)


@given(lines=LINES, keep=st.integers(0, 80), other=LINES)
def test_reading_goes_on_within_what_agrees(lines: list[bytes], keep: int, other: list[bytes]) -> None:
    """Whatever came after the first lines: reading never goes on after bytes that are not as they were."""
    data, now = b"".join(lines), b"".join(lines[:keep] + other)
    compared = compare(known(data), now, len(data))
    if compared.verdict is Verdict.CUT:
        assert now[: compared.resume] == data[: compared.resume]
        assert now[: compared.resume].endswith(b"\n") or compared.resume == 0
    elif compared.verdict is Verdict.SAME:
        assert now[: len(data)] == data
    assert compared.kept <= len(now)


@given(
    places=st.dictionaries(st.integers(1, 1 << 50), st.binary(min_size=8, max_size=8), max_size=MAX_PLACES),
    skipping=st.none() | st.integers(0, 1 << 50),
    lineage=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    unresolved=st.sampled_from([None, IncidentKind.TRUNCATED, IncidentKind.VANISHED, IncidentKind.UNOPENED]),
    withheld=st.booleans(),
    counted=st.integers(0, 1 << 50),
    blind_size=st.integers(0, 1 << 50),
)
def test_packing_and_unpacking(
    places: dict[int, bytes],
    skipping: int | None,
    lineage: str,
    unresolved: IncidentKind | None,
    *,
    withheld: bool,
    counted: int,
    blind_size: int,
) -> None:
    """What is written into a row comes out of it."""
    identity = Identity(
        places=tuple(sorted(places.items())),
        skipping=skipping,
        lineage=lineage,
        unresolved=unresolved,
        withheld=withheld,
        counted=counted,
        blind_size=blind_size,
    )
    assert Identity.unpack(identity.pack()) == identity


@given(packed=st.binary(max_size=100), cut=st.integers(0, 60))
def test_a_damaged_row_is_no_error(packed: bytes, cut: int) -> None:
    """It gives what it gives; a file is then read again rather than skipped."""
    Identity.unpack(packed)
    Identity.unpack(bytes([1]) + packed)
    Identity.unpack(known(b"one\ntwo\n" * 50).pack()[:cut])


@given(lines=st.lists(st.just(b"line\n"), min_size=200, max_size=300))
def test_places_are_bounded(lines: list[bytes]) -> None:
    """However long a file, its row stays small, and its last line ends are known."""
    data = b"".join(b"%d %s" % (i, line) for i, line in enumerate(lines))
    identity = known(data)
    assert len(identity.places) <= MAX_PLACES
    assert len(identity.pack()) < 1024
    assert identity.places[-1][0] == len(data)


def test_no_byte_of_a_line_is_kept() -> None:
    """The packed identity holds hashes only."""
    secret = b"canary-4711"
    assert secret not in known(secret + b"\n" + secret * 100 + b"\n").pack()
