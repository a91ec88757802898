"""The threat model names tests that are there, and leads where it says."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


def test_it_names_tests() -> None:
    """Each row of the table has one, so the next test is not about nothing."""
    threats = PAGE.partition("## Who could learn what")[2].partition("\n## ")[0]
    rows = [line for line in threats.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert len(rows) > 15
    assert all("`tests/" in row for row in rows)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_that_it_names_is_there(file: str, name: str) -> None:
    """A defence whose test was renamed or removed is none that anybody could check."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", ["docs/security.md", "SECURITY.md"])
def test_every_link_leads_to_a_file(page: str) -> None:
    """Beside the page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#:]+)\)", text)
    assert targets
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []
