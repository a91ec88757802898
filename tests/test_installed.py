"""What an installed wheel brings besides the program: a man page, and completion for three shells."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.cli.test_help import every_command

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extractor.1"
COMPLETED = {
    "bash": {"COMP_WORDS": "extractor dead-letters re", "COMP_CWORD": "2"},
    "zsh": {"_TYPER_COMPLETE_ARGS": "extractor dead-letters re"},
    "fish": {"_TYPER_COMPLETE_ARGS": "extractor dead-letters re", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
}
"""How each shell asks for the words that may stand where the cursor is."""


@pytest.fixture(scope="module", name="installed")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it, and no other copy of the program; its packages are those of this one."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=120)
    venv = folder / "venv"
    (site,) = venv.glob("lib/python*/site-packages")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # What an installer does with data and console scripts.
    for data in site.glob("*.data/data"):
        shutil.copytree(data, venv, dirs_exist_ok=True)
    (site / "packages.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    program = venv / "bin" / "extractor"
    program.write_text(f"#!{venv}/bin/python\nfrom extractor.cli import main\nmain()\n")
    program.chmod(0o755)
    return venv


def call(venv: Path, *words: str, **environ: str) -> str:
    """What the installed program prints."""
    path = f"{venv / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [venv / "bin" / "extractor", *words],
        check=False, capture_output=True, text=True, timeout=60, cwd=venv,
        env={"PATH": path, "HOME": str(venv), "LANG": "C.UTF-8", **environ},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


def test_the_installed_program_is_the_wheels(installed: Path) -> None:
    """Else the other tests here would be about the checkout."""
    code = "import extractor, sys; print(extractor.__file__)"
    done = subprocess.run(
        [installed / "bin" / "python", "-c", code], check=True, capture_output=True, text=True, cwd=installed
    )
    assert done.stdout.startswith(str(installed))


@pytest.mark.parametrize("shell", COMPLETED)
def test_completion_knows_commands(installed: Path, shell: str) -> None:
    """The words that a shell would offer after `extractor dead-letters re`."""
    asked = {"_EXTRACTOR_COMPLETE": f"complete_{shell}", **COMPLETED[shell]}
    said = call(installed, **asked)
    assert "replay" in said
    assert "discard" not in said


@pytest.mark.parametrize("shell", COMPLETED)
def test_completion_is_shown_and_its_script_is_a_good_one(installed: Path, shell: str) -> None:
    """`--show-completion` prints what the shell can read; where the shell is here, it does."""
    script = call(installed, "--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_EXTRACTOR_COMPLETE=" in script
    if (program := shutil.which(shell)) is not None:
        subprocess.run([program, "-n"], input=script, text=True, check=True, timeout=60)


@pytest.mark.parametrize(
    ("shell", "place"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish")]
)
def test_completion_is_installed_for_the_user(
    installed: Path, tmp_path: Path, shell: str, place: str
) -> None:
    """Into their home, and nowhere else."""
    alone = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    call(installed, "--install-completion", shell, **alone)
    assert (tmp_path / place).exists()
    assert any("extractor" in path.name for path in tmp_path.rglob("*") if path.is_file())


def test_the_wheel_brings_the_man_page(installed: Path) -> None:
    """Beside the program, where `man` looks for it."""
    assert (installed / "share" / "man" / "man1" / "extractor.1").read_bytes() == PAGE.read_bytes()


def test_the_man_page_has_every_command_and_is_good_roff() -> None:
    """With its example; `man` warns of nothing."""
    man = shutil.which("man")
    if man is None or shutil.which("groff") is None:
        pytest.skip("man is not installed (Debian: man-db, groff-base)")
    done = subprocess.run(
        [man, "--warnings=all", "--local-file", PAGE],
        check=True, capture_output=True, text=True, timeout=60,
        env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C.UTF-8", "MANROFFOPT": "-c"},
    )  # fmt: skip
    assert done.stderr == ""
    shown = done.stdout.replace("\N{HYPHEN}", "-")
    assert [words for words in every_command() if f"extractor {words}" not in shown] == []
