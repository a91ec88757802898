"""H15: a line is longer than any line may be."""

import tracemalloc
from pathlib import Path

import pytest

from extractor.source import Limits
from extractor.telemetry import IncidentKind
from tests.following import Recorder, append

MB = 1024 * 1024


@pytest.mark.parametrize("length", [4097, 8191, 8192, 8193, 20_000, 100_000])
@pytest.mark.parametrize("crash_after", [0, 1, 2])
def test_h15_the_neighbours_of_a_long_line(tmp_path: Path, length: int, crash_after: int) -> None:
    """They come, it is counted once, and its place survives a restart in its middle."""
    append(tmp_path / "app.log", [b"good", b"x" * length, b"well"])
    with Recorder(tmp_path) as recorder:
        recorder.look()
        if crash_after:
            recorder.read(chunks=crash_after)
            recorder.crash()
        recorder.finish()
        assert recorder.lines == [b"good", b"well"]
        assert [(i.kind, i.size, i.offset) for i in recorder.incidents] == [
            (IncidentKind.TOO_LONG, length + 1, len(b"good\n"))
        ]


def test_h15_the_longest_line_that_is_allowed(tmp_path: Path) -> None:
    """The bound is the line without its newline, wherever it falls in the buffer."""
    lines = [b"x" * 4096, b"y" * 4096, b"z" * 10, b"w" * 4096]
    append(tmp_path / "app.log", lines)
    with Recorder(tmp_path) as recorder:
        assert recorder.step() == lines


def test_h15_a_file_of_nothing_else(tmp_path: Path) -> None:
    """Memory stays flat, and the offset moves on although the line has no end."""
    log = tmp_path / "app.log"
    with log.open("wb") as file:
        for _ in range(64):
            file.write(b"x" * MB)
    limits = Limits()
    with Recorder(tmp_path, limits=limits) as recorder:
        recorder.look()
        tracemalloc.start()
        try:
            recorder.read()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        (row,) = recorder.rows.values()
        assert peak < MB
        assert row.offset == 64 * MB
        recorder.crash()
        append(log, [b"its end", b"good"])
        assert recorder.step() == [b"good"]
