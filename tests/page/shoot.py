"""Takes the pictures of `docs/page.md`: `python -m tests.page.shoot && pngquant --ext .png -f docs/img/page-*.png`.

The organizations in them are made up; what changed under a rule is a sample log with a field under another name.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, ViewportSize, sync_playwright

from tests.page.conftest import filled, updated_app
from tests.page.filling import sample_line

IMAGES = Path(__file__).parents[2] / "docs" / "img"
WIDE: ViewportSize = {"width": 1100, "height": 1330}
PHONE: ViewportSize = {"width": 390, "height": 1180}
MARGIN = 24
"""Around a part of the page, in pixels: what touches the edge looks cut off."""


def main() -> None:
    """Shoot: the beginning of the page in both schemes, a phone, its parts, an alarm, a line that was tried."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        with _folder() as folder, filled(folder) as site:
            _shoot(browser, site.url)
        with _folder() as folder, updated_app(folder) as site, _opened(browser, site.url, WIDE) as page:
            _part(page, page.locator("section.alarm"), "drift")
        browser.close()


@contextmanager
def _folder() -> Iterator[Path]:
    """One whose name can stand in a picture."""
    folder = Path(tempfile.gettempdir()) / "lago-logs"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _opened(browser: Browser, url: str, size: ViewportSize, *, dark: bool = False) -> Iterator[Page]:
    context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light")
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


def _part(page: Page, part: Locator, name: str, *, above: int = MARGIN) -> None:
    """A part of the page with some of what is around it."""
    page.evaluate("scrollTo(0, 0)")  # the menu stays on top, and would lie on it
    box = part.bounding_box()
    assert box is not None
    page.screenshot(
        path=IMAGES / f"page-{name}.png",
        full_page=True,
        clip={
            "x": box["x"] - MARGIN,
            "y": box["y"] - above,
            "width": box["width"] + 2 * MARGIN,
            "height": box["height"] + 2 * above,
        },
    )


def _shoot(browser: Browser, url: str) -> None:
    for dark in (False, True):
        with _opened(browser, url, WIDE, dark=dark) as page:
            page.screenshot(path=IMAGES / f"page-{'dark' if dark else 'light'}.png")
    with _opened(browser, url, PHONE) as page:
        page.screenshot(path=IMAGES / "page-phone.png")
    with _opened(browser, url, WIDE) as page:
        event = page.locator("#leaves details", has_text="subscription_created").first
        event.locator("summary").click()
        _part(page, event, "leaves", above=0)
        _part(page, page.locator("#rules"), "rules")
        _part(page, page.locator("#health"), "health")
        page.get_by_label("A line of a log").fill(
            sample_line("subscription_created").decode()
            + '\n{"controller":"Api::V1::CustomersController","action":"create","status":422}'
        )
        page.get_by_role("button", name="Explain").click()
        _part(page, page.locator("#try"), "try")


if __name__ == "__main__":
    main()
