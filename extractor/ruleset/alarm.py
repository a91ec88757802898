"""What the rows of `seen` say: fields that vanished or changed their type, kinds of lines that are new, silence. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from extractor.ruleset.seen import KIND, MATCH, MISS, RENAMED, Seen, Sort
from extractor.telemetry import DriftKind

SILENT_S = 24 * 3600.0
"""A billing app that runs does something every hour by its clock alone; a day leaves room for a night's maintenance."""

NEW_KIND_S = 7 * 24 * 3600.0
"""How long a new kind is one: nobody acknowledges an alarm, so it must end by itself."""


LEAST_BEFORE = 5
"""Lines on which something stood before it can be said to have changed."""

STRICT_RUN, STRICT_CHANCE = 3, 1e-4
LAX_RUN, LAX_CHANCE = 5, 1e-6
"""How many lines in a row, and how unlikely that is, going by how often it was so before (Laplace's rule)."""

STOPPED_RUN = 50
STOPPED_TIMES = 10
"""Lines of its kind that a rule leaves in a row, and how many times as many as ever before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that seems to have changed.

    Attributes:
        what: See `DriftKind`.
        rule: The rule that it breaks; "" where it is about none.
        field: The field; "" where it is about none.
        kind: The kind of line; "" where it is about all.
        since: Unix seconds.
        words: For people, without the time.
    """

    what: DriftKind
    rule: str = ""
    field: str = ""
    kind: str = ""
    since: float
    words: str


def judge(rows: Iterable[Seen], *, now: float, rules: Collection[str] | None = None) -> tuple[Alarm, ...]:
    """What has changed, the rules first; one alarm for each rule and field.

    Args:
        rows: As `Drift` made them.
        now: Unix seconds.
        rules: Ids of the rules that are watched; None for any.
    """
    groups: dict[tuple[str, str, str], list[Seen]] = {}
    for row in rows:
        if rules is None or not row.rule or row.rule in rules:
            groups.setdefault(row.subject, []).append(row)
    found = [*_renamed(groups, now), *_changed(groups)]
    broken = {alarm.rule for alarm in found}
    found += [alarm for alarm in _stopped(groups) if alarm.rule not in broken]
    explained = {alarm.kind for alarm in found if alarm.what is DriftKind.RENAMED}
    found += _kinds(groups, explained, now)
    first: dict[tuple[str, str, str], Alarm] = {}
    for alarm in sorted(found, key=lambda one: one.since):
        first.setdefault((alarm.rule, alarm.field, "" if alarm.rule else alarm.kind), alarm)
    return tuple(sorted(first.values(), key=lambda one: (not one.rule, one.rule, one.field, one.kind)))


_Groups = Mapping[tuple[str, str, str], list[Seen]]


def _changed(groups: _Groups) -> Iterator[Alarm]:
    for (rule, kind, field), rows in groups.items():
        current = next((row for row in rows if row.run and row.sort in set(Sort)), None)
        if not field or current is None:
            continue
        usual = max((row for row in rows if row is not current), key=lambda row: row.lines, default=None)
        if usual is None or usual.sort == Sort.MISSING or not _is_unlikely(current, rows):
            continue
        where = f" of {kind}" if kind else ""
        before = f"rule {rule}: {field}, a {usual.sort} on {usual.lines} lines{where}"
        if current.sort == Sort.MISSING:
            what, after = DriftKind.VANISHED, "is missing"
        elif current.sort == Sort.UNDECODABLE:
            what, after = DriftKind.TYPE_CHANGED, "cannot be decoded"
        else:
            what, after = DriftKind.TYPE_CHANGED, f"is a {current.sort}"
        words = f"{before}, {after} on the last {current.run}"
        yield Alarm(what=what, rule=rule, field=field, kind=kind, since=current.since, words=words)


def _is_unlikely(current: Seen, rows: list[Seen]) -> bool:
    run, chance = (STRICT_RUN, STRICT_CHANCE) if current.strict else (LAX_RUN, LAX_CHANCE)
    before = sum(row.lines for row in rows) - current.run
    if before < LEAST_BEFORE or current.run < run or current.run <= 3 * current.longest:
        return False
    return float(((current.lines - current.run + 1) / (before + 2)) ** current.run) < chance


def _renamed(groups: _Groups, now: float) -> Iterator[Alarm]:
    for rows in groups.values():
        for row in rows:
            if row.sort == RENAMED and row.run >= STRICT_RUN and now - row.since < NEW_KIND_S:
                words = (
                    f"rule {row.rule}: {row.run} lines of a new kind, {row.kind}, are like those that it takes, "
                    f"but for {row.field}"
                )
                yield Alarm(
                    what=DriftKind.RENAMED,
                    rule=row.rule,
                    field=row.field,
                    kind=row.kind,
                    since=row.since,
                    words=words,
                )


def _stopped(groups: _Groups) -> Iterator[Alarm]:
    for (rule, _, field), rows in groups.items():
        by_sort = {row.sort: row for row in rows}
        match, miss = by_sort.get(MATCH), by_sort.get(MISS)
        if field or match is None or miss is None or match.lines < LEAST_BEFORE:
            continue
        if miss.run >= max(STOPPED_RUN, STOPPED_TIMES * miss.longest):
            words = f"rule {rule}: took {match.lines} lines, and none of the last {miss.run} of its kind"
            yield Alarm(what=DriftKind.STOPPED, rule=rule, since=miss.since, words=words)


def _kinds(groups: _Groups, explained: Collection[str], now: float) -> Iterator[Alarm]:
    rows = [row for found in groups.values() for row in found if row.sort == KIND]
    for row in rows:
        if row.run and row.kind not in explained and now - row.since < NEW_KIND_S:
            words = f"a new kind of line that looks like an activation, and no rule is about it: {row.kind}"
            yield Alarm(what=DriftKind.NEW_KIND, kind=row.kind, since=row.since, words=words)
    last = last_line(rows)
    if last is not None and now - last > SILENT_S:
        words = f"no line of the app for {(now - last) / 3600:.0f} hours"
        yield Alarm(what=DriftKind.SILENT, since=last, words=words)


def last_line(rows: Iterable[Seen]) -> float | None:
    """When a line of any kind was last seen, in Unix seconds; None: never."""
    return max((row.last_at for row in rows if row.sort == KIND), default=None)
