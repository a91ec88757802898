"""The command line: names, options and help. What a command does stands in the module of its name.

Nothing but typer is imported here, so that `extractor --help` answers at once.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from extractor.cli.app_state import state_app
from extractor.cli.options import DEFAULT_CONFIG, EXIT_CODES, ConfigOption, JsonOption, RowsFormat

app = typer.Typer(
    name="extractor",
    help="Find activation events in a billing app's logs and deliver them to Segment, with no change to the app.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=EXIT_CODES,
)


class PlanFormat(StrEnum):
    """Ways to show the tracking plan."""

    MARKDOWN = "markdown"
    JSON = "json"
    JSON_SCHEMA = "json-schema"
    CSV = "csv"


class SchemaKind(StrEnum):
    """What there is a schema for."""

    CONFIG = "config"
    PACK = "pack"


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Find activation events in a billing app's logs and deliver them to Segment, with no change to the app."""
    if version:
        import extractor

        typer.echo(f"extractor {extractor.__version__}")
        raise typer.Exit


@app.command(epilog="Exit codes: 0 written, 1 it is there already or cannot be written.")
def init(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")
    ] = DEFAULT_CONFIG,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite it; the installation becomes a new one.")
    ] = False,
) -> None:
    """Write a commented config for the logs on this machine.

    Looks at /var/log/lago, Docker's json-file logs, /var/log/pods and the folder of the config. Nothing else is
    written, nothing is sent.

    Example: extractor init --output extractor.yaml
    """
    from extractor.cli.init import init_command

    raise typer.Exit(init_command(output, force=force))


@app.command(epilog="Exit codes: 0 all examples hold, 1 problems found.")
def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check config, rule packs and their examples, all at once.

    Example: extractor check --config extractor.yaml
    """
    from extractor.cli.check import check_command

    raise typer.Exit(check_command(config))


@app.command(
    epilog="Exit codes: 0 shown, even if there is no event; 1 a file cannot be read, or the config is broken."
)
def preview(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES", help="Read these instead.", show_default=False),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    output: Annotated[RowsFormat, typer.Option("--format", help="How to show events.")] = RowsFormat.TABLE,
) -> None:
    """Show all that `run --once` would send from an empty state. Nothing is written, nothing is sent.

    Given files may be compressed; rotated siblings are read oldest first. A table shortens ids; jsonl has each
    message exactly as it would be posted, and where its line stands.

    Example: extractor preview --config extractor.yaml --format jsonl
    """
    from extractor.cli.preview import preview_command

    as_json = output is RowsFormat.JSONL
    raise typer.Exit(preview_command(config, [str(path) for path in files or []], as_json=as_json))


@app.command(epilog="Exit codes: 0 explained, 1 there is no such line or file, or the config is broken.")
def explain(
    target: Annotated[
        str,
        typer.Argument(metavar="FILE[:LINE]", help="A log file, one line of it, or - for standard input."),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    show_values: Annotated[bool, typer.Option("--show-values", help="Show what properties hold.")] = False,
    all_lines: Annotated[bool, typer.Option("--all", help="Also lines that no rule matched.")] = False,
) -> None:
    """Say which rule matched a line, or which condition failed.

    Without --show-values no value of a line is shown.

    Example: extractor explain /var/log/lago/api.log:120 --config extractor.yaml
    """
    from extractor.cli.explain import explain_command

    raise typer.Exit(explain_command(config, target, show_values=show_values, all_lines=all_lines))


@app.command(
    epilog="Exit codes: 0 printed, or nothing more would be sent; 1 more would be, or the config or a pack is broken; "
    "2 OLD is no plan."
)
def plan(
    config: ConfigOption = DEFAULT_CONFIG,
    output: Annotated[
        PlanFormat, typer.Option("--format", help="How to show the plan.")
    ] = PlanFormat.MARKDOWN,
    diff: Annotated[
        Path | None,
        typer.Option(
            "--diff",
            metavar="OLD",
            help="Only say what would be sent that this plan, kept from --format json, would not; - is stdin.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show the tracking plan: all that can leave, event by event.

    Rendered from the rules that decide it, so it cannot differ from them.

    As a page to publish, as JSON, as a JSON Schema (draft 7) of each message, or as CSV.

    Example: extractor plan --config extractor.yaml > tracking-plan.md
    """
    from extractor.cli.plan import diff_command, plan_command

    raise typer.Exit(plan_command(config, output.value) if diff is None else diff_command(config, diff))


@app.command(
    epilog="Exit codes: 0 stopped or done, 1 the config or the delivery has a problem, 74 the state has one."
)
def run(
    config: ConfigOption = DEFAULT_CONFIG,
    once: Annotated[bool, typer.Option("--once", help="Read every file to its end, deliver, exit.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more of what is done.")] = False,
) -> None:
    """Follow the logs and deliver events, until stopped.

    SIGTERM delivers what it can within `shutdown_grace` and ends; a second one ends now. SIGHUP reads config and
    rules again.

    Example: extractor run --config extractor.yaml
    """
    from extractor.cli.run import run_command

    raise typer.Exit(run_command(config, once=once, verbose=verbose))


@app.command(
    epilog="Exit codes: 0 every kind is known or taken, 1 one looks like an activation and no rule is about it, "
    "or a file cannot be read."
)
def coverage(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Log files, compressed or not.")],
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say which kinds of lines a log has, and which rules take them.

    Kinds are named by the rule packs, such as a controller's action or a job. No value of a line is shown.

    Example: extractor coverage /var/log/lago/api.log --config extractor.yaml
    """
    from extractor.cli.coverage import coverage_command

    raise typer.Exit(coverage_command(config, [str(path) for path in files], as_json=as_json))


@app.command(
    epilog="Exit codes: 0 a rule pack was written, 1 nothing tells the examples from other lines, 2 say which they are."
)
def suggest(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Log files, compressed or not.")],
    event: Annotated[
        str, typer.Option("--event", metavar="NAME", help="The event that the rules shall give.")
    ],
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--words",
            metavar="'W W'",
            help="Lines with all of these words are examples; give it again for other lines of the event.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write rules from example lines, to standard output.

    Looks for the fewest conditions that tell the examples from all other lines, and for values that may leave. What
    may be private is left out, and named in comments. On a terminal it asks where no words are given.

    Example: extractor suggest api.log --event coupon_created --words CouponsController --words createCoupon
    """
    import re
    import sys

    if re.fullmatch(r"[a-z][a-z0-9_]{0,63}", event) is None:
        raise typer.BadParameter("the name of an event is made of a-z, digits and _", param_hint="--event")
    if not words and not sys.stdin.isatty():
        raise typer.BadParameter("say which lines are examples", param_hint="--words")
    from extractor.cli.suggest import suggest_command

    raise typer.Exit(suggest_command(config, [str(path) for path in files], event, words or []))


@app.command(epilog="Exit codes: 0 printed.")
def schema(kind: Annotated[SchemaKind, typer.Argument(help="Of a config or of a rule pack.")]) -> None:
    """Print a JSON Schema for editors: of configs or rule packs.

    Example: extractor schema config > extractor.schema.json
    """
    from extractor.cli.schema import schema_command

    raise typer.Exit(schema_command(kind.value))


app.add_typer(state_app)


def main() -> None:
    """The console script."""
    from extractor.cli.guard import guarded
    from extractor.daemon.process import forbid_core_files, tune_interpreter

    forbid_core_files()
    tune_interpreter()
    try:
        guarded(app)
    except SystemExit as ended:
        from extractor.daemon.process import leave

        leave(ended.code if isinstance(ended.code, int) else bool(ended.code))
