"""`extractor run`."""

import os
import sys
from pathlib import Path

from extractor import logs, service
from extractor.store import StoreError


def run_command(path: Path, *, once: bool, verbose: bool) -> int:
    """Run the daemon, or once."""
    logs.configure(verbose=verbose)
    try:
        return service.run_once(path, os.environ) if once else service.serve(path, os.environ)
    except StoreError as error:
        sys.stderr.write(f"extractor: {error}\n")
        return service.exit_for(error)
