"""Which files the configured globs lead to, now: one pass of stat, cheap enough to be repeated.

A folder is listed again only when its own modification time moved (or is too fresh to be trusted); every matching
path is stat'ed at each pass, because nothing but a stat tells that a file grew.
"""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from extractor.source.names import is_compressed, pod_of
from extractor.source.spec import SourceSpec

_MAGIC = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)
_RACY_NS = 100_000_000
"""A folder changed less than this before it was listed may change again within the same time stamp: ext4 and xfs
take the kernel's coarse clock, which moves every 1 to 10 ms; network file systems are slower."""


class Found(NamedTuple):
    """A regular file at a path that a source wants. `rank` orders files as the config does.

    A tuple, for ten thousand are made at each look.
    """

    path: str
    stat: os.stat_result
    source: int
    rank: tuple[int, int]
    key: tuple[int, int]  # device and inode: at one moment, and only then, a name for the file


@dataclass(slots=True)
class _Listing:
    key: tuple[int, int, int]
    trusted: bool
    names: tuple[str, ...]
    folders: tuple[str, ...]
    links: tuple[str, ...]
    wanted: dict[tuple[int, str], list[str]]  # source and glob: the paths here that it wants


def is_magic(part: str) -> bool:
    """Whether a part of a pattern holds a wildcard."""
    return _MAGIC.search(part) is not None


