"""Suggestions as a rule pack in YAML: conditions, properties, what was left out in comments, and examples.

The examples are made of what the rule reads and nothing else: every value is replaced that is no condition.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from extractor.learning.candidates import Candidate
from extractor.learning.corpus import EXISTS
from extractor.learning.suggest import Suggestion
from extractor.learning.walk import CALL, ITEM, ROOT_FIELD, ROOT_FIELDS, Steps, text_of
from extractor.ruleset.value import parse_time, render_time

_UUID = "11111111-1111-4111-8111-111111111111"
_TIME = "2026-01-01T00:00:00.000Z"
_NOBODY = "unidentified"

Leaf = str | int | bool | list[dict[str, str]]
Tree = dict[str | int, "Tree | Leaf"]
"""The fields of an example by their steps; lists are trees of numbers."""


def render_pack(pack: str, event: str, suggestions: Sequence[Suggestion], *, kinds: str = "") -> str:
    """A whole pack, as a text that `extractor check` takes.

    Args:
        pack: Its name.
        event: The event that the rules give.
        suggestions: A rule each; at least one.
        kinds: Lines of YAML to stand under the head, such as the `kinds` of another pack.
    """
    head = [
        "# Written by `extractor suggest` from example lines. Read it, name things as you want them named, and try it:",
        "#     extractor preview --config extractor.yaml",
        "# One fact that may show on several lines needs `key`, `once` or `changed`: docs/rules.md.",
        "",
        f"pack: {pack}",
        "version: 1",
        f"about: Suggested from example lines of {event}",
        *([kinds] if kinds else []),
        "events:",
        f"  {event}: {{about: To be said}}",
        "rules:",
    ]
    names = [f"{event.replace('_', '-')[:60]}-{number}" for number in range(1, len(suggestions) + 1)]
    rules = [line for name, one in zip(names, suggestions, strict=True) for line in _rule(name, event, one)]
    return "\n".join([*head, *rules]) + "\n"


def _rule(name: str, event: str, one: Suggestion) -> Iterator[str]:
    others = "no other line" if not one.others else f"{one.others} other lines"
    yield f"  - id: {name}"
    yield f"    event: {event}"
    yield f"    about: Takes {one.lines} of the examples, and {others} of the files"
    yield "    when:"
    yield from _conditions(one)
    if one.ruby or one.graphql is not None:
        yield "    decode:"
    if one.ruby:
        yield f"      {CALL}: {{ruby_inspect: {_text(text_of((one.ruby,)))}}}"
    if one.graphql is not None:
        beside = one.graphql[:-1]
        variables, operation = text_of((*beside, "variables")), text_of((*beside, "operationName"))
        yield (
            f"      {ROOT_FIELDS}: {{graphql: {_text(text_of(one.graphql))}, variables: {_text(variables)}, "
            f"operation_name: {_text(operation)}}}"
        )
    if one.graphql is not None or one.each is not None:
        yield "    for_each:"
    if one.graphql is not None:
        yield f"      - {{in: {ROOT_FIELDS}, as: {ROOT_FIELD}}}"
    if one.each is not None:
        yield f"      - {{in: {_text(text_of(one.each[0]))}, as: {ITEM}}}"
    if one.key is not None:
        yield f"    key: [{_text(text_of(one.key))}]"
    where = f"from: {_text(text_of(one.user))}, " if one.user else ""
    yield f"    user: {{{where}constant: {_NOBODY}}}"
    if one.group is not None:
        kind = ", type: uuid" if one.group_is_uuid else ""
        yield f"    group: {{from: {_text(text_of(one.group))}{kind}}}"
    yield from _properties(one)
    yield from _examples(one)


def _conditions(one: Suggestion) -> Iterator[str]:
    for steps, text in one.asks:
        said = "exists: true" if text == EXISTS else f"equals: {_text(text)}"
        yield f"      - {{field: {_text(text_of(steps))}, {said}}}"
    if one.graphql is not None:
        for steps, text in one.asks:
            if steps == (ROOT_FIELD, "field"):
                # Not needed for what it says: it makes the rule fast.
                yield f"      - {{field: {_text(text_of(one.graphql))}, contains: {_text(text)}}}"
    if one.each is not None:
        yield f"      - {{field: {_text(text_of((ITEM, one.each[1])))}, exists: true}}"
    if one.status is not None:
        yield f"      - {{field: {_text(text_of(one.status))}, between: {{min: 200, max: 299}}}}"


def _properties(one: Suggestion) -> Iterator[str]:
    if one.properties:
        yield "    properties:"
    for candidate in one.properties:
        yield f"      {candidate.name}: {{from: {_text(text_of(candidate.steps))}, {_constraint(candidate)}}}"
    for left in one.left_out:
        yield f"    # left out: {_text(left.path)} ({left.why})"


def _constraint(candidate: Candidate) -> str:
    if candidate.words:
        return f"enum: [{', '.join(map(_text, candidate.words))}]"
    bounds = "" if candidate.high is None else f", min: 0, max: {candidate.high}"
    return f"type: {candidate.type}{bounds}"


def _examples(one: Suggestion) -> Iterator[str]:
    tree: Tree = {}
    for steps, text in one.asks:
        _plant(tree, steps, "a" if text == EXISTS else text)
    if one.each is not None:
        _plant(tree, one.each[0], [{one.each[1]: "a"}])
    if one.status is not None:
        _plant(tree, one.status, 200)
    for id_, text in ((one.key, "1" * 8), (one.user, "user-1"), (one.group, _UUID)):
        if id_ is not None:
            _plant(tree, id_, text)
    gives = {}
    for candidate in one.properties:
        value = _made_up(candidate)
        _plant(tree, candidate.steps, value)
        moment = parse_time(value) if candidate.type == "datetime" else None
        gives[candidate.name] = value if moment is None else render_time(moment)
    yield "    examples:"
    yield f"      - line: {_quoted(_line(one, tree))}"
    yield "        gives:"
    yield f"          - {{properties: {json.dumps(gives)}}}"
    near = dict(tree)
    if one.status is not None:
        _plant(near, one.status, 422)
    else:
        steps, text = next(ask for ask in reversed(one.asks) if ask[1] != EXISTS)
        _plant(near, steps, f"{text}_not")
    yield f"      - line: {_quoted(_line(one, near))}"
    yield "        gives: []"


def _made_up(candidate: Candidate) -> str | int | bool:
    if candidate.words:
        return candidate.words[0]
    made: Mapping[str, str | int | bool] = {"boolean": True, "uuid": _UUID, "datetime": _TIME}
    return made.get(candidate.type, 1)


def _plant(tree: Tree, steps: Steps, value: Leaf) -> None:
    """Put a value to its place; a place that holds one already keeps what lies deeper."""
    for step in steps[:-1]:
        inner = tree.get(step)
        # A copy, since the near miss shares what it does not change.
        tree[step] = inner = dict(inner) if isinstance(inner, dict) else {}
        tree = inner
    tree[steps[-1]] = value


def _line(one: Suggestion, tree: Tree) -> str:
    record = {name: _plain(value) for name, value in tree.items() if name not in (CALL, ROOT_FIELD)}
    if one.ruby:
        call = tree.get(CALL)
        values = call if isinstance(call, dict) else {}
        last = max((number for number in values if isinstance(number, int)), default=-1)
        record[one.ruby] = ", ".join(_ruby(values.get(number, {})) for number in range(last + 1))
    if one.graphql is not None:
        asked = tree.get(ROOT_FIELD)
        _put_document(record, one.graphql, asked if isinstance(asked, dict) else {})
    return json.dumps(record, separators=(",", ":"))


def _plain(value: "Tree | Leaf") -> object:
    return {name: _plain(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def _ruby(value: "Tree | Leaf") -> str:
    match value:
        case dict() if set(value) == {"model"}:
            return f"#<GlobalID:0x0 @uri=#<URI::GID gid://app/{value['model']}/1>>"
        case dict():
            return (
                "{" + ", ".join(f"{json.dumps(name)}: {_ruby(inner)}" for name, inner in value.items()) + "}"
            )
        case bool():
            return "true" if value else "false"
        case list():
            inner = (", ".join(f"{name}: {json.dumps(text)}" for name, text in one.items()) for one in value)
            return "[" + ", ".join(f"{{{one}}}" for one in inner) + "]"
        case _:
            return json.dumps(value)


def _put_document(record: dict[str | int, object], steps: Steps, asked: Tree) -> None:
    arguments = asked.get("arguments")
    known = (
        {str(name): _plain(value) for name, value in arguments.items()} if isinstance(arguments, dict) else {}
    )
    given = "(" + ", ".join(f"{name}: ${name}" for name in known) + ")" if known else ""
    holder: dict[str | int, object] = record
    for step in steps[:-1]:
        inner = holder.get(step)
        holder[step] = inner = dict(inner) if isinstance(inner, dict) else {}
        holder = inner
    operation, field = asked.get("operation", "mutation"), asked.get("field", "field")
    holder["variables"] = known
    holder["query"] = f"{operation} {{ {field}{given} {{ id }} }}"


def _text(text: str) -> str:
    """A text in YAML: JSON's quotes are YAML's, too."""
    return json.dumps(text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
