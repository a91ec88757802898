"""What the program stands on: locked with hashes, listed in a bill of materials, and reached over no network but one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def locked(name: str) -> dict[str, str]:
    """Package to the rest of what a lock file says about it."""
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    return {entry.split("==")[0]: entry for entry in entries if "==" in entry}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_locked_to_a_version_and_its_hashes(name: str) -> None:
    """What is installed is what was reviewed, whoever answers for the index."""
    packages = locked(name)
    assert len(packages) > 20
    for package, entry in packages.items():
        assert re.match(rf"{re.escape(package)}==\S+", entry)
        assert "--hash=sha256:" in entry, package


def test_the_bill_of_materials_lists_what_is_locked_and_nothing_else(tmp_path: Path) -> None:
    """CycloneDX, with versions and hashes; no tool of development in it."""
    path = tmp_path / "dist" / "extractor.cdx.json"
    subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "sbom.py"), str(path)], check=True, capture_output=True
    )
    bill = json.loads(path.read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert bill["metadata"]["component"]["purl"].startswith("pkg:pypi/extractor@")
    listed = {one["name"]: one["version"] for one in bill["components"]}
    packages = locked("requirements.lock")
    assert listed.keys() == packages.keys()
    assert all(f"{name}=={version}" in packages[name] for name, version in listed.items())
    assert not {"pytest", "pip-audit", "atheris"} & listed.keys()
