"""The same fact has the same id, whichever way its line was read: bare, by Docker or CRI, rotated, compressed, cut."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from extractor import wiring
from extractor.config import load_config
from extractor.ruleset.event import Event
from extractor.whole.preview import preview

DATA = Path(__file__).parent / "data"
PIECE_BYTES = 16 * 1024
"""Where Docker and the CRI runtimes cut a line."""


def events_of(folder: Path, paths: str) -> list[Event]:
    """What a preview of these files gives."""
    config_file = folder / "extractor.yaml"
    config_file.write_text(f"sources: [{{paths: [{paths}]}}]\nrules: [lago]\nstate_dir: ./state\n")
    config = load_config(config_file, {})
    return list(preview(config, wiring.build_rules(config)))


def long_line(line: bytes, size: int) -> bytes:
    """A line of the app of at least so many bytes: a field that no rule reads has grown."""
    record = json.loads(line)
    record["trace_id"] = 'é\\n"' * (size // 5)
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def app_lines() -> list[bytes]:
    """Real lines, every tenth of those with a job grown over one, two and three pieces."""
    lines = (DATA / "lago-1.51" / "api.log").read_bytes().splitlines()
    grown = 0
    for number, line in enumerate(lines):
        if b'"SegmentTrackJob"' in line:
            grown += 1
            if grown % 10 == 0:
                lines[number] = long_line(line, PIECE_BYTES * (1 + grown // 10 % 3) + grown)
    assert grown >= 30
    return lines


def pieces(line: bytes) -> Iterator[tuple[bytes, bool]]:
    """A line cut at every multiple of 16 kB, and whether each piece is the last."""
    for start in range(0, max(len(line), 1), PIECE_BYTES):
        piece = line[start : start + PIECE_BYTES]
        yield piece, start + PIECE_BYTES >= len(line)


def as_docker(lines: list[bytes]) -> list[bytes]:
    """Physical lines of Docker's json-file. Half a character it would replace; the text has none."""
    wrapped = []
    for number, line in enumerate(lines):
        for piece, last in pieces(line):
            log = piece.decode() + ("\n" if last else "")
            time = f"2026-11-22T10:00:{number % 60:02}.{number:09}Z"
            record = {"log": log, "stream": "stdout", "attrs": {"tag": "lago"}, "time": time}
            wrapped.append(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
    return wrapped


def as_cri(lines: list[bytes]) -> list[bytes]:
    """Physical lines of a CRI runtime, which cuts characters in two without a thought."""
    return [
        f"2026-11-22T10:00:{number % 60:02}.{number:09}+00:00 stdout {'F' if last else 'P'} ".encode() + piece
        for number, line in enumerate(lines)
        for piece, last in pieces(line)
    ]


def ids(events: list[Event]) -> list[str]:
    """Their message ids, each once."""
    found = sorted(event.message_id for event in events)
    assert len(set(found)) == len(found)
    return found


@pytest.mark.parametrize("wrap", [as_docker, as_cri])
@pytest.mark.parametrize("rotated", [False, True])
def test_wrapped_lines_give_the_ids_of_bare_ones(
    tmp_path: Path, wrap: Callable[[list[bytes]], list[bytes]], *, rotated: bool
) -> None:
    """In one file, or rotated in the middle of a line and compressed: the set of ids is the same."""
    lines = app_lines()
    if wrap is as_docker:
        lines = [line.replace("é".encode(), b"e") for line in lines]
    (tmp_path / "bare.log").write_bytes(b"\n".join(lines) + b"\n")
    expected = ids(events_of(tmp_path, "bare.log"))
    assert len(expected) >= 100
    wrapped = wrap(lines)
    if not rotated:
        (tmp_path / "app.log").write_bytes(b"\n".join(wrapped) + b"\n")
        assert ids(events_of(tmp_path, "app.log")) == expected
        return
    # Right behind a first piece, so that its line goes on in the next file.
    mark = b'\\n","stream"' if wrap is as_docker else b" stdout F "
    unfinished = [number for number, line in enumerate(wrapped) if mark not in line]
    first, second = next(n for n in unfinished if n > 20) + 1, [n for n in unfinished if n > 20][-1] + 1
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress(b"\n".join(wrapped[:first]) + b"\n"))
    (tmp_path / "app.log.1").write_bytes(b"\n".join(wrapped[first:second]) + b"\n")
    (tmp_path / "app.log").write_bytes(b"\n".join(wrapped[second:]) + b"\n")
    assert ids(events_of(tmp_path, '"app.log*"')) == expected


def test_the_time_of_a_wrapped_line_is_its_envelope_s(tmp_path: Path) -> None:
    """A line that was cut has the time of its first piece."""
    (tmp_path / "app.log").write_bytes(b"\n".join(as_cri(app_lines())) + b"\n")
    events = events_of(tmp_path, "app.log")
    assert {event.time_source.value for event in events} == {"envelope"}
    assert all(b"2026-11-22T10:00:" in event.message for event in events)


def test_what_docker_really_wrote_joins_to_what_the_app_said(tmp_path: Path) -> None:
    """Captured pieces: the same ids as the lines that `docker logs` printed."""
    for name in ("docker-split.log", "docker-split.bare.log"):
        (tmp_path / name).write_bytes((DATA / name).read_bytes())
    assert ids(events_of(tmp_path, "docker-split.log")) == ids(events_of(tmp_path, "docker-split.bare.log"))
