"""`extractor dead-letters`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from extractor.cli.state import changing, reading
from extractor.cli.terminal import columns, printable, time_text
from extractor.config import load_config
from extractor.destination.stdout import spell_unsafe
from extractor.store import DeadLetter, StoreError

SHORT = 12
"""Characters of an id that tell letters apart for people; any unique beginning names one."""


def list_command(path: Path, *, as_json: bool) -> int:
    """Print all of them, without their messages."""
    with reading(load_config(path, os.environ)) as state:
        letters = state.dead_letters()
    if as_json:
        sys.stdout.buffer.writelines(
            orjson.dumps(about(letter), option=orjson.OPT_APPEND_NEWLINE) for letter in letters
        )
        return 0
    if not letters:
        sys.stdout.write("no dead letters\n")
        return 0
    rows = [("id", "event", "reason", "status", "since")]
    rows += [
        (
            letter.stored.event.message_id[:SHORT],
            letter.stored.event.name,
            letter.reason,
            str(letter.status or "-"),
            time_text(letter.at),
        )
        for letter in letters
    ]
    sys.stdout.writelines(f"{line}\n" for line in columns(rows))
    return 0


def show_command(path: Path, beginning: str) -> int:
    """Print one with its message, exactly what would be posted."""
    with reading(load_config(path, os.environ)) as state:
        letters = chosen(state.dead_letters(), [beginning])
    whole = {**about(letters[0]), "message": orjson.Fragment(letters[0].stored.event.message)}
    sys.stdout.write(spell_unsafe(orjson.dumps(whole, option=orjson.OPT_INDENT_2)).decode() + "\n")
    return 0


def replay_command(path: Path, beginnings: Sequence[str], *, every: bool) -> int:
    """Back into the outbox, under the same ids."""
    with changing(load_config(path, os.environ)) as store:
        count = store.replay(chosen_ids(store.dead_letters(), beginnings, every=every))
    sys.stdout.write(f"{count} events wait again, under the same ids; `extractor run` delivers them\n")
    return 0


def discard_command(path: Path, beginnings: Sequence[str], *, every: bool) -> int:
    """Give up: the messages go, the ids stay known."""
    with changing(load_config(path, os.environ)) as store:
        count = store.discard(chosen_ids(store.dead_letters(), beginnings, every=every))
    sys.stdout.write(f"{count} dead letters discarded; their facts will not be sent again\n")
    return 0


def chosen_ids(letters: Sequence[DeadLetter], beginnings: Sequence[str], *, every: bool) -> list[str]:
    """Ids of all letters, or of those that `chosen` finds."""
    return [letter.stored.event.message_id for letter in (letters if every else chosen(letters, beginnings))]


def chosen(letters: Sequence[DeadLetter], beginnings: Sequence[str]) -> list[DeadLetter]:
    """The letters that beginnings of ids name, each exactly one.

    Raises:
        StoreError: One names none, or several.
    """
    found = []
    for beginning in beginnings:
        named = [letter for letter in letters if letter.stored.event.message_id.startswith(beginning.lower())]
        if len(named) != 1:
            what = "no dead letter has" if not named else f"{len(named)} dead letters have"
            raise StoreError(
                f"{what} an id that begins with {printable(beginning)}; see `extractor dead-letters list`"
            )
        found += named
    return found


def about(letter: DeadLetter) -> dict[str, object]:
    """A letter without its message. Times are unix seconds."""
    event = letter.stored.event
    return {
        "id": event.message_id,
        "event": event.name,
        "rule": event.rule,
        "reason": letter.reason,
        "status": letter.status,
        "at": letter.at,
        "recorded_at": letter.stored.recorded_at,
        "origin": {"path": printable(event.path), "offset": event.offset},
    }
