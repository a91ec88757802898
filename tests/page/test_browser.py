"""The page in a real browser: right numbers, nothing executed, nothing asked of anybody, usable by everybody."""

import json
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page

from extractor.words import span_text
from tests.page.conftest import SAMPLES, SIZES, ColorScheme, Open, Site, needs_chromium, quiet_config, serving
from tests.page.filling import DATA, sample_line
from tests.running import Program

pytestmark = needs_chromium
HOSTILE = "</textarea></pre><script>parent.hit=1</script><img src=http://203.0.113.1/x onerror=window.hit=1>"


def facts(sample: str) -> list[dict[str, Any]]:
    """What the app's own answers say."""
    read: list[dict[str, Any]] = json.loads((DATA / sample / "facts.json").read_text(encoding="utf-8"))[
        "facts"
    ]
    return read


def steps(page: Page) -> dict[str, Locator]:
    """Steps of the funnel by what they are called in the state."""
    return {one.locator(".event").inner_text(): one for one in page.locator(".steps > li").all()}


def reached(step: Locator) -> int:
    """How many organizations did it."""
    return int(step.locator(".number").inner_text().split()[0])


def database(site: Site) -> list[bytes]:
    """What the state holds, without SQLite's index of its log, which readers write, too."""
    return [
        path.read_bytes() for path in sorted(site.program.state.glob("state.db*")) if path.suffix != ".db-shm"
    ]


def tiles(page: Page) -> dict[str, str]:
    """Numbers of the health section by what they say."""
    return {
        one.locator("dt").inner_text().partition(",")[0]: one.locator("dd").inner_text()
        for one in page.locator("#health .tiles > div").all()
    }


def test_as_many_organizations_reached_each_step_as_the_facts_say(samples: Site, visit: Open) -> None:
    """The funnel of the samples equals what the apps answered when the lines were written."""
    wanted: Counter[str] = Counter()
    for sample in SAMPLES:
        done = {fact["event"] for fact in facts(sample)}
        paid = any(fact["properties"].get("payment_status") == "succeeded" for fact in facts(sample))
        wanted.update(done | ({"payment_status_changed payment_status=succeeded"} if paid else set()))
    page = visit(samples.url)
    shown = {milestone.replace("\n", " "): reached(step) for milestone, step in steps(page).items()}
    assert len(shown) == 6
    assert shown == {milestone: wanted[milestone] for milestone in shown}


def test_what_is_read_then_is_shown_apart(samples: Site, visit: Open) -> None:
    """Request lines of the samples carry no time: their steps say so, and name no median."""
    page = visit(samples.url)
    customers = steps(page)["customer_created"].inner_text()
    assert "2 read then" in customers
    assert "median" not in customers
    assert "carries no time" in page.locator("#activation").inner_text()


def test_medians_are_those_of_the_lines(many: Site, visit: Open) -> None:
    """With a time on every line: how many, how long after the step before, how many stop, week by week."""
    page = visit(many.url)
    for number, step in enumerate(steps(page).values()):
        taken = [way for way in many.ways if len(way) > number]
        assert reached(step) == len(taken)
        said = step.inner_text()
        if number:
            assert span_text(median(way[number] - way[number - 1] for way in taken)) in said
        if number < 5:
            assert f"{sum(len(way) == number + 1 for way in many.ways)} stop here" in said
    rows = page.locator(".weeks tbody tr").all()
    assert sum(int(row.locator(".amount").inner_text().split()[0]) for row in rows) == len(many.ways)


def test_the_last_message_really_sent_is_the_last_one_printed(samples: Site, visit: Open) -> None:
    """For each event of the plan, whole and unchanged; what was never sent says so."""
    printed = {message["event"]: message for message in map(json.loads, samples.printed.splitlines())}
    page = visit(samples.url)
    events = page.locator(".events > details").all()
    assert len(events) == 11
    for event in events:
        event.locator("summary").click()
        name = event.locator("summary .event").inner_text()
        assert json.loads(event.locator("pre").inner_text()) == printed[name]
        assert event.locator("tbody tr").count() >= 5


def test_health_says_what_was_read_and_delivered(samples: Site, visit: Open) -> None:
    """Every printed event counts as delivered, every file is read to its end."""
    page = visit(samples.url)
    delivered = str(len(samples.printed.splitlines()))
    assert len(delivered) == 3
    shown = tiles(page)
    assert shown["delivered in all"] == shown["delivered in the last hour"] == delivered
    assert shown["events wait"] == shown["dead letters"] == "0"
    assert shown["still to read"] == shown["gone before they could be read"] == "0 B"
    files = page.get_by_role("region", name="Files").locator("tbody tr").all()
    assert [file.locator("th").inner_text() for file in files] == sorted(
        samples.program.config["sources"][0]["paths"]
    )
    assert [file.locator("td").nth(2).inner_text() for file in files] == ["0 B"] * 4


def test_each_rule_says_when_it_matched_and_how_often(samples: Site, visit: Open) -> None:
    """The same as `status` tells programs; what never matched is named."""
    said = json.loads(samples.program.call("status", "--json").stdout)
    wanted = {rule["rule"]: str(rule["lines"]) for rule in said["rules"] if rule["lines"]}
    page = visit(samples.url)
    rows = page.get_by_role("region", name="Matches of each rule").locator("tbody tr").all()
    assert {row.locator("code").inner_text(): row.locator("td").nth(1).inner_text() for row in rows} == wanted
    for row in rows:
        name = row.locator("code").inner_text()
        assert f"today {wanted[name]}" in (row.locator("svg").get_attribute("aria-label") or "")
    never = page.locator("#rules .chips code").all_inner_texts()
    assert sorted(never) == sorted(rule["rule"] for rule in said["rules"] if not rule["lines"])


