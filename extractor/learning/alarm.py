"""What the rows of `seen` say: fields that vanished or changed their type, kinds of lines that are new, silence. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from extractor.learning.seen import BESIDE, KIND, MATCH, MISS, RENAMED, Seen, Sort
from extractor.telemetry import DriftKind

SILENT_S = 24 * 3600.0
"""A billing app that runs does something every hour by its clock alone; a day leaves room for a night's maintenance."""

NEW_KIND_S = 7 * 24 * 3600.0
"""How long a new kind is one: nobody acknowledges an alarm, so it must end by itself."""


LEAST_BEFORE = 5
"""Lines on which something stood before it can be said to have changed."""

STRICT_RUN, LAX_RUN = 3, 5
"""How many lines in a row, for a field that the rule cannot do without and for another."""

CHANCE = 1e-4
"""How unlikely they are, going by how often it was so before (Laplace's rule)."""

OMITTED_CHANCE = 1e-6
"""The same where a field is left out that lines may do without. Lines of one client follow each other and are alike:
they are no independent draws."""

INSTEAD_CHANCE = 0.01
"""The same where a new name stands beside that holds what could be the value, which is held to `CHANCE` itself; of a
field that few values could be, nothing more is asked."""

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
    renamed = {alarm.rule for alarm in found if alarm.what is DriftKind.RENAMED}
    explained = {
        row.kind for rows in groups.values() for row in rows if row.sort == RENAMED and row.rule in renamed
    }
    found += _kinds(groups, explained, now)
    first: dict[tuple[str, str, str], Alarm] = {}
    for alarm in sorted(found, key=lambda one: one.since):
        first.setdefault((alarm.rule, alarm.field, "" if alarm.rule else alarm.kind), alarm)
    return tuple(sorted(first.values(), key=lambda one: (not one.rule, one.rule, one.field, one.kind)))


_Groups = Mapping[tuple[str, str, str], list[Seen]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sign:
    """What stands at a field of one kind of line now, and did not before.

    Attributes:
        kind: The kind.
        now: The row of what stands there now.
        usual: What did before.
        before: On how many lines it did.
        lines: How many there were before, with it or without.
        beside: The row of names never seen that hold what could be its value, or None.
        longer: It is so for longer than it ever was.
    """

    kind: str
    now: Seen
    usual: Seen
    before: int
    lines: int
    beside: Seen | None = None
    longer: bool


def _changed(groups: _Groups) -> Iterator[Alarm]:
    """What stands at a field now, over all kinds of lines on which it does."""
    signs: dict[tuple[str, str, str], list[_Sign]] = {}
    for (rule, kind, field), rows in groups.items():
        if field:
            for sign in _signs(kind, rows):
                signs.setdefault((rule, field, sign.now.sort), []).append(sign)
    for (rule, field, sort), every in signs.items():
        found = _unlikely(every)
        if not found:
            continue
        run, before = sum(one.now.run for one in found), sum(one.before for one in found)
        kind = found[0].kind if len(found) == 1 else ""
        where = f" of {kind}" if kind else ""
        if sort == Sort.MISSING:
            what, after = DriftKind.VANISHED, "is missing"
        elif sort == Sort.UNDECODABLE:
            what, after = DriftKind.TYPE_CHANGED, "cannot be decoded"
        else:
            what, after = DriftKind.TYPE_CHANGED, f"is a {sort}"
        words = f"rule {rule}: {field}, a {found[0].usual.sort} on {before} lines{where}, {after} on the last {run}"
        since = min(one.now.since for one in found)
        yield Alarm(what=what, rule=rule, field=field, kind=kind, since=since, words=words)


def _unlikely(signs: list[_Sign]) -> list[_Sign]:
    """Those of one field that are no accident together."""
    renamed = [(one, one.beside) for one in signs if one.beside is not None]
    if renamed and _chance((row, one.lines) for one, row in renamed) < CHANCE:
        few = all(row.strict for _, row in renamed)
        most = all(row.run * 2 >= one.now.run for one, row in renamed)
        instead = [one for one, _ in renamed]
        if few and sum(row.run for _, row in renamed) >= STRICT_RUN:
            return instead
        if most and _is_enough(instead, INSTEAD_CHANCE):
            return instead
    longer = [one for one in signs if one.longer]
    omitted = any(one.now.sort == Sort.MISSING and not one.now.strict for one in longer)
    if longer and _is_enough(longer, OMITTED_CHANCE if omitted else CHANCE):
        return longer
    return []


def _is_enough(signs: list[_Sign], limit: float) -> bool:
    return (
        sum(one.before for one in signs) >= LEAST_BEFORE
        and sum(one.now.run for one in signs) >= (STRICT_RUN if signs[0].now.strict else LAX_RUN)
        and _chance((one.now, one.lines) for one in signs) < limit
    )


def _signs(kind: str, rows: list[Seen]) -> Iterator[_Sign]:
    by_sort = {row.sort: row for row in rows}
    missing, beside = by_sort.get(Sort.MISSING), by_sort.get(BESIDE)
    there = [row for row in rows if row.sort in set(Sort) and row.sort != Sort.MISSING]
    present = sum(row.lines for row in there)
    if not present:
        return
    usual = max(there, key=lambda row: row.lines - row.run)
    current = next((row for row in there if row.run), None)
    if missing is not None and missing.run:
        before = missing.lines - missing.run
        yield _Sign(
            kind=kind,
            now=missing,
            usual=usual,
            before=present,
            lines=present + before,
            beside=beside if beside is not None and beside.run else None,
            longer=missing.run > 3 * missing.longest and before < present,
        )
    if current is not None and current is not usual:
        before = present - current.run
        longer = current.run > 3 * current.longest
        yield _Sign(kind=kind, now=current, usual=usual, before=before, lines=before, longer=longer)


def _chance(rows: Iterable[tuple[Seen, int]]) -> float:
    """How likely runs are, by how many of so many lines before were alike (Laplace's rule of succession)."""
    found = list(rows)
    alike = sum(row.lines - row.run for row, _ in found)
    rate = (alike + 1) / (sum(lines for _, lines in found) + 2)
    return float(rate ** sum(row.run for row, _ in found))


def _renamed(groups: _Groups, now: float) -> Iterator[Alarm]:
    found: dict[tuple[str, str], list[Seen]] = {}
    for rows in groups.values():
        for row in rows:
            if row.sort == RENAMED and row.run and now - row.since < NEW_KIND_S:
                found.setdefault((row.rule, row.field), []).append(row)
    for (rule, field), rows in found.items():
        run = sum(row.run for row in rows)
        if run >= STRICT_RUN:
            kinds = ", ".join(sorted({row.kind for row in rows}))
            words = f"rule {rule}: {run} lines of a new kind, {kinds}, are like those that it takes, but for {field}"
            first = min(rows, key=lambda row: row.since)
            yield Alarm(
                what=DriftKind.RENAMED,
                rule=rule,
                field=field,
                kind=first.kind,
                since=first.since,
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
