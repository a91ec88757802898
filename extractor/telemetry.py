"""The one catalogue of what this program says about itself: reasons, metrics, log events.

Product code can only reference what is declared here; `docs/telemetry.md` is rendered from it and a test holds
the two together. Everything is bounded: a reason, a rule id, a file path, a count, never a line, a value or a
payload. Declarations only, so the pure core may import it; rendering and serving live in `observe`.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a line, a value or an event did not go its way. Stable strings: metric label, log field and docs."""

    # A line that is not a record. Normal; counted.
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_LONG = "too_long"
    TOO_DEEP = "too_deep"
    BROKEN_ENVELOPE = "broken_envelope"
    PREFILTERED = "prefiltered"
    NO_RULE = "no_rule"
    NOT_WANTED = "not_wanted"
    # A field that a rule wanted decoded and that is not what the rule says.
    UNDECODABLE_FIELD = "undecodable_field"
    TOO_MANY_ELEMENTS = "too_many_elements"
    # A value that broke its constraint and was left out.
    WRONG_TYPE = "wrong_type"
    NOT_IN_ENUM = "not_in_enum"
    PATTERN_MISMATCH = "pattern_mismatch"
    VALUE_TOO_LONG = "value_too_long"
    OUT_OF_RANGE = "out_of_range"
    LOOKS_PRIVATE = "looks_private"
    # An event that was rejected as a whole.
    REQUIRED_MISSING = "required_missing"
    KEY_MISSING = "key_missing"
    EVENT_TOO_LARGE = "event_too_large"
    ORGANIZATION_EXCLUDED = "organization_excluded"
    # An event that is not new. Normal; counted.
    ALREADY_SEEN = "already_seen"
    UNCHANGED = "unchanged"
    REPEATED = "repeated"
    SUPPRESSED = "suppressed"


class IncidentKind(StrEnum):
    """What happened to a file that an operator must be able to see. Stable strings: metric label, log field, docs."""

    LOST = "lost"  # bytes that a stat has seen were gone before they could be read; the size is exact
    TRUNCATED = "truncated"  # emptied or rewritten in place; more may have come and gone; the size is a lower bound
    VANISHED = "vanished"  # no longer there and was not held open; as above
    UNOPENED = "unopened"  # seen, and gone before it could be opened; as above
    UNREADABLE = "unreadable"  # there, but cannot be opened or read for now; nothing is lost yet
    TOO_LONG = "too_long"  # a line of more than `max_line_bytes` was skipped
    HOLE = "hole"  # NUL bytes, which no line starts with, were skipped
    BROKEN = "broken"  # a compressed file is cut short or broken; what comes before the break was read
    STATE_DAMAGED = "state_damaged"  # our own state was damaged and set aside; the text says what is read again


class MetricKind(StrEnum):
    """Prometheus' two kinds that are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name (counters end in `_total`, base units), meaning and label names."""

    name: str
    kind: MetricKind
    meaning: str
    labels: tuple[str, ...] = ()
