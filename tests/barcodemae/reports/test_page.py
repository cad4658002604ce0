import base64
import gzip
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.answers import NOT_COI
from barcodemae.reports import page
from barcodemae.reports.details import alignment
from barcodemae.reports.nearest_references import differences
from barcodemae.reports.page import write_html
from barcodemae.reports.tree import draw
from made_answers import HOSTILE, SITES, answers


@pytest.fixture(scope="module")
def made():
    return answers(70, seed=1, ids=HOSTILE)


@pytest.fixture(scope="module")
def text(made):
    return page.render(made)


def packed(text, name):
    content = re.search(rf'id="{name}">([^<]*)</script>', text)[1]
    return json.loads(gzip.decompress(base64.b64decode(content)))


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def elements(text):
    parser = Elements()
    parser.feed(text)
    return parser.found


def test_the_page_stands_alone_and_runs_its_own_script_only(text):
    for tag, attributes in elements(text):
        assert tag not in ("link", "img", "iframe", "object", "form")
        assert not {"src", "href", "action"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    policy = re.search(r'Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src &#39;none&#39;") and "sha256-" in policy
    assert "unsafe" not in policy.split("script-src")[1]


def test_the_page_opens_with_the_sentence_and_holds_every_row(text, made):
    assert re.search(r"<h1>\d+ known species, \d+ probably new in \d+ genera", text)
    rows = packed(text, "rows")
    assert [row[0] for row in rows][:3] == HOSTILE[:3] and len(rows) == 70
    assert sorted(row[-1] for row in rows) == list(range(70))


def test_the_details_of_a_row_are_that_rows(text, made):
    rows = packed(text, "rows")
    chunks = [packed(text, f"chunk{n}") for n in range(2)]
    for row, (_, answer) in zip(rows, made.table.iterrows(), strict=True):
        piece = chunks[row[-1] // page.CHUNK][row[-1] % page.CHUNK]
        assert answer["verdict"] in piece
        near = made.neighbours[made.neighbours["id"] == answer["id"]]
        for each in near["nearest_id"]:
            assert each in piece
        assert ("<svg" in piece) == (answer["verdict"] != NOT_COI)


def test_hostile_ids_are_text(text):
    for number in range(2):
        for piece in packed(text, f"chunk{number}"):
            tags = {tag for tag, _ in elements(piece)}
            assert not tags & {"script", "img"}
            assert "\x1b" not in piece and "\u202e" not in piece
            assert "49" not in re.findall(r"query ([^<]*)</text>", piece)


def test_the_size_is_bounded_and_what_is_left_out_is_said(made, monkeypatch):
    monkeypatch.setattr(page, "MOST_ROWS", 40)
    monkeypatch.setattr(page, "MOST_DETAILS", 10)
    short = page.render(made)
    rows = packed(short, "rows")
    assert len(rows) == 40 and sum(row[-1] >= 0 for row in rows) == 10
    new = [row for row in rows if row[1] != 0]
    assert len(new) == (made.table["verdict"] != "known species").sum()
    assert all(row[1] != 0 for row in rows if row[-1] >= 0)
    assert "40 of 70 barcodes" in short and "shown for 10 barcodes" in short


def test_a_thousand_queries_stay_small():
    made = answers(100, seed=5)
    size = len(page.render(made).encode())
    assert size < 400_000  # so 1,000 below 4 MB


def test_the_same_answers_give_the_same_page(made, text):
    assert page.render(made) == text


def test_no_answers_make_a_page(made):
    none = type(made)(made.table.iloc[:0], made.neighbours.iloc[:0], made.queries.iloc[:0], {})
    assert "no barcodes" in page.render(none)


def test_calibration_is_drawn_for_one_probability_or_for_each(made):
    figures = made.library["calibration"]
    several = {"calibration": {"genus": figures, "family": figures, "origin": "library"}}
    for library, count in ((made.library, 1), (several, 2), ({}, 0)):
        drawn = page.render(type(made)(made.table, made.neighbours, made.queries, library))
        assert drawn.count("<figure>") == count


def test_only_html_is_written(made, tmp_path):
    with pytest.raises(BarcodeMAEError, match="ends in .html"):
        write_html(made, tmp_path / "r.pdf")
    write_html(made, tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_differences_leave_out_what_is_unknown():
    found = differences("ACGTN" + "A" * 5, ["ACGAA" + "A" * 5, "NNNNN" + "AAAAC", "N" * 10])
    assert found.sites.tolist() == [3, 9]
    assert found.counts.tolist() == [1, 1, 0] and found.common.tolist() == [9, 5, 0]
    assert found.distances[0].tolist() == pytest.approx([0, 1 / 9, 1 / 5, 1])
    lines = alignment(found.sites, found.letters)
    assert lines.places == ["  ", " 1", "40"]
    assert (lines.query, lines.references) == ("TA", ["A.", " C", "  "])


def test_the_tree_joins_neighbours():
    rng = np.random.default_rng(0)
    ancestors = [rng.integers(0, 4, SITES) for _ in range(2)]
    barcodes = []
    for ancestor in ancestors:
        for _ in range(3):
            copy = ancestor.copy()
            copy[rng.integers(0, SITES, 20)] = rng.integers(0, 4, 20)
            barcodes.append("".join(np.array(list("ACGT"))[copy]))
    drawing = draw(differences(barcodes[0], barcodes[1:]).distances)
    order = [tip.number for tip in drawing.tips]
    assert {frozenset(order[:3]), frozenset(order[3:])} == {
        frozenset({0, 1, 2}),
        frozenset({3, 4, 5}),
    }
    assert drawing.branches.count("H") == 6 + 5


@pytest.mark.parametrize("count", [1, 2, 3, 11])
def test_a_tree_of_equal_barcodes(count):
    drawing = draw(np.zeros((count, count)))
    assert (drawing is None) == (count < 3)
    if drawing:
        assert np.isfinite(drawing.bar) and "nan" not in drawing.branches
