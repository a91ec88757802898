"""Rules as lines meet them: which can match a line at all, and what each makes of one that it matches."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from extractor.ruleset.condition import Condition, Equals
from extractor.ruleset.draft import DraftFrame
from extractor.ruleset.path import Path
from extractor.ruleset.projection import Projection
from extractor.ruleset.rule import Decode, Rule, RuleSet
from extractor.telemetry import Reason

Decoded = dict[str, object] | Reason | None
"""A record with decoded fields under their names; a reason where one is no such text, None where one is not there."""


class ReadyRules:
    """A rule set as lines meet it: made once, by whoever evaluates lines.

    Attributes:
        rules: The rule set.
        index: Which of its rules can match a record.
        projections: What each rule makes of a line, by its number.
    """

    __slots__ = ("index", "projections", "rules")

    def __init__(self, rules: RuleSet) -> None:
        self.index = RuleIndex.of(rules.rules)
        self.rules = rules
        self.projections = _Projections(rules)

    def frame(self, number: int) -> DraftFrame:
        """What all drafts of the rule of this number share. Its rule gives events: who asks has a draft of one."""
        frame = self.projections[number].frame
        assert frame is not None
        return frame


class _Projections(dict[int, Projection]):
    """Each is made ready when it is first asked for: most hardly ever are."""

    def __init__(self, rules: RuleSet) -> None:
        super().__init__()
        self._rules = rules

    def __missing__(self, number: int) -> Projection:
        projection = self[number] = Projection(number, self._rules)
        return projection


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule in the index.

    Attributes:
        number: Its place in `RuleSet.rules`.
        rule: The rule.
        when: Its conditions on the line that the index has not answered.
        when_decoded: Its conditions on decoded fields that the index has not answered.
        decoding: Which of the index's `decodings` it needs; -1 for none.
    """

    number: int
    rule: Rule
    when: tuple[Condition, ...]
    when_decoded: tuple[Condition, ...]
    decoding: int


@dataclass(frozen=True, slots=True)
class Branch:
    """Rules of which the same text is asked of the same field of a line. Those of one job differ in a decoded field.

    Attributes:
        entries: All, in the order of rules.
        decoding: How the field at `gate` is decoded; -1 where rules ask for no such field.
        gate: Leads to that field.
        by_text: The entries that are left where a text stands there that some ask for.
        ungated: Those that are left where anything else does.
    """

    entries: tuple[Entry, ...]
    decoding: int = -1
    gate: Path | None = None
    by_text: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    ungated: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleIndex:
    """Which rules can match a record at all, by the first field that they compare with a text.

    Most rules begin with `job equals X` or `controller equals Y`: one look into a dictionary a field then stands
    for a comparison a rule.

    Attributes:
        by_field: For each such field, rules by its text.
        always: Rules without one.
        decodings: The distinct ways in which rules decode fields: what one has decoded serves all that share it.
    """

    by_field: tuple[tuple[Path, Mapping[str, Branch]], ...]
    always: tuple[Entry, ...]
    decodings: tuple[tuple[Decode, ...], ...]

    @classmethod
    def of(cls, rules: tuple[Rule, ...]) -> "RuleIndex":
        """Build the index."""
        decodings = list(dict.fromkeys(rule.decode for rule in rules if rule.decode))
        fields: dict[Path, dict[str, list[Entry]]] = {}
        always = []
        for number, rule in enumerate(rules):
            decoding = decodings.index(rule.decode) if rule.decode else -1
            first = next(filter(_compares_text, rule.when), None)
            rest = tuple(condition for condition in rule.when if condition is not first)
            entry = Entry(number, rule, rest, rule.when_decoded, decoding)
            if isinstance(first, Equals):
                fields.setdefault(first.path, {}).setdefault(str(first.expected), []).append(entry)
            else:
                always.append(entry)
        by_field = tuple(
            (path, {text: _branch(found) for text, found in by.items()}) for path, by in fields.items()
        )
        return cls(by_field, tuple(always), tuple(decodings))

    def candidates(self, record: dict[str, object], decoded: Mapping[int, Decoded]) -> Sequence[Entry]:
        """Entries whose indexed fields fit, in the order of their rules.

        Args:
            record: The line.
            decoded: The record as it is decoded, by the number of each of `decodings`.
        """
        found = self.always
        for path, by_text in self.by_field:
            value = path.find(record)
            if type(value) is str and (branch := by_text.get(value)) is not None:
                entries = branch.entries
                if branch.gate is not None:
                    scope = decoded[branch.decoding]
                    if isinstance(scope, dict):
                        at_gate = branch.gate.find(scope)
                        entries = (
                            branch.by_text.get(at_gate, branch.ungated)
                            if type(at_gate) is str
                            else branch.ungated
                        )
                found = entries if not found else tuple(sorted((*found, *entries), key=_number))
        return found


_number = attrgetter("number")


def _compares_text(condition: Condition) -> bool:
    return isinstance(condition, Equals) and isinstance(condition.expected, str)


def _branch(entries: list[Entry]) -> Branch:
    """A branch with the gate that most of its rules have.

    Only rules that ask nothing else of the line itself: for others a field is decoded when the rest holds.
    """
    gates: Counter[tuple[int, Path]] = Counter()
    asked: dict[int, Equals] = {}
    for entry in entries:
        inner = None if entry.when else next(filter(_compares_text, entry.when_decoded), None)
        if isinstance(inner, Equals):
            asked[entry.number] = inner
            gates[entry.decoding, inner.path] += 1
    if not gates:
        return Branch(tuple(entries))
    ((decoding, gate), _), *_ = gates.most_common(1)
    passing: list[tuple[str | None, Entry]] = []
    for entry in entries:
        inner = asked.get(entry.number)
        if inner is None or (entry.decoding, inner.path) != (decoding, gate):
            passing.append((None, entry))
        else:
            rest = tuple(one for one in entry.when_decoded if one is not inner)
            passing.append((str(inner.expected), replace(entry, when_decoded=rest)))
    texts = dict.fromkeys(text for text, _ in passing if text is not None)
    return Branch(
        tuple(entries),
        decoding,
        gate,
        {text: tuple(entry for wanted, entry in passing if wanted in {None, text}) for text in texts},
        tuple(entry for wanted, entry in passing if wanted is None),
    )
