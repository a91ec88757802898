"""The commands about the state and what was sent: names, options and help. See `app`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from extractor.cli.options import (
    DEFAULT_CONFIG,
    EXIT_CODES,
    UNTIL_NOW,
    ConfigOption,
    EventOption,
    JsonOption,
    RowsFormat,
    UntilOption,
    check_moment,
)

state_app = typer.Typer()
letters_app = typer.Typer(
    help="Look at, replay or discard what could not be delivered.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EXIT_CODES,
)


class AssumeTime(StrEnum):
    """What the time of a line is that carries none."""

    MTIME = "mtime"
    NOW = "now"


LettersArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids, or their beginnings.", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]


@state_app.command(epilog="Exit codes: 0 shown, even if nobody came far; 1 there is no state.")
def funnel(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show how far organizations came, how long it took and where they stop.

    From the first step of the rule pack's funnel to its last. Goes back to when the state was made, whatever the
    destination is. Times that are only those of reading enter no median.

    Example: extractor funnel --config extractor.yaml
    """
    from extractor.cli.funnel import funnel_command

    raise typer.Exit(funnel_command(config, as_json=as_json))


@state_app.command(epilog="Exit codes: 0 interrupted, 1 the config is broken or the port is taken.")
def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of 127.0.0.1; 0 takes a free one.")
    ] = 9465,
) -> None:
    """Show activation, what leaves, health and rules as a page on 127.0.0.1.

    Reads only, works beside a running daemon, and tries a pasted line. Whoever can log in to this machine can open
    it while it runs.

    Example: extractor serve --config extractor.yaml --port 9465
    """
    from extractor.cli.serve import serve_command

    raise typer.Exit(serve_command(config, port))


@state_app.command(epilog="Exit codes: 0 written, 1 there is no state, or the file cannot be written.")
def report(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is stdout.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write the page of `serve` as one HTML file that needs nothing else.

    The last message of each event stands in it: give it to whom you would give those.

    Example: extractor report --config extractor.yaml --output activation.html
    """
    from extractor.cli.report import report_command

    raise typer.Exit(report_command(config, output))


@state_app.command(epilog="Exit codes: 0 all is well, 1 something needs a person, or there is no state yet.")
def status(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again every 2 seconds, until interrupted.")] = False,
) -> None:
    """Show what was read and sent, and what needs a person.

    Also what waits, and when each rule last matched. Works whether the daemon runs or not, and changes nothing. A person is needed where delivery is held, the outbox
    is full, there are dead letters, or something was lost, unreadable or damaged within the last 24 hours.

    Example: extractor status --config extractor.yaml --json
    """
    from extractor.cli.status import status_command

    raise typer.Exit(status_command(config, as_json=as_json, watch=watch))


@state_app.command(
    epilog="Exit codes: 0 delivered, 1 interrupted, held, opted out or a file cannot be read, 2 say more first."
)
def backfill(
    files: Annotated[list[Path], typer.Argument(metavar="FILES", help="Log files, compressed or not.")],
    config: ConfigOption = DEFAULT_CONFIG,
    assume_time: Annotated[
        AssumeTime | None,
        typer.Option(
            "--assume-time",
            help="The time of lines that carry none: their file's last change, or now. Must be said if there are any.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Send events that are old or of unknown time.")
    ] = False,
) -> None:
    """Read whole files into the state, and deliver what is new.

    What was sent is not sent again, whichever way it was read. Can be interrupted; the same command goes on. The
    daemon must be stopped meanwhile.

    Example: extractor backfill /var/log/lago/api.log.*.gz --config extractor.yaml --assume-time mtime --yes
    """
    from extractor.cli.backfill import backfill_command

    paths = [str(path) for path in files]
    assumed = None if assume_time is None else assume_time.value
    raise typer.Exit(backfill_command(config, paths, assume=assumed, yes=yes))


@state_app.command(
    epilog="Exit codes: 0 primed, 1 the file holds no such keys or the state cannot be written."
)
def prime(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="A file of keys (- for standard input), or logs.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    event: Annotated[
        str | None,
        typer.Option(
            "--event", metavar="NAME", help="The file lists keys of this event.", show_default=False
        ),
    ] = None,
    from_logs: Annotated[
        bool, typer.Option("--from-logs", help="The files are logs, compressed or not.")
    ] = False,
) -> None:
    """Tell memory what is known already; nothing is sent.

    Else the first update of a customer who is older than the log looks like a creation.

    A file of keys is CSV, one key a line, the parts in the order of the rule's `once` or `changed` key (for *changed*
    the last value follows), such as a database export gives. What is primed is never sent, by a backfill neither.

    Example: extractor prime --event customer_created customers.csv --config extractor.yaml
    """
    if (event is None) is not from_logs:
        raise typer.BadParameter("say one of --event NAME and --from-logs")
    from extractor.cli.prime import prime_keys_command, prime_logs_command

    if event is None:
        raise typer.Exit(prime_logs_command(config, [str(file) for file in files]))
    if len(files) != 1:
        raise typer.BadParameter("--event takes one file of keys")
    raise typer.Exit(prime_keys_command(config, event, str(files[0])))


@state_app.command(epilog="Exit codes: 0 shown, 1 there is no state.")
def sent(
    config: ConfigOption = DEFAULT_CONFIG,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="TIME",
            help="From then: 2026-11-22T10:30 (UTC), or 24h ago.",
            callback=check_moment,
        ),
    ] = "24h",
    until: UntilOption = UNTIL_NOW,
    event: EventOption = None,
    output: Annotated[RowsFormat, typer.Option("--format", help="How to show events.")] = RowsFormat.TABLE,
) -> None:
    """Show what was sent, when, with the messages themselves.

    Goes back as far as `retention.sent` keeps them.

    Example: extractor sent --config extractor.yaml --since 7d --event plan_created --format jsonl
    """
    from extractor.cli.sent import sent_command

    raise typer.Exit(sent_command(config, since, until, event, as_json=output is RowsFormat.JSONL))


@state_app.command(epilog="Exit codes: 0 done, 1 there is no state, or it cannot be written.")
def resend(
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="TIME",
            help="From then: 2026-11-22T10:30 (UTC), or 24h ago.",
            callback=check_moment,
        ),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    until: UntilOption = UNTIL_NOW,
    event: EventOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many.")] = False,
) -> None:
    """Send stored messages once more, under the same ids.

    For when the other side has lost them. Segment drops ids of about the last day only.

    Example: extractor resend --config extractor.yaml --since 2026-11-21T08:00 --until 2026-11-21T12:00
    """
    from extractor.cli.sent import resend_command

    raise typer.Exit(resend_command(config, since, until, event, dry_run=dry_run))


@letters_app.command("list", epilog="Exit codes: 0 listed, 1 there is no state.")
def letters_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List them: id, event, reason, status of the answer, time. No message is shown.

    Example: extractor dead-letters list --config extractor.yaml
    """
    from extractor.cli.letters import list_command

    raise typer.Exit(list_command(config, as_json=as_json))


