"""SQLite: checkpoints, memory, outbox, ledger, dead letters; one transaction moves them together."""
