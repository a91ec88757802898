"""What one rule looks at, on lines that are its own and on those that would be but for one field."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from extractor.learning.seen import MATCH, MISS, Sort, sort_of
from extractor.ruleset.condition import Between, Condition, Equals, Not, paths_of
from extractor.ruleset.path import Path, Scope
from extractor.ruleset.rule import Decode, Rule
from extractor.ruleset.scope import decode_field, elements
from extractor.ruleset.value import Constraint, Type, Value
from extractor.telemetry import Reason

MAX_ELEMENTS = 8
"""Elements of a list that are looked at."""

_FORMED = frozenset({Type.UUID, Type.DATETIME})
"""Texts that are not met by accident."""


class Found(NamedTuple):
    """What stands at a field.

    Attributes:
        field: Its path; "" for the rule itself.
        sort: See `Sort`; or whether the rule took the line.
        strict: The rule cannot do without it.
        kindless: It is a part of the kind's own name.
        holder: What it lies in, with its neighbours; None where they do not matter.
    """

    field: str
    sort: str
    strict: bool
    kindless: bool = False
    holder: Mapping[str, object] | None = None


class Watch:
    """What one rule looks at, and how a line that it almost takes differs."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        keys = rule.key or rule.once or (rule.changed.key if rule.changed else ())
        remembered = [path for one in rule.remember for path in one.by]
        remembered += [path for one in rule.forget for path in one.key]
        group = rule.group.paths[:1] if rule.group is not None and len(rule.group.paths) == 1 else ()
        required = [one.value.paths[0] for one in rule.properties if one.required and one.value.paths]
        self._needed = tuple(dict.fromkeys([*keys, *remembered, *group, *required]))
        others = [one.value.paths[0] for one in rule.properties if one.value.paths]
        self._optional = tuple(path for path in dict.fromkeys(others) if path not in self._needed)
        conditions = (*rule.when, *rule.when_decoded, *rule.when_element)
        self._identities = {path for one in conditions if _is_identity(one) for path in paths_of(one)}
        self.texts = [
            (one.path, one.expected)
            for one in rule.when
            if isinstance(one, Equals) and isinstance(one.expected, str)
        ]
        opened = [*(one.path for one in rule.decode), *(one.path for one in rule.for_each)]
        self._strict = {path for one in conditions if _is_strict(one) for path in paths_of(one)}
        self._strict.update(self._needed, opened)
        claimed = [path for one in conditions if _is_claim(one) for path in paths_of(one)]
        self._told_of = tuple(dict.fromkeys([*claimed, *self._needed, *self._optional]))
        self.fields = {path.text for path in (*self._told_of, *opened)} | {""}
        self._holders = {path: Path("", path.steps[:-1]) for path in self._told_of if len(path.steps) > 1}
        self._values = {path.text: value for value in _values(rule) for path in value.paths[:1]}

    def could_be(self, field: str, value: object) -> bool:
        """Whether a value could be that of the field, under another name."""
        known = self._values.get(field)
        if known is None:
            return isinstance(value, str)
        meant = known.map.get(value) if known.map is not None and isinstance(value, str) else value
        admitted = None if meant is None else known.constraint.admit(meant)
        return admitted is Reason.LOOKS_PRIVATE or not (admitted is None or type(admitted) is Reason)

    def is_narrow(self, field: str) -> bool:
        """Whether few values could be that of the field."""
        known = self._values.get(field)
        return known is not None and (known.map is not None or _is_narrow(known.constraint))

    def is_about(self, record: Scope) -> bool:
        """Whether a line is of the kind that the rule is about, taken or not."""
        identities = [one for one in self.rule.when if _is_identity(one)]
        return bool(identities) and all(one.holds(record) for one in identities)

    def resemblance(self, record: Scope, heads: Collection[Path]) -> str | None:
        """The field because of which the line is not one of the rule's, if it is but for one of these."""
        failed = [one for one in self.rule.when if not one.holds(record)]
        if len(failed) != 1 or not isinstance(failed[0], Equals) or failed[0].path not in heads:
            return None
        asked = {path for one in self.rule.when for path in paths_of(one)}
        inside = any(_is_identity(one) for one in (*self.rule.when_decoded, *self.rule.when_element))
        for element in self._accepted(record):
            told = [path for path in (*self._needed, *self._optional) if path.find(element) is not None]
            specific = inside or any(path not in asked and len(path.steps) > 1 for path in told)
            if specific and all(path in told for path in self._needed):
                return failed[0].path.text
        return None

    def _accepted(self, record: Scope) -> Iterator[Scope]:
        """The scopes of a line in which all hold that is asked of decoded fields and elements."""
        scope = self._decoded(record, {})
        if isinstance(scope, dict) and all(one.holds(scope) for one in self.rule.when_decoded):
            for element in _some(self.rule, scope):
                if all(one.holds(element) for one in self.rule.when_element):
                    yield element

    def _decoded(self, record: Scope, known: dict[Decode, object]) -> dict[str, object] | tuple[Path, Sort]:
        scope = dict(record)
        for step in self.rule.decode:
            sort = sort_of(step.path.find(record))
            if sort is not Sort.TEXT:
                return step.path, sort
            if step not in known:
                known[step] = decode_field(step, record)
            value = known[step]
            if value is None:
                return step.path, Sort.UNDECODABLE
            scope[step.name] = value
        return scope

    def look(self, record: Scope, decoded: dict[Decode, object]) -> Iterator[Found]:
        """What stands at the fields that decide, on a line that is the rule's or would be but for one of them.

        Args:
            record: The line.
            decoded: Fields of it that another rule has decoded; more are added.
        """
        failed = [one for one in self.rule.when if not one.holds(record)]
        blamed: Path | None = None
        if failed:
            if self._is_anothers(failed, record) or (blamed := _blame(failed, record)) is None:
                return
            if blamed not in self._identities:
                yield from self._missed(blamed, record, failed)
                return
        scope = self._decoded(record, decoded)
        if not isinstance(scope, dict):
            if blamed is None:
                yield Found(scope[0].text, scope[1], strict=True)
            return
        failed = [one for one in self.rule.when_decoded if not one.holds(scope)]
        if failed:
            path = None if self._is_anothers(failed, scope) else _blame(failed, scope)
            if path is None or blamed is not None:
                return
            if path not in self._identities:
                yield from self._missed(path, scope, failed)
                return
            blamed = path
        yield from self._look_at_elements(scope, blamed)

    def _look_at_elements(self, scope: Scope, blamed: Path | None) -> Iterator[Found]:
        for element in _some(self.rule, scope):
            failed = [one for one in self.rule.when_element if not one.holds(element)]
            if not failed:
                yield from self._told(element, blamed)
            elif blamed is None and not self._is_anothers(failed, element):
                path = _blame(failed, element)
                if path is not None:
                    yield from self._missed(path, element, failed)
        if blamed is None and self.rule.for_each:
            yield from self._look_at_lists(scope)

    def _look_at_lists(self, scope: Scope) -> Iterator[Found]:
        """The lists that the rule goes over: of an inner one, in the first element that is the rule's."""
        bound = dict(scope)
        for number, step in enumerate(self.rule.for_each):
            found = step.path.find(bound)
            yield Found(step.path.text, sort_of(found), strict=True)
            inner = {one.name for one in self.rule.for_each[number + 1 :]}
            if not inner or not isinstance(found, list):
                return
            asked = [
                one for one in self.rule.when_element if not any(path.root in inner for path in paths_of(one))
            ]
            for element in found[:MAX_ELEMENTS]:
                bound[step.name] = element
                if all(one.holds(bound) for one in asked):
                    break
            else:
                return

    def _told(self, element: Scope, blamed: Path | None) -> Iterator[Found]:
        """All holds, but for a field that says what the line is about, if one is blamed."""
        if blamed is not None:
            if self._needed and all(path.find(element) is not None for path in self._needed):
                yield Found(blamed.text, sort_of(blamed.find(element)), strict=True, kindless=True)
            return
        yield Found("", MATCH, strict=True, kindless=True)
        for step in self.rule.decode:
            if step.path not in self._told_of:
                yield Found(step.path.text, Sort.TEXT, strict=True)
        # An element's scope has the line's fields and the decoded ones, too.
        for path in self._told_of:
            yield self._found(path, element)

    def _missed(self, path: Path, scope: Scope, failed: list[Condition]) -> Iterator[Found]:
        yield Found("", MISS, strict=True, kindless=True)
        if all(map(_is_claim, failed)):
            yield self._found(path, scope)

    def _found(self, path: Path, scope: Scope) -> Found:
        sort = sort_of(path.find(scope))
        if path in self._identities:
            return Found(path.text, sort, strict=True, kindless=True)
        above = self._holders.get(path)
        holder = scope if above is None else above.find(scope)
        return Found(
            path.text, sort, path in self._strict, holder=holder if isinstance(holder, Mapping) else None
        )

    def _is_anothers(self, failed: list[Condition], scope: Scope) -> bool:
        """Whether the line says itself that it is about something else."""
        return any(
            _is_identity(one) and isinstance(one.path.find(scope), str)
            for one in failed
            if isinstance(one, Equals)
        )


