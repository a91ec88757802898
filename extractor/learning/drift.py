"""Drift: an app's lines change under a rule, and nobody says so. Counts what lines look like, for `alarm` to judge.

What is counted is a sample: exact numbers would cost the speed that the prefilter gives. A kill loses some seconds of
it, and lines that are read again after a failed transaction count twice; an alarm needs neither to be exact.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from extractor.decode.record import decode_json
from extractor.learning.seen import BESIDE, KIND, MATCH, RENAMED, Seen, Sort
from extractor.learning.watch import Found, Watch
from extractor.ruleset.path import Path
from extractor.ruleset.rule import Decode, RuleSet
from extractor.telemetry import Reason

LEARNING_LINES = 100
"""Lines seen before which every kind of line is new, and none worth a word."""

MAX_KINDS = 500
"""Kinds kept: an app has some hundred, and no log may fill the state."""

BURST_GLANCES, BURST_LOOKS = 4096, 1024
"""Lines of which the kind, and lines of which all is looked at, at once: some 9 and 90 µs each, so a tenth of a second
with each start. What of it was not used in one chunk is there for the next."""

LIVE_BYTES, LIVE_LINES, LIVE_LINES_PER_S = 64 * 1024, 32, 100.0
"""A live log comes in small chunks: each adds so many lines, but not more a second than a hundredth of a core looks at.
Of a log with a hundred lines a second nearly every line is looked at."""

BYTES_PER_GLANCE, BYTES_PER_LOOK = 1 << 20, 4 << 20
"""A backlog comes in large chunks at some GB/s: one line for so many bytes is a fiftieth of its time."""

STRANGER_LINES = 50
"""Lines of a new kind that are held against what rules take."""

LEAST_SEEN, MAX_NAMES = 5, 100
"""Lines with a field after which the names beside it are known, if they are not more than so many."""

_Subject = tuple[str, str, str]
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


@dataclass(slots=True)
class _Names:
    """Names that stood beside a field, by this process: they are not kept, since they may be somebody's own.

    Attributes:
        known: On lines with the field, and on those without it before the present run of such lines.
        fresh: On lines of the present run.
        lines: With the field.
    """

    known: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)
    lines: int = 0

    def learn(self, holder: Mapping[str, object]) -> None:
        """The field is there."""
        self.lines += 1
        if len(self.known) <= MAX_NAMES and (self.fresh or not self.known.issuperset(holder)):
            self.known.update(self.fresh, islice(holder, MAX_NAMES + 1))
            self.fresh.clear()

    def strangers(self, holder: Mapping[str, object]) -> Iterable[str]:
        """The field is missing: the names that never stood there before it was."""
        if self.lines < LEAST_SEEN or len(self.known) > MAX_NAMES or len(holder) > MAX_NAMES:
            return ()
        found = [name for name in holder if name not in self.known]
        if len(self.fresh) <= MAX_NAMES:
            self.fresh.update(found)
        return found


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
        self._running: dict[_Subject, str] = {}
        self._names: dict[_Subject, _Names] = {}
        self._changed: set[_Key] = set()
        self._known: dict[str, _Key] = {}
        self._renamed: dict[str, list[_Key]] = {}
        self._strangers: set[str] = set()
        self._looked = b""
        self._observed = 0
        self._glances: float = BURST_GLANCES
        self._looks: float = BURST_LOOKS
        self._chunk_at = 0.0
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
        elif row.run and row.sort not in (Sort.MISSING, BESIDE):
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
        live = size <= LIVE_BYTES
        live_lines = min(LIVE_LINES, max(self.now - self._chunk_at, 0.0) * LIVE_LINES_PER_S)
        self._chunk_at = self.now
        self._looks = min(BURST_LOOKS, self._looks + (live_lines if live else size / BYTES_PER_LOOK))
        self._glances = min(BURST_GLANCES, self._glances + (live_lines if live else size / BYTES_PER_GLANCE))
        return int(self._glances)

    def spend(self, lines: int) -> None:
        """So many lines were glanced at."""
        self._glances -= lines

    def glance(self, text: bytes, at: float) -> None:
        """A line that the prefilter may have skipped: its kind is looked at, and all of it where it has none."""
        if text == self._looked:
            return
        record = decode_json(text)
        if isinstance(record, Reason) or self._note_kind(record, max(at, self.now)):
            return
        # A live log leaves looks over, and its app names its kinds: a line without one may have lost the name.
        if self._kinds.forms and self._looks > BURST_LOOKS // 2:
            self._looks -= 1
            self._look(record, "", max(at, self.now))

    def look(self, text: bytes, at: float) -> None:
        """A line that a rule may match: all that the rules look at is looked at."""
        if self._looks < 1:
            return
        self._looks -= 1
        self._looked = text
        record = decode_json(text)
        if not isinstance(record, Reason):
            at = max(at, self.now)
            self._look(record, self._note_kind(record, at), at)

    def _look(self, record: dict[str, object], kind: str, at: float) -> None:
        decoded: dict[Decode, object] = {}
        for watch in self._about(record) if kind else self._watches:
            for found in watch.look(record, decoded):
                self._count(watch, "" if found.kindless else kind, found, at)
                if found.sort == MATCH:
                    self._matched(watch.rule.id)

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
            if self._observed > LEARNING_LINES and not any(watch.is_about(record) for watch in self._watches):
                self._counts[key].run = int(self._kinds.looks_like_activation(kind))
                self._strangers.add(kind)
        count = self._counts[key]
        if count.run and any(watch.is_about(record) for watch in self._watches):
            count.run = 0  # a rule is about it by now
        count.lines += 1
        count.last_at = max(at, count.last_at)
        self._changed.add(key)
        if kind in self._renamed or kind in self._strangers:
            self._compare(kind, record, at)
            if count.lines >= STRANGER_LINES:
                self._strangers.discard(kind)
        return kind

    def _compare(self, kind: str, record: dict[str, object], at: float) -> None:
        """A line of a new kind: is it what rules take, under another name?"""
        for watch in self._watches:
            rule = watch.rule.id
            if (rule, "", "", MATCH) not in self._counts:
                continue
            field = watch.resemblance(record, self._heads)
            if field is None:
                continue
            key = (rule, kind, field, RENAMED)
            if key not in self._counts:
                self._counts[key] = _Count(strict=True, since=at)
                self._renamed.setdefault(kind, []).append(key)
            count = self._counts[key]
            count.lines += 1
            count.run += 1
            count.last_at = at
            self._changed.add(key)

    def _matched(self, rule: str) -> None:
        """A rule that matches is not the one whose lines have another name now."""
        for keys in self._renamed.values():
            for key in keys:
                if key[0] == rule and self._counts[key].run:
                    self._counts[key].end()
                    self._changed.add(key)

    def _count(self, watch: Watch, kind: str, found: Found, at: float) -> None:
        subject = (watch.rule.id, kind, found.field)
        if found.sort == Sort.MISSING:
            # What a value is, where there is one, goes on: missing ends no run.
            self._add(subject, Sort.MISSING, strict=found.strict, at=at)
            names = self._names.get(subject)
            if names is None or found.holder is None:
                return
            strangers = names.strangers(found.holder)
            if any(watch.could_be(found.field, found.holder[name]) for name in strangers):
                self._add(subject, BESIDE, strict=watch.is_narrow(found.field), at=at)
            return
        if found.holder is not None:
            self._names.setdefault(subject, _Names()).learn(found.holder)
        self._end(subject, Sort.MISSING)
        self._end(subject, BESIDE)
        before = self._running.get(subject)
        if before != found.sort:
            if before is not None:
                self._end(subject, before)
            self._running[subject] = found.sort
        self._add(subject, found.sort, strict=found.strict, at=at)

    def _add(self, subject: _Subject, sort: str, *, strict: bool, at: float) -> None:
        key = (*subject, sort)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(strict)
        if not count.run:
            count.since = at
        count.lines += 1
        count.run += 1
        count.last_at = at
        self._changed.add(key)

    def _end(self, subject: _Subject, sort: str) -> None:
        key = (*subject, sort)
        count = self._counts.get(key)
        if count is not None and count.run:
            count.end()
            self._changed.add(key)


def _by_head(watches: Sequence[Watch], heads: frozenset[Path]) -> dict[Path | None, dict[str, list[Watch]]]:
    """Rules by the text that they want at the first field of a kind; under None and "" those that want none."""
    found: dict[Path | None, dict[str, list[Watch]]] = {}
    for watch in watches:
        path, text = next(((path, text) for path, text in watch.texts if path in heads), (None, ""))
        found.setdefault(path, {}).setdefault(text, []).append(watch)
    return found
