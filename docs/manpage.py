"""`extractor(1)` from what the commands say of themselves; `render.py` writes it, the wheel ships it."""

import re
from collections.abc import Iterator
from typing import Any

import typer.main

from extractor.cli.app import app

HEAD = r""".\" Rendered by docs/render.py from the commands themselves.
.TH EXTRACTOR 1 "" "extractor" "User Commands"
.SH NAME
extractor \- activation events from an app's own logs, delivered to Segment
.SH SYNOPSIS
.B extractor
.I COMMAND
[\fIOPTIONS\fR]... [\fIARGUMENTS\fR]...
.SH DESCRIPTION
"""
TAIL = r""".SH ENVIRONMENT
.TP
.B EXTRACTOR_CONFIG
The config file, where no \fB\-\-config\fR names one.
.TP
.B EXTRACTOR_DISABLED\fR, \fBLAGO_DISABLE_SEGMENT
An opt-out: nothing is stored, nothing leaves.
.TP
.B NO_COLOR
Plain text on a terminal, too.
.SH FILES
.TP
.I extractor.yaml
The config, in the current folder.
.TP
.I state_dir\fR/OPT_OUT
As long as it is there, nothing leaves.
"""


def render_manpage() -> str:
    """The page in roff."""
    command = typer.main.get_command(app)
    parts = [*_paragraphs(command.help), ".SH COMMANDS\n", *_commands(command, "extractor"), TAIL]
    return HEAD + "".join(parts)


def _commands(command: Any, words: str) -> Iterator[str]:
    for name, inner in getattr(command, "commands", {}).items():
        called = f"{words} {name}"
        if hasattr(inner, "commands"):
            yield from _commands(inner, called)
            continue
        context = inner.make_context(called, [], resilient_parsing=True)
        pieces = " ".join(inner.collect_usage_pieces(context))
        yield f".SS {_plain(called)} {_plain(pieces)}\n"
        yield from _paragraphs(inner.help)
        for parameter in inner.params:
            if (record := parameter.get_help_record(context)) is not None:
                shown = re.sub(r" <(?:str|list\[\w+\])>$", "", record[0])
                yield f".TP\n.B {_plain(shown)}\n{_plain(' '.join(record[1].split()))}\n"
        if inner.epilog:
            yield f".PP\n{_plain(inner.epilog)}\n"


def _paragraphs(text: str | None) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", (text or "").strip())):
        words = _plain(" ".join(paragraph.split()))
        if words.startswith("Example: "):
            yield f".PP\nExample:\n.PP\n.RS 4\n.nf\n{words.removeprefix('Example: ')}\n.fi\n.RE\n"
        else:
            yield f"{'.PP' if number else '.P'}\n{words}\n"


def _plain(text: str) -> str:
    """Text that roff shows as it is."""
    shown = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", shown)
