"""SQLite: checkpoints, memory, outbox, ledger, dead letters; one transaction moves them together."""

from extractor.store.batch import Batch, DeadLetter, SentEvent, StoredEvent
from extractor.store.errors import (
    StoreBroken,
    StoreError,
    StoreLocked,
    StoreMissing,
    StoreTooNew,
    StoreUnavailable,
)
from extractor.store.limits import StoreLimits
from extractor.store.recording import Incident, Recorded, Tally
from extractor.store.status import FileStatus, Hold, OptOut, RuleStatus, StatusSnapshot
from extractor.store.store import Clock, Store

__all__ = [
    "Batch",
    "Clock",
    "DeadLetter",
    "FileStatus",
    "Hold",
    "Incident",
    "OptOut",
    "Recorded",
    "RuleStatus",
    "SentEvent",
    "StatusSnapshot",
    "Store",
    "StoreBroken",
    "StoreError",
    "StoreLimits",
    "StoreLocked",
    "StoreMissing",
    "StoreTooNew",
    "StoreUnavailable",
    "StoredEvent",
    "Tally",
]
