"""Drift: an app's lines change under a rule, and nobody says so. Counts what lines look like, for `alarm` to judge.

What is counted is a sample: exact numbers would cost the speed that the prefilter gives. A kill loses some seconds of
it, and lines that are read again after a failed transaction count twice; an alarm needs neither to be exact.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from extractor.decode.record import decode_json
from extractor.ruleset.path import Path
from extractor.ruleset.rule import RuleSet
from extractor.ruleset.seen import KIND, MATCH, RENAMED, Seen
from extractor.ruleset.watch import Watch
from extractor.telemetry import Reason

LEARNING_LINES = 100
"""Lines seen before which every kind of line is new, and none worth a word."""

MAX_KINDS = 500
"""Kinds kept: an app has some hundred, and no log may fill the state."""

BURST_GLANCES, BURST_LOOKS = 4096, 1024
"""Lines of which the kind, and lines of which all is looked at, at once: some 9 and 90 µs each, so a tenth of a second
with each start. What of it was not used in one chunk is there for the next."""

LIVE_BYTES, LIVE_LINES = 64 * 1024, 32
"""A live log comes in small chunks: each adds so many lines, and then nearly every line is looked at."""

BYTES_PER_LINE = 512 * 1024
"""A backlog comes in chunks of 4 MiB at some GB/s: one line for so many bytes is a thirtieth of its time."""

_Key = tuple[str, str, str, str]


@dataclass(slots=True)
class _Count:
    """A row of `Seen` while it is counted."""

    strict: bool = False
    lines: int = 0
    run: int = 0
    longest: int = 0
    since: float = 0.0
    last_at: float = 0.0

    def end(self) -> None:
        """Something else stands there now."""
        self.longest, self.run = max(self.longest, self.run), 0


class Drift:
    """What lines look like, counted. One thread; no clock: the time of each line is given."""

    def __init__(self, rules: RuleSet, rows: Iterable[Seen] = ()) -> None:
        """Go on from what was kept.

        Args:
            rules: What is watched.
            rows: Of an earlier process. What the rules do not look at any more is left out, and named in `gone`.
        """
        self._kinds = rules.kinds
        self._watches = [Watch(rule) for rule in rules.rules]
        self._heads = frozenset(rules.kinds.heads())
        self._by_head = _by_head(self._watches, self._heads)
        self._counts: dict[_Key, _Count] = {}
        self._running: dict[tuple[str, str, str], str] = {}
        self._changed: set[_Key] = set()
        self._known: dict[str, _Key] = {}
        self._renamed: dict[str, list[_Key]] = {}
        self._observed = 0
        self._glances, self._looks = BURST_GLANCES, BURST_LOOKS
        self.now = 0.0
        """Unix seconds of reading: a line is no older than that, whatever its file's last change is."""
        self.gone: list[Seen] = []
        known = {watch.rule.id: watch.fields for watch in self._watches}
        for row in rows:
            if row.rule and row.field not in known.get(row.rule, ()):
                self.gone.append(row)
            else:
                self._load(row)

    def _load(self, row: Seen) -> None:
        key = (*row.subject, row.sort)
        count = _Count(row.strict, row.lines, row.run, row.longest, row.since, row.last_at)
        self._counts[key] = count
        if row.sort == KIND:
            self._known[row.kind] = key
            self._observed += row.lines
            if row.run and not self._kinds.looks_like_activation(row.kind):
                count.run = 0
                self._changed.add(key)
        elif row.sort == RENAMED:
            self._renamed.setdefault(row.kind, []).append(key)
        elif row.run:
            self._running[row.subject] = row.sort

    def changes(self) -> list[Seen]:
        """Rows that changed since `kept`."""
        return [self._row(key) for key in sorted(self._changed)]

    def kept(self) -> None:
        """The changes, and that what is `gone` is, were written down."""
        self._changed.clear()
        self.gone.clear()

    @property
    def rows(self) -> list[Seen]:
        """All rows."""
        return [self._row(key) for key in self._counts]

    def _row(self, key: _Key) -> Seen:
        rule, kind, field, sort = key
        count = self._counts[key]
        return Seen(
            rule=rule,
            kind=kind,
            field=field,
            sort=sort,
            strict=count.strict,
            lines=count.lines,
            run=count.run,
            longest=count.longest,
            since=count.since,
            last_at=count.last_at,
        )

    def begin_chunk(self, size: int) -> int:
        """How many of the lines at the start of a chunk of so many bytes are worth a `glance`."""
        more = LIVE_LINES if size <= LIVE_BYTES else size // BYTES_PER_LINE + 1
        self._looks = min(BURST_LOOKS, self._looks + more)
        self._glances = min(BURST_GLANCES, self._glances + more)
        return self._glances

    def spend(self, lines: int) -> None:
        """So many lines were glanced at."""
        self._glances -= lines

    def glance(self, text: bytes, at: float) -> None:
        """A line that the prefilter may have skipped: only its kind is looked at."""
        record = decode_json(text)
        if not isinstance(record, Reason):
            self._note_kind(record, max(at, self.now))

    def look(self, text: bytes, at: float) -> None:
        """A line that a rule may match: all that the rules look at is looked at."""
        if self._looks <= 0:
            return
        self._looks -= 1
        record = decode_json(text)
        if isinstance(record, Reason):
            return
        at = max(at, self.now)
        kind = self._note_kind(record, at)
        for watch in self._about(record) if kind else self._watches:
            rule = watch.rule.id
            for field, sort, strict, kindless in watch.look(record):
                self._count(rule, "" if kindless else kind, field, sort, strict=strict, at=at)
                if sort == MATCH:
                    self._matched(rule)

    def _about(self, record: dict[str, object]) -> Iterable[Watch]:
        """Rules that are about the line, by the first field of its kind: it is there, since the line has a kind."""
        for path, by_text in self._by_head.items():
            value = path.find(record) if path is not None else ""
            if isinstance(value, str):
                yield from by_text.get(value, ())

    def _note_kind(self, record: dict[str, object], at: float) -> str:
        kind = self._kinds.name(record)
        if kind is None:
            return ""
        self._observed += 1
        key = self._known.get(kind)
        if key is None:
            if len(self._known) >= MAX_KINDS:
                return ""
            key = self._known[kind] = ("", kind, "", KIND)
            self._counts[key] = _Count(since=at)
            if self._observed > LEARNING_LINES:
                self._meet(kind, record, at)
        count = self._counts[key]
        if count.run and any(watch.is_about(record) for watch in self._watches):
            count.run = 0  # a rule is about it by now
        count.lines += 1
        count.last_at = max(at, count.last_at)
        self._changed.add(key)
        for renamed in self._renamed.get(kind, ()):
            other = self._counts[renamed]
            other.lines += 1
            other.run += 1
            other.last_at = at
            self._changed.add(renamed)
        return kind

    def _meet(self, kind: str, record: dict[str, object], at: float) -> None:
        """A kind for the first time: is it an activation that nobody knows, or another name for what a rule takes?"""
        if any(watch.is_about(record) for watch in self._watches):
            return
        self._counts[self._known[kind]].run = int(self._kinds.looks_like_activation(kind))
        found = [
            (score, watch.rule.id, field)
            for watch in self._watches
            if (watch.rule.id, "", "", MATCH) in self._counts
            for score, field in watch.resemblance(record, self._heads)
        ]
        best = max((score for score, _, _ in found), default=0)
        for score, rule, field in found:
            if score == best:
                key = (rule, kind, field, RENAMED)
                self._counts[key] = _Count(strict=True, since=at)
                self._renamed.setdefault(kind, []).append(key)

    def _matched(self, rule: str) -> None:
        """A rule that matches is not the one whose lines have another name now."""
        for keys in self._renamed.values():
            for key in keys:
                if key[0] == rule and self._counts[key].run:
                    self._counts[key].end()
                    self._changed.add(key)

    def _count(self, rule: str, kind: str, field: str, sort: str, *, strict: bool, at: float) -> None:
        subject = (rule, kind, field)
        key = (*subject, sort)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(strict)
        before = self._running.get(subject)
        if before != sort:
            if before is not None:
                ended = (*subject, before)
                self._counts[ended].end()
                self._changed.add(ended)
            self._running[subject] = sort
            count.since = at
        count.lines += 1
        count.run += 1
        count.last_at = at
        self._changed.add(key)


def _by_head(watches: Sequence[Watch], heads: frozenset[Path]) -> dict[Path | None, dict[str, list[Watch]]]:
    """Rules by the text that they want at the first field of a kind; under None and "" those that want none."""
    found: dict[Path | None, dict[str, list[Watch]]] = {}
    for watch in watches:
        path, text = next(((path, text) for path, text in watch.texts if path in heads), (None, ""))
        found.setdefault(path, {}).setdefault(text, []).append(watch)
    return found
