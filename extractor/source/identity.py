"""Knowing a file again by its bytes: hashes of the bytes before some of its places.

A *place* is an offset and a hash of up to `WINDOW` bytes just before it. A file keeps places near its start (even
a tiny file has some), at the last line ends that were read, and ever sparser ones between. Together they tell
growth from a rewrite, a cut from a rewrite, and a moved file from a new one. No byte of a line is ever kept.

Pure but for reading through the `Read` function it is given.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from hashlib import blake2b

from extractor.telemetry import IncidentKind

WINDOW = 1024
"""Bytes hashed before a place: at least one ordinary log line, so that equal windows mean equal lines."""
HEAD = (16, 64, 256, 1024)
"""Places that every file long enough has: what a tiny or a just restarted file is known by."""
DENSE = 13
"""The last line ends of what was read are all places: the last lines of a file are what people cut off.

One more than the twelve lines that may go: what is left must end at a place, too.
"""
MAX_PLACES = 48
"""Bound of one identity: 48 places of at most 18 bytes keep a row under a kilobyte."""
_DIGEST = 8
_VERSION = 1
_HEADER = struct.Struct(">BBQ")
_LOSSES = (None, IncidentKind.TRUNCATED, IncidentKind.VANISHED, IncidentKind.UNOPENED)
_WITHHELD, _COUNTED, _BLIND = 0x80, 0x40, 0x20

Place = tuple[int, bytes]
"""An offset and the hash of what stands before it."""
Read = Callable[[int, int], bytes]
"""`read(offset, size)`: the bytes there now, fewer at the end of the file."""


class Verdict(Enum):
    """What a comparison with the bytes that are there now says."""

    SAME = "same"  # all places that can be seen are as they were
    CUT = "cut"  # some of what was there is gone, what stands before it is as it was
    REWRITTEN = "rewritten"  # these are other bytes


@dataclass(frozen=True, slots=True)
class Compared:
    """The verdict and its evidence.

    Attributes:
        verdict: See `Verdict`.
        resume: Where reading can go on: the last line end that was read and before which nothing has changed.
        proven: Whether at least one place was seen to be as it was.
        kept: Bytes of whole lines from the start that may still be as they were; what was there after them is gone.
        line: Whether at least one line end, read or not, was seen to be as it was: others only begin alike.
    """

    verdict: Verdict
    resume: int = 0
    proven: bool = False
    kept: int = 0
    line: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What is known of one file's bytes, and what else must survive a restart.

    Attributes:
        places: Offset and hash, ascending.
        skipping: Where the line started that is too long and is being skipped, or None.
        lineage: The path under which the file is or was live.
        unresolved: While it is gone and may still be found again: what will be said if it is not.
        withheld: Whether it could not be read when an opt-out ended: what it has when it can be is never read.
        counted: Bytes after the offset that were counted as lost when it was not found again in time.
        blind_size: Bytes at the last look, while they cannot be read; of which file, nobody knows.
    """

    places: tuple[tuple[int, bytes], ...] = ()
    skipping: int | None = None
    lineage: str = ""
    unresolved: IncidentKind | None = None
    withheld: bool = False
    counted: int = 0
    blind_size: int = 0

    def learn(self, read: Read, size: int, offset: int) -> "Identity":
        """With the places near the start, as far as there are `size` bytes, and one where they end, if beyond `offset`.

        What was seen and not yet read must be known again, too; but not NULs that are still to be overwritten. The
        end of the first line is a place for the lines that begin alike.
        """
        known = {place for place, _ in self.places}
        wanted = [place for place in HEAD if place <= size and place not in known]
        head = read(0, min(size, WINDOW)) if wanted else b""
        windows = [(place, head[:place]) for place in wanted if place <= len(head)]
        if size > offset and size not in known:
            tail = read(max(0, size - WINDOW), min(WINDOW, size))
            windows.append((size, tail))
            head = tail if size <= WINDOW else head
        first = head.find(b"\n") + 1
        if first and first not in known:
            windows.append((first, head[:first]))
        places = [
            (place, hash_window(window))
            for place, window in windows
            if place <= offset or b"\0" not in window
        ]
        return self.with_places(places) if places else self

    def with_places(self, places: Iterable[tuple[int, bytes]]) -> "Identity":
        """With more places, thinned to the bound."""
        merged = dict(self.places)
        merged.update(places)
        return replace(self, places=_thinned(sorted(merged.items())))

    def compare(self, read: Read, size: int, offset: int, seen: int = 0) -> Compared:
        """Hold the places against the bytes of a file of `size` bytes; `offset` were read, `seen` were there once.

        Windows in which NULs stand now say nothing: a hole is not a rewrite (the lines that it ate are counted
        where the hole is met). Where no place can be seen, a file is `SAME` only if nothing of it was read.

        Other bytes after a line end that is as it was are a cut, not a rewrite: lines that are equal, at the same
        place, after equal lines, are the same lines. That a first line starts as the old one did says nothing.
        """
        proven = unclear = line = False
        resume = 0
        for place, digest in self.places:
            if place > size:
                break
            window = read(max(0, place - WINDOW), min(WINDOW, place))
            if hash_window(window) == digest:
                proven = True
                line = line or window.endswith(b"\n")
                if place <= offset and (window.endswith(b"\n") or place == offset):
                    resume = place
            elif b"\0" in window:
                unclear = True
            else:
                kept = max(resume, _whole_lines(window, place))
                cut = resume or (proven and not offset and kept)
                return Compared(Verdict.CUT if cut else Verdict.REWRITTEN, resume, proven, kept, line)
        if size < offset:
            return Compared(Verdict.CUT if proven else Verdict.REWRITTEN, resume, proven, size, line)
        if size < seen:
            return Compared(Verdict.CUT if proven else Verdict.REWRITTEN, offset, proven, size, line)
        same = proven or unclear or offset == 0
        return Compared(Verdict.SAME if same else Verdict.REWRITTEN, offset, proven, size, line)

    def still_there(self, read: Read, offset: int | None = None) -> bool:
        """The same question in one read, for a file that did not shrink: is the last place at `offset` as it was?

        What a place says about the bytes before it is enough to notice every rewrite that put other lines there.
        Without `offset`: the last place of all.
        """
        last = max(offset or 0, HEAD[-1])
        index = len(self.places) if offset is None else bisect_right(self.places, last, key=_offset_of)
        if not index:
            return True
        place, digest = self.places[index - 1]
        window = read(max(0, place - WINDOW), min(WINDOW, place))
        return hash_window(window) == digest or (len(window) == min(WINDOW, place) and b"\0" in window)

    def up_to(self, offset: int) -> "Identity":
        """Without the places after `offset`."""
        return replace(self, places=self.places[: bisect_right(self.places, offset, key=_offset_of)])

    def landmark(self) -> tuple[int, bytes] | None:
        """The place by which a file is looked up among others: its largest head place, else its first."""
        heads = self.heads()
        return heads[-1] if heads else next(iter(self.places), None)

    def heads(self) -> tuple[Place, ...]:
        """The places near the start that every file has that is long enough."""
        return tuple(place for place in self.places if place[0] in HEAD)

    def pack(self) -> bytes:
        """A compact encoding for the checkpoint."""
        lineage = self.lineage.encode("utf-8", "surrogateescape")
        parts = [
            _HEADER.pack(
                _VERSION,
                _LOSSES.index(self.unresolved)
                | (_WITHHELD if self.withheld else 0)
                | (_COUNTED if self.counted else 0)
                | (_BLIND if self.blind_size else 0),
                0 if self.skipping is None else self.skipping + 1,
            ),
            _varint(self.counted) if self.counted else b"",
            _varint(self.blind_size) if self.blind_size else b"",
            _varint(len(lineage)),
            lineage,
        ]
        before = 0
        for place, digest in self.places:
            parts += (_varint(place - before), digest)
            before = place
        return b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes) -> "Identity":
        """The inverse of `pack`. Anything else, an older or damaged encoding, gives an empty identity: reading again."""
        if len(packed) < _HEADER.size or packed[0] != _VERSION:
            return cls()
        _, loss, skipping = _HEADER.unpack_from(packed)
        try:
            unresolved = _LOSSES[loss & ~(_WITHHELD | _COUNTED | _BLIND)]
            position = _HEADER.size
            counted, position = _read_varint(packed, position) if loss & _COUNTED else (0, position)
            blind_size, position = _read_varint(packed, position) if loss & _BLIND else (0, position)
            length, position = _read_varint(packed, position)
            lineage = packed[position : position + length].decode("utf-8", "surrogateescape")
            position += length
            places = []
            place = 0
            while position < len(packed):
                step, position = _read_varint(packed, position)
                place += step
                places.append((place, packed[position : position + _DIGEST]))
                position += _DIGEST
        except (IndexError, UnicodeDecodeError):
            return cls()
        return cls(
            places=tuple(places),
            skipping=skipping - 1 if skipping else None,
            lineage=lineage,
            unresolved=unresolved,
            withheld=bool(loss & _WITHHELD),
            counted=counted,
            blind_size=blind_size,
        )


