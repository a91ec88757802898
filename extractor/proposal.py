"""`init`: the logs that are on this machine, and a commented config for them.

Looks where Lago's logs usually are and takes what holds lines of a Rails app that logs JSON. Everything that it
cannot know stands in a comment. May import everything below `service`.
"""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from extractor.decode.envelope import Broken, Envelope, detect, unwrap
from extractor.decode.record import decode_json
from extractor.source.handle import open_handle
from extractor.source.names import is_compressed, lineage_of, pod_of

LOOKED_AT_BYTES = 256 * 1024
"""Of the head of a file: past Rails' and Sidekiq's banners."""

MAX_LOOKED_AT = 200
"""Files of one folder tree: a node may run hundreds of containers, and `init` must answer."""

REQUEST_FIELDS = frozenset({"controller", "action", "status"})
JOB_FIELDS = frozenset({"job", "job_id", "event"})
SERVICES = ("api", "worker", "clock")
"""The order in which the app's own processes write about one fact: see `docs/configuration.md`, sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Logs of one kind that can be read as one source.

    Attributes:
        where: In words, for a comment.
        paths: Globs or paths, as the config will have them.
        envelope: What wraps their lines.
        namespaces: Kubernetes namespaces that they are of.
        files: How many files that is now.
    """

    where: str
    paths: tuple[str, ...]
    envelope: Envelope = Envelope.NONE
    namespaces: tuple[str, ...] = ()
    files: int = 0


def find_logs(root: Path, here: Path) -> list[Found]:
    """What looks like the app's logs.

    Args:
        root: `/`; another folder in tests.
        here: The folder of the config; its own logs are named relative to it.
    """
    return [*_plain(root), *_docker(root), *_pods(root), *_here(here)]


def _plain(root: Path) -> Iterator[Found]:
    folder = root / "var/log/lago"
    files = [path for path in sorted(folder.glob("*.log")) if _envelope_of_app(path) is not None]
    if files:
        yield Found(where="files in /var/log/lago", paths=(f"{folder}/*.log",), files=len(files))


def _docker(root: Path) -> Iterator[Found]:
    folder = root / "var/lib/docker/containers"
    files = [path for path in _some(folder, "*/*-json.log") if _envelope_of_app(path) is Envelope.DOCKER]
    if files:
        yield Found(
            where="containers whose logs Docker keeps (json-file)",
            # The id of a container is new with each deployment, so its path would not last.
            paths=(f"{folder}/*/*-json.log",),
            envelope=Envelope.DOCKER,
            files=len(files),
        )


def _pods(root: Path) -> Iterator[Found]:
    folder = root / "var/log/pods"
    files = [path for path in _some(folder, "*/*/*.log") if _envelope_of_app(path) is Envelope.CRI]
    pods = [pod for path in files if (pod := pod_of(str(path))) is not None]
    if pods:
        yield Found(
            where="pods of this Kubernetes node",
            paths=(f"{folder}/*/*/*.log",),
            envelope=Envelope.CRI,
            namespaces=tuple(sorted({pod.namespace for pod in pods})),
            files=len(files),
        )


def _here(here: Path) -> Iterator[Found]:
    files = [
        path
        for path in (*_some(here, "*.log"), *_some(here, "log/*.log"))
        if path.name.isprintable()
        and lineage_of(str(path)) == str(path)
        and _envelope_of_app(path) is not None
    ]
    if files:
        names = sorted((glob.escape(str(path.relative_to(here))) for path in files), key=_service_order)
        yield Found(
            where="files below this folder", paths=tuple(names), envelope=Envelope.AUTO, files=len(files)
        )


def _service_order(name: str) -> tuple[int, str]:
    told = next((number for number, service in enumerate(SERVICES) if service in name), len(SERVICES))
    return told, name


def _some(folder: Path, pattern: str) -> list[Path]:
    try:
        found = sorted(folder.glob(pattern))
    except OSError:
        return []
    return [path for path in found if not is_compressed(path.name)][:MAX_LOOKED_AT]


def _envelope_of_app(path: Path) -> Envelope | None:
    """What wraps the lines, if one among the first is of the app; None for a log of anything else."""
    try:
        handle = open_handle(str(path))
    except OSError:
        return None
    try:
        head = handle.read_at(0, LOOKED_AT_BYTES)
    except OSError:
        return None
    finally:
        handle.close()
    envelope = detect(head)
    for line in head.split(b"\n"):
        piece = unwrap(line, envelope)
        if not isinstance(piece, Broken) and _is_of_app(piece.text):
            return envelope
    return None


def _is_of_app(text: bytes) -> bool:
    record = decode_json(text) if text.startswith(b"{") else None
    return isinstance(record, dict) and (record.keys() >= REQUEST_FIELDS or record.keys() >= JOB_FIELDS)


def render_config(found: list[Found], installation: str) -> str:
    """The config as a text that explains itself; passes `check` as it is."""
    sources = "\n".join(_render_source(one) for one in found) if found else NOTHING_FOUND
    return TEMPLATE.format(sources=sources.rstrip("\n"), installation=installation)


def _render_source(found: Found) -> str:
    lines = [f"  # {found.files} {'file' if found.files == 1 else 'files'} now: {found.where}"]
    listed = ", ".join(_quoted(path) for path in found.paths)
    lines.append(f"  - paths: [{listed}]")
    lines.append(f"    envelope: {found.envelope.value}")
    if found.envelope is Envelope.DOCKER:
        lines += [
            "    # Only the app's containers, if their log driver writes labels or a tag (`docker inspect` tells):",
            "    # where: {labels: {com.docker.compose.project: lago}}",
        ]
    if found.namespaces:
        lines.append(f"    where: {{namespace: [{', '.join(map(_quoted, found.namespaces))}]}}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    escaped = (
        text.encode("utf-8", "replace").decode().replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    )
    return f'"{escaped}"'


def write_config(path: Path, text: str, *, overwrite: bool) -> None:
    """Write the file for its owner only: it keys the message ids, and a write key may come to stand in it.

    Raises:
        FileExistsError: It is there, and is not to be overwritten.
        OSError: It cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if overwrite else os.O_EXCL)
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)


NOTHING_FOUND = """\
  # No log of the app was found on this machine: say where it is. Wildcards are fine, ** too.
  - paths: ["/var/log/lago/*.log"]
"""

TEMPLATE = """\
# What extractor reads, what it recognises, where that goes. All keys: docs/configuration.md
# After each change:  extractor check    and to see what would be sent:  extractor preview

# The logs. Relative paths are relative to this file. Where one fact shows in several files, the one named first
# is met first; put the api's before the worker's.
sources:
{sources}

# Rule packs: shipped ones by name, your own by path (./my-app.yaml). `extractor plan` prints what can leave.
rules: [lago]

# Stands in every event; version is that of the app.
variables:
  hosting_type: self
  # version: "1.51.0"

# Keys the message ids, by which one fact stays one event however often it is read. Random, made for you: the same
# on every node of this installation, and never changed.
installation: "{installation}"

# Where events go. stdout prints them; nothing leaves this machine.
destination: stdout
# destination:
#   segment:
#     write_key: "${{SEGMENT_WRITE_KEY}}"          # or write_key_file: /run/credentials/segment
#     # host: "https://events.eu1.segmentapis.com"  # for a workspace in the EU

# What must survive a restart.
state_dir: ./state

# false, or one of these variables set to true, 1, yes or on: nothing is stored, nothing leaves, and what the app
# logs meanwhile is never sent.
enabled: true
opt_out_variables: [LAGO_DISABLE_SEGMENT, EXTRACTOR_DISABLED]
"""