def _some(rule: Rule, scope: Scope) -> Iterator[Scope]:
    for number, (_, element) in enumerate(elements(rule, scope)):
        if element is None or number == MAX_ELEMENTS:
            return
        yield element


def _values(rule: Rule) -> Iterator[Value]:
    if rule.changed is not None:
        yield rule.changed.value
    if rule.group is not None:
        yield rule.group
    yield from (one.value for one in rule.properties)


def _is_narrow(constraint: Constraint) -> bool:
    return bool(constraint.enum) or constraint.type in _FORMED


def _is_identity(condition: Condition) -> bool:
    return isinstance(condition, Equals) and isinstance(condition.expected, str)


def _is_strict(condition: Condition) -> bool:
    """Whether every line of the kind has the field: what is only asked for may be there or not."""
    return isinstance(condition, Equals | Between)


def _is_claim(condition: Condition) -> bool:
    return not isinstance(condition, Not) and getattr(condition, "wanted", True)


def _blame(failed: list[Condition], scope: Scope) -> Path | None:
    """The one field because of which these fail; the first of several that vanished with what they lay in."""
    paths = list(dict.fromkeys(path for one in failed for path in paths_of(one)))
    if len(paths) == 1:
        return paths[0]
    gaps = {_gap(path, scope) for path in paths}
    return paths[0] if len(gaps) == 1 and None not in gaps else None


def _gap(path: Path, scope: Scope) -> tuple[str | int, ...] | None:
    """The first steps of a path behind which nothing is, or None where it leads somewhere."""
    for length in range(1, len(path.steps) + 1):
        if Path("", path.steps[:length]).find(scope) is None:
            return path.steps[:length]
    return None
