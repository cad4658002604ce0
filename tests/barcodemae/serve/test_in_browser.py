import json
import os
import urllib.request

import pytest
import requests

gr = pytest.importorskip("gradio")

from barcodemae.serve.app import build, launch  # noqa: E402
from barcodemae.serve.queries import Limits  # noqa: E402
from browser import chromium, opened, overflow  # noqa: E402
from made_answers import HOSTILE, answers  # noqa: E402

pytestmark = pytest.mark.slow

PATIENCE = 120_000  # milliseconds


def identify(ids, barcodes, seen):
    return answers(len(ids), ids=list(ids))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def address(folder):
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    limits = Limits(barcodes=150, megabytes=0.5)
    app = build({"mine": identify}, limits)
    launch(app, limits, "127.0.0.1", 7871, prevent_thread_lock=True)
    yield app.local_url
    app.close()
    os.environ.pop("GRADIO_TEMP_DIR")
    if before:
        os.environ["GRADIO_TEMP_DIR"] = before


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        started.new_context().set_default_timeout(PATIENCE)
        yield started


@pytest.fixture(scope="module")
def fasta():
    made = answers(60, ids=HOSTILE)
    printable = made.queries[~made.queries["id"].str.contains("\x1b")]
    rows = zip(printable["id"], printable["barcode"], strict=True)
    return "".join(f">{name}\n{barcode}\n" for name, barcode in rows)


def ready(page):
    page.set_default_timeout(PATIENCE)
    page.get_by_role("button", name="Identify").wait_for()


def finished(page):
    page.locator("a[href*='barcodes.html']").first.wait_for()


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (768, "light"), (1600, "light")])
def test_every_width_and_scheme(browser, address, fasta, width, scheme):
    with opened(browser, address, width, scheme) as (page, faults):
        ready(page)
        page.get_by_label("Barcodes: FASTA").fill(fasta)
        page.get_by_role("button", name="Identify").click()
        finished(page)
        page.get_by_text("Nearest references").first.wait_for()
        assert overflow(page) <= 0 and not faults
        name = page.locator(".files-of .stem").first  # cut to "b...", were it wider than its place
        assert name.evaluate("name => name.scrollWidth <= name.clientWidth")


def test_by_keyboard_alone(browser, address, fasta):
    with opened(browser, address, 1600, "light") as (page, faults):
        ready(page)
        page.get_by_label("Barcodes: FASTA").focus()
        page.keyboard.insert_text(fasta)
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim()") == "Identify":
                break
        page.keyboard.press("Enter")
        finished(page)
        page.get_by_label("Look at barcode").focus()
        page.keyboard.press("Control+A")
        page.keyboard.type("9")
        page.keyboard.press("Tab")
        page.get_by_role("heading", name="9: BC00009").wait_for()
        assert not faults


def test_an_upload_is_answered_and_deleted(browser, address, folder, fasta, tmp_path):
    upload = tmp_path / "secret.fasta"
    upload.write_text(fasta)
    with opened(browser, address, 1600, "light") as (page, faults):
        ready(page)
        page.set_input_files("input[type=file]", upload)
        page.get_by_text("secret").first.wait_for()
        page.get_by_role("button", name="Identify").click()
        finished(page)
        assert not list(folder.rglob("*secret*")) and not faults


def test_too_large_an_upload_is_refused(address, folder):
    files = {"files": ("large.fasta", b">a\n" + b"A" * 600_000)}
    assert requests.post(f"{address}gradio_api/upload", files=files).status_code == 413
    assert not list(folder.rglob("*large*"))


def test_the_api_by_plain_http_and_by_the_client(address, fasta):
    body = json.dumps({"data": [fasta, "mine"]}).encode()
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{address}gradio_api/call/identify", body, headers)
    event = json.load(urllib.request.urlopen(asked))["event_id"]
    told = urllib.request.urlopen(f"{address}gradio_api/call/identify/{event}").read().decode()
    data = next(line for line in told.splitlines() if line.startswith("data: ") and "[" in line)
    by_http = json.loads(data[6:])[0]
    from gradio_client import Client

    by_client = Client(address, verbose=False).predict(fasta, "mine", api_name="/identify")
    for found in (by_http, by_client):
        assert len(found["answers"]) == 59
        assert found["answers"][0]["id"] == HOSTILE[0] and found["answers"][0]["verdict"]
