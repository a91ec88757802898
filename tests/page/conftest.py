"""Pages to look at: the real program serves a state that it filled from the samples, and one of many organizations."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from extractor import wiring
from extractor.config import load_config
from tests.page.filling import DATA, docker_log, fill_state, ways
from tests.running import PATIENCE_S, Program, Running, config_for, wait_until

SAMPLES = ("lago-1.51", "lago-1.27")
CHROMIUM = shutil.which("chromium")
SIZES = {"wide": (1200, 900), "phone": (360, 740)}
ColorScheme = Literal["light", "dark"]
Open = Callable[..., Page]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


@dataclass
class Site:
    """A state, the page of it being served, and what the run that filled it printed."""

    program: Program
    server: Running
    url: str
    printed: bytes = b""
    ways: list[list[float]] = field(default_factory=list)


@contextmanager
def serving(program: Program, **more: Any) -> Iterator[Site]:
    """Serve a program's state until the end of the block."""
    command = program.command("serve", "--port", "0")
    with Running(command, program.folder, program.environment()) as server:
        wait_until(lambda: b"\n" in server.out or server.ended, "the address")
        assert not server.ended, bytes(server.err).decode()
        yield Site(program, server, bytes(server.out).split()[0].decode(), **more)
        assert server.stop() == 0


def quiet_config(*paths: str) -> dict[str, Any]:
    """A config that prints, without metrics."""
    return config_for(None, *paths)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """What two installations logged, read by the real program; request lines carry no time."""
    paths = [str(DATA / sample / name) for sample in SAMPLES for name in ("api.log", "worker.log")]
    program = Program(tmp_path_factory.mktemp("samples"), quiet_config(*paths))
    run = program.call("run", "--once")
    assert run.returncode == 0, run.stderr.decode()
    with serving(program, printed=run.stdout) as site:
        yield site


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hundred and more organizations over weeks; every line has a time."""
    folder = tmp_path_factory.mktemp("many")
    with filled(folder) as site:
        yield site


@contextmanager
def filled(folder: Path) -> Iterator[Site]:
    """Fill a state with many organizations, and serve it."""
    now = time.time()
    log = folder / "app-json.log"
    log.write_bytes(docker_log(now))
    program = Program(folder, quiet_config(str(log)))
    config = load_config(program.config_file, os.environ)
    fill_state(config.state_dir, log, wiring.build_rules(config))
    with serving(program, ways=list(ways(now, 12))) as site:
        yield site


@contextmanager
def updated_app(folder: Path) -> Iterator[Site]:
    """A log in which a field of every later customer has another name."""
    customers = b'"controller":"Api::V1::CustomersController","action":"create","status":200'
    lines = (DATA / "lago-1.51" / "api.log").read_bytes().split(b"\n")
    mine = [number for number, line in enumerate(lines) if customers in line]
    for number in mine[len(mine) // 2 :]:
        lines[number] = lines[number].replace(b'"external_id":', b'"external_key":')
    log = folder / "api.log"
    log.write_bytes(b"\n".join(lines))
    program = Program(folder, quiet_config(str(log)))
    assert program.call("run", "--once").returncode == 0
    with serving(program) as site:
        yield site


@pytest.fixture(scope="session", name="browser")
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield browser
        browser.close()


@pytest.fixture(name="visit")
def _visit(browser: Browser) -> Iterator[Open]:
    """Opens pages; afterwards none of them may have asked another host, run a script, shown a dialog or complained."""
    contexts, asked, complaints = [], list[str](), list[str]()

    def visit(url: str, size: str = "wide", scheme: ColorScheme = "light") -> Page:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.set_default_timeout(PATIENCE_S * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        for page in context.pages:
            assert page.evaluate("window.hit") is None
        context.close()
    assert {urlsplit(url).hostname for url in asked if not url.startswith("file:")} <= {"127.0.0.1"}
    assert complaints == []
