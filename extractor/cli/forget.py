"""`extractor forget`."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from extractor import wiring
from extractor.cli.state import changing
from extractor.cli.terminal import printable
from extractor.config import load_config
from extractor.ruleset.identity import Identity
from extractor.store import Erased
from extractor.traces import Memories, traces_of


def forget_command(path: Path, identifier: str, *, user: bool) -> int:
    """Erase what is stored about an organization or a user, and say what is left to do."""
    config = load_config(path, os.environ)
    memories = Memories.of(choice.pack for choice in wiring.load_packs(config))
    traces = traces_of(identifier, Identity.of(config.installation), memories, user=user)
    with changing(config) as store:
        erased = store.forget(traces)
    sys.stdout.writelines(f"{line}\n" for line in words(erased, memories, user=user))
    return 0


def words(erased: Erased, memories: Memories, *, user: bool) -> Iterator[str]:
    """What is gone, and what is left to do."""
    yield "erased here, backups and damaged copies of the state included:"
    yield f"  {erased.waiting} events that waited"
    yield f"  {erased.dead_letters} dead letters"
    yield f"  {erased.sent} messages kept after their delivery"
    yield f"  {erased.memory} remembered values"
    yield f"  {erased.first_times} steps of the funnel"
    yield "their ids stay, as keyed hashes, so that reading the logs again brings nothing back"
    if not any((erased.waiting, erased.dead_letters, erased.sent, erased.memory, erased.first_times)):
        form = (
            "a user id as it stands in messages, like membership/<uuid>"
            if user
            else "the organization's uuid"
        )
        yield f"nothing was found: the id must be {form}"
    if memories.by_several:
        yield (
            "values remembered under several ids together cannot be found by one of them: memory "
            f"{printable(', '.join(memories.by_several))}"
        )
    sent_to = [name for name in erased.destinations if name != "stdout"]
    known = f" (delivered to: {', '.join(sent_to)})" if sent_to else ""
    yield "still to be done elsewhere:"
    yield f"  Segment must be asked to delete what it has{known}, also what is older than retention.sent here:"
    if user:
        yield "    Privacy > Deletion and Suppression, or the Public API, SUPPRESS_WITH_DELETE for this user id"
    else:
        yield (
            "    it deletes by user id: ask for each member of the organization; destinations have ways of their own"
        )
        yield "  to take nothing more of this organization: organizations: {never: [its id]} in the config"
    yield "  what a running daemon is sending at this moment may still arrive there"
    yield "  the app's own logs, and files that `report` or `sent` were written to, are not touched"
