"""A disk that is really full: a small file system, where the kernel says no in the middle of a write."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from extractor.store import StoreReader, StoreUnavailable
from tests.storing import FakeClock, checkpoint, fact, ids, open_store, waiting


@pytest.fixture(name="disk")
def _disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, *, leave: int) -> None:
    """Take all room but so many bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    size = filler.stat().st_size
    with filler.open("r+b") as file:
        file.truncate(max(0, size - leave))


@pytest.mark.parametrize("leave", [0, 8_192, 65_536])
def test_full_disk_is_named_loses_nothing_and_heals(leave: int, disk: Path) -> None:
    """Recording stops by name with everything as it was; a reader still reads; with room it goes on by itself."""
    store = open_store(disk / "state")
    store.record([checkpoint("a", 1)], [fact("before")])
    fill(disk, leave=leave)
    recorded: list[str] = []

    def record_on() -> None:
        for number in range(400):
            store.record([checkpoint("a", 2 + number)], [fact(f"f{number}", size=5000)])
            recorded.append(f"f{number}")

    with pytest.raises(StoreUnavailable):
        record_on()
    with pytest.raises(StoreUnavailable):
        store.record([], [fact("still full", size=200_000)])
    assert store.checkpoints() == [checkpoint("a", 1 + len(recorded))]
    reader = StoreReader.open_for_reading(disk / "state", clock=FakeClock())
    assert reader.status().outbox_rows == 1 + len(recorded)
    reader.close()

    (disk / "filler").unlink()
    store.record([checkpoint("a", 999)], [fact("after")])
    assert waiting(store) == ids("before", *recorded, "after")
    store.close()
    store = open_store(disk / "state")
    assert waiting(store) == ids("before", *recorded, "after")
    assert store.status().incidents == ()
    store.close()


@pytest.mark.parametrize("leave", [0, 4_096, 30_000, 120_000])
def test_first_start_on_a_full_disk_is_named_and_heals(leave: int, disk: Path) -> None:
    """A state that cannot be made leaves no half of one behind."""
    fill(disk, leave=leave)
    with contextlib.suppress(StoreUnavailable):
        open_store(disk / "state").close()
    (disk / "filler").unlink()

    store = open_store(disk / "state")
    assert store.unknown_files == "as_configured"
    assert store.status().incidents == ()
    store.close()
