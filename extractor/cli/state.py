"""Opens the state for the commands that look into it or change it beside a daemon; its errors go to the guard."""

from collections.abc import Iterator
from contextlib import contextmanager

from extractor.clock import SystemClock
from extractor.config import Config
from extractor.store import Store, StoreReader


@contextmanager
def reading(config: Config) -> Iterator[StoreReader]:
    """Look only."""
    reader = StoreReader.open_for_reading(config.state_dir, clock=SystemClock())
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def changing(config: Config) -> Iterator[Store]:
    """Change what is there; a daemon goes on meanwhile."""
    store = Store.open_beside(config.state_dir, clock=SystemClock())
    try:
        yield store
    finally:
        store.close()
