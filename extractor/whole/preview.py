"""All that `run --once` would send from an empty state, with nothing written and no network."""

from collections.abc import Callable, Iterator, Sequence

from extractor import wiring
from extractor.clock import SystemClock
from extractor.config import Config
from extractor.ruleset.event import Event
from extractor.ruleset.rule import RuleSet
from extractor.source import StartAt
from extractor.store import Store, StoreLimits
from extractor.whole.reader import WholeReader, configured_files, drop_messages, given_files


def _ignore(_path: str, _position: int, _size: int) -> None:
    pass


def preview(
    config: Config,
    rules: RuleSet,
    paths: Sequence[str] = (),
    *,
    listen: Callable[[str, int, int], None] = _ignore,
) -> Iterator[Event]:
    """The events, in the order in which they would be sent.

    Args:
        config: Says where the files are, unless `paths` are given.
        rules: Of the same config.
        paths: Files to read instead, compressed or not; rotated siblings are met oldest first.
        listen: Told of a file how many of how many bytes were read, now and then.

    Raises:
        OSError: A file cannot be read.
    """
    clock = SystemClock()
    sources = wiring.build_sources(config)
    intake = wiring.build_intake(config, rules, any_file=True)
    store = Store.in_memory(clock=clock, limits=StoreLimits(sent_s=0))
    reader = WholeReader(intake, store, clock=clock, limits=wiring.build_limits(config))
    if paths:
        files = given_files(paths, sources)
    else:
        from_start = [source for source in sources if source.start_at is StartAt.BEGINNING]
        files = configured_files(from_start, clock.now(), plain=True)
    for file in files:
        for recorded, position, size in reader.read(file, {}, torn_stays=True):
            listen(file.path, position, size)
            yield from recorded.events
            drop_messages(store)
