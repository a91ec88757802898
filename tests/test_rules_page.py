"""`docs/rules.md` says what the rule language can do: its examples run, and it leaves no word out."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from extractor import document
from extractor.ruleset import model
from extractor.ruleset.codes import Code
from extractor.ruleset.examples import check_examples
from extractor.ruleset.load import load_pack
from extractor.ruleset.load_condition import OPERATORS
from extractor.ruleset.plan import build_plan, plan_as_json
from extractor.ruleset.scope import MAX_ELEMENTS
from extractor.ruleset.value import Type
from tests.packs import assemble, shipped_pack

PAGE = (Path(__file__).parents[1] / "docs" / "rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
HEAD = """\
pack: shop
version: 1
about: A shop
events: {order_placed: {about: Somebody ordered}, order_paid: {about: Somebody paid}}
rules:
"""


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_on_the_page_loads_and_holds(block: str) -> None:
    """A whole pack, or rules of one: what an author copies first works."""
    text = block if block.startswith("pack:") else HEAD + block
    assert check_examples(load_pack(document.load(text, "docs/rules.md"))) == []


def shapes() -> list[type[BaseModel]]:
    """Everything that can be written in a pack."""
    return [one for one in vars(model).values() if isinstance(one, type) and issubclass(one, model.Shape)]


def test_every_key_is_on_the_page() -> None:
    """Of a pack, a rule, a condition, a value, an example."""
    keys = {field.alias or name for shape in shapes() for name, field in shape.model_fields.items()}
    missing = sorted(key for key in keys if not re.search(rf"[`{{,\s]{key}\b", PAGE))
    assert len(keys) > 50
    assert missing == []


def test_every_operator_type_and_code_is_on_the_page() -> None:
    """And the limits that an author can meet."""
    assert [word for word in OPERATORS if f"`{word}" not in PAGE] == []
    assert [one.value for one in Type if f"`{one.value}`" not in PAGE] == []
    assert [code for code in Code if f"[{code}]" not in PAGE] == []
    assert f"{MAX_ELEMENTS:,} elements" in PAGE


def test_every_key_of_the_plan_is_on_the_page() -> None:
    """What a program may read of `extractor plan`."""
    plan = plan_as_json(build_plan(assemble(shipped_pack())))
    assert [key for key in plan if f"`{key}`" not in PAGE] == []


def test_every_link_leads_somewhere() -> None:
    """To a heading of the page, or to a file beside it."""
    headings = {
        re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-")
        for one in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        page, _, anchor = target.partition("#")
        if target.startswith("#"):
            assert anchor in headings, target
        elif "://" not in target:
            assert (Path(__file__).parents[1] / "docs" / page).exists(), target