def hash_window(window: bytes | memoryview) -> bytes:
    """The hash of the bytes before a place."""
    return blake2b(window, digest_size=_DIGEST, person=b"extractor-place").digest()


def head_places(read: Read, at: Iterable[int] = HEAD) -> list[tuple[int, bytes]]:
    """The places near the start of a file, as far as it has so many bytes."""
    wanted = list(at)
    head = read(0, max(wanted, default=0)) if wanted else b""
    return [(place, hash_window(head[:place])) for place in wanted if place <= len(head)]


def _whole_lines(window: bytes, place: int) -> int:
    """How many bytes of whole lines there are at most before a place that is not as it was; `window` stands before it."""
    newline = window.rfind(b"\n", 0, len(window) - 1)
    return place - len(window) + newline + 1


def _offset_of(place: tuple[int, bytes]) -> int:
    return place[0]


def _thinned(places: list[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
    """Keep the head, the last `DENSE`, and between them the ones whose loss would leave the widest gaps.

    A gap weighs more the nearer it is to the end: cuts and rewrites are looked for there.
    """
    end = places[-1][0] if places else 0
    while len(places) > MAX_PLACES:
        middle = [i for i in range(1, len(places) - DENSE) if places[i][0] not in HEAD]
        drop = min(middle, key=lambda i: (places[i + 1][0] - places[i - 1][0]) / (end - places[i][0] + 1))
        del places[drop]
    return tuple(places)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _read_varint(packed: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = packed[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, position
