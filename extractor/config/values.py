"""The config as the program sees it: frozen, complete, every path absolute, every quantity in base units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from extractor import document
from extractor.config.secret import Secret
from extractor.document import Node
from extractor.problems import Place

Constants = Mapping[str, JsonValue]
"""Objects of the operator's own that stand in every message."""

_YES = frozenset({"true", "1", "yes", "on"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What of a source is read: everything given must fit, each by one of its patterns (`*`, `?`).

    Attributes:
        namespace: Kubernetes namespace, from the path.
        pod: Kubernetes pod, from the path.
        container: Kubernetes container, from the path.
        stream: `stdout` or `stderr`, from the envelope; "" for both.
        tag: Docker's log tag, from the envelope.
        labels: Docker labels, from the envelope: a name and its patterns each.
    """

    namespace: tuple[str, ...] = ()
    pod: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    stream: Literal["", "stdout", "stderr"] = ""
    tag: tuple[str, ...] = ()
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A configured set of paths.

    Attributes:
        paths: Absolute globs, in the order in which files are met.
        exclude: Absolute globs.
        start_at: `end` skips what files hold at the very first start.
        envelope: What wraps a line.
        where: What of it is read.
    """

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    start_at: Literal["beginning", "end"] = "beginning"
    envelope: Literal["auto", "none", "docker", "cri"] = "auto"
    where: Where = Where()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackChoice:
    """A rule pack to load: a shipped one by `name`, or one's own by `path`.

    Attributes:
        name: Of a shipped pack; "" where `path` is given.
        path: Absolute; None for a shipped pack.
        enable: Ids of rules that are off by default, without the pack's name.
        disable: Ids of rules to switch off, without the pack's name.
        place: Of the entry in the config.
    """

    name: str
    path: Path | None
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    place: Place


@dataclass(frozen=True, slots=True)
class Stdout:
    """Events are printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Events are posted.

    Attributes:
        host: `https://api.segment.io` or the like, without `/v1` and without a slash at its end.
        write_key: Of the source at Segment.
        timeout_s: For one answer.
        gzip: Requests are compressed.
        requests_per_second: At most.
        max_batch_events: Of one request.
        max_batch_bytes: Of one request's body before compression.
        ca_bundle: File or folder of certificates to trust instead of the usual ones.
    """

    host: str
    write_key: Secret
    timeout_s: float
    gzip: bool
    requests_per_second: float
    max_batch_events: int
    max_batch_bytes: int
    ca_bundle: Path | None


@dataclass(frozen=True, slots=True)
class Organizations:
    """Whose events are taken: of `only`, if it names any, and never of `never`."""

    only: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OutboxCaps:
    """Where reading pauses."""

    max_events: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Listen:
    """A TCP address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the operator decides. Made by `load_config` only; `docs/configuration.md` says what each key means.

    Attributes:
        path: The file it comes from; absolute.
        sources: In the order of the file.
        rules: In the order of the file.
        variables: By name; whether a pack knows them is the rule set's to say.
        installation: Keys the message ids. A fixed one where none is given, which stdout only may use.
        destination: Where events go.
        state_dir: Absolute; not made yet.
        enabled: False is an opt-out, as absolute as the one by environment.
        opt_out_variables: Names in the environment; see `opted_out_by`.
        unidentified_users: What is sent where the log does not tell the user.
        context: Constants for every message's `context`; not `groupId`, `app` and `library`, which are ours.
        integrations: Constants for every message's `integrations`.
        drop_properties: Names of properties that are never sent.
        organizations: Whose events are taken.
        max_line_bytes: A longer line is skipped and counted.
        poll_interval_s: Longest time between two looks at the files.
        forget_files_s: How long a file that is gone is known again when it comes back.
        outbox: Where reading pauses.
        ledger_s: How long ids of delivered events are remembered.
        sent_s: How long delivered messages are kept; 0 keeps none.
        metrics: Where `/metrics`, `/healthz` and `/readyz` are served, or None.
        shutdown_grace_s: Time for delivering what waits when asked to stop.
        log_level: Of our own log.
    """

    path: Path
    sources: tuple[Source, ...]
    rules: tuple[PackChoice, ...]
    variables: Mapping[str, str | bool | int | float]
    installation: str = field(repr=False)
    destination: Stdout | Segment
    state_dir: Path
    enabled: bool
    opt_out_variables: tuple[str, ...]
    unidentified_users: Literal["app", "anonymous"]
    context: Constants
    integrations: Constants
    drop_properties: frozenset[str]
    organizations: Organizations
    max_line_bytes: int
    poll_interval_s: float
    forget_files_s: float
    outbox: OutboxCaps
    ledger_s: float
    sent_s: float
    metrics: Listen | None
    shutdown_grace_s: float
    log_level: Literal["debug", "info", "warning", "error"]
    root: Node = field(repr=False, compare=False)

    def place(self, *at: str | int) -> Place:
        """Where in the file a key's value stands, for problems that are found later: `place("variables", "version")`."""
        return document.locate(self.root, at)

    def opted_out_by(self, environ: Mapping[str, str]) -> str | None:
        """What forbids sending: the name of a variable in the environment, `enabled`, or None if nothing does."""
        return opted_out_by(self.opt_out_variables, environ) or (None if self.enabled else "enabled")


def opted_out_by(names: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    """The first of `names` whose value in the environment is true, 1, yes or on, in any case; else None."""
    return next((name for name in names if environ.get(name, "").strip().lower() in _YES), None)
