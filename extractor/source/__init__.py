"""Files to chunks of whole lines: find files, know them again, follow them through everything that happens to them.

What the collecting loop needs:

- `SourceSpec`, `Where`, `StartAt`, `Limits`: what to follow, made from the config.
- `Follower(sources, checkpoints, clock, limits=, first_start=)`
    - `look(changed=None, settle=False) -> Looked`: one stat pass (of some paths only, when a notification named
      them). Record `Looked.checkpoints` and drop the rows of `Looked.forgotten` in one transaction; log and count
      `Looked.incidents`; a line of a file in `Looked.ended` that is unfinished will stay so.
    - `read(budget_bytes) -> Iterator[Chunk]`: fair over files, for the daemon; look again when it ends.
    - `drain(final=True) -> Iterator[Chunk]`: each file to its end in the configured order, for `--once`, after
      `look(settle=True)`.
    - `checkpoint(file_id, offset) -> Checkpoint`: the row for "everything before `offset` is recorded".
    - `recorded(checkpoint)`: after the commit. `rewind()`: after a commit that failed.
    - `withhold_unreadable() -> rows`: what stands in files that cannot be read now is never read: an opt-out ends.
    - `next_look_s(watched=)`: how long to wait for the next whole look. `open_handles()`. `close()`.
- `extractor.source.wake` (not imported here, for watchdog is heavy): `Wake(folders_to_watch(sources))`: `wait(timeout_s)`, `take()` (what to give to `look`), `rouse()` (from the thread
  that stops), `tend()` before each timed look, `healthy` (for `next_look_s`), `close()`.
- `Chunk`: `data` is a view of a reused buffer, valid until the next chunk; `incidents` are to be counted with it.
- `WholeFile(path)` (`chunks(start=0)`, `size`, `position`, `broken`), `read_whole(path)`, `oldest_first(paths)`:
  whole files, plain or compressed, for preview and backfill. `UnknownCompressionError` where it cannot.

May import the leaves `checkpoint` and `telemetry` of this package, nothing else of it.
"""

from extractor.source.chunk import Chunk, Incident, Looked
from extractor.source.follow import Follower
from extractor.source.handle import UnknownCompressionError
from extractor.source.names import oldest_first
from extractor.source.spec import Clock, Limits, SourceSpec, StartAt, Where
from extractor.source.whole import WholeFile, read_whole

__all__ = [
    "Chunk",
    "Clock",
    "Follower",
    "Incident",
    "Limits",
    "Looked",
    "SourceSpec",
    "StartAt",
    "UnknownCompressionError",
    "Where",
    "WholeFile",
    "oldest_first",
    "read_whole",
]
