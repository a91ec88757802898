"""`${NAME}` in the values of a config, from the environment.

`${NAME}` is the variable's value, `${NAME:-text}` the text where the variable is unset or empty, `$$` one `$`; any
other `$` is itself. Keys are left alone. What comes in is text and stays text: it is put into the tree, never into
the document, so a value can neither open a key nor a list. Only where a whole scalar without quotes is written with
a reference is the result read like any such scalar, so that `enabled: ${FORWARD:-true}` is a boolean.
"""

import re
from collections.abc import Iterator, Mapping

from extractor import document
from extractor.config.codes import Code
from extractor.document import Node, Scalar
from extractor.problems import Problem

_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-)([^{}]*))?\}|\{)")


def interpolate(node: Node, environ: Mapping[str, str]) -> tuple[Node, tuple[Problem, ...]]:
    """The tree with every reference replaced, and what could not be: unset variables, malformed references."""
    problems: list[Problem] = []
    return _replace(node, environ, problems), tuple(problems)


def _replace(node: Node, environ: Mapping[str, str], problems: list[Problem]) -> Node:
    match node:
        case document.Mapping(entries, place):
            return document.Mapping(
                tuple((key, _replace(value, environ, problems)) for key, value in entries), place
            )
        case document.Sequence(items, place):
            return document.Sequence(tuple(_replace(item, environ, problems) for item in items), place)
        case Scalar(value=str(text)) if "$" in text:
            return _fill(node, text, environ, problems)
        case _:
            return node


def _fill(scalar: Scalar, text: str, environ: Mapping[str, str], problems: list[Problem]) -> Scalar:
    wrong: list[Problem] = []
    filled = "".join(_pieces(scalar, text, environ, wrong))
    problems.extend(wrong)
    value = document.resolve(filled) if scalar.plain and not wrong else filled
    return Scalar(value, scalar.place, filled, scalar.plain)


def _pieces(scalar: Scalar, text: str, environ: Mapping[str, str], problems: list[Problem]) -> Iterator[str]:
    end = 0
    for reference in _REFERENCE.finditer(text):
        yield text[end : reference.start()]
        end = reference.end()
        dollar, name, otherwise, default = reference.groups()
        if dollar:
            yield "$"
        elif name is None:
            hint = "write ${NAME} or ${NAME:-text}, and $$ for a dollar sign"
            problems.append(Problem(scalar.place, Code.BAD_REFERENCE, 'a "${" that names no variable', hint))
        elif otherwise and not environ.get(name):
            yield default
        elif (value := environ.get(name)) is None:
            message = f"the environment variable {name} is not set"
            hint = f"set it, or say what stands in for it: ${{{name}:-...}}"
            problems.append(Problem(scalar.place, Code.VARIABLE_NOT_SET, message, hint))
        elif not value.isprintable() and _unfit(value):
            message = f"the environment variable {name} is not UTF-8"
            problems.append(Problem(scalar.place, Code.BAD_REFERENCE, message, "set it again, as UTF-8"))
        else:
            yield value
    yield text[end:]


def _unfit(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # Python's stand-ins for bytes that were no UTF-8
        return True
    return False
