"""What can go wrong with the state, by name, each with the next step in its text. Never a value of a line."""


class StoreError(Exception):
    """The state cannot be used as asked. Every error that leaves `store` is one of its subclasses."""


class StoreLocked(StoreError):
    """Another process writes to this state folder."""


class StoreTooNew(StoreError):
    """The state was written by a newer version; nothing was touched."""


class StoreMissing(StoreError):
    """There is no state to read in this folder."""


class StoreUnavailable(StoreError):
    """The disk refuses for now: full, read-only, failing, busy. Nothing was half written; retry with backoff."""


class StoreBroken(StoreError):
    """The state was found damaged while in use. The next `Store.open` sets it aside and goes on from what is sound."""
