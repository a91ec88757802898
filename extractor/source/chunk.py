"""What following gives to the loop: chunks of whole lines, what a look found, incidents."""

from dataclasses import dataclass, field

from extractor.checkpoint import Checkpoint
from extractor.telemetry import IncidentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that an operator must be able to see: logged, counted by kind, and kept with the file's path.

    Attributes:
        kind: What happened.
        path: The file's last known path.
        file_id: The file, or "" where it never was one of ours.
        offset: Where in the file, 0 when it concerns all of it.
        size: Bytes concerned: of the line, of the hole, or, for losses, the lower bound of what is lost.
    """

    kind: IncidentKind
    path: str
    file_id: str = ""
    offset: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Whole lines of one file, or, where `data` is empty, bytes that were skipped.

    `data` is a view of one reused buffer: it is valid until the next chunk is asked for. Copy what must last.

    Attributes:
        file_id: The file's name in checkpoints.
        path: Where the file is now.
        lineage: The path under which the file was, or is, live: the same for all rotated siblings, so that a
            line that is cut by a rotation can be joined.
        source: Index of the source that found it.
        start: Byte of `data[0]` in the (uncompressed) file. Bytes between the end of the previous chunk and this
            were skipped.
        data: Ends after a newline, unless `final`. Never cut within a line.
        end: Where reading goes on after this chunk; what `checkpoint` may be asked for.
        skipped: Bytes that were skipped just before `start` (a hole of NULs, a line that is too long).
        final: The file has ended: `data` may lack its last newline, and nothing will come after it.
        live: These bytes were written after this process first looked.
        modified: The file's modification time, Unix seconds.
        at: Where `data` begins in the buffer that it is a view of (`data.obj`), which can be searched without a copy.
        incidents: What was met in the skipped bytes: to be counted in the transaction that records this chunk.
    """

    file_id: str
    path: str
    lineage: str
    source: int
    start: int
    data: memoryview = field(repr=False)
    end: int
    skipped: int = 0
    final: bool = False
    live: bool = False
    modified: float = 0.0
    at: int = 0
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What one look found.

    Attributes:
        checkpoints: Rows that changed without anything being read (found, renamed, gone, bytes lost). To be
            recorded, without outcomes, in the same transaction as `incidents` are counted.
        incidents: See `Incident`.
        ended: Files of which nothing more will come: all was read and no path leads to them, or they were
            rotated away and have settled. A line of theirs that is unfinished stays so.
        forgotten: File ids whose rows can go.
        pending: Files that have something to read now.
        unread_bytes: How much that is, as far as stat tells.
    """

    checkpoints: tuple[Checkpoint, ...] = ()
    incidents: tuple[Incident, ...] = ()
    ended: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    pending: int = 0
    unread_bytes: int = 0
