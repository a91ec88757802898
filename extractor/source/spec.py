"""What to follow and within which bounds: frozen values made from the config."""

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Protocol

from extractor.source.names import PodPath

MIB = 1024 * 1024


class Clock(Protocol):
    """Time, injected so that tests need not wait."""

    def now(self) -> float:
        """Unix seconds."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


class StartAt(StrEnum):
    """Where reading starts in files that are present at the very first start; all others start at byte 0."""

    BEGINNING = "beginning"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What a Kubernetes log path must tell. Globs, any of them; an empty tuple accepts all.

    A path that tells nothing (neither `/var/log/pods` nor `/var/log/containers` style) is refused as soon as
    one of the three is set: it cannot be shown to be the app's.
    """

    namespaces: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()

    def accepts(self, pod: PodPath | None) -> bool:
        """Whether a path with these facts is wanted."""
        asked = (self.namespaces, self.pods, self.containers)
        if not any(asked):
            return True
        if pod is None:
            return False
        told = (pod.namespace, pod.pod, pod.container)
        return all(
            not globs or any(fnmatchcase(name, glob) for glob in globs)
            for globs, name in zip(asked, told, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """One configured source.

    Attributes:
        index: Position in the config: files are read in this order when they are read to the end.
        paths: Absolute globs, `**` too, in the configured order.
        exclude: Absolute globs, or globs without a slash, which are held against the file's name.
        start_at: See `StartAt`.
        where: What the path must tell.
    """

    index: int
    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    start_at: StartAt = StartAt.BEGINNING
    where: Where = Where()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of following. The defaults are documented in `docs/following.md`.

    Attributes:
        max_line_bytes: A longer line is skipped and counted. 1 MiB: sixty of Docker's 16 kB pieces.
        chunk_bytes: Size of the one reused buffer; at least twice `max_line_bytes` is used. 4 MiB: measured to
            be past the knee where the read call's own cost no longer shows.
        turn_bytes: Bytes one file may give before the next one has its turn.
        max_open: Open handles. A deleted or moved file that is not drained is never closed for it.
        settle_s: Seconds for which a copy, a rotated file or a vanished one may still change before it is
            judged. Longer than `cp` of a large log needs between two writes, short for a person who waits.
        forget_after_s: Seconds after which the state of a file that is gone is pruned.
        min_gone: Files that are gone are remembered at least up to this number, and up to twice the number of
            files that were ever there at once; beyond it the longest gone are pruned early.
    """

    max_line_bytes: int = MIB
    chunk_bytes: int = 4 * MIB
    turn_bytes: int = 16 * MIB
    max_open: int = 512
    settle_s: float = 5.0
    forget_after_s: float = 30 * 86400.0
    min_gone: int = 1000


DEFAULT_LIMITS = Limits()
