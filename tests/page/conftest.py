"""Pages to look at: the real program serves a state that it filled from the samples, and one of many organizations."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from extractor import wiring
from extractor.config import load_config
from tests.page.filling import DATA, docker_log, fill_state, ways
from tests.running import Program, Running, config_for, wait_until

SAMPLES = ("lago-1.51", "lago-1.27")


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
