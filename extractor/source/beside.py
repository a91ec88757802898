"""What stands beside a file: listings of folders, made once for all files that are looked for in one look."""

import os
from bisect import bisect_left
from dataclasses import dataclass

from extractor.source.names import is_sibling


@dataclass(frozen=True, slots=True)
class _Listing:
    names: list[str]  # sorted
    by_inode: dict[int, list[str]]


class Beside:
    """Finds files by inode or by the start of their names without listing a folder for each that is looked for."""

    def __init__(self) -> None:
        self._listings: dict[str, _Listing] = {}

    def clear(self) -> None:
        """What is asked for next was noticed after what was listed so far."""
        self._listings.clear()

    def near(self, folder: str, inode: int, live: str) -> list[str]:
        """Paths in a folder with an inode, or with names like rotated copies of `live`.

        Raises:
            OSError: The folder cannot be listed.
        """
        listing = self._listings.get(folder)
        if listing is None:
            listing = self._listings[folder] = _listed(folder)
        found = set(listing.by_inode.get(inode, ()))
        stem = live.rpartition(".")[0] or live
        at = bisect_left(listing.names, stem)
        while at < len(listing.names) and listing.names[at].startswith(stem):
            if is_sibling(listing.names[at], live):
                found.add(listing.names[at])
            at += 1
        return [os.path.join(folder, name) for name in sorted(found)]


def _listed(folder: str) -> _Listing:
    by_inode: dict[int, list[str]] = {}
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            by_inode.setdefault(entry.inode(), []).append(entry.name)
    return _Listing(sorted(names), by_inode)
