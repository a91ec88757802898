"""An envelope comes off exactly, and nothing that is not one is taken for one."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.decode.cut import cut
from extractor.decode.envelope import Broken, Envelope, Piece, detect, parse_time, unwrap

DATA = Path(__file__).parent.parent / "data"
STAMP = "2026-11-22T10:00:00.123456789Z"
TIME = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC).timestamp()


def docker(log: str, **more: object) -> bytes:
    """A line as Docker writes it."""
    return json.dumps({"log": log, "stream": "stdout", "time": STAMP} | more, separators=(",", ":")).encode()


@given(st.binary(), st.sampled_from(Envelope))
def test_any_bytes_give_a_piece_or_are_broken(data: bytes, envelope: Envelope) -> None:
    """No line can make unwrapping raise."""
    assert isinstance(unwrap(data, envelope), Piece | Broken)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from([Envelope.DOCKER, Envelope.AUTO]))
def test_docker_gives_back_what_the_app_wrote(text: str, envelope: Envelope) -> None:
    """Any text comes back as its bytes, without its newline, with its time, stream and attributes."""
    piece = unwrap(docker(text, attrs={"tag": "c", "env": "x", "n": 1}), envelope)
    whole = text.endswith("\n")
    attributes = (("env", "x"), ("tag", "c"))
    assert piece == Piece((text[:-1] if whole else text).encode(), TIME, "stdout", whole, attributes)


@given(st.binary(), st.sampled_from(["stdout", "stderr"]), st.sampled_from(["F", "P", "F:x", "P:a:b"]))
def test_cri_gives_back_what_the_app_wrote(text: bytes, stream: str, tag: str) -> None:
    """Any bytes come back untouched, leading spaces and invalid UTF-8 included."""
    line = f"{STAMP} {stream} {tag} ".encode() + text
    for envelope in (Envelope.CRI, Envelope.AUTO):
        assert unwrap(line, envelope) == Piece(text, TIME, stream, tag[0] == "F")


def test_cri_may_leave_out_the_space_before_an_empty_line() -> None:
    """An empty line of the app is a line, with or without the separator that trimming tools eat."""
    assert unwrap(f"{STAMP} stderr F".encode(), Envelope.CRI) == Piece(b"", TIME, "stderr")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"=> Booting Puma",
        b'{"level":"info"}',
        b'{"log":1,"stream":"stdout","time":"2026-11-22T10:00:00Z"}',
        b'{"log":"a\\n","stream":"file","time":"2026-11-22T10:00:00Z"}',
        b'{"log":"a\\n","stream":["stdout"],"time":"2026-11-22T10:00:00Z"}',
        b'{"log":"a\\n","stream":"stdout"}',
        b'{"log":"a\\n","stream":"stdout","time":"2026-11-22T10:00:00Z","level":"info"}',
        b'{"log":"a\\n","stream":"stdout","ti',
        b"2026-11-22T10:00:00Z stdin F a",
        b"2026-11-22 10:00:00Z stdout F a",
        b"2026-11-22T10:00:00Z stdout X a",
        b"2026-11-22T10:00:00 stdout F a",
    ],
)
def test_what_only_resembles_an_envelope_is_none(line: bytes) -> None:
    """Where an envelope is configured such a line is broken and counted; with `auto` it stays a bare line."""
    assert unwrap(line, Envelope.AUTO) == Piece(line)
    assert unwrap(line, Envelope.DOCKER) == Broken(Envelope.DOCKER)
    assert unwrap(line, Envelope.CRI) == Broken(Envelope.CRI)
    assert unwrap(line, Envelope.NONE) == Piece(line)


def test_a_stream_that_is_no_text_is_broken_not_an_error() -> None:
    """A list cannot be looked up in a set; that must not stop the daemon."""
    assert unwrap(docker("a", stream=[]), Envelope.DOCKER) == Broken(Envelope.DOCKER)
    assert unwrap(docker("a", stream={}), Envelope.DOCKER) == Broken(Envelope.DOCKER)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01T00:00:00.000001000Z", 1e-6),
        ("1970-01-01T05:30:00.25+05:30", 0.25),
        ("1969-12-31T19:00:00-05:00", 0.0),
        ("2026-11-22T10:00:60Z", None),
        ("2026-02-30T10:00:00Z", None),
        ("2026-11-22T10:00:00+99:99", None),
        ("2026-11-22T10:00:00", None),
        ("2026-W47-7", None),
        ("2026-11-22T10:00:00Z\n", None),
        ("", None),
    ],
)
def test_times_are_read_with_their_offset_or_not_at_all(text: str, seconds: float | None) -> None:
    """Nothing about a time is guessed: no zone means no time."""
    assert parse_time(text) == seconds


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_times_at_the_edge_of_the_calendar_do_not_raise(time: str) -> None:
    """An absurd time is a number or None."""
    assert isinstance(parse_time(time), float | None)


def test_an_impossible_time_does_not_cost_the_line() -> None:
    """The text is the fact; the event time then comes from elsewhere."""
    assert unwrap(docker("a\n", time="2026-99-99T00:00:00Z"), Envelope.DOCKER) == Piece(b"a", None, "stdout")


def test_a_file_is_wrapped_only_if_all_its_first_lines_are() -> None:
    """A bare log that imitates an envelope in one line stays a bare log."""
    wrapped = (DATA / "docker-split.log").read_bytes()
    bare = (DATA / "docker-split.bare.log").read_bytes()
    cri = b"".join(f"{STAMP} stdout F ".encode() + line.data + b"\n" for line in cut(bare, 0))
    assert detect(wrapped) is Envelope.DOCKER
    assert detect(cri) is Envelope.CRI
    assert detect(bare) is Envelope.NONE
    assert detect(docker("x\n") + b"\n" + bare) is Envelope.NONE
    assert detect(b"\0" * 100 + b"\n\n" + cri) is Envelope.CRI
    assert detect(bare[:100]) is Envelope.AUTO
    assert detect(b"") is Envelope.AUTO


def test_neither_piece_nor_attribute_error_shows_the_text() -> None:
    """A `repr` never shows what the app wrote."""
    assert "secret" not in repr(unwrap(docker("secret\n"), Envelope.DOCKER))
    assert "secret" not in repr(unwrap(b"secret", Envelope.DOCKER))
