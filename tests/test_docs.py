"""What the docs say is what the code says."""

import json
from pathlib import Path

import jsonschema
import pytest

from docs import render
from extractor import rulepacks
from extractor.config import load_config
from extractor.document import load, load_file, plain

ROOT = Path(__file__).parent.parent


def test_every_rendered_page_is_current() -> None:
    """A changed key, code or schema cannot be committed without its page: `python docs/render.py`."""
    stale = [path.name for path, text in render.rendered() if path.read_text(encoding="utf-8") != text]
    assert stale == []


def test_checking_names_a_stale_page_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check itself is able to fail, and leaves the page as it is."""
    page = tmp_path / "docs" / "configuration.md"
    page.parent.mkdir()
    page.write_text("<!-- generated: keys -->\nold\n<!-- end -->\n", encoding="utf-8")
    monkeypatch.setattr(render, "DOCS", page.parent)
    monkeypatch.setattr(render, "FILES", {})
    monkeypatch.setattr("sys.argv", ["render.py", "--check"])
    assert render.main() == 1
    assert "docs/configuration.md" in capsys.readouterr().out
    assert "old" in page.read_text(encoding="utf-8")


def test_the_config_in_the_reference_is_a_good_one(tmp_path: Path) -> None:
    """What people copy first works."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    path = tmp_path / "config.yaml"
    path.write_text(page.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    assert load_config(path, {"SEGMENT_WRITE_KEY": "key"}).sources[0].paths == ("/var/log/lago/*.log",)


@pytest.mark.parametrize("name", rulepacks.shipped_names())
def test_the_schema_for_editors_takes_every_shipped_pack(name: str) -> None:
    """An editor must not mark what the loader takes; it marks a key that is misspelt."""
    schema = json.loads((ROOT / "docs" / "schema" / "pack.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    text, file = rulepacks.shipped(name)
    validator.validate(plain(load(text, file)))
    assert not validator.is_valid(plain(load(text.replace("rules:", "rulez:"), file)))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_config_is_a_good_one(path: Path) -> None:
    """For the loader and for editors alike."""
    schema = json.loads((ROOT / "docs" / "schema" / "config.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(plain(load_file(path)))
    for pattern in load_config(path, {}).sources[0].paths:
        assert Path(pattern).is_file()
