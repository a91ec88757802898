"""What lies in `deploy/`, and what `docs/deploy.md` says of it, fits this program, and the tools that it is for."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from extractor import telemetry
from extractor.config import load_config
from tests.cli.test_pages import BLOCK, blocks, run
from tests.packs import assemble, shipped_pack

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PAGE = ROOT / "docs" / "deploy.md"
UNIT = DEPLOY / "systemd" / "extractor.service"
DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
COMPOSE = DEPLOY / "docker" / "compose.yaml"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
NONE = "kustomization.yaml"
"""Read by kubectl itself, and no resource."""

INSTALLATION = "of-the-tests-of-deploy"


def read(path: Path) -> Any:
    """A YAML file as its own tool reads it."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def daemonset() -> Any:
    """Its pods."""
    return read(DEPLOY / "kubernetes" / "daemonset.yaml")["spec"]["template"]["spec"]


# Metrics


def expressions() -> Iterator[str]:
    """All PromQL of the alerts and the dashboard."""
    for group in read(ALERTS)["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query")
    yield from (one["expr"] for one in board["annotations"]["list"])


def test_every_metric_in_alerts_and_dashboard_is_declared() -> None:
    """An alarm on a name that nothing has would be silent for ever."""
    declared = {metric.name for metric in telemetry.METRICS}
    named = {
        name
        for expression in expressions()
        for name in re.findall(r"\b(?:extractor|process)_\w+", expression)
    }
    ours = {name for name in named if name.startswith("extractor_")}
    assert ours - declared == set()
    assert len(ours) > 20
    # Those of prometheus_client's ProcessCollector.
    assert named - ours <= {
        "process_start_time_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
    }


def test_every_label_in_alerts_and_dashboard_is_one_of_its_metric() -> None:
    """The same of labels, and of the reasons and kinds that an alarm asks for."""
    labels = {metric.name: {*metric.labels, "instance"} for metric in telemetry.METRICS}
    words = {
        "reason": {one.value for one in telemetry.Reason},
        "kind": {one.value for one in telemetry.IncidentKind},
    }
    for expression in expressions():
        for name, matchers in re.findall(r"\b(extractor_\w+)\{([^}]*)\}", expression):
            for label, wanted in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
                assert label in labels[name], expression
                if label in words:
                    assert set(wanted.split("|")) <= words[label], expression
        for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
            known = set().union(*(labels[name] for name in re.findall(r"extractor_\w+", expression)))
            assert {one.strip() for one in grouped.split(",")} <= known, expression


def test_every_alert_says_what_it_is_and_where_to_read_on() -> None:
    """Whoever is woken by one finds the page, and the part of it."""
    for rule in read(ALERTS)["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in {"page", "ticket", "info"}
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        known = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
        assert anchor in known, rule["alert"]


def test_every_alert_is_tried() -> None:
    """`alerts_test.yaml` makes each of them ring."""
    tried = (DEPLOY / "prometheus" / "alerts_test.yaml").read_text(encoding="utf-8")
    alerts = [rule["alert"] for rule in read(ALERTS)["groups"][0]["rules"]]
    assert [one for one in alerts if f'alertname="{one}"' not in tried] == []


@pytest.mark.parametrize("words", [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]])
def test_promtool_takes_the_alerts(words: list[str]) -> None:
    """Prometheus reads them, and they ring when they should and only then."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    subprocess.run([promtool, *words], cwd=ALERTS.parent, check=True, timeout=60)


def test_the_dashboard_is_one() -> None:
    """Grafana's own rules that a file can break: ids and places are single, every panel asks something."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["targets"], panel["title"]


# systemd


def unit() -> configparser.RawConfigParser:
    """The unit's keys; of one that stands twice the last."""
    parser = configparser.RawConfigParser(strict=False, delimiters=["="], comment_prefixes=["#"])
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # keys are as they are written
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there: `verify` looks for it."""
    path = tmp_path / "extractor.service"
    path.write_text(
        UNIT.read_text(encoding="utf-8").replace("/opt/extractor/bin/extractor", sys.executable),
        encoding="utf-8",
    )
    return path


def test_the_page_checks_the_unit_as_we_do(installed_unit: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` passes and `security` finds at most 2.0: with the commands of the page."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    (script,) = blocks(PAGE, "sh systemd")
    assert "--threshold=20 " in script
    run(script.replace("/etc/systemd/system/extractor.service", str(installed_unit)), tmp_path, tmp_path)


def test_the_unit_gives_the_program_time_to_stop(tmp_path: Path) -> None:
    """The grace of the config is over before systemd kills, and its watchdog is no nervous one."""
    config = load_config(written(DEPLOY / "systemd" / "extractor.yaml", tmp_path), {})
    service = unit()["Service"]
    assert float(service["TimeoutStopSec"]) > config.shutdown_grace_s
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 30


def test_the_unit_writes_the_state_folder_and_nothing_else(tmp_path: Path) -> None:
    """And the config that lies beside it has its state there."""
    service = unit()["Service"]
    assert service["ProtectSystem"] == "strict"
    assert "ReadWritePaths" not in service
    config = load_config(written(DEPLOY / "systemd" / "extractor.yaml", tmp_path), {})
    assert str(config.state_dir) == f"/var/lib/{service['StateDirectory']}"


def test_the_units_credential_is_the_configs_write_key(tmp_path: Path) -> None:
    """As the comment in the config has it: from systemd's folder, and for an operator from where that came from."""
    name, source = unit()["Service"]["LoadCredential"].split(":")
    text = (DEPLOY / "systemd" / "extractor.yaml").read_text(encoding="utf-8")
    text = text.replace("destination: stdout\n", "").replace("# destination:", "destination:")
    text = text.replace("#   segment:", "  segment:")
    path = tmp_path / "extractor.yaml"
    path.write_text(text, encoding="utf-8")
    (tmp_path / name).write_text("a-write-key-of-the-tests\n")
    assert load_config(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).destination is not None
    assert f"${{CREDENTIALS_DIRECTORY:-{Path(source).parent}}}/{Path(source).name}" in text


