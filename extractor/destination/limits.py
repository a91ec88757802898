"""What a destination takes at most; enforced from serialized sizes before anything is sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """Limits of one request.

    Attributes:
        max_event_bytes: A larger message can never be delivered.
        max_batch_bytes: Of all messages of a batch with one separator each, without what is put around them.
        max_batch_events: How many messages.
    """

    max_event_bytes: int
    max_batch_bytes: int
    max_batch_events: int
