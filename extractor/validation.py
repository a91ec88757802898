"""A tree from the YAML door against a pydantic model: the model, or every problem at its place in the document.

Pydantic finds out what is wrong; what it says about it is for programmers, so only its error types and places
are used, and the words are ours. No message shows a value: a config holds secrets, a pack's examples hold lines.

A model may say more than pydantic can:

- `UNKNOWN_KEY: ClassVar[tuple[str, str]] = ("E103", "unknown operator")` on a model gives its own code and words
  to an unknown key;
- `raise refuse("E031", "...", hint="...")` in a validator gives its own code, words and hint to anything else.

Imports `document` and `problems`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from extractor import document
from extractor.document import Node
from extractor.problems import Place, Problem, ProblemError, did_you_mean

M = TypeVar("M", bound=BaseModel)

_OWN = "refused_by_the_model"


class Code(StrEnum):
    """Codes of what can be wrong between a document and its model. Stable, never reused."""

    UNKNOWN_KEY = "E011"
    MISSING_KEY = "E012"
    WRONG_TYPE = "E013"
    NOT_A_CHOICE = "E014"
    OUT_OF_RANGE = "E015"
    MALFORMED = "E016"
    TOO_MANY = "E017"


def refuse(code: str, message: str, hint: str = "") -> PydanticCustomError:
    """The error that a model's validator raises to choose code, message and hint itself.

    `{key}` in the message becomes the name of what is refused, as in `"poll_interval"` or `entry 2 of "paths"`.
    """
    # Pydantic fills {} of the template from the context; a message is data here, so it goes in whole.
    return PydanticCustomError(_OWN, "{code} {message}", {"code": code, "message": message, "hint": hint})


def validate(node: Node, model: type[M]) -> M:
    """Build the model from the tree; strictly, so that "1" is no number and 1 is no text.

    Raises:
        ProblemError: With every problem, each at its place.
    """
    try:
        # JSON is the strict mode that still makes tuples from lists and enums from words.
        return model.model_validate_json(json.dumps(document.plain(node)), strict=True)
    except ValidationError as error:
        details = _without_hollow(error.errors(include_url=False, include_input=False))
    findings = [_find(detail, node, model) for detail in details[: document.MAX_PROBLEMS]]
    problems = list(_collapse(findings))
    if unlisted := details[document.MAX_PROBLEMS :]:
        place = _locate(node, unlisted[0]["loc"])[0].place
        message = f"{len(unlisted)} more problems are not listed"
        problems.append(Problem(place, Code.TOO_MANY, message, "mend those above first"))
    raise ProblemError(problems)


def _without_hollow(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without "too short" for a list that is short only because its wrong entries are not counted."""
    wrong_inside = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    return [one for one in details if one["type"] not in _RANGES or one["loc"] not in wrong_inside]


@dataclass(frozen=True, slots=True)
class _Finding:
    """One error of pydantic's, found again in the document.

    Attributes:
        path: Keys and indexes down to what it is about; a missing key included.
        problem: What to say, if it is said.
        label: What `path` leads to, in words.
        unknown: It is about a key that the model does not know.
        expected: What would have been right, in words, where the whole value is of a wrong kind, else "".
        given: What stands there instead, in words.
    """

    path: tuple[str | int, ...]
    problem: Problem
    label: str = ""
    unknown: bool = False
    expected: str = ""
    given: str = ""


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "none_required": "empty",
}
_RANGES = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} or fewer entries",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} or fewer characters",
}


def _find(detail: ErrorDetails, root: Node, model: type[BaseModel]) -> _Finding:
    kind, context = detail["type"], detail.get("ctx", {})
    node, key, path = _locate(root, detail["loc"])
    label = _label(path)
    place = key.place if key is not None and "[key]" in detail["loc"] else node.place

    def finding(code: str, message: str, hint: str = "") -> _Finding:
        return _Finding(path, Problem(place, code, message, hint))

    if kind == _OWN:
        return finding(context["code"], context["message"].replace("{key}", label), context["hint"])
    if kind == "extra_forbidden":
        return _unknown_key(detail["loc"], key.place if key else place, path, model)
    if kind == "missing":
        name = str(detail["loc"][-1])
        hint = _meaning(detail["loc"], model)
        problem = Problem(place, Code.MISSING_KEY, f'{label} lacks the key "{name}"', hint)
        return _Finding((*path, name), problem)
    if kind in {"literal_error", "enum", "union_tag_invalid"}:
        return _no_choice(node, path, label, context)
    if (template := _RANGES.get(kind)) is not None:
        bound = {name: f"{value:.12g}" for name, value in context.items() if isinstance(value, int | float)}
        return finding(Code.OUT_OF_RANGE, f"{label} {template.format_map(bound)}")
    if (expected := _EXPECTED.get(kind)) is not None:
        return _wrong(node, path, label, expected)
    if kind == "string_pattern_mismatch":
        return finding(Code.MALFORMED, f"{label} does not match {context['pattern']}")
    if kind in {"value_error", "assertion_error"}:
        return finding(Code.MALFORMED, f"{label}: {context['error']}")
    return finding(Code.MALFORMED, f"{label} is not as it must be ({kind.replace('_', ' ')})")


def _wrong(node: Node, path: tuple[str | int, ...], label: str, expected: str) -> _Finding:
    problem = Problem(node.place, Code.WRONG_TYPE, "")
    return _Finding(path, problem, label=label, expected=expected, given=_given(node))


