"""Following as the loop sees it: what a look tells, in which order chunks come, what is kept and for how long."""

import os
from pathlib import Path

from extractor.source import Follower, Limits, SourceSpec
from tests.following import SMALL, HandClock, Recorder, append, numbered


def test_a_named_path_is_read_without_a_whole_look(tmp_path: Path) -> None:
    """A notification of growth costs one stat; of anything else, a whole look."""
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    append(first, [b"one"])
    append(second, [b"one"])
    with Recorder(tmp_path) as recorder:
        recorder.step()
        append(first, [b"two"])
        append(second, [b"two"])
        assert recorder.follower.look([str(first)]).pending == 1
        assert recorder.follower.look([str(tmp_path / "other.txt")]).pending == 1
        first.unlink()
        assert recorder.follower.look([str(first)]).pending == 2


def test_a_linked_path_is_known_under_the_path_that_notifications_name(tmp_path: Path) -> None:
    """Kubernetes' containers folder holds links; what is notified is what they lead to."""
    (tmp_path / "pods").mkdir()
    real = tmp_path / "pods" / "0.log"
    append(real, [b"one"])
    (tmp_path / "app.log").symlink_to(real)
    with Recorder(tmp_path, ("app.log",)) as recorder:
        recorder.step()
        append(real, [b"two"])
        assert recorder.follower.look([str(real)]).pending == 1


def test_links_to_one_file_are_one_file(tmp_path: Path) -> None:
    """Symbolic or hard, matched twice or by two sources: each line comes once."""
    append(tmp_path / "app.log", [b"one"])
    (tmp_path / "soft.log").symlink_to(tmp_path / "app.log")
    os.link(tmp_path / "app.log", tmp_path / "hard.log")
    with Recorder(tmp_path) as recorder:
        assert recorder.step() == [b"one"]


def test_each_file_to_its_end_in_the_configured_order(tmp_path: Path) -> None:
    """For `--once`: sources, then paths as configured; rotated siblings oldest first."""
    for name in ("worker.log", "api.log", "api.log.1", "api.log.2", "clock.log"):
        append(tmp_path / name, numbered(name, 300))
    specs = [
        SourceSpec(index=0, paths=(f"{tmp_path}/api.log*", f"{tmp_path}/worker.log")),
        SourceSpec(index=1, paths=(f"{tmp_path}/clock.log",)),
    ]
    with Follower(specs, [], HandClock(), limits=SMALL) as follower:
        follower.look(settle=True)
        order = list(dict.fromkeys(Path(chunk.path).name for chunk in follower.drain()))
    assert order == ["api.log.2", "api.log.1", "api.log", "worker.log", "clock.log"]


def test_a_younger_sibling_waits_for_the_older(tmp_path: Path) -> None:
    """Within a lineage lines come in the order in which they were written, whatever the budget."""
    append(tmp_path / "app.log.1", numbered("old", 2000))
    append(tmp_path / "app.log", numbered("new", 10))
    with Recorder(tmp_path) as recorder:
        recorder.look()
        while len(recorder.lines) < 2010:
            recorder.read(budget_bytes=1)
        assert recorder.lines == numbered("old", 2000) + numbered("new", 10)


def test_what_was_there_before_is_not_live(tmp_path: Path) -> None:
    """Only what was written after this process first looked can be given the time of reading."""
    append(tmp_path / "app.log", [b"one"])
    with Recorder(tmp_path) as recorder:
        recorder.look()
        assert [chunk.live for chunk in recorder.follower.read(1 << 20)] == [False]
        append(tmp_path / "app.log", [b"two"])
        append(tmp_path / "new.log", [b"one"])
        recorder.look()
        assert [chunk.live for chunk in recorder.follower.read(1 << 20)] == [True, True]


def test_rows_of_gone_files_are_pruned_late_and_bounded(tmp_path: Path) -> None:
    """A file that comes back within the time is not read twice; many rounds leave few rows."""
    limits = Limits(max_line_bytes=4096, chunk_bytes=8192, forget_after_s=100.0, min_gone=10)
    log = tmp_path / "app.log"
    with Recorder(tmp_path, limits=limits) as recorder:
        append(log, numbered("kept", 3))
        recorder.step()
        content = log.read_bytes()
        log.unlink()
        recorder.step()
        recorder.clock.advance(99.0)
        log.write_bytes(content)
        assert recorder.step() == []
        log.unlink()
        recorder.step()
        recorder.clock.advance(101.0)
        recorder.step()
        assert recorder.rows == {}
        for number in range(200):
            append(log, numbered(f"round{number}", 1))
            recorder.step()
            log.rename(tmp_path / "app.log.1")
            recorder.step()
            (tmp_path / "app.log.1").unlink()
        recorder.step()
        assert len(recorder.rows) <= 10
        assert recorder.follower.open_handles() == 0
        assert len(recorder.lines) == 203


def test_a_source_that_is_configured_no_more_is_not_read(tmp_path: Path) -> None:
    """A known file that no source wants any longer is left alone, and its row too."""
    append(tmp_path / "app.log", [b"one"])
    with Recorder(tmp_path) as recorder:
        recorder.step()
        rows = dict(recorder.rows)
        recorder.crash()
        append(tmp_path / "app.log", [b"two"])
        recorder.patterns = ("other.log",)
        assert recorder.step() == []
        assert recorder.rows == rows


def test_nothing_of_a_line_is_shown(tmp_path: Path) -> None:
    """Neither chunks nor rows show bytes of a line in their representation."""
    append(tmp_path / "app.log", [b"canary-4711"])
    with Recorder(tmp_path) as recorder:
        recorder.look()
        for chunk in recorder.follower.read(1 << 20):
            row = recorder.follower.checkpoint(chunk.file_id, chunk.end)
            assert "canary" not in repr(chunk)
            assert "canary" not in repr(row)


def test_looks_are_spaced_by_what_they_cost(tmp_path: Path) -> None:
    """Cheap looks come often, and more rarely when notifications work."""
    with Recorder(tmp_path) as recorder:
        recorder.look()
        assert recorder.follower.next_look_s(watched=False) < recorder.follower.next_look_s(watched=True)
