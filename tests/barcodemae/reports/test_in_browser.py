import pytest

from barcodemae.identification.answers import NEW
from barcodemae.reports.page import write_html
from browser import chromium, opened, overflow
from made_answers import HOSTILE, answers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made():
    return answers(250, seed=1, ids=HOSTILE)


@pytest.fixture(scope="module")
def address(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "r.html"
    write_html(made, path)
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


def rows(page):
    return page.locator("#table > tbody > tr:not(.details)").count()


@pytest.mark.parametrize("width", [320, 768, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_width_and_scheme(browser, address, width, scheme):
    with opened(browser, address, width, scheme) as (page, faults):
        page.wait_for_selector("#table:not([hidden])")
        page.locator("#table tbody button").nth(1).click()
        page.wait_for_selector(".details svg.tree")
        assert overflow(page) <= 0 and not faults
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


def test_by_keyboard_alone(browser, address, made):
    with opened(browser, address, 1600, "light") as (page, faults):
        page.wait_for_selector("#table:not([hidden])")
        page.keyboard.press("Tab")
        page.keyboard.type("BC00123")
        assert rows(page) == 1 and page.locator("#found").inner_text() == "1 of 250"
        for _ in range(1 + 12 + 1):  # over the choice of verdicts and the header's buttons
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector(".details h3, .details p")
        assert "BC00123" in page.locator("tr:has(button[aria-expanded=true])").inner_text()
        page.keyboard.press("Enter")
        assert page.locator(".details").count() == 0 and not faults


def test_search_filter_sort_and_pages(browser, address, made):
    with opened(browser, address, 1600, "light") as (page, faults):
        page.wait_for_selector("#table:not([hidden])")
        assert rows(page) == 100
        page.get_by_role("button", name="Next").click()
        page.get_by_role("button", name="Next").click()
        assert rows(page) == 50
        page.locator("#verdict").select_option(label=NEW)
        assert page.locator("#found").inner_text() == (
            f"{(made.table['verdict'] == NEW).sum()} of 250"
        )
        page.locator("#verdict").select_option(label="all")
        column = page.get_by_role("button", name="P(genus)")
        column.click()
        column.click()
        shown = page.locator("#table > tbody > tr > td:nth-child(8)").all_inner_texts()
        assert shown == sorted(shown, reverse=True)
        page.locator("#search").fill("<script>")
        assert rows(page) >= 1 and not faults
