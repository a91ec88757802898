"""Notifications: a hint that makes the next look come sooner."""

from pathlib import Path

import pytest
from watchdog.events import FileModifiedEvent

from extractor.source import SourceSpec
from extractor.source import wake as wake_module
from extractor.source.wake import Told, Wake, Watched, folders_to_watch
from tests.following import append

PATIENCE_S = 10.0  # for a machine that is busy; a notification takes a millisecond


def test_folders_to_watch() -> None:
    """The folder above the first wildcard, with all below where the wildcard is not in the name; never the root."""
    spec = SourceSpec(
        index=0, paths=("/l/app.log", "/l/*.log", "/pods/*/*/*.log", "/deep/**/x.log", "/*.log")
    )
    assert folders_to_watch([spec]) == [
        Watched("/deep", recursive=True),
        Watched("/l", recursive=False),
        Watched("/pods", recursive=True),
    ]


def test_growth_names_its_path_and_all_else_asks_for_a_whole_look(tmp_path: Path) -> None:
    """So that a line in one of ten thousand files costs the stat of one."""
    log = tmp_path / "app.log"
    append(log, [b"one"])
    wake = Wake([Watched(str(tmp_path), recursive=False)])
    try:
        assert not wake.healthy
        wake.tend()
        assert wake.healthy
        assert wake.take().everything  # what happened before the watch stood was not told
        append(log, [b"two"])
        assert wake.wait(PATIENCE_S)
        assert wake.pending()
        assert wake.take() == Told(frozenset({str(log)}))
        assert not wake.pending()
        log.rename(tmp_path / "app.log.1")
        assert wake.wait(PATIENCE_S)
        assert wake.take().everything
    finally:
        wake.close()


def test_a_folder_that_comes_later_and_one_that_is_replaced(tmp_path: Path) -> None:
    """Both are watched by the next `tend`."""
    folder = tmp_path / "logs"
    wake = Wake([Watched(str(folder), recursive=True)])
    try:
        wake.tend()
        assert not wake.healthy
        folder.mkdir()
        wake.tend()
        assert wake.healthy
        folder.rename(tmp_path / "away")
        folder.mkdir()
        wake.tend()
        wake.take()
        append(folder / "app.log", [b"one"])
        assert wake.wait(PATIENCE_S)
    finally:
        wake.close()


def test_no_watches_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the system gives no more watches, nothing fails: looks come on time."""

    def refuse() -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(wake_module, "Observer", refuse)
    wake = Wake([Watched(str(tmp_path), recursive=False)])
    wake.tend()
    assert not wake.healthy
    wake.rouse()
    assert wake.wait(0)
    assert wake.take() == Told(everything=True)
    wake.close()


def test_too_many_paths_ask_for_a_whole_look(tmp_path: Path) -> None:
    """The collection is bounded."""
    wake = Wake([])
    wake.take()
    for number in range(wake_module.MAX_PATHS + 1):
        wake.on_any_event(FileModifiedEvent(str(tmp_path / f"{number}.log")))
    assert wake.take() == Told(everything=True)
