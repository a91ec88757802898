"""What the page says of a state in trouble, of one that is not there, and of packs without a funnel."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from extractor import wiring
from extractor.config import Config, load_config
from extractor.page.contents import Page, build_page
from extractor.page.render import policy, render_page, style_sheet
from extractor.page.trial import MAX_LINES, try_lines
from extractor.ruleset.rule import RuleSet
from extractor.source.spec import Limits
from extractor.store import Incident, Store
from tests.commands import CONFIG
from tests.storing import START, FakeClock, checkpoint, fact, open_store

PACK = """\
pack: shop
version: 1
about: A shop
events: {order_placed: {about: Somebody ordered}}
rules:
  - id: order
    event: order_placed
    when: [{field: job, equals: Order}]
    user: {constant: nobody}
    examples: [{line: '{}', gives: []}]
"""


@dataclass
class Look:
    """A config, its rules, and the page of its state at a time."""

    config: Config
    rules: RuleSet
    clock: FakeClock

    def page(self, **environ: str) -> Page:
        """Ask for it."""
        return build_page(self.config, self.rules, environ, clock=self.clock)

    def text(self, **environ: str) -> str:
        """What a person reads on it."""
        html = render_page(self.page(**environ), served=True)
        body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
        return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def look(folder: Path, text: str = CONFIG) -> Look:
    """Of a config with this text."""
    path = folder / "extractor.yaml"
    path.write_text(text, encoding="utf-8")
    config = load_config(path, {})
    return Look(config, wiring.build_rules(config), FakeClock())


@pytest.fixture(name="here")
def _here(tmp_path: Path) -> Look:
    return look(tmp_path)


def store_of(here: Look) -> Store:
    """Its state, to be put into trouble."""
    return open_store(here.config.state_dir, here.clock)


def test_without_a_state_the_rest_of_the_page_is_there(here: Look) -> None:
    """What may leave and how to try a line do not depend on a state; why there is none is said."""
    text = here.text()
    assert "no state in" in text
    assert "nothing has run with this state_dir yet" in text
    assert "organization_registered" in text
    assert "A line of a log" in text


def test_what_needs_a_person_stands_first(here: Look) -> None:
    """A hold, dead letters and lost bytes, before any number."""
    store = store_of(here)
    lost = Incident("lost", START, "/var/log/a.log", 1234)
    store.record([checkpoint("a", 10, lost_bytes=1234)], [fact("1"), fact("2"), fact("3")], incidents=[lost])
    batch = store.lease(1, 10_000)
    store.bury(batch.events[0], reason="bad_request", status=400)
    store.hold("unauthorized", 401)
    store.close()
    text = here.text()
    beginning, _, rest = text.partition("What leaves 11 kinds")
    assert beginning.index(
        "delivery is held: unauthorized, HTTP status 401; 2 events wait"
    ) < beginning.index("Registered")
    assert "1 dead letters" in beginning
    assert "lost: /var/log/a.log" in beginning
    assert "It resumes by itself; nothing is dropped." in rest
    assert "plan_created bad_request 400 1" in rest
    assert "1.2 kB" in rest


def test_an_opt_out_stands_first_too(here: Look) -> None:
    """One that is in force, and one that would be for whatever is started here."""
    store = store_of(here)
    assert "LAGO_DISABLE_SEGMENT opts out here" in here.text(LAGO_DISABLE_SEGMENT="true")
    store.opt_out("EXTRACTOR_DISABLED")
    store.close()
    assert "by EXTRACTOR_DISABLED: nothing is stored, nothing leaves" in here.text()


def test_a_rule_that_fell_silent_is_marked(here: Look) -> None:
    """Every day a match, and then none for long."""
    store = store_of(here)
    rule = here.rules.rules[1].id
    for _ in range(8):
        outcome = fact(f"{here.clock.time}")
        store.record([], [type(outcome)(events=outcome.events, matched=(rule,))])
        here.clock.time += 86_400
    store.close()
    here.clock.time += 86_400
    assert "unusually quiet" not in here.text()
    here.clock.time += 86_400
    text = here.text()
    assert "1 is unusually quiet" in text
    assert "quiet for 3 days" in text


def test_a_pack_without_a_funnel_says_how_to_get_one(tmp_path: Path) -> None:
    """The page of another app is whole; its funnel is named as what is missing."""
    (tmp_path / "shop.yaml").write_text(PACK, encoding="utf-8")
    here = look(tmp_path, "sources: [{paths: [a.log]}]\nrules: [./shop.yaml]\nstate_dir: ./state\n")
    store_of(here).close()
    text = here.text()
    assert "No rule pack in use names a funnel" in text
    assert "Somebody ordered" in text


def test_the_page_and_its_policy_name_the_same_style(here: Look) -> None:
    """The one style sheet is the one whose hash is allowed; nothing else is written into the page."""
    html = render_page(here.page(), served=False)
    assert html.count("<style>") == 1
    assert f"<style>{style_sheet()}</style>" in html
    assert policy(served=False).replace("'", "&#39;") in html
    assert not re.search(r"<script|<link|<img|<iframe| style=| on[a-z]+=|url\(|@import|https?://", html)


def test_a_paste_is_bounded(here: Look) -> None:
    """As many lines as can be looked at, none longer than would be read."""
    rules, limits = here.rules, Limits(max_line_bytes=20)
    trial = try_lines("{}\n" * (MAX_LINES + 1), rules, limits)
    assert (len(trial.lines), trial.left_out) == (MAX_LINES, True)
    trial = try_lines("{}\r\n" + "x" * 30 + "\r\n{}", rules, limits)
    assert [line.number for line in trial.lines] == [1, 3]
    assert trial.too_long == (2,)
    assert "canary" not in repr(try_lines("canary", rules, limits))


@pytest.mark.parametrize(
    "pasted", ["", "\n", "\x00", "\ud800", "{", '{"log":"', "2026-11-22T10:00:00Z stdout F {}", "[" * 100]
)
def test_nothing_that_is_pasted_breaks_it(here: Look, pasted: str) -> None:
    """Whatever it is, there is an answer."""
    trial = try_lines(pasted, here.rules, Limits())
    assert "Try a line" in render_page(here.page(), served=True, trial=trial)


def test_backticks_are_code_and_nothing_else(here: Look) -> None:
    """In our own sentences; a path that holds some, or tags, stays what it is."""
    store = store_of(here)
    for path in ("/a`<b>`c", "/d`<e>"):
        store.note([Incident("lost", START, path, 1)])
    store.close()
    html = render_page(here.page(), served=True)
    assert "lost: /a<code>&lt;b&gt;</code>c" in html
    assert "lost: /d`&lt;e&gt;" in html
    assert "<b>" not in html
