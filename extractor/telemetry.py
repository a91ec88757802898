"""The one catalogue of what this program says about itself: reasons, metrics, log events.

Product code can only reference what is declared here; `docs/telemetry.md` is rendered from it and a test holds
the two together. Everything is bounded: a reason, a rule id, a file path, a count, never a line, a value or a
payload. Declarations only, so the pure core may import it; what serves and writes them is `observe` and `logs`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Explained(StrEnum):
    """A stable word, which is metric label, log field and docs, and what it means."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        """A member is written as a word and its meaning."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


class Reason(Explained):
    """Why a line, a value or an event did not go its way."""

    # A line that is not a record. Normal; counted.
    NOT_JSON = "not_json", "the line is no JSON: a banner, a warning, a stack trace"
    NOT_AN_OBJECT = "not_an_object", "the line is JSON, but no object"
    TOO_LONG = "too_long", "the line is longer than `max_line_bytes`"
    TOO_DEEP = "too_deep", "the line is nested deeper than anything that a rule could ask for"
    BROKEN_ENVELOPE = "broken_envelope", "what Docker or CRI puts around a line is broken"
    PREFILTERED = "prefiltered", "the line cannot match any rule; it was not even parsed"
    NO_RULE = "no_rule", "no rule matched"
    NOT_WANTED = "not_wanted", "`where` does not want the line's stream, tag or labels"
    # A field that a rule wanted decoded and that is not what the rule says.
    UNDECODABLE_FIELD = (
        "undecodable_field",
        "a field that a rule reads is not in the notation that the rule says",
    )
    TOO_MANY_ELEMENTS = "too_many_elements", "a list has more elements than one line may give events"
    # A value that broke its constraint and was left out.
    WRONG_TYPE = "wrong_type", "a value has another type than the rule says"
    NOT_IN_ENUM = "not_in_enum", "a value is none of those that the rule lists"
    PATTERN_MISMATCH = "pattern_mismatch", "a value does not fit the rule's pattern"
    VALUE_TOO_LONG = "value_too_long", "a text is longer than the rule allows"
    OUT_OF_RANGE = "out_of_range", "a number is outside the rule's range"
    LOOKS_PRIVATE = "looks_private", "a free text looks like personal data or an amount"
    # An event that was rejected as a whole.
    REQUIRED_MISSING = "required_missing", "a required property has no value, or none that may be sent"
    KEY_MISSING = "key_missing", "what identifies the fact is not in the line"
    EVENT_TOO_LARGE = "event_too_large", "the message is larger than Segment takes"
    ORGANIZATION_EXCLUDED = "organization_excluded", "`organizations` excludes it"
    # An event that is not new. Normal; counted.
    ALREADY_SEEN = "already_seen", "a fact that happens once per key, seen before"
    UNCHANGED = "unchanged", "the value is the last one seen"
    REPEATED = "repeated", "the same fact waits, is dead, or was delivered already"
    SUPPRESSED = "suppressed", "the fact was met under an opt-out and is never sent"


class IncidentKind(Explained):
    """What happened to a file that an operator must be able to see."""

    LOST = "lost", "bytes that a stat has seen were gone before they could be read; the size is exact"
    TRUNCATED = (
        "truncated",
        "emptied or rewritten in place; more may have come and gone: the size is a lower bound",
    )
    VANISHED = "vanished", "no longer there and was not held open; the size is a lower bound"
    UNOPENED = "unopened", "seen, and gone before it could be opened; the size is a lower bound"
    RECOVERED = "recovered", "there again after it had been counted as lost: so much was not lost"
    UNREADABLE = "unreadable", "there, but cannot be opened or read for now; nothing is lost yet"
    TOO_LONG = "too_long", "a line of more than `max_line_bytes` was skipped"
    HOLE = "hole", "NUL bytes, which no line starts with, were skipped"
    BROKEN = "broken", "a compressed file is cut short or broken; what comes before the break was read"
    STATE_DAMAGED = (
        "state_damaged",
        "our own state was damaged and set aside; the text says what is read again",
    )