def _locate(
    node: Node, loc: Sequence[int | str]
) -> tuple[Node, document.Scalar | None, tuple[str | int, ...]]:
    """The node that `loc` leads to, its key, and the way. Parts that only name a union's branch are skipped."""
    key = None
    path: tuple[str | int, ...] = ()
    for part in loc:
        if isinstance(node, document.Mapping):
            found = next((entry for entry in node.entries if entry[0].text == part), None)
            if found is not None:
                key, node = found
                path = (*path, key.text)
        elif isinstance(node, document.Sequence) and isinstance(part, int):
            node, key, path = node.items[part], None, (*path, part)
    return node, key, path


def _label(path: Sequence[str | int]) -> str:
    match path:
        case [*_, str(name)]:
            return f'"{name}"'
        case [*_, str(name), int(index)]:
            return f'entry {index + 1} of "{name}"'
        case [*_, int(index)]:
            return f"entry {index + 1}"
        case _:
            return "the document"


def _given(node: Node) -> str:
    match node:
        case document.Mapping():
            return "a mapping"
        case document.Sequence():
            return "a list"
        case document.Scalar(value=None):
            return "empty"
        case document.Scalar(value=bool(value)):
            return str(value).lower()
        case document.Scalar(value=str()):
            return "text"
        case _:
            return "a number"


def _unknown_key(
    loc: Sequence[int | str], place: Place, path: tuple[str | int, ...], model: type[BaseModel]
) -> _Finding:
    name = str(loc[-1])
    models = _models_at(loc[:-1], model)
    accepted = sorted({field.alias or key for m in models for key, field in m.model_fields.items()})
    own = (getattr(m, "UNKNOWN_KEY", None) for m in models)
    code, words = next(filter(None, own), (Code.UNKNOWN_KEY, "unknown key"))
    problem = Problem(place, code, f'{words} "{name}"', did_you_mean(name, accepted))
    return _Finding(path, problem, unknown=True)


def _meaning(loc: Sequence[int | str], model: type[BaseModel]) -> str:
    """What the missing key is for, in the words of the model."""
    for owner in _models_at(loc[:-1], model):
        for name, field in owner.model_fields.items():
            if (field.alias or name) == loc[-1]:
                return field.description or ""
    return ""


def _no_choice(node: Node, path: tuple[str | int, ...], label: str, context: dict[str, Any]) -> _Finding:
    listed = str(context.get("expected", context.get("expected_tags", "")))
    choices = re.findall(r"'([^']*)'", listed)
    if not isinstance(node, document.Scalar) or not isinstance(node.value, str):
        expected = " or ".join(f'"{choice}"' for choice in choices)
        return _wrong(node, path, label, expected)
    message = f"{label} is none of the accepted words"
    return _Finding(path, Problem(node.place, Code.NOT_A_CHOICE, message, did_you_mean(node.value, choices)))


def _models_at(loc: Sequence[int | str], model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that the value at `loc` may be of: one, but for unions."""
    types: list[Any] = [model]
    for part in loc:
        below = [inner for outer in types for inner in _below(outer, part)]
        named = [t for t in types if getattr(t, "__name__", None) == part]
        types = below or named or types
    return [t for t in types if isinstance(t, type) and issubclass(t, BaseModel)]


def _below(annotation: Any, part: int | str) -> Iterator[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if part in {field.alias, name}:
                yield from _branches(field.annotation)
    elif get_origin(annotation) is dict and isinstance(part, str):
        yield from _branches(get_args(annotation)[1])
    elif get_origin(annotation) in {list, tuple, set, frozenset} and isinstance(part, int):
        yield from _branches(get_args(annotation)[0])


def _branches(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _branches(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for branch in get_args(annotation):
            yield from _branches(branch)
    elif origin is not Literal:
        yield annotation


def _collapse(findings: Sequence[_Finding]) -> Iterator[Problem]:
    """One problem for one mistake.

    A union gives an error for each of its branches: keep the branch that the author meant, or name all of them at
    once. A misspelt key is also a missing one.
    """
    by_path: dict[tuple[str | int, ...], list[_Finding]] = {}
    for finding in findings:
        by_path.setdefault(finding.path, []).append(finding)
    for path, here in by_path.items():
        wrong_below = any(len(way) > len(path) and way[: len(path)] == path for way in by_path)
        said = [f for f in here if not f.expected]
        for finding in said:
            misspelt = finding.problem.code == Code.MISSING_KEY and _is_misspelt(path, findings)
            if not misspelt:
                yield finding.problem
        if not said and not wrong_below:
            yield _wrong_type(here)


def _is_misspelt(missing: tuple[str | int, ...], findings: Sequence[_Finding]) -> bool:
    written = [str(f.path[-1]) for f in findings if f.unknown and f.path[:-1] == missing[:-1]]
    return bool(get_close_matches(str(missing[-1]), written))


def _wrong_type(wrong: Sequence[_Finding]) -> Problem:
    first = wrong[0]
    expected = list(dict.fromkeys(finding.expected for finding in wrong))
    message = f"{first.label} must be {' or '.join(expected)}, not {first.given}"
    hint = ""
    if first.given == "empty":
        hint = "nothing stands after the colon; leave the key out to get its default"
    elif "text" in expected and first.given not in {"a list", "a mapping"}:
        hint = 'put it in quotes: "..."'
    elif "true or false" in expected and first.given == "text":
        hint = "write true or false, without quotes"
    elif expected[-1].endswith("number") and first.given == "text":
        hint = "write the digits only, without quotes"
    elif expected == ["a list"] and first.given not in {"a list", "a mapping"}:
        hint = "write a list, even of one: [...]"
    return Problem(first.problem.place, Code.WRONG_TYPE, message, hint)
