"""Renders what the docs say from what the code says: `python docs/render.py`, or `--check` to only compare.

A page keeps its prose; what stands between `<!-- generated: NAME -->` and `<!-- end -->` is rendered here. Schemas
are rendered whole. A new part is one entry of `PARTS` or `FILES`.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.manpage import render_manpage
from extractor import rulepacks, telemetry
from extractor.cli.app import app
from extractor.config import config_schema
from extractor.config.quantity import Quantity
from extractor.config.shape import ConfigShape
from extractor.destination import verdict
from extractor.document import load
from extractor.ruleset.assemble import Choice, Settings, assemble_rules
from extractor.ruleset.load import load_pack
from extractor.ruleset.plan import build_plan
from extractor.ruleset.plan_page import render_markdown
from extractor.ruleset.rule import MessageConstants
from extractor.ruleset.schema import pack_schema

DOCS = Path(__file__).parent
GOLDEN = DOCS.parent / "tests" / "golden" / "problems"


def render_keys() -> str:
    """All keys of a config, a table for each mapping."""
    return "\n".join(_tables(ConfigShape, ""))


def _tables(shape: type[BaseModel], prefix: str) -> Iterator[str]:
    if prefix:
        yield f"### `{prefix}`\n\n{shape.__doc__}\n"
    yield "| key | takes | default | what it is for |\n|---|---|---|---|"
    below: list[tuple[type[BaseModel], str]] = []
    for name, field in shape.model_fields.items():
        default = "**needed**" if field.is_required() else _default(field)
        about = (field.description or "").replace("|", "\\|")
        yield f"| `{name}` | {_takes(field)} | {default} | {about} |"
        path = f"{prefix}.{name}".removeprefix(".")
        below += [(inner, f"{path}[]" if listed else path) for inner, listed in _shapes(field.annotation)]
    yield ""
    for inner, path in below:
        yield from _tables(inner, path)


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, BaseModel):
        return "see below"
    if value in (None, (), {}):
        return "none"
    return f"`{json.dumps(value) if not isinstance(value, str) else value}`"


_BOUNDS = {
    "gt": "more than {:,}",
    "ge": "{:,} or more",
    "le": "at most {:,}",
    "min_length": "{:,} or more characters",
}


def _takes(field: FieldInfo) -> str:
    for limit in field.metadata:
        if isinstance(limit, Quantity):
            return f"{limit.kind.name}, {limit.least} to {limit.most}"
    *words, last = dict.fromkeys(_words(field.annotation))
    bounds = [
        text.format(bound).replace(",", " ")
        for constraint in field.metadata
        for name, text in _BOUNDS.items()
        if (bound := getattr(constraint, name, None)) is not None and (name, bound) != ("min_length", 1)
    ]
    return ", ".join([f"{', '.join(words)} or {last}" if words else last, *bounds])


_WORDS: Mapping[Any, str] = {str: "text", bool: "true or false", int: "whole number", float: "number"}


def _words(annotation: Any) -> Iterator[str]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        limit = annotation.__metadata__[0]
        kind = limit.kind.name if isinstance(limit, Quantity) else None
        yield from [kind] if kind else _words(inner[0])
    elif origin is tuple:
        yield f"list of {' or '.join(f'{word}s' for word in _words(inner[0]))}"
    elif origin is dict:
        yield "mapping"
    elif origin is Literal:
        yield from (f"`{word}`" for word in inner)
    elif inner:
        for branch in inner:
            if branch is not type(None):
                yield from _words(branch)
    else:
        yield _WORDS.get(annotation, "mapping")


def _shapes(annotation: Any) -> Iterator[tuple[type[BaseModel], bool]]:
    """The mappings that a key can hold, and whether it holds a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, False
        return
    for inner in get_args(annotation):
        for shape, listed in _shapes(inner):
            yield shape, listed or get_origin(annotation) is tuple


def render_problems() -> str:
    """Every golden text, by code: what is wrong, how it looks, what is said."""
    return "\n".join(_problem(path.read_text(encoding="utf-8")) for path in sorted(GOLDEN.glob("E*.txt")))


def _problem(golden: str) -> str:
    title, *parts = re.split(r"^--- (\w+)\n", golden, flags=re.MULTILINE)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    said = sections.pop("problems")
    code = re.search(r": (E\d+) ", said)
    assert code is not None
    shown = "".join(
        f"```{'sh' if kind == 'environment' else 'yaml'}\n{text}```\n\n" for kind, text in sections.items()
    )
    return f"### {code[1]}: {title.strip().rstrip('.')}\n\n{shown}```text\n{said}```\n"


def render_verdicts() -> str:
    """What each answer means: all rows that the code decides by."""
    return "\n\n".join(
        f"{title}\n\n| answer | verdict | reason | why |\n|---|---|---|---|\n"
        + "\n".join(f"| {row.statuses} | {row.kind} | `{row.reason}` | {row.why} |" for row in rows)
        for title, rows in (
            ("What a status means:", verdict.TABLE),
            ("What makes a 2xx no acknowledgement:", verdict.BODY_DOUBTS),
            ("Where no status was read:", verdict.NO_ANSWER),
            ("Decided without, or after, asking:", verdict.DECIDED_HERE),
        )
    )


