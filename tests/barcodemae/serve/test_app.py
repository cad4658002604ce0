import time

import pytest

gr = pytest.importorskip("gradio")

from barcodemae.serve import app  # noqa: E402
from barcodemae.serve.queries import Limits  # noqa: E402
from made_answers import HOSTILE, answers  # noqa: E402

BARCODE = "ACGT" * 100


def identify(ids, barcodes, seen):
    assert len(ids) == len(barcodes) <= app.BATCH
    return answers(len(ids), ids=list(ids))


def fasta(count):
    return "".join(f">q{n}\n{BARCODE}\n" for n in range(count))


@pytest.fixture
def page():
    return app.Page({"mine": identify, "other": identify}, Limits(barcodes=200))


def test_verdicts_come_batch_by_batch(page):
    steps = list(page.show(fasta(120), None, "mine"))
    assert [len(step[1]) for step in steps[1:]] == [50, 100, 120]
    assert ", 70 to go" in steps[1][0] and "to go" not in steps[-1][0]
    assert [len(step[2].table) for step in steps[1:]] == [50, 100, 120]
    assert steps[-1][1]["Id"].tolist() == [f"q{n}" for n in range(120)]


def test_what_was_met_before_is_known_to_later_batches_of_a_request():
    met = []

    def recalling(ids, barcodes, seen):
        met.append(len(seen))
        seen.update((id.encode(), id) for id in ids)
        return identify(ids, barcodes, seen)

    page = app.Page({"mine": recalling}, Limits())
    for _ in range(2):  # and not to another request
        page.identify(fasta(120))
    assert met == [0, 50, 100] * 2


def test_an_upload_is_read_and_gone(page, tmp_path):
    (tmp_path / "x.fasta").write_text(fasta(3))
    *_, last = page.show("", str(tmp_path / "x.fasta"), "mine")
    assert len(last[1]) == 3 and list(tmp_path.iterdir()) == []
    *_, again = page.show("", str(tmp_path / "x.fasta"), "mine")
    assert "drop it again" in again[0]


@pytest.mark.parametrize(
    ("text", "library", "said"),
    [
        ("", "mine", "paste barcodes"),
        (fasta(201), "mine", "more than 200"),
        (fasta(1), "x", "mine"),
    ],
)
def test_refusals_are_polite(page, text, library, said):
    *_, (words, table, kept, _) = page.show(text, None, library)
    assert "role='alert'" in words and said in words and table is None and kept is None


def test_refusals_and_what_is_left_out_are_escaped(page):
    *_, last = page.show(fasta(1) + ">q<script>x\nACGJ\n", None, "<img src=x>")
    assert "<img" not in last[0] and "&lt;img" in last[0]
    *_, last = page.show(fasta(1) + "><script>x\nACGJ\n", None, "mine")
    assert "<script>" not in last[0] and "&lt;script&gt;" in last[0]


def test_the_time_is_limited():
    def slow(ids, barcodes, seen):
        time.sleep(0.05)
        return identify(ids, barcodes, seen)

    page = app.Page({"mine": slow}, Limits(seconds=0.08))
    *_, last = page.show(fasta(400), None, "mine")
    assert 50 <= len(last[1]) < 400 and "seconds are up" in last[0]
    assert page.identify(fasta(400))["stopped"]


def test_the_api_answers_records(page):
    found = page.identify(fasta(60), "other")
    assert len(found["answers"]) == 60 and found["answers"][0]["id"] == "q0"
    assert not found["stopped"] and found["left_out"] == [] and "known species" in found["summary"]
    with pytest.raises(gr.Error, match="paste barcodes"):
        page.identify("")


def test_a_row_is_known_by_its_number(page):
    made = answers(20, ids=HOSTILE)
    shown = app._details(made, 2)
    assert "<h2>2: &#34;&gt;&lt;img" in shown or "<h2>2: &quot;&gt;&lt;img" in shown
    assert "<img" not in shown and "Nearest references" in shown
    assert app._details(made, 21) == app._details(None, 1) == app._details(made, None) == ""


def test_files_to_take_away(page, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    paths = app._files(answers(5))
    assert [path.rsplit("/")[-1].partition(".")[2] for path in paths] == list(app._FILES)
    assert app._files(None) is None


def test_one_function_is_public():
    made = app.build({"mine": identify}, Limits())
    public = made.get_api_info()["named_endpoints"]
    assert list(public) == ["/identify"]
