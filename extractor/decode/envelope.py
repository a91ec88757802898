r"""What a container runtime wraps around a line: Docker's `json-file` and Kubernetes' CRI. Imports nothing of the package.

**How they cut long lines.** Docker cuts after every 16,384 *bytes* of a line, in the middle of a character where it
falls so; only the last piece has the `\n`. What is then half a character it writes as U+FFFD, one for each byte: those
bytes are lost before we come, `docker logs` shows the same, and joining the pieces gives exactly what it prints. CRI
says `P` (more follows) or `F`, and its bytes are whatever the app wrote.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

import orjson


class Envelope(StrEnum):
    """How the lines of a source are wrapped. Values of the config key `envelope`."""

    AUTO = "auto"
    NONE = "none"
    DOCKER = "docker"
    CRI = "cri"


class Piece(NamedTuple):
    """What one physical line holds: a line of the app, or a piece of one. A tuple, for the same reason as `Line`.

    Attributes:
        text: The app's bytes, without a newline.
        time: Unix seconds at which the runtime read it (sub-microsecond digits are beyond a float); None where the
            envelope has none or an impossible one.
        stream: `stdout`, `stderr`, or "" without an envelope.
        complete: False if the line goes on in the next piece of the same stream.
        attributes: Docker's label and environment attributes, sorted.
    """

    text: bytes
    time: float | None = None
    stream: str = ""
    complete: bool = True
    attributes: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Piece(time={self.time}, stream={self.stream!r}, complete={self.complete})"


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that is not wrapped as its source says; counted as `broken_envelope`, never an error."""

    envelope: Envelope


_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
_RFC3339: Final = re.compile(_TIME)
_CRI: Final = re.compile(rf"({_TIME}) (stdout|stderr) ([FP])(?::[^ ]{{1,256}})?(?: |\Z)".encode())
_DOCKER_KEYS: Final = frozenset({"log", "stream", "attrs", "time"})
_STREAMS: Final = ("stdout", "stderr")
_DOCKER_START: Final = b'{"log":"'
# As Docker lays it out, `stream` right behind `log`. Whatever else goes on in the next line is nothing of Docker's: the
# prefilter would not see it, and a bare log could swallow the line behind.
_DOCKER_PIECE: Final = re.compile(
    rb'\{"log":"(?:[^"\\]++|\\.)*+","stream":"[a-z]++"'
    rb'(?:,"time":"[^"\\]++"|,"attrs":\{(?:[^"{}]++|"(?:[^"\\]++|\\.)*+")*+\})++\}\s*+'
)
_LOOK: Final = 16


def unwrap(data: bytes, envelope: Envelope) -> Piece | Broken:
    """Take the envelope off one physical line. Total on any bytes.

    With `AUTO` each line speaks for itself: exactly Docker's shape (its keys and no others, a known stream, a time) or
    CRI's prefix, else it is a bare line, and nothing is ever broken. Where the head of the file can be seen, prefer
    `detect`: then a bare log cannot pass off one of its lines as another's envelope.
    """
    match envelope:
        case Envelope.NONE:
            return Piece(data)
        case Envelope.DOCKER:
            return _unwrap_docker(data) or Broken(envelope)
        case Envelope.CRI:
            return _unwrap_cri(data) or Broken(envelope)
        case Envelope.AUTO:
            if data.startswith(_DOCKER_START):
                return _unwrap_docker(data) or Piece(data)
            return _unwrap_cri(data) or Piece(data)


def detect(head: bytes) -> Envelope:
    r"""The envelope of a file, by the whole lines among its first bytes (64 KiB are plenty).

    A runtime wraps every line or none, so it takes all of the first lines to agree; a bare log that imitates an
    envelope in one of them stays a bare log. `AUTO` means "not to be told yet": no whole line was there.
    """
    whole = head[: head.rfind(b"\n") + 1].split(b"\n", _LOOK)[:_LOOK]
    found = {_shape(line) for line in (line.strip(b"\0\r") for line in whole) if line}
    if not found:
        return Envelope.AUTO
    return found.pop() if len(found) == 1 else Envelope.NONE


def _shape(line: bytes) -> Envelope:
    if line.startswith(_DOCKER_START) and _unwrap_docker(line):
        return Envelope.DOCKER
    return Envelope.CRI if _CRI.match(line) else Envelope.NONE


def _unwrap_docker(data: bytes) -> Piece | None:
    try:
        record = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(record, dict) or not record.keys() <= _DOCKER_KEYS:
        return None
    log, stream, time = record.get("log"), record.get("stream"), record.get("time")
    if not isinstance(log, str) or not isinstance(time, str) or stream not in _STREAMS:
        return None
    attributes = record.get("attrs")
    named: tuple[tuple[str, str], ...] = ()
    if isinstance(attributes, dict):
        named = tuple(sorted((name, value) for name, value in attributes.items() if isinstance(value, str)))
    complete = log.endswith("\n")
    if not complete and not _DOCKER_PIECE.fullmatch(data):
        return None
    return Piece((log[:-1] if complete else log).encode(), parse_time(time), stream, complete, named)


def _unwrap_cri(data: bytes) -> Piece | None:
    found = _CRI.match(data)
    if not found:
        return None
    time, stream, tag = found.groups()
    return Piece(data[found.end() :], parse_time(time.decode()), stream.decode(), tag == b"F")


def parse_time(text: str) -> float | None:
    """Unix seconds of an RFC 3339 time with an offset and up to nanoseconds; None if it is none, or impossible.

    A leap second (`:60`), which no runtime writes, counts as impossible.
    """
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
