"""Takes chunks: finds the lines that matter, joins them, has them evaluated."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

from extractor.decode.assemble import Assembler, Logical
from extractor.decode.cut import Line, cut
from extractor.decode.envelope import Broken, Envelope, detect, unwrap
from extractor.decode.record import decode_json
from extractor.evaluation.local import Evaluator, LocalEvaluator, evaluate_all
from extractor.intake.glance import Glance, buffer_of
from extractor.intake.lineage import Lineage
from extractor.intake.portion import Portion, Taken
from extractor.intake.wrapping import HEAD_BYTES, Wrapping
from extractor.learning.drift import Drift
from extractor.ruleset.evaluate import Origin
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.prefilter import Literals, Pieces, Scanner, build_scanner, derive_literals
from extractor.ruleset.rule import RuleSet
from extractor.source.chunk import Chunk
from extractor.telemetry import Reason

PORTION = 250
"""Lines of one portion: a chunk of short ones can hold 50,000, and each takes some 5 kB until it is recorded."""


class Intake:
    """Takes chunks of many files in their order; one thread."""

    def __init__(
        self,
        rules: RuleSet,
        wrappings: Sequence[Wrapping],
        *,
        max_line_bytes: int,
        build_scanner: Callable[[Literals, Pieces], Scanner | None] = build_scanner,
        build_evaluator: Callable[[ReadyRules], Evaluator] = LocalEvaluator,
    ) -> None:
        """Make one.

        Args:
            rules: What lines are evaluated against.
            wrappings: One for each source, in the order of `Chunk.source`.
            max_line_bytes: A longer line is dropped and counted.
            build_scanner: Makes what finds the lines that a rule could match.
            build_evaluator: Makes what evaluates them.
        """
        self.rules = rules
        self._ready = ReadyRules(rules)
        self.evaluator = build_evaluator(self._ready)
        self._wrappings = wrappings
        self._max_line_bytes = max_line_bytes
        self._literals = derive_literals(rules.rules)
        self._build_scanner = build_scanner
        self._scanners: dict[Envelope, Scanner | None] = {}
        self._envelopes: dict[str, Envelope] = {}
        self._lineages: dict[str, Lineage] = {}
        self.drift: Drift | None = None
        """What looks at some of the lines for signs that the app has changed; nobody does where it is None."""

    def take(self, chunk: Chunk, origin: Origin, *, torn_stays: bool = False) -> Taken:
        """All that a chunk gives, at once. Else as `portions`."""
        whole = Taken(outcomes=[], counts=Counter())
        for portion in self.portions(chunk, origin, torn_stays=torn_stays):
            taken = portion.take()
            whole.outcomes.extend(taken.outcomes)
            whole.counts.update(taken.counts)
            whole.settled.update(taken.settled)
        return whole

    def portions(self, chunk: Chunk, origin: Origin, *, torn_stays: bool = False) -> Iterator[Portion]:
        """Begin to evaluate the lines of a chunk, so many at a time; at least one portion, for its bytes.

        Args:
            chunk: Its data may be reused as soon as this returns.
            origin: Its path, and the time of lines that carry none: see `origin_of`.
            torn_stays: The chunk's file may still grow: an unterminated last line counts only if it is a whole JSON
                object, which nothing could be added to; else the checkpoint stays before it.
        """
        wrapping = self._wrappings[chunk.source]
        data, end = chunk.data, chunk.end
        if torn_stays and chunk.final and (torn := _torn(chunk)):
            data, end = data[:-torn], end - torn
        envelope = self._envelope(chunk, data, wrapping)
        lineage = self._lineage(chunk.lineage)
        assembler = lineage.assembler
        lines: list[Logical] = []
        counts: Counter[Reason] = Counter()
        too_long = assembler.too_long
        incidents, reached = chunk.incidents, chunk.start - chunk.skipped
        glance = None if self.drift is None else Glance(self.drift, chunk, envelope, wrapping, origin.time)
        for line in self._lines(chunk, data, envelope, assembler):
            if glance is not None:
                glance.until(line.start)
            piece = unwrap(line.data, envelope)
            if isinstance(piece, Broken):
                counts[Reason.BROKEN_ENVELOPE] += 1
                continue
            for logical in assembler.feed(piece, line.start, line.end, chunk.file_id):
                self._want(logical, origin, wrapping, lines, counts)
            if len(lines) >= PORTION:
                settled = lineage.settle(chunk.file_id, min(line.end, end))
                moved = max(settled[chunk.file_id] - reached, 0)
                known = Taken(
                    outcomes=[], counts=counts, settled=settled, read_bytes=moved, incidents=incidents
                )
                yield Portion(known, self.evaluator.begin(lines, origin))
                lines, counts, incidents, reached = [], Counter(), (), reached + moved
        if glance is not None:
            glance.until(end)
        counts[Reason.TOO_LONG] += assembler.too_long - too_long
        settled = lineage.settle(chunk.file_id, end)
        known = Taken(
            outcomes=[], counts=+counts, settled=settled, read_bytes=chunk.end - reached, incidents=incidents
        )
        yield Portion(known, self.evaluator.begin(lines, origin))

    def take_ahead(self, portions: Iterator[Portion]) -> Iterator[Taken]:
        """What portions gave, in their order; later ones are begun before, so that another process has work meanwhile."""
        begun: deque[Portion] = deque()
        for portion in portions:
            begun.append(portion)
            while len(begun) > self.evaluator.ahead:
                yield begun.popleft().take()
        while begun:
            yield begun.popleft().take()

    def _lines(
        self, chunk: Chunk, data: memoryview, envelope: Envelope, assembler: Assembler
    ) -> Iterator[Line]:
        """The lines that a rule could match, in their order, and all that belong to an unfinished line."""
        scanner = self._scanner(envelope)
        if scanner is None:
            yield from cut(bytes(data), chunk.start)
            return
        # A view cannot search; what it is a view of can, and what is skipped is never copied.
        buffer = buffer_of(data)
        first, stop = chunk.at, chunk.at + len(data)
        position = first
        hits = iter(scanner.find(data))
        while position < stop:
            if not assembler.unfinished:
                # A hit lies inside its line; one before `position` belongs to a line that was taken already.
                hit = next((hit for hit in hits if first + hit >= position), None)
                if hit is None:
                    return
                position = max(buffer.rfind(b"\n", position, first + hit) + 1, position)
            after = buffer.find(b"\n", position, stop) + 1 or stop
            yield from cut(bytes(buffer[position:after]), chunk.start + position - first)
            position = after

    def end(self, lineage: str, origin: Origin, source: int) -> Taken:
        """What is unfinished in a lineage that nothing more will come for; each line once."""
        known = self._lineages.pop(lineage, None)
        lines: list[Logical] = []
        counts: Counter[Reason] = Counter()
        if known is None:
            return Taken(outcomes=[], counts=counts)
        for logical in known.assembler.flush():
            self._want(logical, origin, self._wrappings[source], lines, counts)
        evaluated = evaluate_all(lines, origin, self._ready)
        return Taken(outcomes=evaluated.outcomes, counts=counts + evaluated.counts, settled=known.waiting)

    def rewind(self) -> None:
        """Everything is read again from the checkpoints: forget what is unfinished."""
        self._lineages.clear()

    def forget(self, file_ids: Sequence[str]) -> None:
        """Files that will not come again: what was kept for them goes."""
        for file_id in file_ids:
            self._envelopes.pop(file_id, None)

    def _want(
        self,
        line: Logical,
        origin: Origin,
        wrapping: Wrapping,
        lines: list[Logical],
        counts: Counter[Reason],
    ) -> None:
        if not wrapping.wants(line):
            counts[Reason.NOT_WANTED] += 1
            return
        if self.drift is not None:
            self.drift.look(line.text, origin.time)
        lines.append(line)

    def _envelope(self, chunk: Chunk, data: memoryview, wrapping: Wrapping) -> Envelope:
        if wrapping.envelope is not Envelope.AUTO:
            return wrapping.envelope
        known = self._envelopes.get(chunk.file_id, Envelope.AUTO)
        if known is Envelope.AUTO:
            known = detect(bytes(data[:HEAD_BYTES]))
            if known is not Envelope.AUTO:
                self._envelopes[chunk.file_id] = known
        return known

    def _scanner(self, envelope: Envelope) -> Scanner | None:
        if envelope not in self._scanners:
            self._scanners[envelope] = self._build_scanner(self._literals, _PIECES[envelope])
        return self._scanners[envelope]

    def _lineage(self, name: str) -> Lineage:
        lineage = self._lineages.get(name)
        if lineage is None:
            lineage = self._lineages[name] = Lineage(Assembler(self._max_line_bytes))
        return lineage


_PIECES = {
    Envelope.NONE: Pieces.NONE,
    Envelope.DOCKER: Pieces.DOCKER,
    Envelope.CRI: Pieces.CRI,
    Envelope.AUTO: Pieces.DOCKER | Pieces.CRI,
}


def _torn(chunk: Chunk) -> int:
    """Bytes of a last line that is neither terminated nor whole."""
    buffer, stop = buffer_of(chunk.data), chunk.at + len(chunk.data)
    start = max(buffer.rfind(b"\n", chunk.at, stop) + 1, chunk.at)
    tail = bytes(buffer[start:stop])
    return len(tail) if tail and isinstance(decode_json(tail), Reason) else 0
