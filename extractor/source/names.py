"""What a path tells: the pod it belongs to, the live file a rotated one came from, and which one is older.

Names are only hints: they order files and decide which siblings are worth a closer look. Nothing is ever
linked, skipped or read because of a name alone. Pure but for the modification times in `oldest_first`.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip")
"""Suffixes that are never followed live: the bytes of such a file are not lines."""

_DATE = r"\d{4}-?\d{2}-?\d{2}(?:[-_.T]?\d{2}(?:[-_.:]?\d{2}){0,2}|[-_.]?\d{9,10})?"
_NUMBERED = re.compile(r"(?P<base>.+)\.(?P<number>\d{1,4})")
_DATED = re.compile(rf"(?P<base>.+?)[-.](?P<date>{_DATE}|\d{{9,10}})")
_DATED_WITHIN = re.compile(rf"(?P<base>.+?)[-._](?P<date>{_DATE})(?P<extension>\.[A-Za-z]+)")
_ASIDE = re.compile(r"(?P<base>.+)[.~](?:old|bak|prev)")
_PART = re.compile(r"(?<=.)[-._~]|(?<=[^-._~\d])\d")
_MAX_PARTS = 12
"""Of a name, the last ones are looked at: a date with its time and a number has seven."""
_POD = re.compile(r"/pods/(?P<namespace>[^/_]+)_(?P<pod>[^/_]+)_(?P<uid>[^/_]+)/(?P<container>[^/]+)/[^/]+$")
_CONTAINER = re.compile(
    r"/containers/(?P<pod>[^/_]+)_(?P<namespace>[^/_]+)_(?P<container>[^/]+)-(?P<uid>[0-9a-f]{12,64})\.log[^/]*$"
)


@dataclass(frozen=True, slots=True)
class PodPath:
    """What the kubelet's log paths tell. `uid` is the pod's, or the container's in `/var/log/containers`."""

    namespace: str
    pod: str
    container: str
    uid: str


def pod_of(path: str) -> PodPath | None:
    """The pod of `/var/log/pods/NS_POD_UID/CONTAINER/N.log` or `/var/log/containers/POD_NS_CONTAINER-ID.log`.

    The folder above `pods` or `containers` may be any: clusters mount them elsewhere.
    """
    found = _POD.search(path) or _CONTAINER.search(path)
    return PodPath(**found.groupdict()) if found else None


def is_compressed(path: str) -> bool:
    """Whether the name says that the bytes are compressed."""
    return path.endswith(COMPRESSED)


def lineage_of(path: str) -> str:
    """The path under which a file named like this was live: `app.log.2.gz` and `app.log-20261122` were `app.log`.

    Only what follows the whole name counts: `app-20261122.log` and `worker.1.log` are live under these names.
    """
    folder, name = os.path.split(path)
    return os.path.join(folder, _base(name) or name)


def is_sibling(name: str, live: str) -> bool:
    """Whether a file name could be a rotated copy of `live` (both without folder): worth a look at its content."""
    stem = live.rpartition(".")[0] or live
    return len(name) > len(live) and name.startswith(stem)


def live_names(name: str) -> list[str]:
    """The names of which a file named like this could be a rotated copy: for `app-1.log.2` `app-1.log`, `app.log`, ...

    Parts are left out that start at a separator or at a number: `app-10.log` is no copy of `app-1.log`.
    """
    starts = [found.start() for found in _PART.finditer(name)][-_MAX_PARTS:]
    ends = [*(at for at in starts if name[at] == "."), len(name)]
    return list(dict.fromkeys(name[:at] + name[end:] for at in starts for end in ends if at < end))


def age_key(name: str) -> tuple[int, str, int]:
    """Sorts the names of one lineage oldest first: by date, then by falling number, the live one last."""
    bare = _without_compression(name)
    if found := _DATED.fullmatch(bare) or _DATED_WITHIN.fullmatch(bare):
        return (0, found["date"].replace("-", ""), 0)
    if found := _NUMBERED.fullmatch(bare):
        return (1, "", -int(found["number"]))
    return (1, "", 0) if _ASIDE.fullmatch(bare) else (2, "", 0)


def oldest_first(paths: Iterable[str]) -> list[str]:
    """Rotated siblings in the order in which they were written; other files stay in the order given.

    `app.log.3.gz, app.log.2.gz, app.log.1, app.log`; dates too. Where names say nothing, the modification time
    decides; a file that cannot be stat'ed counts as newest.
    """
    given = list(dict.fromkeys(paths))
    groups: dict[str, int] = {}
    for path in given:
        groups.setdefault(_group(path), len(groups))
    return sorted(
        given, key=lambda path: (groups[_group(path)], age_key(os.path.basename(path)), _modified(path))
    )


def _group(path: str) -> str:
    folder, name = os.path.split(lineage_of(path))
    within = _DATED_WITHIN.fullmatch(name)
    return os.path.join(folder, within["base"] + within["extension"] if within else name)


def _base(name: str) -> str | None:
    bare = _without_compression(name)
    for pattern in (_DATED, _NUMBERED, _ASIDE):
        if found := pattern.fullmatch(bare):
            return found["base"]
    return bare if bare != name else None


def _without_compression(name: str) -> str:
    for suffix in COMPRESSED:
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name


def _modified(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return float("inf")
