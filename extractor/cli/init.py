"""`extractor init`."""

import os
import secrets
import shlex
import sys
from pathlib import Path

from extractor.cli.terminal import printable
from extractor.config import load_config
from extractor.proposal import find_logs, render_config, write_config


def init_command(path: Path, *, force: bool) -> int:
    """Write a config for the logs of this machine."""
    folder = path.absolute().parent
    found = find_logs(Path("/"), folder)
    text = render_config(found, secrets.token_urlsafe(24))
    try:
        write_config(path, text, overwrite=force)
    except FileExistsError:
        sys.stderr.write(
            f"extractor: {printable(path)} is there already; --force overwrites it, with a new installation\n"
        )
        return 1
    load_config(path, os.environ)  # what it says is true before anyone relies on it
    for one in found:
        sys.stdout.write(f"found {one.files} of {one.where}\n")
    if not found:
        sys.stdout.write("found no log of the app: name it under `sources`\n")
    name = printable(shlex.quote(str(path)))
    sys.stdout.write(
        f"wrote {name}\nnext: extractor check --config {name} && extractor preview --config {name}\n"
    )
    return 0
