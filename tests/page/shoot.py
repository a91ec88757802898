"""Takes the pictures of `docs/page.md`: `python -m tests.page.shoot && pngquant --ext .png -f docs/img/page-*.png`.

The organizations in them are made up.
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.page.conftest import filled
from tests.page.filling import sample_line

IMAGES = Path(__file__).parents[2] / "docs" / "img"


def main() -> None:
    """Shoot: the beginning of the page in both schemes, a phone, the rules, a line that was tried."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        filled(Path(folder)) as site,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        _shoot(browser, site.url)
        browser.close()


def _shoot(browser: Browser, url: str) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": 1100, "height": 1330}, color_scheme="dark" if scheme == "dark" else "light"
        )
        page = context.new_page()
        page.goto(url)
        page.screenshot(path=IMAGES / f"page-{scheme}.png")
        context.close()
    context = browser.new_context(viewport={"width": 390, "height": 1180}, color_scheme="light")
    page = context.new_page()
    page.goto(url)
    page.screenshot(path=IMAGES / "page-phone.png")
    context.close()
    context = browser.new_context(viewport={"width": 1100, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.goto(url)
    event = page.locator("#leaves details", has_text="subscription_created").first
    event.locator("summary").click()
    event.screenshot(path=IMAGES / "page-leaves.png")
    page.locator("#rules").screenshot(path=IMAGES / "page-rules.png")
    page.locator("#health").screenshot(path=IMAGES / "page-health.png")
    page.get_by_label("A line of a log").fill(
        sample_line("subscription_created").decode()
        + '\n{"controller":"Api::V1::CustomersController","action":"create","status":422}'
    )
    page.get_by_role("button", name="Explain").click()
    page.locator("#try").screenshot(path=IMAGES / "page-try.png")
    context.close()


if __name__ == "__main__":
    main()
