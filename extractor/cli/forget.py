"""`extractor forget`."""

import os
import sys
from pathlib import Path

from extractor.cli.state import changing
from extractor.config import load_config
from extractor.ruleset.identity import Identity


def forget_command(path: Path, identifier: str, *, user: bool) -> int:
    """Erase what is stored about an organization or a user, and say what is left to do."""
    config = load_config(path, os.environ)
    organizations = () if user else (Identity.of(config.installation).organization_key(identifier),)
    with changing(config) as store:
        erased = store.forget(identifier, organizations=organizations)
    out = sys.stdout
    out.write("erased here, backups and damaged copies of the state included:\n")
    out.write(f"  {erased.waiting} events that waited\n")
    out.write(f"  {erased.dead_letters} dead letters\n")
    out.write(f"  {erased.sent} messages kept after their delivery\n")
    out.write(f"  {erased.memory} remembered values\n")
    out.write(f"  {erased.first_times} steps of the funnel\n")
    out.write("their ids stay, as keyed hashes, so that reading the logs again brings nothing back\n")
    if not any((erased.waiting, erased.dead_letters, erased.sent, erased.memory, erased.first_times)):
        form = (
            "a user id as it stands in messages, like membership/<uuid>"
            if user
            else "the organization's uuid"
        )
        out.write(f"nothing was found: the id must be {form}\n")
    sent_to = [name for name in erased.destinations if name != "stdout"]
    out.write("still to be done elsewhere:\n")
    known = f" (delivered to: {', '.join(sent_to)})" if sent_to else ""
    out.write(
        f"  Segment must be asked to delete what it has{known}, also what is older than retention.sent here:\n"
    )
    if user:
        out.write(
            "    Privacy > Deletion and Suppression, or the Public API, SUPPRESS_WITH_DELETE for this user id\n"
        )
    else:
        out.write(
            "    it deletes by user id: ask for each member of the organization; destinations have ways of their own\n"
        )
        out.write(
            "  to take nothing more of this organization: organizations: {never: [its id]} in the config\n"
        )
    out.write("  the app's own logs are not touched\n")
    return 0
