"""The config as it is written: keys, types, defaults and what each is for.

The reference page and the JSON Schema are rendered from here. Durations and sizes stay text; `load` converts.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from extractor.config.quantity import Duration, Size

Word = Annotated[str, Field(min_length=1, max_length=500)]
OneOrMore = Word | Annotated[tuple[Word, ...], Field(min_length=1)]
RuleId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Shape(BaseModel):
    """Base of everything in a config: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class WhereShape(Shape):
    """Reads only what fits all of the given. Each is a text or a list of them, `*` and `?` stand for any."""

    namespace: OneOrMore | None = Field(None, description="Kubernetes namespace, from the path")
    pod: OneOrMore | None = Field(None, description="Kubernetes pod, from the path")
    container: OneOrMore | None = Field(None, description="Kubernetes container, from the path")
    stream: Literal["stdout", "stderr"] | None = Field(None, description="from the envelope")
    tag: OneOrMore | None = Field(None, description="Docker's log tag, from the envelope")
    labels: dict[Word, OneOrMore] = Field(
        default={}, description="Docker labels that the log driver writes, from the envelope"
    )


class SourceShape(Shape):
    """A set of paths that is read in one way."""

    paths: tuple[Word, ...] = Field(
        min_length=1,
        description="globs, `**` too; relative ones are relative to the config file. Files are met in this order",
    )
    exclude: tuple[Word, ...] = Field((), description="globs of files that are left alone")
    start_at: Literal["beginning", "end"] = Field(
        "beginning", description="`end` skips what files hold at the very first start, and only then"
    )
    envelope: Literal["auto", "none", "docker", "cri"] = Field(
        "auto",
        description="what wraps a line: nothing, Docker's json-file, Kubernetes' CRI, or as each line looks",
    )
    where: WhereShape | None = Field(None, description="reads only the app's own containers")


class PackShape(Shape):
    """A rule pack, with rules switched on or off."""

    pack: Word = Field(description="a shipped pack by name, any other by path")
    enable: tuple[RuleId, ...] = Field((), description="rules that are off by default")
    disable: tuple[RuleId, ...] = Field((), description="rules to switch off")


class SegmentShape(Shape):
    """Delivery to Segment, or to a server that takes the same request."""

    host: Word = Field(
        "https://api.segment.io",
        description="without `/v1`; for the EU `https://events.eu1.segmentapis.com` (in the wrong region events "
        "may vanish without an error). With `http://` key and events can be read on the way: only for a server of yours",
    )
    write_key: Annotated[str, Field(max_length=500)] | None = Field(
        None,
        repr=False,
        description="of the source at Segment; better from the environment: `${SEGMENT_WRITE_KEY}`",
    )
    write_key_file: Word | None = Field(
        None, description="a file that holds nothing but the write key (Docker and systemd credentials)"
    )
    timeout: Annotated[str, Duration("100ms", "5m")] = Field("15s", description="for one answer")
    gzip: bool = Field(default=False, description="compress requests")
    requests_per_second: float = Field(
        200, gt=0, le=1000, description="at most; Segment asks for no more than 1000 a workspace"
    )
    max_batch_events: int = Field(
        2500, ge=1, le=2500, description="Segment answers 200 to more than 2500, and drops them"
    )
    max_batch_bytes: Annotated[str, Size("32KiB", "500kB")] = Field("500kB", description="Segment's limit")
    ca_bundle: Word | None = Field(None, description="certificates to trust instead of the usual ones")


class DestinationShape(Shape):
    """Where events go."""

    segment: SegmentShape = Field(description="deliver to Segment")


class OutboxShape(Shape):
    """Events that wait for delivery. When it is full, reading pauses; nothing is dropped."""

    max_events: int = Field(1_000_000, ge=100, description="events")
    max_bytes: Annotated[str, Size("1MiB", "1TiB")] = Field("1GiB", description="bytes of their messages")


class RetentionShape(Shape):
    """How long the state remembers."""

    ledger: Annotated[str, Duration("1d", "3650d")] = Field(
        "400d", description="ids of what was delivered: a fact met again within this time is not sent again"
    )
    sent: Annotated[str, Duration("0s", "3650d")] = Field(
        "30d", description="delivered messages, for `sent` and `resend`; `0s` keeps none"
    )


class OrganizationsShape(Shape):
    """Takes organizations out: test tenants, no consent."""

    only: tuple[Word, ...] = Field((), description="if given, events of these organizations only")
    never: tuple[Word, ...] = Field((), description="no event of these organizations")


class ConfigShape(Shape):
    """The whole file."""

    sources: tuple[SourceShape, ...] = Field(min_length=1, description="the logs to read, and how")
    rules: tuple[Word | PackShape, ...] = Field(
        ("lago",), min_length=1, description="rule packs: shipped ones by name, others by path"
    )
    variables: dict[VariableName, str | bool | int | float] = Field(
        default={}, description="values that the packs ask for, such as `hosting_type` and `version`"
    )
    installation: str | None = Field(
        None,
        repr=False,
        min_length=8,
        max_length=200,
        description="a random text that keys the message ids: the same on every node of one installation, and never "
        "changed. `extractor init` makes one. Needed for Segment; stdout has a fixed one",
    )
    destination: Literal["stdout"] | DestinationShape = Field("stdout", description="where events go")
    state_dir: Word = Field(
        "./state", description="folder for what must survive a restart; private to its user"
    )
    enabled: bool = Field(
        default=True, description="false: no byte is sent, what waits is purged, what comes is never sent"
    )
    opt_out_variables: tuple[EnvironmentName, ...] = Field(
        ("LAGO_DISABLE_SEGMENT", "EXTRACTOR_DISABLED"),
        description="environment variables of ours; any of them true, 1, yes or on wins over `enabled`",
    )
    unidentified_users: Literal["app", "anonymous"] = Field(
        "app",
        description="where the log does not tell the user: `membership/unidentifiable`, as the app does, or no user "
        "and an `anonymousId` of the organization",
    )
    context: dict[Word, JsonValue] = Field(
        default={}, description="constants for `context` of every message, such as consent"
    )
    integrations: dict[Word, JsonValue] = Field(
        default={}, description="constants for `integrations`: which of Segment's destinations get events"
    )
    drop_properties: tuple[Word, ...] = Field((), description="properties that are never sent, in any event")
    organizations: OrganizationsShape = Field(
        default=OrganizationsShape(), description="takes organizations out"
    )
    max_line_bytes: Annotated[str, Size("16KiB", "64MiB")] = Field(
        "1MiB", description="a longer line is skipped and counted"
    )
    poll_interval: Annotated[str, Duration("50ms", "5m")] = Field(
        "1s", description="longest time between two looks at the files when nothing else wakes us"
    )
    forget_files_after: Annotated[str, Duration("1h", "3650d")] = Field(
        "30d", description="how long a file that is gone is known again when it comes back"
    )
    outbox: OutboxShape = Field(default=OutboxShape(), description="events that wait for delivery")
    retention: RetentionShape = Field(default=RetentionShape(), description="how long the state remembers")
    metrics: Word = Field(
        "127.0.0.1:9464", description="address of `/metrics`, `/healthz` and `/readyz`; `off` for none"
    )
    shutdown_grace: Annotated[str, Duration("0s", "10m")] = Field(
        "10s", description="time for delivering what waits when asked to stop"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="of our own log; no level shows a line or a value"
    )