class Discovery:
    """Finds the files of all sources.

    Attributes:
        unreadable: Folders and paths that were there, but could not be looked at, in the last pass.
    """

    def __init__(self, sources: Sequence[SourceSpec], *, compressed: bool = False) -> None:
        self._sources = tuple(sources)
        self._compressed = compressed  # True: only those, which are never followed
        self._patterns = [
            (source, index, tuple(pattern.split("/")[1:]))
            for source in self._sources
            for index, pattern in enumerate(source.paths)
        ]
        self._listings: dict[str, _Listing] = {}
        self.unreadable: set[str] = set()

    def find(self, now_ns: int) -> Iterator[Found]:
        """Every wanted path once, in the configured order. A file may appear under several paths.

        Args:
            now_ns: The wall clock, to tell which modification times are too fresh to be trusted.
        """
        self.unreadable = set()
        seen: set[str] = set()
        visited: dict[str, _Listing | None] = {}
        for source, index, parts in self._patterns:
            rank = (source.index, index)
            for path in self._expand(source, "/", parts, now_ns, visited):
                if path in seen:
                    continue
                seen.add(path)
                found = self._stat(path)
                if found is not None and stat.S_ISREG(found.st_mode):
                    yield Found(path, found, source.index, rank, (found.st_dev, found.st_ino))
        self._listings = {folder: listing for folder, listing in visited.items() if listing is not None}

    def wants(self, path: str) -> tuple[int, int] | None:
        """The rank of the first source that wants a path, whether it exists or not."""
        for source, index, parts in self._patterns:
            if _whole(parts).fullmatch(path) and self._accepts(source, path):
                return (source.index, index)
        return None

    def _accepts(self, source: SourceSpec, path: str) -> bool:
        if is_compressed(path) is not self._compressed or not source.where.accepts(pod_of(path)):
            return False
        name = path.rpartition("/")[2]
        return not any(
            _whole(tuple(glob.split("/")[1:])).fullmatch(path) if "/" in glob else _part(glob).fullmatch(name)
            for glob in source.exclude
        )

    def _expand(
        self,
        source: SourceSpec,
        folder: str,
        parts: tuple[str, ...],
        now_ns: int,
        visited: dict[str, _Listing | None],
    ) -> Iterator[str]:
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self._expand_deep(source, folder, rest or ("*",), now_ns, visited)
        elif not is_magic(part):
            path = os.path.join(folder, part)
            if rest:
                yield from self._expand(source, path, rest, now_ns, visited)
            elif self._accepts(source, path):
                yield path
        else:
            listing = self._list(folder, now_ns, visited)
            if listing is None:
                return
            if not rest:
                yield from self._wanted(source, folder, part, listing)
                return
            match = _part(part).fullmatch
            for name in listing.folders + listing.links:
                path = os.path.join(folder, name)
                if match(name) and (name in listing.folders or os.path.isdir(path)):
                    yield from self._expand(source, path, rest, now_ns, visited)

    def _wanted(self, source: SourceSpec, folder: str, glob: str, listing: _Listing) -> list[str]:
        """The paths of one folder that a source wants: found out once for each listing."""
        wanted = listing.wanted.get((source.index, glob))
        if wanted is None:
            match = _part(glob).fullmatch
            paths = (os.path.join(folder, name) for name in listing.names if match(name))
            wanted = listing.wanted[source.index, glob] = [
                path for path in paths if self._accepts(source, path)
            ]
        return wanted

    def _expand_deep(
        self,
        source: SourceSpec,
        top: str,
        rest: tuple[str, ...],
        now_ns: int,
        visited: dict[str, _Listing | None],
    ) -> Iterator[str]:
        entered: set[tuple[int, int]] = set()
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            listing = self._list(folder, now_ns, visited)
            if listing is None or listing.key[:2] in entered:
                continue
            entered.add(listing.key[:2])  # a link to a folder above must not lead round for ever
            yield from self._expand(source, folder, rest, now_ns, visited)
            inner = [name for name in listing.folders if not name.startswith(".")]
            inner += [name for name in listing.links if os.path.isdir(os.path.join(folder, name))]
            waiting += (os.path.join(folder, name) for name in sorted(inner, reverse=True))

    def _list(self, folder: str, now_ns: int, visited: dict[str, _Listing | None]) -> _Listing | None:
        if folder in visited:
            return visited[folder]
        visited[folder] = listing = self._listed(folder, now_ns)
        return listing

    def _listed(self, folder: str, now_ns: int) -> _Listing | None:
        found = self._stat(folder)
        if found is None or not stat.S_ISDIR(found.st_mode):
            return None
        key = (found.st_dev, found.st_ino, found.st_mtime_ns)
        known = self._listings.get(folder)
        if known is not None and known.trusted and known.key == key:
            return known
        names, folders, links = [], [], []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                        continue
                    names.append(entry.name)
                    if entry.is_symlink():
                        links.append(entry.name)
        except FileNotFoundError:
            return None
        except OSError:
            self.unreadable.add(folder)
            return None
        trusted = 0 <= found.st_mtime_ns < now_ns - _RACY_NS
        return _Listing(key, trusted, tuple(sorted(names)), tuple(sorted(folders)), tuple(sorted(links)), {})

    def _stat(self, path: str) -> os.stat_result | None:
        try:
            return os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            self.unreadable.add(path)
            return None


@lru_cache(maxsize=1024)
def _part(glob: str) -> re.Pattern[str]:
    return re.compile(_translated(glob))


@lru_cache(maxsize=1024)
def _whole(parts: tuple[str, ...]) -> re.Pattern[str]:
    pattern = ""
    for index, part in enumerate(parts):
        if part == "**":
            pattern += r"(?:/(?!\.)[^/]+)*" + (r"/(?!\.)[^/]+" if index == len(parts) - 1 else "")
        else:
            pattern += "/" + _translated(part)
    return re.compile(pattern, re.DOTALL)


def _translated(glob: str) -> str:
    """One part of a glob as a regular expression. As in a shell, a wildcard does not find hidden names."""
    pattern = "" if glob.startswith(".") else r"(?!\.)"
    for token in _TOKEN.findall(glob):
        if token[0] == "*":
            pattern += "[^/]*"
        elif token == "?":
            pattern += "[^/]"
        elif token[0] == "[" and len(token) > 1:
            negated = token[1] == "!"
            pattern += (
                "["
                + ("^/" if negated else "")
                + re.sub(r"([\\\[\]^&~|])", r"\\\1", token[1 + negated : -1])
                + "]"
            )
        else:
            pattern += re.escape(token)
    return pattern
