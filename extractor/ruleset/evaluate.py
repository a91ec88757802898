"""One line to its outcome. Pure and total: no clock, no file, no thread, and no line can make it raise.

`run`, `preview`, `explain`, `backfill` and `check` all go through `evaluate`.
"""

from dataclasses import dataclass

from extractor.decode.assemble import Logical
from extractor.decode.record import decode_json
from extractor.ruleset.event import TimeSource
from extractor.ruleset.index import Decoded, Entry, ReadyRules
from extractor.ruleset.outcome import Outcome, Rejection
from extractor.ruleset.rule import Decode
from extractor.ruleset.scope import all_hold, decode_field, elements
from extractor.ruleset.showing import Showing
from extractor.telemetry import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a line was read, and what its time is if neither its envelope nor its rule knows better.

    Attributes:
        path: The file.
        time: Unix seconds: of reading, or of the file's last modification.
        time_source: Which of the two.
    """

    path: str
    time: float
    time_source: TimeSource


def evaluate(line: Logical, origin: Origin, ready: ReadyRules) -> Outcome:
    """What the line shows.

    Returns:
        Events that still have to meet memory, what was left out and why, and what memory is told. Where all three
        are empty, `reason` says why.
    """
    record = decode_json(line.text)
    if not isinstance(record, dict):
        return Outcome(reason=record)
    fields = _Fields(record, ready.index.decodings)
    showing = None
    for entry in ready.index.candidates(record, fields):
        if not entry.when or all_hold(entry.when, record):
            if showing is None:
                showing = Showing(line, origin.path, origin.time, origin.time_source, ready.rules.identity)
            _apply(entry, record, fields, ready, showing)
    if showing is None or not (showing.matched or showing.rejections):
        return _NO_RULE
    return Outcome(
        tuple(showing.events), tuple(showing.rejections), tuple(showing.memory), tuple(showing.matched)
    )


_NO_RULE = Outcome(reason=Reason.NO_RULE)


def _apply(
    entry: Entry, record: dict[str, object], fields: "_Fields", ready: ReadyRules, showing: Showing
) -> None:
    """Let one rule, whose conditions on the line hold, give what it gives."""
    rule = entry.rule
    scope = record
    if entry.decoding >= 0:
        decoded = fields[entry.decoding]
        if decoded is None:
            return
        if not isinstance(decoded, dict):
            showing.rejections.append(Rejection(decoded, rule.id))
            return
        if entry.when_decoded and not all_hold(entry.when_decoded, decoded):
            return
        scope = decoded
    projection = ready.projections[entry.number]
    if not rule.for_each and not rule.when_element:
        showing.matched.append(rule.id)
        projection.give(scope, "0", showing)
        return
    for position, element in elements(rule, scope):
        if element is None:
            showing.rejections.append(Rejection(Reason.TOO_MANY_ELEMENTS, rule.id))
        elif all_hold(rule.when_element, element):
            showing.matched.append(rule.id)
            projection.give(element, position, showing)


class _Fields(dict[int, Decoded]):
    """One record with what has been decoded of it, by the number of the decoding: once for all rules that decode alike."""

    __slots__ = ("_decodings", "_record")

    def __init__(self, record: dict[str, object], decodings: tuple[tuple[Decode, ...], ...]) -> None:
        super().__init__()
        self._record = record
        self._decodings = decodings

    def __missing__(self, number: int) -> Decoded:
        decoded = self[number] = self._decode(self._decodings[number])
        return decoded

    def _decode(self, steps: tuple[Decode, ...]) -> Decoded:
        record = self._record
        scope = dict(record)
        for step in steps:
            value = decode_field(step, record)
            if value is None:
                # Some lines of a job have no arguments at all, and nothing is wrong with them.
                return None if step.path.find(record) is None else Reason.UNDECODABLE_FIELD
            scope[step.name] = value
        return scope
