"""`prime`: memory filled from what is known otherwise, a list of keys or old logs, with nothing sent.

Without it the first update of a customer older than the log looks like a creation. A primed fact is never sent, by
whatever way it is read later. May import everything below `service`.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from extractor import wiring
from extractor.clock import SystemClock
from extractor.config import Config
from extractor.intake import origin_of
from extractor.problems import did_you_mean
from extractor.ruleset.event import Event, TimeSource
from extractor.ruleset.identity import encode
from extractor.ruleset.outcome import Changed, Outcome, PendingEvent
from extractor.ruleset.rule import Property, Rule, RuleSet
from extractor.ruleset.value import Type
from extractor.source import WholeFile
from extractor.store import Store
from extractor.telemetry import Reason
from extractor.whole.reader import given_files

ROWS_A_TRANSACTION = 2000

TEXTS = frozenset({Type.STRING, Type.UUID, Type.DATETIME})

MAX_MISTAKES = 20
"""Told of one file of keys: a file in the wrong shape is wrong in every row."""


class NotKeysError(Exception):
    """What was given is no list of keys of that event. The text names columns and lines, never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShape:
    """What a row must hold to stand for an event that memory knows.

    Attributes:
        event: Its name.
        rules: Ids of the rules that share this key.
        parts: The paths that make the key, in order, as the first of these rules spells them.
        changing: The property whose last value follows the key, for *changed*; else None.
    """

    event: str
    rules: tuple[str, ...]
    parts: tuple[str, ...]
    changing: Property | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a row."""
        return self.parts if self.changing is None else (*self.parts, self.changing.name)


def key_shapes(rules: RuleSet) -> dict[str, KeyShape]:
    """For each event that memory knows, the shape of its key. Rules that disagree: the first one's."""
    shapes: dict[str, KeyShape] = {}
    for rule in rules.rules:
        if rule.event is None or (shape := _shape(rule, rule.event)) is None:
            continue
        known = shapes.setdefault(rule.event, shape)
        if known is not shape and len(known.columns) == len(shape.columns):
            shapes[rule.event] = KeyShape(
                event=known.event,
                rules=(*known.rules, rule.id),
                parts=known.parts,
                changing=known.changing,
            )
    return shapes


def _shape(rule: Rule, event: str) -> KeyShape | None:
    if rule.once is not None:
        parts = tuple(path.text for path in rule.once)
        return KeyShape(event=event, rules=(rule.id,), parts=parts, changing=None)
    if rule.changed is not None:
        parts = tuple(path.text for path in rule.changed.key)
        named = rule.changed.property
        changing = next(one for one in rule.properties if one.name == named)
        return KeyShape(event=event, rules=(rule.id,), parts=parts, changing=changing)
    return None


def read_keys(event: str, lines: Iterable[str], file: str, rules: RuleSet) -> list[Outcome]:
    """Rows of CSV (comma, no heading) to what memory is told. Empty rows and those that begin with `#` are skipped.

    Raises:
        NotKeysError: The event needs no memory, or rows are no keys.
    """
    shapes = key_shapes(rules)
    shape = shapes.get(event)
    if shape is None:
        hint = did_you_mean(event, sorted(shapes))
        raise NotKeysError(
            f'no rule remembers whether "{event}" was seen before, so there is nothing to prime; {hint}'
        )
    outcomes: list[Outcome] = []
    mistakes: list[str] = []
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            if not row or row[0].startswith("#"):
                continue
            made = _outcome(shape, [cell.strip() for cell in row], rules)
            if isinstance(made, Outcome):
                outcomes.append(made)
            elif len(mistakes) < MAX_MISTAKES:
                mistakes.append(f"{file}:{reader.line_num}: {made}")
    except csv.Error as error:
        mistakes.append(f"{file}:{reader.line_num}: not CSV: {error}")
    if mistakes:
        raise NotKeysError("\n".join([*mistakes, f"each line must be: {','.join(shape.columns)}"]))
    return outcomes


def _outcome(shape: KeyShape, row: Sequence[str], rules: RuleSet) -> Outcome | str:
    if len(row) != len(shape.columns):
        return f"{len(row)} columns where {len(shape.columns)} are needed"
    parts = tuple(row[: len(shape.parts)])
    if not all(parts):
        return "a part of the key is empty"
    identity = rules.identity
    key = identity.memory_key("event", shape.event, parts)
    natural_key = (b"once", key)
    changed = None
    if shape.changing is not None:
        constraint = shape.changing.value.constraint
        # A number in a list of keys is a text; the digest is of its text anyway.
        if constraint.type in TEXTS and type(constraint.admit(row[-1])) is Reason:
            return f"{shape.changing.name} is not {constraint}"
        changed = Changed(key, identity.digest(encode(row[-1])))
        natural_key = (b"primed", key)
    told = Event(
        message_id=identity.message_id(shape.event, natural_key),
        name=shape.event,
        rule=shape.rules[0],
        message=b"",
        time=0.0,
        time_source=TimeSource.ASSUMED,
        path="",
        offset=0,
    )
    once = key if changed is None else None
    return Outcome(events=(PendingEvent(shape.rules[0], lambda *_: told, once, changed),))


def prime_keys(store: Store, outcomes: Sequence[Outcome]) -> int:
    """Tell memory; how many of the keys were new to it.

    Raises:
        StoreError: What was told before stays; the same command goes on.
    """
    return sum(
        store.prime(outcomes[at : at + ROWS_A_TRANSACTION])
        for at in range(0, len(outcomes), ROWS_A_TRANSACTION)
    )


def prime_logs(
    config: Config,
    rules: RuleSet,
    store: Store,
    paths: Sequence[str],
    listen: Callable[[str, int, int], None],
) -> Iterator[tuple[str, int]]:
    """Read whole logs into memory, rotated siblings oldest first; each file with how many rows of memory it changed.

    Args:
        config: Of the sources, for the order of files.
        rules: Of the same config.
        store: Whose memory it is.
        paths: The logs, compressed or not.
        listen: Told of a file how many of how many bytes were read, now and then.

    Raises:
        OSError: A file cannot be read.
        StoreError: What was told before stays; the same command starts again.
    """
    intake = wiring.build_intake(config, rules, any_file=True)
    clock = SystemClock()
    for file in given_files(paths, wiring.build_sources(config)):
        changed = 0
        with WholeFile(file.path, source=file.source, limits=wiring.build_limits(config)) as whole:
            for chunk in whole.chunks():
                origin = origin_of(chunk, clock.now())
                taken = intake.take(chunk, origin, torn_stays=True)
                if taken.outcomes:
                    changed += store.prime(taken.outcomes)
                listen(file.path, whole.position, whole.size)
        yield file.path, changed