@letters_app.command("show", epilog="Exit codes: 0 shown, 1 there is none, or several, of that id.")
def letters_show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning of it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show one with its message, exactly what would be posted.

    Example: extractor dead-letters show 3fa94c21 --config extractor.yaml
    """
    from extractor.cli.letters import show_command

    raise typer.Exit(show_command(config, letter))


@letters_app.command("replay", epilog="Exit codes: 0 they wait again, 1 there is none, or several, of an id.")
def letters_replay(
    letters: LettersArgument = None, config: ConfigOption = DEFAULT_CONFIG, every: AllOption = False
) -> None:
    """Put them back into the outbox, under the same ids.

    The daemon, or the next run, delivers them, at their old place in the order.

    Example: extractor dead-letters replay --all --config extractor.yaml
    """
    from extractor.cli.letters import replay_command

    raise typer.Exit(replay_command(config, named(letters, every=every), every=every))


@letters_app.command("discard", epilog="Exit codes: 0 they are gone, 1 there is none, or several, of an id.")
def letters_discard(
    letters: LettersArgument = None, config: ConfigOption = DEFAULT_CONFIG, every: AllOption = False
) -> None:
    """Give them up: erase their messages.

    Their facts are not sent again, however often the logs are read.

    Example: extractor dead-letters discard 3fa94c21 --config extractor.yaml
    """
    from extractor.cli.letters import discard_command

    raise typer.Exit(discard_command(config, named(letters, every=every), every=every))


def named(letters: list[str] | None, *, every: bool) -> list[str]:
    """Ids or --all, one of the two."""
    if bool(letters) is every:
        raise typer.BadParameter("say ids, or --all")
    return letters or []


@state_app.command(epilog="Exit codes: 0 erased, 1 there is no state, or it cannot be written: run it again.")
def forget(
    config: ConfigOption = DEFAULT_CONFIG,
    organization: Annotated[
        str | None,
        typer.Option("--organization", metavar="ID", help="The organization's id.", show_default=False),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="ID",
            help="A user id as it stands in messages: membership/...",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Erase what is stored about an organization or a user.

    Says what Segment must still be asked to delete. Works beside a running daemon.

    Example: extractor forget --organization 0eb22b12-d903-4cfa-b55f-77e5847bf330 --config extractor.yaml
    """
    identifier = organization or user
    if not identifier or (organization and user):
        raise typer.BadParameter("say one of --organization ID and --user ID")
    from extractor.cli.forget import forget_command

    raise typer.Exit(forget_command(config, identifier, user=user is not None))


state_app.add_typer(letters_app, name="dead-letters")
