"""From one file to its next chunk: through one large reused buffer, whole lines only."""

from dataclasses import dataclass

from extractor.source.chunk import Chunk, Incident
from extractor.source.followed import Followed
from extractor.source.handle import InflatedHandle
from extractor.source.identity import DENSE, WINDOW, hash_window
from extractor.source.scan import last_line_ends, scan
from extractor.source.spec import Limits
from extractor.telemetry import IncidentKind

_PROBE_BYTES = 65536
"""Read at once to find out what follows a hole."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Positions in the buffer: up to `first` it is to be skipped, up to `stop` it is whole lines.

    `beyond`: so many bytes after the buffer are to be skipped too.
    """

    first: int
    stop: int
    incidents: tuple[Incident, ...] = ()
    beyond: int = 0


class Reader:
    """Owns the buffer. A chunk's data is a view of it, valid until the next step."""

    def __init__(self, limits: Limits) -> None:
        self._max_line_bytes = limits.max_line_bytes
        # Room for the window of the place where reading goes on: the hashes of the first lines need the bytes
        # before them.
        self._buffer = bytearray(WINDOW + max(limits.chunk_bytes, 2 * limits.max_line_bytes))
        self._view = memoryview(self._buffer)

    def step(self, file: Followed, *, final: bool) -> Chunk | None:
        """Read on in an open and checked file, and move its offset; None where nothing complete is there.

        What was read counts only if it is what was seen there, and the bytes before it are still as they were *after*
        the read: a truncation in between gives nothing, and leaves the file unchecked for the next look.

        Args:
            file: Its `offset`, `identity` and `skipping` move.
            final: Nothing will be added: an unterminated last line is given too.

        Raises:
            OSError: The file cannot be read now; nothing moved.
        """
        handle = file.handle
        assert handle is not None
        lead = min(file.offset, WINDOW)
        filled = handle.read_into(self._view, file.offset - lead)
        size = handle.size()
        as_before = file.identity.still_there(file.read_at, file.offset) and self._as_seen(file, lead, filled)
        if filled <= lead or not as_before:
            file.checked = filled <= lead and size >= file.offset
            file.incomplete_at = size
            return None
        ends = final and file.offset - lead + filled >= size
        span = (self._take_lines if file.skipping is None else self._skip_line)(file, lead, filled, ends=ends)
        if span.stop == lead:
            file.incomplete_at = size
            return None
        before = file.offset - lead
        start = before + span.first + span.beyond
        self._remember(file, before, span)
        file.offset = before + span.stop + span.beyond
        file.size = max(file.size, file.offset)
        file.incomplete_at = -1
        return Chunk(
            file_id=file.file_id,
            path=file.path,
            lineage=file.lineage,
            source=file.source,
            start=start,
            data=self._view[span.first : span.stop],
            at=span.first,
            end=file.offset,
            skipped=span.first - lead + span.beyond,
            final=ends and file.offset >= size,
            live=start >= file.live_from,
            modified=handle.stat().st_mtime,
            incidents=span.incidents,
        )

    def _as_seen(self, file: Followed, lead: int, filled: int) -> bool:
        """Whether the buffer has what a look has seen there. If not, the next look tells a cut from a rewrite."""
        if isinstance(file.handle, InflatedHandle):
            return True  # a copy, which does not change any more
        before = file.offset - lead
        for place, digest in file.identity.places:
            if file.offset < place <= before + filled:
                window = self._view[max(0, place - before - WINDOW) : place - before]
                if hash_window(window) != digest and b"\0" not in bytes(window):
                    return False
        return True

    def _take_lines(self, file: Followed, lead: int, filled: int, *, ends: bool) -> _Span:
        found = scan(self._buffer, lead, filled, self._max_line_bytes)
        first = lead + found.hole
        stop = first + found.lines
        if found.too_long:
            if stop == lead:
                file.skipping = file.offset
                return self._skip_line(file, lead, filled, ends=ends)
            file.skipping = file.offset - lead + stop
        elif stop == lead and self._buffer[lead] == 0:
            return self._cross_hole(file, lead, filled, ends=ends)
        elif not found.lines and ends:
            stop = filled
        incidents: tuple[Incident, ...] = ()
        if found.hole:
            incidents = (_incident(IncidentKind.HOLE, file, file.offset, found.hole),)
        return _Span(first, stop, incidents)

    def _skip_line(self, file: Followed, lead: int, filled: int, *, ends: bool) -> _Span:
        """Go on in a line that is too long: to its end, or, without one in reach, as far as was read."""
        assert file.skipping is not None
        newline = self._buffer.find(b"\n", lead, filled)
        stop = newline + 1 if newline >= 0 else filled
        if newline < 0 and not (ends and stop == filled):
            return _Span(stop, stop)
        size = file.offset - lead + stop - file.skipping
        incident = _incident(IncidentKind.TOO_LONG, file, file.skipping, size)
        file.skipping = None
        return _Span(stop, stop, (incident,))

    def _cross_hole(self, file: Followed, lead: int, filled: int, *, ends: bool) -> _Span:
        """All that was read are NULs: skip them all, if something follows or nothing ever will.

        A hole costs no reading where the file system knows where the next data is.
        """
        handle = file.handle
        assert handle is not None
        known = position = file.offset + filled - lead
        while position < handle.size():
            position = handle.next_data(position)
            piece = handle.read_at(position, _PROBE_BYTES)
            bare = piece.lstrip(b"\0")
            position += len(piece) - len(bare)
            if bare or not piece:
                break
        if position >= handle.size() and not ends:
            return _Span(lead, lead)
        hole = _incident(IncidentKind.HOLE, file, file.offset, filled - lead + position - known)
        return _Span(filled, filled, (hole,), beyond=position - known)

    def _remember(self, file: Followed, before: int, span: _Span) -> None:
        """Add places: where this chunk ends and at each of its last lines, for a kill may leave it the last one read."""
        ends = {span.stop, *last_line_ends(self._buffer, span.first, span.stop, DENSE)}
        file.identity = file.identity.with_places(
            (before + end, hash_window(self._view[end - min(WINDOW, before + end) : end])) for end in ends
        )


def _incident(kind: IncidentKind, file: Followed, offset: int, size: int) -> Incident:
    return Incident(kind=kind, path=file.path, file_id=file.file_id, offset=offset, size=size)
