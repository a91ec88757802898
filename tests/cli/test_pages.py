"""Pages that people copy from: every command in them runs, and what they show is what came out."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from extractor.daemon.process import Exit
from extractor.destination.verdict import DeliveryReason

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SHOWN = re.compile(r"(<!-- real output: (?P<command>[^\n]*) -->\n```text\n)(?P<output>.*?)(```)", re.DOTALL)
BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)

WRITTEN_AT = 1_795_348_000
"""What the sample logs' lines without a time are of: the last change of a file is of no checkout."""


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A copy of `examples/` with a known age."""
    copy = tmp_path / "examples"
    shutil.copytree(ROOT / "examples", copy)
    for path in (copy / "lago").iterdir():
        os.utime(path, (WRITTEN_AT, WRITTEN_AT))
    return copy


def run(script: str, folder: Path, tmp_path: Path) -> str:
    """Run a script with this program on its path; anything that fails in it fails."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    shim = programs / "extractor"
    shim.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m extractor "$@"\n')
    shim.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{script}\n{done.stderr}"
    return done.stdout


def blocks(page: Path, kind: str) -> list[str]:
    """What stands between fences of one kind."""
    return [
        found["text"] for found in BLOCK.finditer(page.read_text(encoding="utf-8")) if found["kind"] == kind
    ]


def test_the_readme_shows_what_comes_out(
    samples: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Its output is real: `pytest --rewrite-golden` writes it anew."""
    text = README.read_text(encoding="utf-8")

    def shown(found: re.Match[str]) -> str:
        return found[1] + run(found["command"], samples.parent, tmp_path) + found[4]

    real = SHOWN.sub(shown, text)
    assert len(SHOWN.findall(text)) >= 2
    if request.config.getoption("--rewrite-golden"):
        README.write_text(real, encoding="utf-8")
    else:
        assert text == real


def test_the_first_readme_command_ends_with_events(samples: Path, tmp_path: Path) -> None:
    """Its second half, as it is written, with the environment that its first half makes."""
    first = blocks(README, "sh")[0]
    install, preview = first.strip().split(" &&\n")
    assert install == "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.lock"
    assert "requirements.lock" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    out = run(preview, samples.parent, tmp_path)
    assert "organization_registered" in out
    assert out.rstrip().endswith("events")


def test_the_second_readme_command_runs_the_tests_from_the_lock_file() -> None:
    """What it installs is there; that the tests pass is what you are looking at."""
    second = blocks(README, "sh")[1].strip()
    install = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements-dev.lock"
    assert second == f"{install} && .venv/bin/python -m pytest -q"
    assert (ROOT / "requirements-dev.lock").is_file()


@pytest.mark.parametrize("page", ["quickstart.md", "operations.md"])
def test_every_command_of_the_page_runs_in_its_order(page: str, samples: Path, tmp_path: Path) -> None:
    """From top to bottom, in the folder of the sample logs, nothing fails."""
    folder = samples / "lago"
    prelude = (
        "" if page == "quickstart.md" else "extractor init >/dev/null\nextractor run --once >/dev/null\n"
    )
    scripts = blocks(ROOT / "docs" / page, "sh")
    assert len(scripts) >= 5
    run(prelude + "\n".join(scripts), folder, tmp_path)


def test_every_command_of_drift_runs_and_gives_a_pack(samples: Path, tmp_path: Path) -> None:
    """`coverage` finds nothing unknown in the samples; what `suggest` writes passes `check`."""
    coverage, suggest = blocks(ROOT / "docs" / "drift.md", "sh")
    trial = "sed 's#^rules: .*#rules: [./pack.yaml]#; /^variables:/,/^  hosting_type/d' extractor.yaml > trial.yaml\nextractor check --config trial.yaml"
    script = f"extractor init >/dev/null\n{coverage}\n{suggest.rstrip()} > pack.yaml\n{trial}"
    said = run(script, samples / "lago", tmp_path)
    assert "Api::V1::CustomersController#create POST" in said
    assert "trial.yaml: fine." in said


RUN_ELSEWHERE = {
    "README.md": "above",
    "deploy.md": "test_deploy",
    "drift.md": "above",
    "faq.md": "test_deploy",
    "operations.md": "above",
    "page.md": "page/test_commands",
    "problems.md": "test_problem_texts",
    "quickstart.md": "above",
    "tutorial.md": "test_tutorial",
}
"""Pages with commands, and the tests that run them."""


def test_no_page_has_commands_that_nothing_runs() -> None:
    """A fence of `sh` is a promise; what no test can run (root, a cluster, a registry) is `text`."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    kinds = {
        page.name: {
            one["kind"].split()[0] for one in BLOCK.finditer(page.read_text(encoding="utf-8")) if one["kind"]
        }
        for page in pages
    }
    assert {name for name, found in kinds.items() if "sh" in found} == set(RUN_ELSEWHERE)
    assert not any({"bash", "console", "shell"} & found for found in kinds.values())


def test_the_quick_start_prints_events_once(samples: Path, tmp_path: Path) -> None:
    """`run --once` of the quick start prints all of them, a second one none."""
    script = "extractor init >/dev/null; extractor run --once | wc -l; extractor run --once | wc -l"
    assert run(script, samples / "lago", tmp_path).split() == ["49", "0"]


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Links between pages and into the repository are not broken."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link


@pytest.mark.parametrize("code", list(Exit))
def test_every_exit_code_is_explained(code: Exit) -> None:
    """Whoever meets a number finds it in the table of operations."""
    assert f"\n| {code.value} | " in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("reason", list(DeliveryReason))
def test_every_reason_of_a_hold_is_explained(reason: DeliveryReason) -> None:
    """`status` names reasons; the page that operations sends one to has all of them."""
    assert f"`{reason.value}`" in (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")


@pytest.mark.soak
def test_both_readme_commands_pass_in_a_clean_checkout(tmp_path: Path) -> None:
    """From a fresh clone and with a fresh environment, as a new user types them; needs the network and minutes."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    first, second = blocks(README, "sh")[:2]
    assert run(first, clone, tmp_path).rstrip().endswith("events")
    done = subprocess.run(["bash", "-euc", second], cwd=clone, check=False, env=os.environ)
    assert done.returncode == 0
