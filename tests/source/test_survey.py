"""A pass over many files in pieces: what happens between two of them is served then, or found by another pass."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from extractor.source import survey
from extractor.telemetry import IncidentKind
from tests.following import Recorder, append, numbered

PIECE = 64


def _at_once() -> bool:
    return True


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """Follows so many files that a pass takes three pieces, of which the first is done; all are read."""
    monkeypatch.setattr(survey, "PIECE", PIECE)
    (tmp_path / "idle").mkdir()
    for number in range(2 * PIECE):
        append(tmp_path / "idle" / f"{number:04}.log", [b"idle"])
    for name in ("a.log", "z.log"):  # one is met by the first piece, one is not
        append(tmp_path / name, numbered(name, 1))
    with Recorder(tmp_path, ("a.log", "idle/*.log", "z.log", "late/*.log", "a.log.1")) as recorder:
        recorder.step()
        recorder.clock.advance(1)
        recorder.step()
        recorder.lines.clear()
        assert not recorder.follower.survey(_at_once)
        assert recorder.follower.surveying
        yield recorder


def _look_slowly(recorder: Recorder) -> float:
    """Conclude the pass; the seconds that it took."""

    def take_time() -> bool:
        recorder.clock.advance(0.1)
        return False

    began = recorder.clock.at
    assert recorder.follower.survey(take_time)
    recorder.step()
    return recorder.clock.at - began


def _conclude(recorder: Recorder, told: tuple[str, ...] = ()) -> list[bytes]:
    """The rest of the pass and the look, and another pass if that is wanted; the lines that came."""
    before = len(recorder.lines)
    while recorder.follower.surveying:
        if recorder.follower.survey(_at_once, told):
            recorder.step()
            told = ()
    return recorder.lines[before:]


@pytest.mark.parametrize("name", ["a.log", "z.log"])
def test_what_grows_meanwhile_is_read_meanwhile(recorder: Recorder, name: str) -> None:
    """It does not wait for the rest of the pass, and is not read again after it."""
    log = recorder.folder / name
    append(log, [b"now"])
    recorder.look([log])
    recorder.read()
    assert recorder.lines == [b"now"]
    assert _conclude(recorder) == []


def test_what_grew_is_told_with_the_last_piece(recorder: Recorder) -> None:
    """Though the pass met it before."""
    log = recorder.folder / "a.log"
    append(log, [b"now"])
    assert _conclude(recorder, (str(log),)) == [b"now"]


def test_rotated_after_the_pass_met_it(recorder: Recorder) -> None:
    """Another pass follows on one that may have missed something; both files are read."""
    log = recorder.folder / "a.log"
    append(log, [b"last"])
    log.rename(recorder.folder / "a.log.1")
    append(log, [b"first"])
    recorder.look([log])
    assert sorted(_conclude(recorder)) == [b"first", b"last"]
    assert recorder.lost() == 0


def test_emptied_after_the_pass_met_it(recorder: Recorder) -> None:
    """The new lines come once, and that more may have gone is said."""
    log = recorder.folder / "a.log"
    log.write_bytes(b"new\n")
    recorder.look([log])
    assert _conclude(recorder) == [b"new"]
    recorder.clock.advance(recorder.limits.settle_s)
    recorder.look()
    assert recorder.kinds() == [IncidentKind.TRUNCATED]


@pytest.mark.parametrize("grown", [False, True])
def test_copied_and_emptied_after_the_pass_met_it(recorder: Recorder, *, grown: bool) -> None:
    """The copy is not taken for another file because its original is no longer what it was."""
    log, copy = recorder.folder / "a.log", recorder.folder / "a.log.1"
    more = [b"more"] if grown else []
    append(log, more)
    copy.write_bytes(log.read_bytes())
    log.write_bytes(b"new\n")
    assert _conclude(recorder) == []
    assert recorder.step() == [*more, b"new"]
    assert recorder.finish() == [*more, b"new"]


def test_new_and_gone_before_the_pass_comes_to_it(recorder: Recorder) -> None:
    """A notification that names it is enough: it is opened then."""
    log = recorder.folder / "late" / "x.log"
    log.parent.mkdir()
    append(log, [b"short"])
    recorder.look([log])
    log.unlink()
    assert _conclude(recorder) == [b"short"]
    assert recorder.incidents == []


def test_a_look_that_has_to_settle_does_not_trust_the_pass(recorder: Recorder) -> None:
    """At an opt-out's end, say, everything is looked at anew."""
    append(recorder.folder / "a.log", [b"now"])
    recorder.look(settle=True)
    recorder.read()
    assert recorder.lines == [b"now"]
    assert not recorder.follower.surveying


def test_notifications_do_not_make_it_look_all_the_time(recorder: Recorder) -> None:
    """Files are made again and again: a pass rests three times what the last one took. What is made meanwhile is held."""
    follower, late = recorder.follower, recorder.folder / "late"

    cost_s = _look_slowly(recorder)
    assert cost_s > 0
    late.mkdir()
    append(late / "new.log", [b"new"])
    assert not follower.survey(_at_once, anew=True)
    recorder.look([late / "new.log"])
    (late / "new.log").unlink()
    assert not follower.surveying
    assert follower.next_survey_s() == pytest.approx(3 * cost_s)
    recorder.clock.advance(3 * cost_s)
    assert follower.surveying
    assert _conclude(recorder) == [b"new"]
    assert not follower.surveying


def test_a_look_that_is_due_does_not_rest(recorder: Recorder) -> None:
    """Its own spacing is its share."""
    _look_slowly(recorder)
    assert recorder.follower.survey(lambda: False)
