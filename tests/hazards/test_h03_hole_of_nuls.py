"""H3: a writer that does not append leaves a hole of NULs after a truncation."""

import os
from pathlib import Path

import pytest

from extractor.telemetry import IncidentKind
from tests.following import Recorder, append, numbered

MB = 1_000_000


@pytest.mark.parametrize("look_between", [False, True])
@pytest.mark.parametrize("size", [5_000, 8 * MB])
def test_h03_hole_after_a_truncation(tmp_path: Path, *, look_between: bool, size: int) -> None:
    """Only the new lines come from behind the hole; it is counted where it is met."""
    log = tmp_path / "app.log"
    with Recorder(tmp_path) as recorder, log.open("wb", buffering=0) as writer:
        old = numbered("old", size // 40)
        writer.write(b"".join(line + b"\n" for line in old))
        recorder.step()
        os.truncate(log, 0)
        if look_between:
            recorder.look()
        writer.write(b"first\n")
        assert recorder.step() == [b"first"]
        writer.write(b"second\n")
        assert recorder.step() == [b"second"]
        assert recorder.kinds().count(IncidentKind.HOLE) == (1 if look_between else 0)


@pytest.mark.parametrize("drained", [False, True])
def test_h03_overwritten_in_place(tmp_path: Path, *, drained: bool) -> None:
    """NULs written over lines neither replay what was read nor hide what comes after them."""
    log = tmp_path / "app.log"
    lines = numbered("line", 150_000)
    append(log, lines)
    with Recorder(tmp_path) as recorder:
        recorder.look()
        if drained:
            recorder.read()
        known = len(recorder.lines)
        with log.open("r+b") as file:
            file.seek(1000)
            file.write(bytes(5 * MB))
        append(log, [b"after"])
        recorder.finish()
        assert recorder.lines[-1] == b"after"
        assert len(set(recorder.lines[known:]) & set(recorder.lines[:known])) == 0
        if not drained:
            assert set(recorder.kinds()) == {IncidentKind.TOO_LONG}  # the hole starts within a line


def test_h03_allocated_ahead(tmp_path: Path) -> None:
    """NULs at the end of a file are room that its writer may still fill, and are waited for."""
    log = tmp_path / "app.log"
    log.write_bytes(b"one\n" + bytes(100_000))
    with Recorder(tmp_path) as recorder:
        assert recorder.step() == [b"one"]
        with log.open("r+b") as file:
            file.seek(4)
            file.write(b"two\n")
        assert recorder.step() == [b"two"]


def test_h03_allocated_ahead_and_written_into_while_read(tmp_path: Path) -> None:
    """A file that was filled with NULs before its writer began is the same file while lines take their place."""
    log = tmp_path / "app.log"
    log.write_bytes(bytes(20_000))
    every = numbered("line", 60)
    with Recorder(tmp_path) as recorder, log.open("r+b") as writer:
        for number, line in enumerate(every):
            writer.write(line + b"\n")
            writer.flush()
            if number % 7 == 0:
                recorder.step()
            if number == 30:
                recorder.crash()
        assert recorder.finish() == every
        assert recorder.lost() == 0
