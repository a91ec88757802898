"""`extractor serve`."""

import os
import signal
import sys
import threading
from pathlib import Path

from extractor import wiring
from extractor.clock import SystemClock
from extractor.config import load_config
from extractor.daemon.process import Exit, Signals
from extractor.page.contents import build_page
from extractor.page.render import render_page
from extractor.page.server import ADDRESS, PageServer
from extractor.page.trial import try_lines

LOOK_UP_S = 3600.0


def complain(text: str) -> None:
    """Say on standard error what is wrong with us."""
    sys.stderr.write(f"extractor: {text}\n")


def serve_command(path: Path, port: int) -> int:
    """Serve the page until interrupted."""
    config = load_config(path, os.environ)
    rules = wiring.build_rules(config)
    limits = wiring.build_limits(config)

    def render(pasted: str | None) -> str:
        trial = None if pasted is None else try_lines(pasted, rules, limits)
        page = build_page(config, rules, os.environ, clock=SystemClock())
        return render_page(page, served=True, trial=trial)

    try:
        server = PageServer(port, render, complain)
    except OSError as error:
        complain(f"cannot listen on {ADDRESS}:{port}: {error.strerror}")
        return Exit.PROBLEMS
    threading.Thread(target=server.serve_forever, name="page", daemon=True).start()
    with Signals(signal.SIGINT, signal.SIGTERM) as signals:
        address = f"http://{ADDRESS}:{server.port}/"
        sys.stdout.write(f"{address} shows this state to who is at this machine; Ctrl-C ends it\n")
        sys.stdout.flush()
        while not signals.wait(LOOK_UP_S):
            pass
    server.shutdown()
    server.server_close()
    return Exit.FINE
