"""The worst inputs we know cost what their length says: counted in instructions, by no clock."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(
    shutil.which("valgrind") is None or shutil.which("vgdb") is None,
    reason="valgrind, which counts, is not there",
)
def test_twice_the_input_takes_at_most_two_and_a_half_times_the_instructions() -> None:
    """Every decoder, the checks of texts, `evaluate` and the whole path; a quadratic case beside them is told apart."""
    done = subprocess.run(
        [sys.executable, "bench/linear.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 50
    assert not any(line.startswith("NOT") for line in lines)
    assert lines[-1].startswith("quadratic, to compare")
