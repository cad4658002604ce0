import csv
import json
import os
import threading
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from openpyxl.utils import get_column_letter

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.answers import COLUMNS, KNOWN, NEW, Answers
from barcodemae.reports.answer_files import ENDINGS, check, write, write_table
from barcodemae.reports.summary import sentence
from made_answers import HOSTILE, answers


@pytest.fixture(scope="module")
def made():
    return answers(60, seed=1, ids=HOSTILE)


@pytest.fixture(scope="module")
def written(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for ending in ENDINGS:
        write(made, folder / f"x{ending}")
    return folder


def rows(path, delimiter):
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


@pytest.mark.parametrize("name", ["x", "x.txt", "x.xls", "x.tsv.gz", "x.json", "tsv"])
def test_an_unknown_ending_is_refused_before_the_work(tmp_path, name):
    with pytest.raises(BarcodeMAEError, match=r"give .*\.dwc\.csv.*\.xlsx"):
        check(tmp_path / name)


def test_known_endings_pass_and_inputs_do_not(tmp_path):
    for ending in ENDINGS:
        check(tmp_path / f"x{ending}", [tmp_path / "*.csv"])
    check(tmp_path / "X.XLSX")
    check(Path("-"))
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(BarcodeMAEError, match="is also an input"):
        check(tmp_path / "x.csv", [tmp_path / "*.csv"])


@pytest.mark.parametrize(("ending", "delimiter"), [(".tsv", "\t"), (".csv", ",")])
def test_delimited_files_hold_every_answer(written, made, ending, delimiter):
    header, *found = rows(written / f"x{ending}", delimiter)
    assert header == list(made.table.columns) and len(found) == 60
    first = dict(zip(header, found[0], strict=True))
    assert first["id"] == HOSTILE[0] and first["verdict"] == made.table["verdict"][0]
    assert float(first["p_genus"]) == pytest.approx(made.table["p_genus"][0], abs=5e-5)
    text = (written / f"x{ending}").read_text()
    assert "\x1b" not in text and "\r" not in text and "nan" not in text


def test_no_cell_is_a_formula_and_numbers_stay_numbers(tmp_path):
    table = pd.DataFrame(
        {
            "id": ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1+1", "-5", "+", "-1.5e3", "＝1"],
            "n": [-1.5, 2, 3, 4, 5, 6, 7, 8, float("nan")],
            "strand": [1, -1, 1, 1, 1, 1, 1, 1, 1],
        }
    )
    write_table(table, tmp_path / "x.csv")
    _, *found = rows(tmp_path / "x.csv", ",")
    assert [row[0] for row in found] == [
        *("'=1+1", "'+cmd", "'-2+3", "'@SUM(A1)", "\\t=1+1", "-5", "+", "-1.5e3", "'＝1")
    ]
    assert found[0][1:] == ["-1.5", "1"] and found[1][1:] == ["2.0", "-1"] and found[8][1] == ""


def test_the_workbook_opens_with_filters_a_frozen_header_and_colours(written, made):
    book = openpyxl.load_workbook(written / "x.xlsx")
    assert book.sheetnames == ["answers", "nearest", "library"]
    sheet = book["answers"]
    assert (
        sheet.freeze_panes == "B2"
        and sheet.auto_filter.ref == f"A1:{get_column_letter(len(COLUMNS))}61"
    )
    ids = [cell.value for cell in sheet["A"][1:]]
    assert ids[3] == HOSTILE[3]  # unchanged,
    assert sheet["A5"].data_type == "s" and sheet["A5"].quotePrefix  # and yet no formula
    assert ids[5] == "\\x1b[31mred\\x07"
    verdicts = [cell.value for cell in sheet["B"][1:]]
    assert verdicts == made.table["verdict"].tolist()
    fills = {cell.value: cell.fill.fgColor.rgb for cell in sheet["B"][1:]}
    assert len(set(fills.values())) == len(fills) > 2
    column = COLUMNS.index("p_genus") + 1
    numbers = [sheet.cell(row, column).value for row in range(2, 62)]
    assert all(number is None or isinstance(number, int | float) for number in numbers)
    assert book["nearest"].max_row == len(made.neighbours) + 1
    library = {row[0].value: row[1].value for row in book["library"].iter_rows(min_row=2)}
    assert library["records"] == 400 and library["answers"] == sentence(made.table)


def test_parquet_and_json_lines_keep_ids_as_they_are(written, made):
    assert pd.read_parquet(written / "x.parquet")["id"].tolist() == made.table["id"].tolist()
    records = [json.loads(line) for line in (written / "x.jsonl").read_text().splitlines()]
    assert [record["id"] for record in records] == made.table["id"].tolist()
    for record in records:
        near = made.neighbours[made.neighbours["id"] == record["id"]]
        assert [each["nearest_id"] for each in record["nearest"]] == near["nearest_id"].tolist()
    assert records[0]["p_family"] is not None and "barcode" not in records[0]["nearest"][0]


def test_queries_of_one_id_keep_their_own_neighbours(tmp_path):
    made = answers(4, seed=3, ids=["same"] * 3)
    write(made, tmp_path / "x.jsonl")
    records = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [len(record["nearest"]) for record in records] == [
        0 if record["verdict"] == "not COI" else 10 for record in records
    ]
    for record in records:
        assert not record["nearest"] or record["nearest"][0]["nearest_id"] == record["nearest_id"]


def test_qiime2(written, made):
    header, *found = rows(written / "x.qiime2.tsv", "\t")
    assert header == ["Feature ID", "Taxon", "Confidence"]
    for row, (_, answer) in zip(found, made.table.iterrows(), strict=True):
        if not answer["rank_called"]:
            assert row[1:] == ["Unassigned", ""]
            continue
        levels = row[1].split("; ")
        assert levels[0] == "k__Animalia" and levels[1] == f"p__{answer['phylum']}"
        assert levels[-1] == f"{answer['rank_called'][0]}__{answer[answer['rank_called']]}"
        assert 0 <= float(row[2]) <= 1


def test_phyloseq(written, made):
    ranks = ("phylum", "class", "order", "family", "genus", "species")
    header, *found = rows(written / "x.phyloseq.tsv", "\t")
    assert header == ["OTU", "Kingdom", *(rank.capitalize() for rank in ranks)]
    unnamed = made.table["rank_called"] == ""
    assert [row[1] == "NA" for row in found] == unnamed.tolist()
    new = (made.table["verdict"] == NEW).tolist()
    assert {row[-1] for row, is_new in zip(found, new, strict=True) if is_new} == {"NA"}


def test_darwin_core(written, made):
    header, *found = rows(written / "x.dwc.csv", ",")
    records = [dict(zip(header, row, strict=True)) for row in found]
    for record, (_, answer) in zip(records, made.table.iterrows(), strict=True):
        rank = answer["rank_called"]
        assert record["taxonRank"] == rank and record["genus"] == answer["genus"]
        assert record["scientificName"] == (answer[rank] if rank else "incertae sedis")
        assert (record["identificationQualifier"] == "sp.") == (answer["verdict"] == NEW)
        assert answer["verdict"] in record["identificationRemarks"]
        if answer["verdict"] == KNOWN:
            assert f"{record['genus']} {record['specificEpithet']}" == answer["species"]


def test_standard_output_is_tsv(made, capfdbinary):
    write(made, Path("-"))
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert len(lines) == 61 and lines[0].split("\t") == list(made.table.columns)
    assert not any("\x1b" in line for line in lines)


def test_a_pipe_gets_tsv(made, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_text()))
    reader.start()
    check(fifo)
    write(made, fifo)
    reader.join(timeout=60)
    assert read[0].splitlines()[0].split("\t") == list(made.table.columns)


def test_no_answers_make_empty_files(made, tmp_path):
    none = Answers(*(t.iloc[:0] for t in (made.table, made.neighbours, made.queries)), made.library)
    for ending in ENDINGS:
        write(none, tmp_path / f"x{ending}")
    assert rows(tmp_path / "x.tsv", "\t") == [list(made.table.columns)]


def test_the_sentence():
    made = answers(30, seed=2)
    made.table["verdict"] = [KNOWN] * 20 + [NEW] * 6 + ["no call"] * 4
    made.table["genus"] = [""] * 20 + ["Apis", "Apis", "Bombus", "Vespa", "Apis", "Apis"] + [""] * 4
    made.table["species"] = ["Apis mellifera"] * 17 + [""] * 13
    known = "20 known species (3 of them uncertain which)"
    assert sentence(made.table) == f"{known}, 6 probably new in 3 genera, 4 no call"
    assert sentence(made.table.iloc[:0]) == "no barcodes"
