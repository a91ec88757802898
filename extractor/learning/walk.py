"""The fields of a record as paths and their scalar values, for `suggest`."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from extractor.decode.rubyinspect import GlobalID

Steps = tuple[str | int, ...]

CALL, ROOT_FIELDS, ROOT_FIELD, ITEM = "call", "root_fields", "root_field", "item"
"""What a suggested rule calls a job's arguments, the root fields of a GraphQL document, one of them, and one element
of a list."""

MAX_DEPTH = 7
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_KEY = re.compile(r"(?!.{0,40}\d{4})[A-Za-z_][A-Za-z0-9_-]{0,40}")
_PHRASE = re.compile(r"(?!.{0,60}\d{4})[A-Za-z][A-Za-z0-9_:./# -]{1,59}")
MAX_SPACES = 5
_WORD = re.compile(r"(?!.{0,60}\d{4})[A-Za-z][A-Za-z0-9_:./#-]{1,59}")


def walk(value: object, steps: Steps = ()) -> Iterator[tuple[Steps, object]]:
    """Every scalar with the way to it. Of lists only a job's arguments: what stands in others has no place of its own."""
    if isinstance(value, Mapping):
        if len(steps) < MAX_DEPTH:
            for name, inner in value.items():
                if isinstance(name, str) and '"' not in name and "\\" not in name and name:
                    yield from walk(inner, (*steps, name))
    elif isinstance(value, list):
        if steps == (CALL,):
            for number, inner in enumerate(value[:3]):
                yield from walk(inner, (*steps, number))
    elif isinstance(value, GlobalID):
        yield (*steps, "model"), value.model
    elif value is None or isinstance(value, str | bool | int | float):
        yield steps, value


def list_with(value: object, name: str, steps: Steps = ()) -> Steps | None:
    """The way to a list whose elements have a field of this name; not where the field stands outside of one, too."""
    if not isinstance(value, Mapping) or len(steps) >= MAX_DEPTH or name in value:
        return None
    for key, inner in value.items():
        if isinstance(inner, list) and any(isinstance(one, Mapping) and name in one for one in inner):
            return (*steps, key)
        if (found := list_with(inner, name, (*steps, key))) is not None:
            return found
    return None


def find(scope: Mapping[str, object], steps: Steps) -> object:
    """What stands there, or None."""
    value: object = scope
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        elif isinstance(value, GlobalID):
            value = getattr(value, str(step), None)
        else:
            return None
    return value


def text_of(steps: Steps) -> str:
    """The path as a rule writes it."""
    written = ""
    for step in steps:
        if isinstance(step, int):
            written += f"[{step}]"
        elif _NAME.fullmatch(step):
            written += f".{step}" if written else step
        else:
            written += f'["{step}"]'
    return written


def is_word(value: str) -> bool:
    """Whether a text is a word of an app's own code, such as conditions ask for; ids and sentences are none."""
    return _WORD.fullmatch(value) is not None


def is_phrase(value: str) -> bool:
    """Whether a text may be what an app always says of one thing, such as `order placed`."""
    return _PHRASE.fullmatch(value) is not None and value.count(" ") <= MAX_SPACES


@lru_cache(maxsize=4096)
def is_named(steps: Steps) -> bool:
    """Whether every name on the way is one of an app's own code: keys of a customer's own may be anything."""
    return all(isinstance(step, int) or _KEY.fullmatch(step) is not None for step in steps)