class DriftKind(Explained):
    """How the app's lines seem to have changed under a rule."""

    VANISHED = "vanished", "a field that a rule reads was there, and is missing on the lines of its kind now"
    TYPE_CHANGED = "type_changed", "a value that a rule reads was of one type, and is of another now"
    RENAMED = "renamed", "lines of a new kind look like those that a rule takes, but for one field"
    STOPPED = "stopped", "a rule that used to match does not, while lines of its kind go on"
    NEW_KIND = (
        "new_kind",
        "a kind of line never seen before looks like an activation, and no rule is about it",
    )
    SILENT = (
        "silent",
        "no line of the app was seen for a day: its log level, or where it logs to, has changed",
    )


class MetricKind(StrEnum):
    """Prometheus' two kinds that are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name (counters end in `_total`, base units), kind, meaning and label names.

    Labels take bounded words only: reasons, kinds, and the names of rules and events that the packs declare.
    """

    name: str
    kind: MetricKind
    meaning: str
    labels: tuple[str, ...] = ()


READ_BYTES = Metric("extractor_read_bytes_total", MetricKind.COUNTER, "Bytes of logs read and recorded")
LINES = Metric(
    "extractor_lines_total",
    MetricKind.COUNTER,
    "Lines that gave no event, where that is counted",
    ("reason",),
)
MATCHED_LINES = Metric(
    "extractor_matched_lines_total", MetricKind.COUNTER, "Lines that a rule matched", ("rule",)
)
EVENTS = Metric("extractor_events_total", MetricKind.COUNTER, "Events that entered the outbox", ("event",))
REJECTIONS = Metric(
    "extractor_rejections_total",
    MetricKind.COUNTER,
    "Values left out and events rejected",
    ("rule", "reason"),
)
REPEATED_EVENTS = Metric(
    "extractor_repeated_events_total",
    MetricKind.COUNTER,
    "Events met again: waiting, delivered, dead or suppressed already",
)
SUPPRESSED_EVENTS = Metric(
    "extractor_suppressed_events_total", MetricKind.COUNTER, "Events that an opt-out kept from being stored"
)
INCIDENTS = Metric("extractor_incidents_total", MetricKind.COUNTER, "What happened to files", ("kind",))
LOST_BYTES = Metric(
    "extractor_lost_bytes_total",
    MetricKind.COUNTER,
    "Bytes that were seen and gone before they could be read; each is an incident",
)
REQUESTS = Metric(
    "extractor_requests_total",
    MetricKind.COUNTER,
    "Batches tried at the destination, by what became of them: see docs/delivery.md",
    ("verdict", "reason"),
)
DELIVERED_EVENTS = Metric("extractor_delivered_events_total", MetricKind.COUNTER, "Events acknowledged")
DEAD_EVENTS = Metric(
    "extractor_dead_events_total", MetricKind.COUNTER, "Events that became dead letters", ("reason",)
)
STEPS = Metric(
    "extractor_steps_total",
    MetricKind.COUNTER,
    "Steps of the two loops, by how far they came",
    ("loop", "kind"),
)
LAST_STEP = Metric(
    "extractor_last_step_timestamp_seconds", MetricKind.GAUGE, "When a loop last finished a step", ("loop",)
)
OUTBOX_EVENTS = Metric("extractor_outbox_events", MetricKind.GAUGE, "Events that wait for delivery")
OUTBOX_BYTES = Metric("extractor_outbox_bytes", MetricKind.GAUGE, "Bytes of their messages")
OUTBOX_OLDEST = Metric(
    "extractor_outbox_oldest_timestamp_seconds",
    MetricKind.GAUGE,
    "When the first of them was recorded; absent while there is none",
)
OUTBOX_FULL = Metric(
    "extractor_outbox_full", MetricKind.GAUGE, "1 while reading pauses because the outbox is full"
)
HELD = Metric("extractor_held", MetricKind.GAUGE, "1 while delivery is held, by reason", ("reason",))
DEAD_LETTERS = Metric("extractor_dead_letters", MetricKind.GAUGE, "Dead letters that wait for a decision")
OPTED_OUT = Metric("extractor_opted_out", MetricKind.GAUGE, "1 while an opt-out is in force")
FILES = Metric("extractor_files", MetricKind.GAUGE, "Files followed or remembered", ("state",))
UNREAD_BYTES = Metric(
    "extractor_unread_bytes",
    MetricKind.GAUGE,
    "Bytes of files that were there at the last look, still to be read",
)
OPEN_FILES = Metric("extractor_open_files", MetricKind.GAUGE, "Log files held open")
WATCHING = Metric(
    "extractor_watching", MetricKind.GAUGE, "1 while notifications of the file system cover every folder"
)
RULE_LAST_MATCH = Metric(
    "extractor_rule_last_match_timestamp_seconds",
    MetricKind.GAUGE,
    "When a rule last matched a line",
    ("rule",),
)
DRIFT = Metric(
    "extractor_drift",
    MetricKind.GAUGE,
    "Signs that the app's lines have changed under a rule, by rule and what it is: see docs/drift.md",
    ("rule", "kind"),
)
LAST_LINE = Metric(
    "extractor_last_line_timestamp_seconds",
    MetricKind.GAUGE,
    "When a line of a kind that the packs know was last seen",
)
HEALTHY = Metric("extractor_healthy", MetricKind.GAUGE, "1 while /healthz answers 200")
INFO = Metric(
    "extractor_info",
    MetricKind.GAUGE,
    "Always 1; which version runs, with which destination",
    ("version", "destination"),
)

