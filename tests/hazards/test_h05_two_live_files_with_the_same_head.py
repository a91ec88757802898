"""H5: two files that live at the same time start with the same bytes."""

from pathlib import Path

import pytest

from tests.following import Recorder, append, numbered

HEAD = numbered("head", 80)  # a good 4 kB


@pytest.mark.parametrize("names", [("a.log", "b.log"), ("app.log", "app.log.1"), ("app.log", "app2.log")])
@pytest.mark.parametrize("restart", [False, True])
def test_h05_two_live_files_with_the_same_head(
    tmp_path: Path, *, names: tuple[str, str], restart: bool
) -> None:
    """Both come whole, while both grow, whatever they are called."""
    first, second = tmp_path / names[0], tmp_path / names[1]
    append(first, [*HEAD, *numbered("first", 5)])
    append(second, [*HEAD, *numbered("second", 5)])
    with Recorder(tmp_path) as recorder:
        recorder.step()
        if restart:
            recorder.crash()
        append(first, numbered("first", 5, 5))
        append(second, numbered("second", 5, 5))
        recorder.step()
        expected = [*HEAD, *HEAD, *numbered("first", 10), *numbered("second", 10)]
        assert sorted(recorder.lines) == sorted(expected)


def test_h05_the_same_head_and_no_more_for_now(tmp_path: Path) -> None:
    """A file that so far is equal to a live sibling is read at the latest when it has settled."""
    append(tmp_path / "app.log", HEAD)
    with Recorder(tmp_path) as recorder:
        recorder.step()
        append(tmp_path / "app.log.1", HEAD)
        recorder.step()
        recorder.clock.advance(recorder.limits.settle_s)
        assert recorder.step() == HEAD