def test_a_pasted_line_is_explained_and_kept_nowhere(samples: Site, visit: Open) -> None:
    """What a rule takes of it stands beside it; afterwards nothing of it is in the state or in any output."""
    canary = "canary-3b1f77"
    before = database(samples)
    line = sample_line("plan_created").decode().replace('code: \\"', f'code: \\"{canary}')
    assert canary in line
    page = visit(samples.url)
    page.get_by_label("A line of a log").fill(f"{line}\n{{}}")
    page.get_by_role("button", name="Explain").click()
    said = page.locator(".tried").all_inner_texts()
    assert len(said) == 2
    assert "lago/plan-created" in said[0]
    assert canary in said[0]
    assert "No rule comes near" in said[1]
    assert page.get_by_label("A line of a log").input_value() == f"{line}\n{{}}"
    assert database(samples) == before
    assert canary.encode() not in samples.program.state_bytes() + samples.server.out + samples.server.err


@pytest.mark.parametrize(
    "line", [HOSTILE, json.dumps({"controller": HOSTILE, HOSTILE: 1}), "\u202e<b>\x1b[2J\x00"]
)
def test_a_hostile_paste_executes_nothing(samples: Site, visit: Open, line: str) -> None:
    """Log text is hostile: it is shown as text, wherever it comes up."""
    page = visit(samples.url)
    page.get_by_label("A line of a log").fill(line)
    page.get_by_role("button", name="Explain").click()
    assert page.locator(".tried").count() == 1
    assert page.locator("script, img, iframe, .tried b").count() == 0


def test_hostile_text_that_was_sent_or_names_a_file_is_text(tmp_path: Path, visit: Open) -> None:
    """A value that a rule keeps, and a path, reach the page unharmed and harmless; bidi overrides are spelled out."""
    evil = "<img src=x onerror=window.hit=1>\u202e"
    line = sample_line("plan_created").replace(b'code: \\"', f'code: \\"{evil}'.encode())
    log = tmp_path / "<img src=x onerror=window.hit=1>.log"
    log.write_bytes(line + b"\n")
    program = Program(tmp_path, quiet_config(str(tmp_path / "*.log")))
    assert program.call("run", "--once").returncode == 0
    with serving(program) as site:
        page = visit(site.url)
        page.locator("details", has_text="plan_created").first.locator("summary").click()
        assert "<img src=x onerror=window.hit=1>\\u202e" in page.locator("details[open] pre").inner_text()
        assert "<img src=x onerror=window.hit=1>.log" in page.locator("#health table").first.inner_text()
        assert page.locator("img").count() == 0


def test_no_script_of_whatever_origin_could_run(many: Site, browser: Browser) -> None:
    """If something were not escaped, the policy would still stop it."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(many.url)
    stopped = page.evaluate(
        """() => new Promise(tell => {
            const stopped = [];
            document.addEventListener("securitypolicyviolation", violation => {
                stopped.push(violation.effectiveDirective);
                if (stopped.length === 3) tell(stopped.sort());
            });
            const script = Object.assign(document.createElement("script"), {text: "window.hit=1"});
            const picture = Object.assign(document.createElement("img"), {src: "/favicon.ico"});
            document.body.append(script, picture);
            picture.setAttribute("onerror", "window.hit=1");
        })"""
    )
    assert stopped == ["img-src", "script-src-attr", "script-src-elem"]
    assert page.evaluate("window.hit") is None
    context.close()


@pytest.mark.parametrize(
    ("fixture", "size", "scheme"),
    [
        ("many", "wide", "light"),
        ("many", "phone", "dark"),
        ("samples", "wide", "dark"),
        ("samples", "phone", "light"),
    ],
)
def test_axe_finds_nothing(
    request: pytest.FixtureRequest, visit: Open, fixture: str, size: str, scheme: ColorScheme
) -> None:
    """Unfolded and with a line explained, in both schemes, on a desk and on a phone."""
    page = visit(request.getfixturevalue(fixture).url, size, scheme)
    page.get_by_label("A line of a log").fill(sample_line("plan_created").decode() + "\n{}")
    page.get_by_role("button", name="Explain").click()
    page.locator("details summary").first.click()
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["target"]) for one in found] == []


def test_the_keyboard_is_enough(samples: Site, visit: Open) -> None:
    """The first stop leads past the menu; events unfold, and a line is explained, without a mouse."""
    page = visit(samples.url)
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.locator(":focus").get_attribute("id") == "main"
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.locator(":focus").evaluate("one => one.tagName") == "SUMMARY":
            break
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1
    page.get_by_label("A line of a log").focus()
    page.keyboard.insert_text("{}")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/try#try")
    assert page.locator(".tried").count() == 1


def test_a_phone_scrolls_in_one_direction(many: Site, visit: Open) -> None:
    """Nothing is wider than the screen; tables that must be scroll within themselves."""
    page = visit(many.url, "phone")
    page.locator("details summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES["phone"][0]


def test_the_report_is_one_file_that_asks_for_nothing(many: Site, tmp_path: Path, visit: Open) -> None:
    """The same numbers without a server; it says how to try a line, and holds no form and no script."""
    file = tmp_path / "report.html"
    said = many.program.call("report", "--output", str(file))
    assert said.returncode == 0, said.stderr.decode()
    assert file.stat().st_mode & 0o777 == 0o600
    page = visit(file.as_uri())
    served = visit(many.url)
    for part in ("#activation", "#leaves", "#rules"):
        assert page.locator(part).inner_text() == served.locator(part).inner_text()
    assert "extractor serve" in page.locator("#try").inner_text()
    assert page.locator("form, script, link, img, iframe, [style]").count() == 0
    assert "default-src 'none'" in (page.locator("meta[http-equiv]").get_attribute("content") or "")
