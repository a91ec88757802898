"""A folder with a config and a shell in it."""

from pathlib import Path

import pytest

from tests.commands import CONFIG, Shell


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Shell:
    """Commands find `extractor.yaml` in the current folder, and a narrow terminal is nobody's business."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    made = Shell(tmp_path, capfdbinary)
    made.write("extractor.yaml", CONFIG)
    return made