def render_rule_problems() -> str:
    """A line for each code of the rule language, linked to its examples."""
    lines = ["| code | what is wrong |", "|---|---|"]
    seen: set[str] = set()
    for path in sorted(GOLDEN.glob("E1*.txt")):
        code, title = path.name[:4], path.read_text(encoding="utf-8").partition("\n")[0].rstrip(".")
        if code not in seen:
            seen.add(code)
            anchor = re.sub(r"[^\w -]", "", f"{code} {title}".lower()).replace(" ", "-")
            lines.append(f"| [{code}](problems.md#{anchor}) | {title} |")
    return "\n".join(lines)


def render_events() -> str:
    """The tracking plan of the shipped pack, as `extractor plan` prints it with the app's two variables set."""
    text, file = rulepacks.shipped("lago")
    constants = MessageConstants(library=("analytics-python", ""), app=("extractor", ""))
    variables = {"hosting_type": "self", "version": "1.51.0"}
    settings = Settings(installation="of-the-docs", constants=constants, variables=variables)
    rules = assemble_rules([Choice(pack=load_pack(load(text, file)))], settings)
    names = ConfigShape.model_fields["opt_out_variables"].default
    return render_markdown(build_plan(rules), opt_out_variables=names)


def render_config_schema() -> str:
    """For editors."""
    return json.dumps(config_schema(), indent=2) + "\n"


def render_pack_schema() -> str:
    """For editors."""
    return json.dumps(pack_schema(), indent=2) + "\n"


def render_commands() -> str:
    """What `--help` prints, for each command."""
    return "\n".join(_helps(typer.main.get_command(app), "extractor"))


def _helps(command: Any, words: str) -> Iterator[str]:
    # The help formatter takes the terminal's width from here; a page has no terminal.
    context = command.make_context(
        words, [], resilient_parsing=True, terminal_width=100, max_content_width=100
    )
    yield f"## `{words}`\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
    for name, inner in getattr(command, "commands", {}).items():
        yield from _helps(inner, f"{words} {name}")


def render_metrics() -> str:
    """Every metric."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {_names(metric.labels)} | {metric.meaning} |"
        for metric in telemetry.METRICS
    ]
    return "\n".join(["| metric | kind | labels | meaning |\n|---|---|---|---|", *rows, ""])


def render_log_events() -> str:
    """Every kind of line in our own log."""
    rows = [
        f"| `{event.name}` | {event.level} | {_names(event.fields)} | {event.meaning} |"
        for event in telemetry.LOG_EVENTS
    ]
    return "\n".join(["| event | level | fields | meaning |\n|---|---|---|---|", *rows, ""])


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def render_words(words: Iterable[telemetry.Explained]) -> str:
    """Stable words and their meaning."""
    return "\n".join(
        ["| word | meaning |\n|---|---|", *(f"| `{word}` | {word.meaning} |" for word in words), ""]
    )


def render_troubles() -> str:
    """Why health fails."""
    rows = [
        f"| `{trouble}` | {'503' if trouble in telemetry.BROKEN else '200'} | 503 | {trouble.meaning} |"
        for trouble in telemetry.Trouble
    ]
    return "\n".join(["| trouble | `/healthz` | `/readyz` | meaning |\n|---|---|---|---|", *rows, ""])


PARTS: Mapping[str, Callable[[], str]] = {
    "metrics": render_metrics,
    "log_events": render_log_events,
    "reasons": lambda: render_words(telemetry.Reason),
    "incidents": lambda: render_words(telemetry.IncidentKind),
    "drift": lambda: render_words(telemetry.DriftKind),
    "troubles": render_troubles,
    "commands": render_commands,
    "keys": render_keys,
    "problems": render_problems,
    "rule_problems": render_rule_problems,
    "verdicts": render_verdicts,
}
FILES: Mapping[str, Callable[[], str]] = {
    "events.md": render_events,
    "schema/config.json": render_config_schema,
    "schema/pack.json": render_pack_schema,
    "extractor.1": render_manpage,
}
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered() -> Iterator[tuple[Path, str]]:
    """Every file that is rendered, whole or in part, and how it should read."""
    for name, render in FILES.items():
        yield DOCS / name, render()
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if _PART.search(text):
            yield path, _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n{part[3]}", text)


def main() -> int:
    """Write what differs, or with `--check` name it. Exit code 1: something differed and was only named."""
    differing = [
        (path, text)
        for path, text in rendered()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in differing:
        print(path.relative_to(DOCS.parent))
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
    if differing and "--check" in sys.argv[1:]:
        print("differ from what the code says; render them with: python docs/render.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