# Configs


def written(source: Path | str, folder: Path) -> Path:
    """A config of `deploy/` where it can be loaded: its write key is a file of ours."""
    text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
    key = folder / "write-key"
    key.write_text("a-write-key-of-the-tests\n")
    path = folder / "extractor.yaml"
    path.write_text(re.sub(r"write_key_file: /[^}]*", f"write_key_file: {key}", text), encoding="utf-8")
    return path


def container_configs() -> dict[str, str]:
    """Each config that runs in a container."""
    found = {path.name: path.read_text(encoding="utf-8") for path in COMPOSE.parent.glob("extractor*.yaml")}
    found["kubernetes"] = read(DEPLOY / "kubernetes" / "configmap.yaml")["data"]["extractor.yaml"]
    return found


@pytest.mark.parametrize("name", ["extractor.yaml", "extractor-json-file.yaml", "kubernetes"])
def test_every_config_for_containers_is_a_good_one(name: str, tmp_path: Path) -> None:
    """It loads, what asks for its health from outside reaches it, and paths are those of its mounts."""
    config = load_config(
        written(container_configs()[name], tmp_path), {"EXTRACTOR_INSTALLATION": INSTALLATION}
    )
    assert config.installation == INSTALLATION
    assert config.metrics is not None
    assert config.metrics.port == 9464
    mounts = {
        "extractor.yaml": mounts_of("extractor"),
        "extractor-json-file.yaml": mounts_of("extractor-json-file"),
        "kubernetes": {
            one["mountPath"]: one.get("readOnly", False)
            for one in daemonset()["containers"][0]["volumeMounts"]
        },
    }[name]
    for source in config.sources:
        for path in source.paths:
            (under,) = [mount for mount in mounts if path.startswith(f"{mount}/")]
            assert mounts[under] is True, "logs are mounted read-only"
    (under,) = [mount for mount in mounts if str(config.state_dir).startswith(mount)]
    assert mounts[under] is False


# Docker


def services() -> Any:
    """Of the compose file."""
    return read(COMPOSE)["services"]


def mounts_of(service: str) -> dict[str, bool]:
    """Where something is mounted, and whether read-only."""
    return {one["target"]: one.get("read_only", False) for one in services()[service]["volumes"]}


def test_the_image_is_made_of_what_is_there_and_runs_as_nobody_special() -> None:
    """Every file that is copied exists, the last user is not root, and the build takes locked packages only."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
    assert copied
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}\n" in ignored
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert "--require-hashes" in text
    assert "requirements.lock" in text


def test_the_image_finds_the_rules_where_the_dockerfile_puts_them(tmp_path: Path) -> None:
    """The package and the packs beside it, with the launcher that the Dockerfile writes."""
    shutil.copytree(
        ROOT / "extractor", tmp_path / "src" / "extractor", ignore=shutil.ignore_patterns("*.pyc")
    )
    shutil.copytree(ROOT / "rules", tmp_path / "src" / "rules")
    (script,) = re.findall(r"printf '#!\S+python\\n(.*)\\n' >", DOCKERFILE.read_text(encoding="utf-8"))
    launcher = tmp_path / "extractor"
    launcher.write_text(script.replace("\\n", "\n"))
    done = subprocess.run(
        [sys.executable, launcher, "check", "--config", ROOT / "examples" / "lago.yaml"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_tells_health(status: int, code: int) -> None:
    """The very command of the Dockerfile, against a server that answers so."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            pass

    (command,) = re.findall(r"HEALTHCHECK .*\\\n\s+CMD (\[.*\])", DOCKERFILE.read_text(encoding="utf-8"))
    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        words = [word.replace("9464", str(server.server_port)) for word in json.loads(command)]
        proxy = {"http_proxy": "http://127.0.0.1:1"}
        done = subprocess.run(
            [sys.executable, *words[1:]], check=False, timeout=30, env={**os.environ, **proxy}
        )
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == code


