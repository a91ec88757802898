"""SQLite: checkpoints, memory, outbox, ledger, dead letters; one transaction moves them together.

`Store.open` for the one process that runs (it has the folder's lock), `Store.open_beside` for a command that changes
something meanwhile, `StoreReader.open_for_reading` for one that only looks, `Store.in_memory` for `preview`.

`collect` calls `record`, `outbox_full`, `note`, `prune` and reads `checkpoints` and `unknown_files` at its start;
`deliver` calls `lease`, then `acknowledge`, `release` or `bury` for each part of the batch, and `hold`. Each call is one
transaction, durable when it returns; ADR 4 says what is promised after a kill, a full disk and damage.
"""

from extractor.store.batch import Batch, DeadLetter, SentEvent, StoredEvent
from extractor.store.checkpoints import UnknownFiles
from extractor.store.erasure import Erased, Traces
from extractor.store.errors import (
    StoreBroken,
    StoreError,
    StoreLocked,
    StoreMissing,
    StoreTooNew,
    StoreUnavailable,
)
from extractor.store.first_time import FirstTime
from extractor.store.history import DailyCount, DeadReason, SentRate
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
    "DailyCount",
    "DeadLetter",
    "DeadReason",
    "Erased",
    "FileStatus",
    "FirstTime",
    "Hold",
    "Incident",
    "OptOut",
    "Pruned",
    "Recorded",
    "RuleStatus",
    "SentEvent",
    "SentRate",
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
    "Traces",
    "UnknownFiles",
]
