"""A headless Chromium for the tests of pages; they skip where there is none."""

import shutil
from contextlib import contextmanager

import pytest

_PATH = shutil.which("chromium") or shutil.which("chromium-browser")
_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def chromium():
    """A browser, started."""
    playwright = pytest.importorskip("playwright.sync_api")
    if _PATH is None:
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=_PATH, args=_ARGUMENTS)
        except playwright.Error as error:  # a machine without what it needs, not a page's fault
            pytest.skip(f"Chromium does not start here: {error}")
        yield browser
        browser.close()


@contextmanager
def opened(browser, address, width, scheme):
    """A page at `address`, and its faults: errors, dialogs, requests to elsewhere."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(f"error {error}"))
    page.on("dialog", lambda dialog: (faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, "blob:", "data:"))
            else faults.append(f"request {request.url}")
        ),
    )
    page.goto(address)
    yield page, faults
    context.close()


def overflow(page):
    """Pixels by which the page is wider than its window."""
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
