"""What `status` knows: the state, the files as they are on disk now, the rules that never matched, what needs a person.

Reads only, whether the daemon runs or not. May import everything below `service`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from extractor import wiring
from extractor.checkpoint import Checkpoint
from extractor.config import Config
from extractor.learning.alarm import Alarm, judge
from extractor.optout import OptOut
from extractor.ruleset.rule import RuleSet
from extractor.source.discover import Discovery
from extractor.store import Clock, Incident, StatusSnapshot, StoreReader
from extractor.telemetry import IncidentKind
from extractor.whole.reader import WHOLE

RECENT_S = 24 * 3600.0
"""How long an incident needs a person: nobody acknowledges one, so it must end by itself."""

FRESH_S = 60.0
"""A writer says every five seconds that it is at work; a disk may be slow, and clocks of two machines differ."""

ALARMING = frozenset({IncidentKind.LOST, IncidentKind.UNREADABLE, IncidentKind.STATE_DAMAGED})


class Standing(StrEnum):
    """What a file is to us. Stable strings: JSON of `status`."""

    FOLLOWED = "followed"
    NEW = "new"  # found on disk, not read yet
    GONE = "gone"  # no path leads to it any more
    WHOLE = "whole"  # read once, by backfill or compressed


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """One file. Sizes in bytes; `size` is what the disk says now where it can be asked."""

    path: str
    standing: Standing
    size: int
    offset: int
    lost_bytes: int

    @property
    def lag(self) -> int:
        """Bytes still to be read."""
        return max(0, self.size - self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that `status` shows.

    Attributes:
        state_dir: The state folder.
        writer: Process id of the one that writes to it now; None if none does, or it cannot be told here.
        beat_at: When one said last that it is at work (Unix seconds), if it did not end and that is not long ago; it
            may run in another container, whose processes are not seen here.
        snapshot: What the store says.
        files: Followed and new ones first.
        never_matched: Ids of enabled rules that never matched a line.
        drift: What seems to have changed in the app's lines.
        opted_out_by: What forbids sending by the environment and config of this command, or None.
        attention: What needs a person, in words. Empty: all is well.
    """

    state_dir: Path
    writer: int | None
    beat_at: float | None
    snapshot: StatusSnapshot
    files: tuple[FileReport, ...]
    never_matched: tuple[str, ...]
    drift: tuple[Alarm, ...]
    opted_out_by: str | None
    attention: tuple[str, ...]


def build_report(
    config: Config, rules: RuleSet, reader: StoreReader, environ: Mapping[str, str], *, clock: Clock
) -> Report:
    """Ask the state and the disk.

    Raises:
        StoreError: The state cannot be read.
    """
    snapshot = reader.status()
    seen = {rule.rule for rule in snapshot.rules}
    files = _files(config, reader.checkpoints(), clock.now())
    enabled = [rule.id for rule in rules.rules]
    drift = judge(reader.seen(), now=snapshot.at, rules=enabled)
    return Report(
        state_dir=config.state_dir,
        writer=writer_of(config.state_dir),
        beat_at=beat_of(config.state_dir, snapshot.at),
        snapshot=snapshot,
        files=files,
        never_matched=tuple(rule.id for rule in rules.rules if rule.id not in seen),
        drift=drift,
        opted_out_by=OptOut(config, environ).by(),
        attention=(*_attention(config, snapshot), *(alarm.words for alarm in drift)),
    )


def _files(config: Config, checkpoints: list[Checkpoint], now: float) -> tuple[FileReport, ...]:
    found = {one.key: one for one in Discovery(wiring.build_sources(config)).find(int(now * 1e9))}
    reports = []
    for checkpoint in checkpoints:
        standing, path, size = Standing.FOLLOWED, checkpoint.path, checkpoint.size
        if checkpoint.file_id.startswith(WHOLE):
            standing = Standing.WHOLE
        elif checkpoint.gone_since is not None:
            # Its inode may be another file's by now.
            standing = Standing.GONE
        elif (here := found.pop((checkpoint.device, checkpoint.inode), None)) is not None:
            path, size = here.path, here.stat.st_size
        reports.append(
            FileReport(
                path=path,
                standing=standing,
                size=size,
                offset=checkpoint.offset,
                lost_bytes=checkpoint.lost_bytes,
            )
        )
    reports += [
        FileReport(path=one.path, standing=Standing.NEW, size=one.stat.st_size, offset=0, lost_bytes=0)
        for one in found.values()
    ]
    order = list(Standing)
    return tuple(sorted(reports, key=lambda file: (order.index(file.standing) > 1, file.path)))


def _attention(config: Config, snapshot: StatusSnapshot) -> list[str]:
    words = []
    if (hold := snapshot.hold) is not None:
        answer = f", HTTP status {hold.status}" if hold.status is not None else ""
        words.append(f"delivery is held: {hold.reason}{answer}; {snapshot.outbox_rows} events wait")
    if snapshot.dead_letters:
        words.append(f"{snapshot.dead_letters} dead letters: see `extractor dead-letters list`")
    if snapshot.outbox_rows >= config.outbox.max_events or snapshot.outbox_bytes >= config.outbox.max_bytes:
        words.append("the outbox is full, so reading pauses until something is delivered")
    words += [
        f"{incident.kind}: {incident.path or incident.detail}"
        for incident in snapshot.incidents
        if snapshot.at - incident.at < RECENT_S and _is_alarming(incident)
    ]
    return list(dict.fromkeys(words))


def _is_alarming(incident: Incident) -> bool:
    return incident.kind in ALARMING or incident.lost_bytes > 0


def beat_of(state_dir: Path, now: float) -> float | None:
    """When a writer that did not end said last that it is at work, in Unix seconds; None after `FRESH_S`."""
    try:
        status = (state_dir / "lock").stat()
    except OSError:
        return None
    return status.st_mtime if status.st_size and now - status.st_mtime < FRESH_S else None


def writer_of(state_dir: Path, locks: Path = Path("/proc/locks")) -> int | None:
    """The process that holds the state folder's lock.

    Read from the kernel's list: trying the lock would, for a moment, keep a starting daemon from it.
    """
    try:
        status = (state_dir / "lock").stat()
        lines = locks.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    # A line: number, FLOCK, ADVISORY, WRITE, process id, device:inode, 0, EOF.
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in lines:
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == wanted:
            return int(words[4])
    return None
