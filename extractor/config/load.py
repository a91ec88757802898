"""From the file to the `Config`: references filled in, shape checked, words checked together, values converted.

All problems are collected before any is raised, but for those of a later step that only the earlier one explains.
"""

import glob
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from extractor import document
from extractor.config.codes import Code
from extractor.config.interpolate import interpolate
from extractor.config.quantity import seconds, size
from extractor.config.secret import Secret
from extractor.config.shape import ConfigShape, OneOrMore, PackShape, SegmentShape, SourceShape, WhereShape
from extractor.config.values import (
    Config,
    Constants,
    Listen,
    Organizations,
    OutboxCaps,
    PackChoice,
    Segment,
    Source,
    Stdout,
    Where,
)
from extractor.document import Node
from extractor.problems import Problem, ProblemError
from extractor.validation import validate

STDOUT_INSTALLATION = "stdout needs no installation"
"""Keys the message ids where the config names no installation: printed ids need not be unguessable, but stable."""

MAX_WRITE_KEY_BYTES = 4096
"""Of a write key file. Segment's keys have 32 characters; whatever is longer than this is another file."""

OURS_IN_CONTEXT = ("app", "groupId", "library")
"""What we write into `context` ourselves."""


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read the file.

    Args:
        path: Of the file; relative paths inside are relative to its folder.
        environ: For `${NAME}`. Opt-out variables are not looked at here but by `Config.opted_out_by`, at any time.

    Raises:
        ProblemError: With every problem.
    """
    root, unfilled = interpolate(document.load_file(path), environ)
    try:
        shape = validate(root, ConfigShape)
    except ProblemError as error:
        # Where a reference could not be filled in, what stands there now is nobody's mistake.
        excused = {problem.place for problem in unfilled}
        rest = [problem for problem in error.problems if problem.place not in excused]
        raise ProblemError([*unfilled, *rest]) from None
    if unfilled:
        raise ProblemError(unfilled)
    loader = _Loader(root, path.absolute())
    config = loader.config(shape)
    if loader.problems:
        raise ProblemError(loader.problems)
    return config


class _Loader:
    """Converts one checked shape and keeps what is wrong on the way."""

    def __init__(self, root: Node, path: Path) -> None:
        self.root = root
        self.path = path
        self.problems: list[Problem] = []

    def config(self, shape: ConfigShape) -> Config:
        destination = self.destination(shape)
        return Config(
            path=self.path,
            sources=tuple(self.source(source) for source in shape.sources),
            rules=tuple(self.pack(choice, number) for number, choice in enumerate(shape.rules)),
            variables=dict(shape.variables),
            installation=shape.installation or STDOUT_INSTALLATION,
            destination=destination,
            state_dir=Path(self.absolute(shape.state_dir)),
            enabled=shape.enabled,
            opt_out_variables=shape.opt_out_variables,
            unidentified_users=shape.unidentified_users,
            context=self.context(shape),
            integrations=dict(shape.integrations),
            drop_properties=frozenset(shape.drop_properties),
            organizations=self.organizations(shape),
            max_line_bytes=size(shape.max_line_bytes),
            poll_interval_s=seconds(shape.poll_interval),
            forget_files_s=seconds(shape.forget_files_after),
            outbox=OutboxCaps(shape.outbox.max_events, size(shape.outbox.max_bytes)),
            ledger_s=seconds(shape.retention.ledger),
            sent_s=seconds(shape.retention.sent),
            metrics=self.listen(shape.metrics),
            shutdown_grace_s=seconds(shape.shutdown_grace),
            log_level=shape.log_level,
            root=document.without_values(self.root),
        )

    def source(self, shape: SourceShape) -> Source:
        return Source(
            paths=tuple(map(self.pattern, shape.paths)),
            exclude=tuple(map(self.pattern, shape.exclude)),
            start_at=shape.start_at,
            envelope=shape.envelope,
            where=_where(shape.where),
        )

    def pack(self, shape: str | PackShape, number: int) -> PackChoice:
        place = document.locate(self.root, ("rules", number))
        name = shape if isinstance(shape, str) else shape.pack
        enable, disable = ((), ()) if isinstance(shape, str) else (shape.enable, shape.disable)
        for rule in sorted(set(enable) & set(disable)):
            self.refuse(
                ("rules", number, "enable", enable.index(rule)),
                Code.CONTRADICTION,
                f'rule "{rule}" is switched on and off',
                "keep one of the two",
            )
        if "/" not in name and not name.endswith((".yaml", ".yml")):
            return PackChoice(name=name, path=None, enable=enable, disable=disable, place=place)
        path = Path(self.absolute(name))
        if not path.is_file():
            at = ("rules", number) if isinstance(shape, str) else ("rules", number, "pack")
            self.refuse(at, Code.FILE_MISSING, "there is no such file", self.relative_hint())
        return PackChoice(name="", path=path, enable=enable, disable=disable, place=place)

    def destination(self, shape: ConfigShape) -> Stdout | Segment:
        if shape.destination == "stdout":
            return Stdout()
        segment = shape.destination.segment
        if shape.installation is None:
            self.refuse(
                ("destination", "segment"),
                Code.NO_INSTALLATION,
                'delivery to Segment needs the key "installation", a random text that never changes',
                '"extractor init" writes one; every node of one installation has the same',
            )
        at = ("destination", "segment")
        return Segment(
            host=self.host(segment, (*at, "host")),
            write_key=self.write_key(segment, at),
            timeout_s=seconds(segment.timeout),
            gzip=segment.gzip,
            requests_per_second=segment.requests_per_second,
            max_batch_events=segment.max_batch_events,
            max_batch_bytes=size(segment.max_batch_bytes),
            ca_bundle=self.ca_bundle(segment, (*at, "ca_bundle")),
        )

    def host(self, shape: SegmentShape, at: tuple[str, ...]) -> str:
        host = shape.host.rstrip("/")
        parts = _split(host)
        if parts is None or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
            message, hint = '"host" is not the address of a server', "like https://api.segment.io"
        elif parts.username is not None or parts.password is not None:
            message, hint = (
                '"host" is an address with a user or a password in it',
                "the write key has a key of its own",
            )
        elif re.search(r"/v1(/batch)?$", parts.path):
            message, hint = (
                '"host" is an address with /v1 at its end',
                "leave it out; it is added to every request",
            )
        else:
            return host
        self.refuse(at, Code.BAD_HOST, message, hint)
        return host

    def write_key(self, shape: SegmentShape, at: tuple[str, ...]) -> Secret:
        if (shape.write_key is None) == (shape.write_key_file is None):
            told = "neither is" if shape.write_key is None else "both are"
            message = f'delivery to Segment needs one of "write_key" and "write_key_file"; here {told} given'
            self.refuse(at, Code.ONE_WRITE_KEY, message, 'for example write_key: "${SEGMENT_WRITE_KEY}"')
            return Secret("")
        if shape.write_key_file is None:
            return self.checked_key(shape.write_key or "", (*at, "write_key"))
        at = (*at, "write_key_file")
        try:
            with Path(self.absolute(shape.write_key_file)).open("rb") as stream:
                raw = stream.read(MAX_WRITE_KEY_BYTES + 1)
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            self.refuse(at, Code.BAD_WRITE_KEY, f"the write key file cannot be read: {reason}")
            return Secret("")
        if len(raw) > MAX_WRITE_KEY_BYTES:
            self.refuse(at, Code.BAD_WRITE_KEY, "the write key file holds more than a write key")
            return Secret("")
        return self.checked_key(raw.decode("ascii", "replace").strip(), at)

    def checked_key(self, text: str, at: tuple[str, ...]) -> Secret:
        """A key goes into a header: what no key has would be refused by the server, or end the header."""
        if not re.fullmatch(r"[!-9;-~]+", text):
            message = (
                "the write key is empty" if not text else "the write key has a character that no key has"
            )
            self.refuse(
                at,
                Code.BAD_WRITE_KEY,
                message,
                "copy it from Segment: Sources, your source, Settings, API Keys",
            )
        return Secret(text)

    def ca_bundle(self, shape: SegmentShape, at: tuple[str, ...]) -> Path | None:
        if shape.ca_bundle is None:
            return None
        path = Path(self.absolute(shape.ca_bundle))
        if not path.exists():
            self.refuse(at, Code.FILE_MISSING, "there is no such file or folder", self.relative_hint())
        return path

    def context(self, shape: ConfigShape) -> Constants:
        for key in sorted(shape.context.keys() & set(OURS_IN_CONTEXT)):
            message = f'"context" cannot set "{key}", which every message sets itself'
            self.refuse(("context", key), Code.RESERVED_CONTEXT, message, "leave it out")
        return dict(shape.context)

    def organizations(self, shape: ConfigShape) -> Organizations:
        only, never = shape.organizations.only, shape.organizations.never
        for number, organization in enumerate(never):
            if organization in only:
                at = ("organizations", "never", number)
                message = 'the same organization stands under "only"'
                self.refuse(at, Code.CONTRADICTION, message, "keep one of the two")
        return Organizations(frozenset(only), frozenset(never))

    def listen(self, address: str) -> Listen | None:
        if address == "off":
            return None
        host, _, port = address.rpartition(":")
        if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
            self.refuse(
                ("metrics",),
                Code.BAD_ADDRESS,
                '"metrics" is not an address to listen on',
                "like 127.0.0.1:9464, or off",
            )
            return None
        return Listen(host.removeprefix("[").removesuffix("]"), int(port))

    def absolute(self, path: str) -> str:
        return os.path.normpath(self.path.parent / path)

    def pattern(self, pattern: str) -> str:
        """A glob made absolute; special characters in the config's own folder stand for themselves."""
        return os.path.normpath(os.path.join(glob.escape(str(self.path.parent)), pattern))  # noqa: PTH118

    def relative_hint(self) -> str:
        return f"relative paths are relative to {self.path.parent}"

    def refuse(self, at: tuple[str | int, ...], code: Code, message: str, hint: str = "") -> None:
        self.problems.append(Problem(document.locate(self.root, at), code, message, hint))


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        complete = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, a bracket that stays open
        return None
    return parts if complete else None


def _where(shape: WhereShape | None) -> Where:
    if shape is None:
        return Where()
    return Where(
        namespace=_several(shape.namespace),
        pod=_several(shape.pod),
        container=_several(shape.container),
        stream=shape.stream or "",
        tag=_several(shape.tag),
        labels=tuple((name, _several(patterns)) for name, patterns in shape.labels.items()),
    )


def _several(patterns: OneOrMore | None) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else patterns or ()
