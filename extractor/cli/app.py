"""The command line: names, options and help. What a command does stands in the module of its name.

Nothing but typer is imported here, so that `extractor --help` answers at once.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="extractor",
    help="Find activation events in a billing app's logs and deliver them to Segment, with no change to the app.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 fine, 1 problems found, 2 wrong usage, 70 a mistake in this program.",
)

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="The config file.", envvar="EXTRACTOR_CONFIG", show_default=False),
]


class PreviewFormat(StrEnum):
    """Ways to show events."""

    TABLE = "table"
    JSONL = "jsonl"


class PlanFormat(StrEnum):
    """Ways to show the tracking plan."""

    MARKDOWN = "markdown"
    JSON = "json"


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Find activation events in a billing app's logs and deliver them to Segment, with no change to the app."""
    if version:
        import extractor

        typer.echo(f"extractor {extractor.__version__}")
        raise typer.Exit


@app.command()
def run(
    config: ConfigOption,
    once: Annotated[bool, typer.Option("--once", help="Read every file to its end, deliver, exit.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more of what is done.")] = False,
) -> None:
    """Follow the logs and deliver events, until stopped.

    Example: extractor run --config extractor.yaml
    """
    from extractor.cli.run import run_command

    raise typer.Exit(run_command(config, once=once, verbose=verbose))


@app.command()
def preview(
    config: ConfigOption,
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILES]...", help="Read these instead.")] = None,
    output: Annotated[PreviewFormat, typer.Option("--format", help="How to show events.")] = PreviewFormat.TABLE,
) -> None:
    """Show all that `run --once` would send from an empty state. Nothing is written, nothing is sent.

    Example: extractor preview --config extractor.yaml --format jsonl
    """
    from extractor.cli.preview import preview_command

    raise typer.Exit(preview_command(config, [str(path) for path in files or []], as_json=output is PreviewFormat.JSONL))


@app.command()
def explain(
    config: ConfigOption,
    target: Annotated[str, typer.Argument(metavar="FILE[:LINE]", help="A log file, one line of it, or - for standard input.")],
    show_values: Annotated[bool, typer.Option("--show-values", help="Show what properties hold.")] = False,
    all_lines: Annotated[bool, typer.Option("--all", help="Also lines that no rule came near.")] = False,
) -> None:
    """Say for each line which rule matched and what it kept, or which condition failed.

    Example: extractor explain --config extractor.yaml /var/log/lago/api.log:120
    """
    from extractor.cli.explain import explain_command

    raise typer.Exit(explain_command(config, target, show_values=show_values, all_lines=all_lines))


@app.command()
def check(config: ConfigOption) -> None:
    """Check the config, its rule packs and every example in them; all problems at once.

    Example: extractor check --config extractor.yaml
    """
    from extractor.cli.check import check_command

    raise typer.Exit(check_command(config))


@app.command()
def plan(
    config: ConfigOption,
    output: Annotated[PlanFormat, typer.Option("--format", help="How to show the plan.")] = PlanFormat.MARKDOWN,
) -> None:
    """Show the tracking plan: what can leave, rendered from the rules that decide it.

    Example: extractor plan --config extractor.yaml > tracking-plan.md
    """
    from extractor.cli.plan import plan_command

    raise typer.Exit(plan_command(config, output.value))


def main() -> None:
    """The console script."""
    from extractor.cli.guard import guarded

    guarded(app)
