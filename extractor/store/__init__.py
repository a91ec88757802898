"""SQLite: checkpoints, memory, outbox, ledger, dead letters; one transaction moves them together."""

from extractor.store.batch import Batch, DeadLetter, SentEvent, StoredEvent
from extractor.store.checkpoints import UnknownFiles
from extractor.store.erasure import Erased
from extractor.store.errors import (
    StoreBroken,
    StoreError,
    StoreLocked,
    StoreMissing,
    StoreTooNew,
    StoreUnavailable,
)
from extractor.store.limits import StoreLimits
from extractor.store.optout import OptOut
from extractor.store.reader import StoreReader
from extractor.store.recording import Incident, Recorded, Tally
from extractor.store.retention import Pruned
from extractor.store.status import Clock, CounterStatus, FileStatus, Hold, RuleStatus, StatusSnapshot
from extractor.store.store import Store

__all__ = [
    "Batch",
    "Clock",
    "CounterStatus",
    "DeadLetter",
    "Erased",
    "FileStatus",
    "Hold",
    "Incident",
    "OptOut",
    "Pruned",
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
    "StoreReader",
    "StoreTooNew",
    "StoreUnavailable",
    "StoredEvent",
    "Tally",
    "UnknownFiles",
]
