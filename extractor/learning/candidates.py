"""Which fields of example lines may become properties, of which type; and which not, and why. Pure.

Strict on purpose: free text, ids of others, amounts, and what differs from organization to organization is left out.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache

from extractor.learning.walk import CALL, ROOT_FIELD, Steps, find, is_named, text_of, walk
from extractor.ruleset.private import NameDoubt, doubt_name, doubt_text
from extractor.ruleset.value import parse_time

MAX_ENUM = 12
MAX_NUMBER = 10_000
"""Numbers of five digits and more are amounts, ids or times more often than counts."""

_FREE = re.compile(
    r"(?:^|_)(?:names?|description|title|notes?|comments?|message|label|subject|text|body|content|reference|"
    r"urls?|uri|host|domain|path|query|metadata|external|custom|input|key|value|params|signature|agent|"
    r"unmatched|filename|country|state|region|legal|tax|units?|rate|percent(?:age)?|quantity)(?:_|$)"
)
_SAID = frozenset({"message", "msg", "text", "label", "key", "path", "title", "name"})
"""At the top of a line these say what the line is about."""
_WHO = frozenset(
    {"user", "customer", "account", "organization", "org", "tenant", "company", "team", "owner", "actor"}
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CODE_WORD = re.compile(r"[A-Za-z]+(?:[_.-][A-Za-z]+)*[0-9]?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PROPERTY = re.compile(r"[a-z][a-z0-9_]{0,63}")
_WHY = {
    NameDoubt.RESERVED: "its name is one of money",
    NameDoubt.AMOUNT: "its name looks like an amount",
    NameDoubt.PERSONAL: "its name looks like personal data",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A property.

    Attributes:
        name: What it would be called.
        steps: Where it stands.
        type: A `Type` of the rule language.
        words: The texts that it may be, if it is one of few.
        high: The greatest number that it may be, or None.
    """

    name: str
    steps: Steps
    type: str
    words: tuple[str, ...] = field(default=())
    high: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A field that is not proposed, and why."""

    path: str
    why: str


def infer_properties(
    scopes: Sequence[Mapping[str, object]],
    *,
    skip: AbstractSet[Steps],
    usual: AbstractSet[Steps],
    group: Steps | None,
) -> tuple[tuple[Candidate, ...], tuple[LeftOut, ...]]:
    """What may leave, and what not.

    Args:
        scopes: The lines of the rule.
        skip: Fields that conditions ask for.
        usual: Fields that other lines have, too: what the log says of every request.
        group: Where the organization stands.
    """
    values: dict[Steps, list[tuple[object, object]]] = defaultdict(list)
    for scope in scopes:
        of = None if group is None else find(scope, group)
        for steps, value in walk(scope):
            if value is not None:
                values[steps].append((of, value))
    candidates: dict[str, Candidate] = {}
    left_out = []
    unnamed = sorted(
        {text_of(steps[:-1]) for steps in values if not is_named(steps) and is_named(steps[:-1])}
    )
    for steps in sorted(values, key=lambda steps: (len(steps), text_of(steps))):
        if steps in skip or steps in usual or (len(steps) == 1 and steps != group):
            continue
        if steps[0] == ROOT_FIELD and len(steps) == 2:
            continue  # what is asked, not what is said
        if not is_named(steps):
            continue
        judged = _judge(steps, values[steps])
        if isinstance(judged, str):
            left_out.append(LeftOut(text_of(steps), judged))
        elif judged.name not in candidates:
            candidates[judged.name] = judged
    left_out += [LeftOut(path, "names in it are somebody's own") for path in unnamed if path]
    return tuple(candidates.values()), tuple(left_out)


@lru_cache(maxsize=4096)
def is_doubtful(steps: Steps) -> bool:
    """Whether what stands there may be anybody's: no condition asks for it."""
    names = [_HUMP.sub("_", step).lower() for step in steps if isinstance(step, str)]
    if steps[0] == CALL:
        names = names[1:]
    if not names:
        return False
    said = names[-1] in _SAID and len(steps) == 1
    return any(doubt_name(name) is NameDoubt.PERSONAL for name in names) or (
        not said and bool(names) and (_FREE.search(names[-1]) is not None or names[-1] in _WHO)
    )


def _judge(steps: Steps, told: Sequence[tuple[object, object]]) -> Candidate | str:
    names = [step for step in steps if isinstance(step, str)]
    for name in names[1:] if steps[0] == CALL else names:
        if (doubt := doubt_name(name)) is not None and (doubt is NameDoubt.PERSONAL or name == names[-1]):
            return _WHY[doubt]
    last = _HUMP.sub("_", names[-1]).lower().replace("-", "_")
    inner = [_HUMP.sub("_", name).lower() for name in names[1:-1]]
    if _FREE.search(last) or any("metadata" in name or "external" in name for name in inner):
        return "people write it, or it is an id of their own"
    if _PROPERTY.fullmatch(last) is None:
        return "its name is none for a property"
    values = [value for _, value in told]
    if any(isinstance(value, str) and doubt_text(value) is not None for value in values):
        return "something private seems to stand in it"
    return _typed(last, steps, told, values)


def _typed(
    name: str, steps: Steps, told: Sequence[tuple[object, object]], values: list[object]
) -> Candidate | str:
    if all(type(value) is bool for value in values):
        return Candidate(name=name, steps=steps, type="boolean")
    if all(type(value) is int or (type(value) is float and value.is_integer()) for value in values):
        numbers = [value for value in values if isinstance(value, int | float)]
        if not all(0 <= number < MAX_NUMBER for number in numbers):
            return "its numbers may be amounts or ids"
        kind = "integer" if all(type(number) is int for number in numbers) else "number"
        return Candidate(name=name, steps=steps, type=kind, high=MAX_NUMBER)
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(values):
        return "its values are of several types, or may be amounts"
    if all(_UUID.fullmatch(text) for text in texts):
        return Candidate(name=name, steps=steps, type="uuid")
    if all(parse_time(text) is not None for text in texts):
        return Candidate(name=name, steps=steps, type="datetime")
    words = tuple(sorted(set(texts)))
    if len(words) > MAX_ENUM or not all(_CODE_WORD.fullmatch(word) and len(word) <= 40 for word in words):
        return "its texts are many, or no words of the app"
    organizations = {of for of, _ in told}
    if len(organizations) > 1 and all(len({of for of, text in told if text == word}) == 1 for word in words):
        return "it differs from organization to organization"
    return Candidate(name=name, steps=steps, type="string", words=words)
