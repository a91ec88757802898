"""`extractor report`."""

import os
import sys
from pathlib import Path

from extractor import wiring
from extractor.cli.terminal import printable
from extractor.clock import SystemClock
from extractor.config import load_config
from extractor.daemon.process import Exit
from extractor.page.contents import build_page
from extractor.page.render import render_page


def report_command(path: Path, output: Path) -> int:
    """Write the page as one file, which only its owner can read: messages stand in it."""
    config = load_config(path, os.environ)
    page = build_page(config, wiring.build_rules(config), os.environ, clock=SystemClock())
    if page.no_state:
        sys.stderr.write(f"extractor: {printable(page.no_state)}\n")
        return Exit.PROBLEMS
    html = render_page(page, served=False).encode("utf-8", "replace")
    if str(output) == "-":
        sys.stdout.buffer.write(html)
        return Exit.FINE
    try:
        part = output.with_name(f"{output.name}.part")
        part.unlink(missing_ok=True)  # of a run that died, or somebody's link or file, open to them
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(html)
        part.replace(output)
    except OSError as error:
        sys.stderr.write(f"extractor: {printable(output)}: {error.strerror}\n")
        return Exit.PROBLEMS
    sys.stdout.write(f"wrote {printable(output)}; messages stand in it, so only its owner can read it\n")
    return Exit.FINE
