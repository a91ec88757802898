"""H6: a file holds one short line and never grows."""

from pathlib import Path

import pytest

from tests.following import Recorder, append


@pytest.mark.parametrize("line", [b"x" * 39, b"a", b"x" * 15, b"x" * 16])
def test_h06_tiny_file(tmp_path: Path, line: bytes) -> None:
    """It comes at the next look, and never again: not after a restart, a rename, or both."""
    with Recorder(tmp_path) as recorder:
        recorder.look()
        append(tmp_path / "app.log", [line])
        assert recorder.step() == [line]
        recorder.crash()
        assert recorder.step() == []
        (tmp_path / "app.log").rename(tmp_path / "app.log.1")
        assert recorder.step() == []
        recorder.crash()
        (tmp_path / "app.log.1").rename(tmp_path / "app.log.2")
        assert recorder.step() == []


def test_h06_twins(tmp_path: Path) -> None:
    """Two tiny files with the same line are two files."""
    with Recorder(tmp_path) as recorder:
        append(tmp_path / "a.log", [b"booting"])
        append(tmp_path / "b.log", [b"booting"])
        assert recorder.step() == [b"booting", b"booting"]
