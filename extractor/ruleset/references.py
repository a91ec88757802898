"""What the parts of a rule, and the rules of a pack, must know of each other."""

from collections.abc import Collection, Iterator, Sequence

from extractor.problems import did_you_mean
from extractor.ruleset.codes import Code
from extractor.ruleset.findings import Findings, Location
from extractor.ruleset.model import PackShape, RuleShape
from extractor.ruleset.path import Path
from extractor.ruleset.rule import Rule
from extractor.ruleset.value import Recall


def check_rule(
    shape: RuleShape, rule: Rule, events: Collection[str], at: Location, findings: Findings
) -> None:
    """Whether a rule's own parts go together."""
    if not rule.when:
        message = f'rule "{shape.id}" has no condition on the line itself'
        hint = 'say "when:", for example which controller or job it is about'
        findings.refuse(at, Code.NO_CONDITION, message, hint)
    if rule.event is None:
        _check_memory_rule(shape, rule, at, findings)
        return
    if rule.event not in events:
        hint = did_you_mean(rule.event, sorted(events))
        findings.refuse(
            (*at, "event"), Code.UNKNOWN_EVENT, f'event "{rule.event}" is not listed under "events"', hint
        )
    if rule.user is None:
        message = f'rule "{shape.id}" gives an event without a user'
        hint = 'say "user:", with a "constant:" for lines that name nobody'
        findings.refuse(at, Code.NO_USER, message, hint)
    if rule.once is not None and (rule.key is not None or rule.changed is not None):
        other = "key" if rule.key is not None else "changed"
        message = f'rule "{shape.id}" has "{other}" and "once"; each says what makes the fact a new one'
        hint = f'keep "once" if a later line may make its key new again, else "{other}"'
        findings.refuse((*at, "once"), Code.TWO_KEYS, message, hint)


def _check_memory_rule(shape: RuleShape, rule: Rule, at: Location, findings: Findings) -> None:
    if not rule.forget and not rule.remember:
        message = f'rule "{shape.id}" gives no event and touches no memory'
        findings.refuse(at, Code.POINTLESS_RULE, message, 'say "event:", "remember:" or "forget:"')
    for key in ("properties", "once", "changed"):
        if getattr(shape, key):
            message = f'rule "{shape.id}" gives no event, so its "{key}" means nothing'
            findings.refuse((*at, key), Code.POINTLESS_RULE, message, 'say "event:", or leave it out')


def check_references(shape: PackShape, rules: Sequence[Rule], findings: Findings) -> None:
    """Whether what one rule asks of memory is what another puts there."""
    remembered = {one.memory: len(one.by) for rule in rules for one in rule.remember}
    keyed = {rule.event: len(key) for rule in rules if rule.event for key in _keys(rule)}
    for number, rule in enumerate(rules):
        at: Location = ("rules", number)
        name = shape.rules[number].id
        for recall in _recalls(rule):
            if recall.memory not in remembered:
                message = f'rule "{name}" recalls "{recall.memory}", which no rule remembers'
                hint = did_you_mean(recall.memory, sorted(remembered))
                findings.refuse(at, Code.NEVER_REMEMBERED, message, hint)
            else:
                _same_length(
                    f'memory "{recall.memory}"', len(recall.by), remembered[recall.memory], at, findings
                )
        for one in rule.remember:
            _same_length(f'memory "{one.memory}"', len(one.by), remembered[one.memory], at, findings)
        for key in _keys(rule):
            _same_length(f'event "{rule.event}"', len(key), keyed[rule.event or ""], at, findings)
        for forget in rule.forget:
            if forget.event not in keyed:
                message = f'"{forget.event}" has no rule with "once" or "changed": there is nothing to forget'
                findings.refuse(
                    (*at, "forget"),
                    Code.NOTHING_TO_FORGET,
                    message,
                    did_you_mean(forget.event, sorted(keyed)),
                )
            else:
                _same_length(f'event "{forget.event}"', len(forget.key), keyed[forget.event], at, findings)


def check_funnel(shape: PackShape, rules: Sequence[Rule], findings: Findings) -> None:
    """Whether every step is of an event that the pack has, and of a property that some rule gives it."""
    for number, step in enumerate(shape.funnel):
        at: Location = ("funnel", number)
        if step.event not in shape.events:
            hint = did_you_mean(step.event, sorted(shape.events))
            message = f'event "{step.event}" is not listed under "events"'
            findings.refuse((*at, "event"), Code.UNKNOWN_EVENT, message, hint)
            continue
        known = {one.name for rule in rules if rule.event == step.event for one in rule.properties}
        if step.property is not None and step.property not in known:
            hint = did_you_mean(step.property, sorted(known))
            message = f'no rule gives event "{step.event}" a property "{step.property}"'
            findings.refuse((*at, "property"), Code.UNKNOWN_PROPERTY, message, hint)
        if (step.property is None) is not (step.equals is None):
            message = 'a step names a "property" and what it "equals", or neither'
            findings.refuse(at, Code.UNKNOWN_PROPERTY, message, "say both, or only the event")


def _same_length(what: str, here: int, there: int, at: Location, findings: Findings) -> None:
    if here != there:
        message = f"a key of {what} has {here} part{'s' * (here != 1)} here and {there} in another rule"
        hint = "keys meet only if they are made of the same parts in the same order"
        findings.refuse(at, Code.KEYS_DIFFER, message, hint)


def _keys(rule: Rule) -> Iterator[tuple[Path, ...]]:
    if rule.once is not None:
        yield rule.once
    if rule.changed is not None:
        yield rule.changed.key


def _recalls(rule: Rule) -> Iterator[Recall]:
    values = [one.value for one in rule.properties] + [
        one for one in (rule.user, rule.group) if one is not None
    ]
    for value in values:
        if value.recall is not None:
            yield value.recall