METRICS = (
    READ_BYTES,
    LINES,
    MATCHED_LINES,
    EVENTS,
    REJECTIONS,
    REPEATED_EVENTS,
    SUPPRESSED_EVENTS,
    INCIDENTS,
    LOST_BYTES,
    REQUESTS,
    DELIVERED_EVENTS,
    DEAD_EVENTS,
    STEPS,
    LAST_STEP,
    OUTBOX_EVENTS,
    OUTBOX_BYTES,
    OUTBOX_OLDEST,
    OUTBOX_FULL,
    HELD,
    DEAD_LETTERS,
    OPTED_OUT,
    FILES,
    UNREAD_BYTES,
    OPEN_FILES,
    WATCHING,
    RULE_LAST_MATCH,
    DRIFT,
    LAST_LINE,
    HEALTHY,
    INFO,
)
"""Every metric there is. Counters begin at 0 with each start of the process; gauges are read at each scrape."""


class Trouble(Explained):
    """Why `/healthz` or `/readyz` does not answer 200."""

    DIED = "died", "a loop ended by a mistake of this program; the process ends, too"
    COLLECT_STALLED = "collect_stalled", "the loop that reads has not moved for two minutes"
    DELIVER_STALLED = (
        "deliver_stalled",
        "the loop that sends has not moved for longer than any answer may take",
    )
    STATE_UNAVAILABLE = (
        "state_unavailable",
        "the state cannot be written: a full or failing disk, permissions",
    )
    STARTING = "starting", "the first look at the files is not over"
    HELD = "held", "delivery is paused until a probe is accepted; nothing is dropped"
    OUTBOX_FULL = "outbox_full", "reading pauses until something was delivered; nothing is dropped"


BROKEN = (Trouble.DIED, Trouble.COLLECT_STALLED, Trouble.DELIVER_STALLED, Trouble.STATE_UNAVAILABLE)
"""With these `/healthz` fails. The others are alarms, which no restart would help: `/readyz` fails, and both name them."""


class Level(StrEnum):
    """Of a log event."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One kind of line in our own log.

    Attributes:
        name: The value of `event`.
        level: How loud.
        meaning: For people.
        fields: All that such a line may carry besides time, level and event; nothing else is ever written.
    """

    name: str
    level: Level
    meaning: str
    fields: tuple[str, ...] = ()