def test_compose_takes_the_compose_file() -> None:
    """Both profiles, and not without the random text that keys the message ids."""
    command = compose_command()
    known = {**os.environ, "EXTRACTOR_INSTALLATION": INSTALLATION}
    for profile in ((), ("--profile", "json-file")):
        asked = [*command, "-f", str(COMPOSE), *profile, "config", "-q"]
        subprocess.run(asked, check=True, env=known, timeout=60)
    known.pop("EXTRACTOR_INSTALLATION")
    refused = subprocess.run(
        [*command, "-f", str(COMPOSE), "config", "-q"],
        check=False,
        env=known,
        capture_output=True,
        timeout=60,
    )
    assert refused.returncode != 0


def compose_command() -> list[str]:
    """The client that is there; skips where none is."""
    docker = shutil.which("docker")
    if (
        docker
        and subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0
    ):
        return [docker, "compose"]
    alone = shutil.which("docker-compose")
    if alone is None:
        pytest.skip("neither `docker compose` nor docker-compose is installed (Debian: docker-compose)")
    return [alone]


@pytest.mark.parametrize("name", ["extractor", "extractor-json-file"])
def test_a_container_has_what_it_needs_and_no_more(name: str) -> None:
    """Read-only root, no capability, one writable folder, its own log where it does not read; no socket, no env_file."""
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert "ports" not in service
    assert "env_file" not in service
    assert service["logging"]["driver"] == "local"
    assert [target for target, read_only in mounts_of(name).items() if not read_only] in (
        ["/var/lib/extractor"],
        ["/state"],
    )
    bound = [one["source"] for one in service["volumes"] if one["type"] == "bind"]
    assert [one for one in bound if one.startswith("/")] in ([], ["/var/lib/docker/containers"])
    assert (COMPOSE.parent / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]) == DOCKERFILE


# Kubernetes


@pytest.mark.parametrize("version", ["1.29", "1.33", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("path", [one for one in MANIFESTS if one.name != NONE], ids=lambda path: path.name)
def test_every_manifest_is_valid(path: Path, version: str) -> None:
    """Against the schemas of Kubernetes, where an unknown key is a mistake, too."""
    kubernetes_validate.validate(read(path), version, strict=True)


def test_kustomize_names_every_manifest() -> None:
    """`kubectl apply -k` leaves none out."""
    listed = read(DEPLOY / "kubernetes" / NONE)["resources"]
    assert sorted(listed) == [path.name for path in MANIFESTS if path.name != NONE]


def test_the_pod_has_what_it_needs_and_no_more() -> None:
    """The same of a pod: limits, probes, no token, and of the node only logs (read-only) and its own folder."""
    pod = daemonset()
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"].keys() == {"cpu", "memory"}
    probes = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert probes == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    hosted = {one["name"]: one["hostPath"]["path"] for one in pod["volumes"] if "hostPath" in one}
    assert hosted == {"pods": "/var/log/pods", "state": "/var/lib/extractor"}
    mounted = {one["name"]: one.get("readOnly", False) for one in container["volumeMounts"]}
    assert mounted == {"pods": True, "state": False, "config": True, "secret": True, "tmp": False}


def test_the_pod_asks_for_keys_that_the_secret_has() -> None:
    """What is referred to is there, under its name."""
    pod = daemonset()
    keys = read(DEPLOY / "kubernetes" / "secret.yaml")["stringData"].keys()
    (volume,) = [one["secret"] for one in pod["volumes"] if "secret" in one]
    asked = {one["key"] for one in volume["items"]}
    asked |= {one["valueFrom"]["secretKeyRef"]["key"] for one in pod["containers"][0]["env"]}
    assert asked == keys


# The page


def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    """From top to bottom, in the folder of the sample logs; those for systemd, Docker and a cluster apart."""
    folder = tmp_path / "lago"
    shutil.copytree(ROOT / "examples" / "lago", folder)
    scripts = blocks(PAGE, "sh")
    assert len(scripts) >= 4
    run("extractor init >/dev/null\nextractor run --once >/dev/null\n" + "\n".join(scripts), folder, tmp_path)
    assert (folder / "events.jsonl").read_text() == "", (
        "what was delivered is not sent again, after a rollback neither"
    )


def test_every_command_of_the_faq_runs(tmp_path: Path) -> None:
    """The same of the FAQ."""
    folder = tmp_path / "lago"
    shutil.copytree(ROOT / "examples" / "lago", folder)
    run("extractor init >/dev/null\n" + "\n".join(blocks(ROOT / "docs" / "faq.md", "sh")), folder, tmp_path)


def test_the_page_names_every_file_of_deploy() -> None:
    """A command that names a file which is not there fails for every reader."""
    named = {
        one
        for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))
        for one in re.findall(r"deploy/[\w./-]*\w", found["text"])
    }
    made = {"deploy/docker/.env", "deploy/docker/segment-write-key"}
    assert made <= named
    assert [one for one in named - made if not (ROOT / one).exists()] == []


def test_the_page_names_every_event_that_needs_memory() -> None:
    """Whoever runs several readers must know all of them."""
    rules = assemble(shipped_pack()).rules
    with_memory = {rule.event for rule in rules if rule.event and (rule.once or rule.changed)}
    table = PAGE.read_text(encoding="utf-8").partition("<!-- memory -->")[2].partition("<!-- end -->")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == with_memory
