"""The image, where a Docker daemon runs: it builds, it reads what Docker keeps, through every rotation.

`EXTRACTOR_IMAGE` names one that is built already, for a machine that reaches no registry.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import LOGS
from tests.running import wait_until

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
IMAGE = os.environ.get("EXTRACTOR_IMAGE", "")
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true", "--network=none")
ROTATED = (
    "--log-driver=json-file",
    "--log-opt=max-size=300k",
    "--log-opt=max-file=3",
    "--log-opt=compress=true",
)
QUIET = ("--log-driver=local", "--log-opt=max-size=100m")
LINES, A_SECOND = 12_000, 600
APP = f"""
import sys, time
line = sys.argv[1]
for number in range({LINES}):
    print(line.replace("NUMBER", str(number)), flush=True)
    if number % {A_SECOND // 10} == 0:
        time.sleep(0.1)
"""
SHARED = "sources: [{{paths: [{paths}], {more}}}]\nrules: [lago]\ninstallation: of-the-tests-of-docker\n"
REST = "destination: stdout\nstate_dir: {state}/state\nmetrics: 0.0.0.0:9464\npoll_interval: 250ms\n"


def docker(*words: str, timeout: float = 120) -> str:
    """What the client prints."""
    done = subprocess.run(["docker", *words], check=False, capture_output=True, timeout=timeout)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def has_daemon() -> bool:
    """Whether one answers."""
    return (
        shutil.which("docker") is not None
        and subprocess.run(["docker", "info"], check=False, capture_output=True, timeout=60).returncode == 0
    )


pytestmark = [
    pytest.mark.soak,  # a build of minutes
    pytest.mark.skipif(not has_daemon(), reason="no Docker daemon answers `docker info`"),
]


@pytest.fixture(scope="module", name="image")
def _image() -> str:
    if IMAGE:
        return IMAGE
    tag = "extractor:of-the-tests"
    command = ["docker", "build", "-q", "-f", str(DOCKERFILE), "-t", tag, "."]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, timeout=900)
    said = done.stderr.decode()
    if "registry" in said or "no such host" in said:
        pytest.skip(f"no registry for the base image; EXTRACTOR_IMAGE names one that is built: {said[-200:]}")
    assert done.returncode == 0, said
    return tag


@pytest.fixture(name="containers")
def _containers() -> Iterator[list[str]]:
    """Ids to be removed at the end."""
    started: list[str] = []
    yield started
    for one in started:
        docker("rm", "--force", "--volumes", one)


def config(folder: Path, paths: str, more: str, state: str = "/var/lib/extractor") -> Path:
    """A config on the host."""
    path = folder / "extractor.yaml"
    path.write_text(SHARED.format(paths=paths, more=more) + REST.format(state=state), encoding="utf-8")
    path.chmod(0o644)
    return path


def mounted(source: Path | str, target: str) -> str:
    """A read-only mount."""
    return f"--mount=type=bind,source={source},target={target},readonly"


def test_the_image_reads_logs_and_is_healthy(image: str, tmp_path: Path, containers: list[str]) -> None:
    """As nobody special, on a read-only root, without a network: each event of the sample, and `healthy`."""
    mounts = [mounted(config(tmp_path, "/logs/*.log", "envelope: none"), "/etc/extractor/extractor.yaml")]
    mounts.append(mounted(LOGS, "/logs"))
    quick = ("--health-interval=1s", "--health-start-period=0s")
    (one,) = docker("run", "-d", *HARDENED, *QUIET, *quick, *mounts, image).split()
    containers.append(one)
    preview = docker("run", "--rm", *HARDENED, *mounts, image, "preview", "--format", "jsonl")
    wanted = {json.loads(line)["message"]["messageId"] for line in preview.splitlines()}
    assert wanted
    wait_until(lambda: len(docker("logs", one).splitlines()) == len(wanted), "the events", patience_s=60)
    assert {
        json.loads(line)["messageId"] for line in docker("logs", one).splitlines() if line[0] == "{"
    } == wanted
    state = "{{.State.Health.Status}} {{.Config.User}}"
    wait_until(
        lambda: docker("inspect", "-f", state, one) == "healthy 10001:10001\n", "health", patience_s=60
    )
    docker("stop", one)
    assert docker("inspect", "-f", "{{.State.ExitCode}}", one) == "0\n"


def test_nothing_is_lost_through_the_rotations_of_json_file(
    image: str, tmp_path: Path, containers: list[str]
) -> None:
    """A container that prints under load, its log rotated at 300 kB and compressed: every line one event."""
    folder = Path(docker("info", "-f", "{{.DockerRootDir}}").strip()) / "containers"
    line = next(
        line for line in (LOGS / "api.log").read_text(encoding="utf-8").splitlines() if "CustomersC" in line
    )
    record = json.loads(line) | {"status": 200, "params": {"customer": {"external_id": "NUMBER"}}}
    wanted = 'envelope: docker, where: {labels: {part: "of-the-tests"}}'
    path = config(tmp_path, "'/docker/*/*-json.log'", wanted, "/state")
    mounts = [mounted(path, "/etc/extractor/extractor.yaml"), mounted(folder, "/docker")]
    # The reader first: what was rotated away before it came, nobody could read.
    reader = docker("run", "-d", "--user=0:0", "--volume=/state", *HARDENED, *QUIET, *mounts, image).strip()
    containers.append(reader)
    health = "{{.State.Health.Status}}"
    wait_until(lambda: docker("inspect", "-f", health, reader) == "healthy\n", "the reader", patience_s=120)
    labelled = ("--label=part=of-the-tests", "--log-opt=labels=part", "--network=none", "--entrypoint=python")
    printing = (image, "-c", APP, json.dumps(record, separators=(",", ":")))
    app = docker("run", "-d", *ROTATED, *labelled, *printing).strip()
    containers.append(app)

    def status() -> dict[str, Any]:
        told: dict[str, Any] = json.loads(docker("exec", reader, "extractor", "status", "--json"))
        return told

    wait_until(lambda: len(docker("logs", reader).splitlines()) >= LINES, f"{LINES} events", patience_s=300)
    wait_until(lambda: status()["delivered"] == LINES, "the last acknowledgement")
    assert [one for one in status()["incidents"] if one["lost_bytes"]] == []
    printed = [json.loads(one)["messageId"] for one in docker("logs", reader).splitlines()]
    assert len(printed) == len(set(printed)) == LINES
    assert len(list((folder / app).glob("*-json.log.*"))) == 2
