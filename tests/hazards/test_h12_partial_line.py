"""H12: a line is written in two halves, with anything in between."""

from pathlib import Path

import pytest

from tests.following import Recorder, append


def half(path: Path, data: bytes) -> None:
    """Write without a newline."""
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize("between", ["nothing", "crash", "rename", "rename and crash"])
def test_h12_partial_line(tmp_path: Path, between: str) -> None:
    """It comes once, whole, when it is complete."""
    log = tmp_path / "app.log"
    half(log, b'{"a":1')
    with Recorder(tmp_path) as recorder:
        assert recorder.step() == []
        if "rename" in between:
            log = log.rename(tmp_path / "app.log.1")
        if "crash" in between:
            recorder.crash()
        assert recorder.step() == []
        append(log, [b',"b":2}'])
        assert recorder.step() == [b'{"a":1,"b":2}']
        assert recorder.step() == []


@pytest.mark.parametrize("how", ["deleted", "rotated", "once"])
def test_h12_unterminated_last_line_of_a_final_file(tmp_path: Path, how: str) -> None:
    """It comes once when nothing can be added to it any more, and not after a restart either."""
    log = tmp_path / "app.log"
    half(log, b"one\ntwo")
    with Recorder(tmp_path) as recorder:
        assert recorder.step() == [b"one"]
        if how == "deleted":
            log.unlink()
            recorder.step()
        elif how == "rotated":
            log.rename(tmp_path / "app.log.1")
            append(log, [b"three"])
            recorder.step()
            recorder.clock.advance(recorder.limits.settle_s)
            recorder.step()
        else:
            recorder.finish()
        assert sorted(recorder.lines) == sorted([b"one", b"two", *([b"three"] if how == "rotated" else [])])
        recorder.crash()
        assert recorder.step() == []


def test_h12_carriage_returns_and_a_mark_are_kept(tmp_path: Path) -> None:
    """Following neither cuts nor changes anything but at a newline: the decoder sees the bytes as they are."""
    log = tmp_path / "app.log"
    log.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n\xe2\x80\xa8three\x85\n")
    with Recorder(tmp_path) as recorder:
        assert recorder.step() == [b"\xef\xbb\xbfone\r", b"two\r", b"\xe2\x80\xa8three\x85"]
