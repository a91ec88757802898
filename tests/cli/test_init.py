"""`init`: a config for the logs that are there, which passes `check` as it is written."""

import json
import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor import wiring
from extractor.config import load_config
from extractor.decode.envelope import Envelope
from extractor.proposal import Found, find_logs, render_config
from tests.commands import Shell, customer_line

JOB = '{"level":"info","event":"enqueue","status":"success","job":"SegmentTrackJob","job_id":"1","arguments":"{}"}'
BANNER = "=> Booting Puma\n"


def docker(line: str) -> str:
    """A line as Docker wraps it."""
    return json.dumps(
        {"log": f"{line}\n", "stream": "stdout", "time": "2026-11-22T11:44:06.8Z"}, separators=(",", ":")
    )


def cri(line: str) -> str:
    """A line as the kubelet writes it."""
    return f"2026-11-22T11:44:06.8Z stdout F {line}"


def lay(root: Path, name: str, text: str) -> None:
    """A file below a made-up root."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n", encoding="utf-8")


def sources_of(found: list[Found], folder: Path) -> list[tuple[tuple[str, ...], str]]:
    """Paths and envelopes of the config that would be written; it must load, rules and all."""
    path = folder / "extractor.yaml"
    path.write_text(render_config(found, "0123456789abcdef"), encoding="utf-8")
    config = load_config(path, {})
    wiring.build_rules(config)
    return [(source.paths, source.envelope) for source in config.sources]


def test_what_it_writes_passes_check_and_finds_the_logs(shell: Shell) -> None:
    """From nothing to a preview, with no hand on the file."""
    (shell.folder / "extractor.yaml").unlink()
    shell.write("log/worker.log", BANNER + JOB)
    shell.write("log/api.log", BANNER + customer_line("a") + "\n")
    said = shell("init")
    assert said.code == 0
    assert (
        "next: extractor check --config extractor.yaml && extractor preview --config extractor.yaml"
        in said.out
    )
    assert shell("check").code == 0
    assert len(shell("preview", "--format", "jsonl").out.splitlines()) == 1
    text = (shell.folder / "extractor.yaml").read_text()
    assert text.index("log/api.log") < text.index("log/worker.log")


def test_it_never_overwrites_without_force(shell: Shell) -> None:
    """The installation in the old one keys every id that was ever sent."""
    before = (shell.folder / "extractor.yaml").read_bytes()
    said = shell("init")
    assert said.code == 1
    assert "extractor.yaml is there already; --force" in said.err
    assert (shell.folder / "extractor.yaml").read_bytes() == before
    assert shell("init", "--force").code == 0
    assert (shell.folder / "extractor.yaml").read_bytes() != before


def test_each_installation_is_another_and_only_its_owners_to_read(shell: Shell) -> None:
    """Random, long, and in a file of mode 0600 whatever the umask."""
    shell("init", "--output", "a.yaml")
    shell("init", "-o", "b.yaml")
    names = [load_config(shell.folder / name, {}).installation for name in ("a.yaml", "b.yaml")]
    assert names[0] != names[1]
    assert all(len(name) >= 32 for name in names)
    assert stat.S_IMODE((shell.folder / "a.yaml").stat().st_mode) == 0o600


def test_with_no_log_it_says_where_to_name_one(shell: Shell) -> None:
    """Still a config that loads."""
    said = shell("init", "--output", "fresh/extractor.yaml")
    assert said.code == 1  # no such folder
    (shell.folder / "fresh").mkdir()
    said = shell("init", "--output", "fresh/extractor.yaml")
    if "found no log of the app" not in said.out:
        pytest.skip("this machine has logs of the app in /var/log")
    assert load_config(shell.folder / "fresh/extractor.yaml", {}).sources[0].paths == ("/var/log/lago/*.log",)


def test_every_usual_place_is_looked_at(tmp_path: Path) -> None:
    """Files in /var/log/lago, Docker's, the kubelet's and those here; each with its envelope."""
    root, here = tmp_path / "root", tmp_path / "here"
    lay(root, "var/log/lago/api.log", BANNER + JOB)
    lay(root, "var/lib/docker/containers/0a1b/0a1b-json.log", docker("=> Booting") + "\n" + docker(JOB))
    lay(root, "var/log/pods/billing_lago-api-1_uid/api/0.log", cri(JOB))
    lay(here, "app.log", customer_line("a"))
    found = find_logs(root, here)
    assert sources_of(found, here) == [
        ((f"{root}/var/log/lago/*.log",), "none"),
        ((f"{root}/var/lib/docker/containers/*/*-json.log",), "docker"),
        ((f"{root}/var/log/pods/*/*/*.log",), "cri"),
        ((f"{here}/app.log",), "auto"),
    ]
    assert found[2].namespaces == ("billing",)
    config = load_config(here / "extractor.yaml", {})
    assert config.sources[2].where.namespace == ("billing",)


def test_logs_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    """Only files with a line of the app count: no neighbour's log is proposed, no rotated copy, no gzip."""
    lay(tmp_path, "var/log/lago/nginx.log", '127.0.0.1 - - "GET / HTTP/1.1" 200')
    lay(tmp_path, "var/lib/docker/containers/0a/0a-json.log", docker('{"msg":"hello"}'))
    lay(tmp_path, "var/log/pods/kube-system_dns_uid/dns/0.log", cri("[INFO] plugin/reload"))
    lay(tmp_path, "here/other.log", '{"level":"info","msg":"x"}')
    lay(tmp_path, "here/app.log.1", JOB)
    (tmp_path / "here/odd\x1b.log").write_text(JOB)
    assert find_logs(tmp_path, tmp_path / "here") == []


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """A folder instead of a file, a link to nowhere: `init` answers all the same."""
    (tmp_path / "here" / "folder.log").mkdir(parents=True)
    (tmp_path / "here" / "gone.log").symlink_to("nowhere")
    os.mkfifo(tmp_path / "here" / "pipe.log")
    assert find_logs(tmp_path, tmp_path / "here") == []


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="/"), min_size=1, max_size=20
)


@given(NAMES)
def test_any_file_name_is_spelled_so_that_it_is_found(name: str) -> None:
    """Quotes, dollars, colons and hashes in a name are part of it."""
    config = render_config(
        [Found(where="here", paths=(f"a{name}.log",), envelope=Envelope.AUTO)], "0123456789abcdef"
    )
    (line,) = re.findall(r"^  - paths: .*$", config, re.MULTILINE)
    assert f"a{name}.log" in line.replace("$$", "$").replace('\\"', '"').replace("\\\\", "\\")
