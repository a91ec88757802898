"""Why a line gives what it gives: the same rules on the same record, condition by condition.

Names and reasons only; values of the line are shown by the caller, where the operator asked for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from extractor.decode.assemble import Logical
from extractor.decode.record import decode_json
from extractor.ruleset.condition import Condition, Exists, Not, ScalarValue
from extractor.ruleset.evaluate import Origin, evaluate
from extractor.ruleset.index import ReadyRules
from extractor.ruleset.outcome import Outcome
from extractor.ruleset.path import Scope
from extractor.ruleset.rule import Rule
from extractor.ruleset.scope import decode_field, elements
from extractor.telemetry import Reason

NOT_A_RECORD = {
    Reason.NOT_JSON: "not JSON",
    Reason.NOT_AN_OBJECT: "JSON, but no object",
    Reason.TOO_DEEP: "JSON, nested too deeply",
    Reason.TOO_LONG: "too long",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One property on this line: its value, or why it was left out."""

    name: str
    value: ScalarValue | None = field(default=None, repr=False)
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One rule and how far the line got with it.

    Attributes:
        rule: Its id.
        event: Its event, or "" for one that only touches memory.
        held: Conditions that hold, of those that were met; what says that something is *not* there does not count.
        failed: The first condition that does not hold, or "" where all do.
        element: Position in the fan-out of `for_each`, where there is one.
        kept: What each property is, where the rule matched.
    """

    rule: str
    event: str
    held: int
    failed: str
    element: str = ""
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A line's outcome and how it came to be: rules that matched, else the nearest ones."""

    outcome: Outcome
    matched: tuple[Tried, ...]
    nearest: tuple[Tried, ...]


def explain(line: Logical, origin: Origin, ready: ReadyRules, *, nearest: int = 3) -> Explanation:
    """Explain one line.

    Args:
        line: The line, out of its envelope.
        origin: As for `evaluate`.
        ready: As for `evaluate`.
        nearest: How many rules that did not match are shown, those first of which most conditions hold.
    """
    outcome = evaluate(line, origin, ready)
    record = decode_json(line.text)
    if isinstance(record, Reason):
        return Explanation(outcome=outcome, matched=(), nearest=())
    tried = [one for rule in ready.rules.rules for one in _try(rule, record)]
    missed = sorted((one for one in tried if one.failed and one.held), key=lambda one: -one.held)
    matched = tuple(one for one in tried if not one.failed)
    return Explanation(outcome=outcome, matched=matched, nearest=tuple(missed[:nearest]))


def memory_notes(rule: Rule) -> Iterator[str]:
    """What memory still decides: a line alone cannot tell whether it is the first of its kind."""
    if rule.once is not None:
        yield f"an event only if it is the first for its {', '.join(path.text for path in rule.once)}"
    if rule.changed is not None:
        key = ", ".join(path.text for path in rule.changed.key)
        yield f"an event only if {rule.changed.property} differs from the last one for its {key}"
    for forget in rule.forget:
        key = ", ".join(path.text for path in forget.key)
        yield f"what comes next for this {key} is a new {forget.event}"
    for remember in rule.remember:
        yield f"remembers {remember.memory} for its {', '.join(path.text for path in remember.by)}"


def _try(rule: Rule, record: Scope) -> Iterator[Tried]:
    event = rule.event or ""
    held, failed = _walk(rule.when, record)
    if failed is not None:
        yield Tried(rule=rule.id, event=event, held=held, failed=str(failed))
        return
    scope: Scope = record
    if rule.decode:
        decoded = dict(record)
        for step in rule.decode:
            value = decode_field(step, record)
            if value is None:
                words = f"{step.path.text} holds {step.notation.value.replace('_', ' ')}"
                yield Tried(rule=rule.id, event=event, held=held, failed=words)
                return
            decoded[step.name] = value
        scope = decoded
        more, failed = _walk(rule.when_decoded, scope)
        held += more
        if failed is not None:
            yield Tried(rule=rule.id, event=event, held=held, failed=str(failed))
            return
    none = True
    for position, element in elements(rule, scope):
        if element is None:
            continue
        none = False
        more, failed = _walk(rule.when_element, element)
        kept = () if failed is not None else tuple(_kept(rule, element))
        words = "" if failed is None else str(failed)
        place = position if rule.for_each else ""
        yield Tried(rule=rule.id, event=event, held=held + more, failed=words, element=place, kept=kept)
    if none:
        words = f"{rule.for_each[-1].path.text} is a list with elements"
        yield Tried(rule=rule.id, event=event, held=held, failed=words)


def _walk(conditions: tuple[Condition, ...], scope: Scope) -> tuple[int, Condition | None]:
    """How many conditions hold, the ones behind a failed one included, and the first that does not.

    A request that failed is nearest to the rule for such requests, although its status is what a rule asks first.
    A `not` or `exists: false` that holds does not count: it holds for nearly every line and brings none nearer.
    """
    missed = [condition for condition in conditions if not condition.holds(scope)]
    told = [one for one in conditions if _is_claim(one) and one not in missed]
    return len(told), missed[0] if missed else None


def _is_claim(condition: Condition) -> bool:
    return not isinstance(condition, Not) and (not isinstance(condition, Exists) or condition.wanted)


def _kept(rule: Rule, scope: Scope) -> Iterator[Kept]:
    for declared in rule.properties:
        found = declared.value.read(scope)
        if type(found) is Reason:
            yield Kept(name=declared.name, reason=found)
        elif found is not None:
            yield Kept(name=declared.name, value=found)
        elif declared.value.fallback is not None:
            yield Kept(name=declared.name, value=declared.value.fallback)