STARTED = LogEvent("started", Level.INFO, "The loops run", ("version", "destination", "files", "rules"))
STOPPING = LogEvent(
    "stopping", Level.INFO, "Asked to stop; what waits is sent as long as the grace lasts", ("signal",)
)
STOPPED = LogEvent(
    "stopped", Level.INFO, "All is written down; what still waits is sent at the next start", ("waiting",)
)
LEFT = LogEvent(
    "left", Level.WARNING, "Left without waiting: asked twice, or the grace was over; nothing is lost"
)
DIED = LogEvent(
    "died",
    Level.CRITICAL,
    "A mistake in this program; the process ends and is safe to start again",
    ("error", "at"),
)
RELOADED = LogEvent(
    "reloaded", Level.INFO, "Config and rules were read again and are in force", STARTED.fields
)
RELOAD_REFUSED = LogEvent(
    "reload_refused",
    Level.ERROR,
    "The new config or a pack is broken; the old ones go on",
    ("place", "code", "problem", "hint"),
)
OPTED_OUT_BEGAN = LogEvent(
    "opted_out",
    Level.WARNING,
    "An opt-out is in force: nothing is sent, nothing is stored, what waited was purged",
    ("by", "since"),
)
OPT_OUT_LIFTED = LogEvent(
    "opt_out_lifted",
    Level.WARNING,
    "The opt-out is over; what was written until now is never sent",
    ("by", "since", "suppressed"),
)
PURGE_DUE = LogEvent(
    "purge_due",
    Level.ERROR,
    "Nothing leaves, but not all that was stored could be erased yet; tried again",
    ("problem",),
)
INCIDENT = LogEvent(
    "incident",
    Level.WARNING,
    "Something happened to a file; see the kinds of incidents",
    ("kind", "path", "lost_bytes", "detail"),
)
MORE_INCIDENTS = LogEvent(
    "more_incidents", Level.WARNING, "More of them at once than are worth a line each", ("count",)
)
STATE_REFUSED = LogEvent(
    "state_unavailable",
    Level.ERROR,
    "The state cannot be written; nothing is lost, it is tried again",
    ("loop", "problem"),
)
STATE_BACK = LogEvent("state_available", Level.INFO, "The state can be written again", ("loop",))
READING_PAUSED = LogEvent(
    "outbox_full", Level.ERROR, "Reading pauses until something was delivered; nothing is dropped"
)
READING_RESUMED = LogEvent("outbox_drained", Level.INFO, "Reading goes on")
DELIVERY_HELD = LogEvent(
    "held",
    Level.ERROR,
    "Delivery is held, nothing is dropped; a probe follows",
    ("reason", "status", "wait_s"),
)
DELIVERY_RETRIED = LogEvent(
    "retry", Level.WARNING, "A batch was not accepted and is sent again", ("reason", "status", "wait_s")
)
DELIVERY_RESUMED = LogEvent("delivering", Level.INFO, "Batches are accepted again")
DEAD_LETTER = LogEvent("dead_letter", Level.ERROR, "An event was refused for good and set aside", ("reason",))
RECORDED = LogEvent("recorded", Level.DEBUG, "Something was read", ("read_bytes", "events", "unread_bytes"))
DELIVERED = LogEvent("delivered", Level.DEBUG, "A batch was accepted", ("events",))
PRUNE_FAILED = LogEvent(
    "prune_failed",
    Level.WARNING,
    "What is past its retention stays for now; tried again in an hour",
    ("problem",),
)
EVALUATOR_LOST = LogEvent(
    "evaluator_lost",
    Level.WARNING,
    "The process that evaluates lines ended or could not be started; all is evaluated here, more slowly",
    ("problem",),
)
UNREADABLE_FILE = LogEvent(
    "unreadable_file", Level.ERROR, "A file could not be read to its end", ("path", "problem")
)
METRICS_UNAVAILABLE = LogEvent(
    "metrics_unavailable",
    Level.ERROR,
    "Metrics and health cannot be served; everything else goes on",
    ("address", "problem"),
)

LOG_EVENTS = (
    STARTED,
    STOPPING,
    STOPPED,
    LEFT,
    DIED,
    RELOADED,
    RELOAD_REFUSED,
    OPTED_OUT_BEGAN,
    OPT_OUT_LIFTED,
    PURGE_DUE,
    INCIDENT,
    MORE_INCIDENTS,
    STATE_REFUSED,
    STATE_BACK,
    READING_PAUSED,
    READING_RESUMED,
    DELIVERY_HELD,
    DELIVERY_RETRIED,
    DELIVERY_RESUMED,
    DEAD_LETTER,
    RECORDED,
    DELIVERED,
    PRUNE_FAILED,
    EVALUATOR_LOST,
    UNREADABLE_FILE,
    METRICS_UNAVAILABLE,
)
"""Every kind of line in our own log."""
