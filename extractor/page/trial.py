"""Try a line: what the rules make of pasted text. In memory only, and gone with the answer."""

from dataclasses import dataclass, field
from io import BytesIO

from extractor.decode.envelope import Broken, Envelope
from extractor.intake import Wrapping
from extractor.lines import LineReader, Numbered
from extractor.ruleset.evaluate import Origin
from extractor.ruleset.event import TimeSource
from extractor.ruleset.explain import NOT_A_RECORD, Tried, explain, memory_notes
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.rule import RuleSet
from extractor.source.spec import Limits
from extractor.telemetry import Reason

MAX_LINES = 50
"""Of one paste: each is held against every rule, one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedMatch:
    """A rule that matched; what of the line it takes, and what only memory can decide."""

    tried: Tried
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedLine:
    """One pasted line.

    Attributes:
        number: From 1.
        kind: What it is, in words.
        matches: Rules that match.
        rejections: Why a match gives no event, in words.
        nearest: Rules that come near, where none matches.
    """

    number: int
    kind: str
    matches: tuple[TriedMatch, ...] = ()
    rejections: tuple[str, ...] = ()
    nearest: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was pasted, and what the rules make of it.

    Attributes:
        pasted: The text, to be shown again.
        lines: Explained, at most `MAX_LINES`.
        left_out: Lines beyond those.
        too_long: Numbers of lines longer than `max_line_bytes`.
    """

    pasted: str = field(repr=False)
    lines: tuple[TriedLine, ...] = ()
    left_out: bool = False
    too_long: tuple[int, ...] = ()


def try_lines(pasted: str, rules: RuleSet, limits: Limits) -> Trial:
    """Explain every line of a pasted text, as if it stood in a log."""
    reader, ready = LineReader(Wrapping(), limits), ReadyRules(rules)
    # A browser sends every newline as CR LF, and cannot send a lone surrogate.
    stream = BytesIO(pasted.replace("\r\n", "\n").encode("utf-8", "replace"))
    lines: list[TriedLine] = []
    left_out = False
    for numbered in reader.read_stream(stream):
        if len(lines) == MAX_LINES:
            left_out = True
            break
        lines.append(_try(numbered, ready))
    return Trial(pasted=pasted, lines=tuple(lines), left_out=left_out, too_long=tuple(reader.too_long))


def _try(numbered: Numbered, ready: ReadyRules) -> TriedLine:
    line = numbered.line
    if isinstance(line, Broken):
        return TriedLine(
            number=numbered.first, kind=f"not what the envelope {line.envelope.value} looks like"
        )
    explanation = explain(line, Origin(path="", time=0.0, time_source=TimeSource.READ), ready)
    by_id = {rule.id: rule for rule in ready.rules.rules}
    reason = explanation.outcome.reason
    kind = "JSON" if reason in {None, Reason.NO_RULE} else NOT_A_RECORD.get(reason, reason.value)
    if numbered.envelope not in {Envelope.NONE, Envelope.AUTO}:
        kind += f", wrapped by {numbered.envelope.value}"
    return TriedLine(
        number=numbered.first,
        kind=kind,
        matches=tuple(
            TriedMatch(tried=tried, notes=tuple(memory_notes(by_id[tried.rule])))
            for tried in explanation.matched
        ),
        rejections=tuple(
            f"{one.rule}: {one.reason.value}" + (f" ({one.property})" if one.property else "")
            for one in explanation.outcome.rejections
            if one.whole_event
        ),
        nearest=explanation.nearest,
    )
