"""How much the store may hold and for how long."""

from dataclasses import dataclass

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """Caps and retention. Reaching a cap sheds nothing: it makes `outbox_full` true, and reading pauses.

    Attributes:
        outbox_rows: Events waiting for delivery.
        outbox_bytes: Bytes of their serialized messages.
        sent_s: Seconds for which delivered messages are kept for `sent` and `resend`; 0 keeps none. Backups and
            damaged copies, which hold messages too, go by the same time.
        ledger_s: Seconds for which the ids of delivered events are remembered. Suppressed ids never go.
        gone_files_s: Seconds for which the checkpoint of a file that no path leads to is kept.
        incidents: Incidents kept, the newest ones.
        counters_s: Seconds for which daily counts are kept.
    """

    outbox_rows: int = 1_000_000
    outbox_bytes: int = 1 << 30
    sent_s: float = 30 * DAY_S
    ledger_s: float = 400 * DAY_S
    gone_files_s: float = 30 * DAY_S
    incidents: int = 1_000
    counters_s: float = 400 * DAY_S
