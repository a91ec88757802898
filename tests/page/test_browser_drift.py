"""The page of an app that was updated under its rules: what changed is told, with rule, field and since when."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.page.conftest import SIZES, ColorScheme, Open, Site, needs_chromium, updated_app

pytestmark = needs_chromium
RULE = "lago/customer-created-rest"


@pytest.fixture(scope="module", name="updated")
def _updated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with updated_app(tmp_path_factory.mktemp("updated")) as site:
        yield site


def test_what_changed_is_told_on_top_and_with_its_rule(updated: Site, visit: Open) -> None:
    """In the words of `status`; the rule's row says so, and no other row does."""
    said = updated.program.call("status")
    assert said.returncode == 1
    page = visit(updated.url)
    top = page.locator("section.alarm").inner_text()
    (alarm,) = page.locator("#rules .drift li").all_inner_texts()
    for words in (top, alarm, said.stdout.decode()):
        assert f"rule {RULE}: params.customer.external_id, a text on" in words
        assert "is missing on the last" in words
    assert "since " in alarm
    rows = page.get_by_role("region", name="Matches of each rule").locator("tbody tr")
    assert rows.filter(has_text="lines changed").locator("code").all_inner_texts() == [RULE]


def test_logs_that_stayed_as_they_were_say_nothing(samples: Site, visit: Open) -> None:
    """No alarm on top, no list, no tag."""
    page = visit(samples.url)
    assert page.locator("section.alarm, .drift").count() == 0
    assert "lines changed" not in page.locator("#rules").inner_text()


@pytest.mark.parametrize(
    ("size", "scheme"), [("wide", "light"), ("wide", "dark"), ("phone", "light"), ("phone", "dark")]
)
def test_alarms_can_be_read_by_everybody(updated: Site, visit: Open, size: str, scheme: ColorScheme) -> None:
    """axe-core finds nothing, and a phone scrolls in one direction."""
    page = visit(updated.url, size, scheme)
    assert page.locator(".drift li").count() == 1
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["target"]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]


def test_an_alarm_stands_in_the_report(updated: Site, visit: Open) -> None:
    """The file that is given away says it, too."""
    file = updated.program.folder / "report.html"
    assert updated.program.call("report", "--output", str(file)).returncode == 0
    assert RULE in visit(file.as_uri()).locator(".drift li").inner_text()
