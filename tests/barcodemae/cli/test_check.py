"""`barcodemae check`: the report, the mended barcodes, and what is refused."""

import pandas as pd
import pytest
from Bio.Seq import reverse_complement
from typer.testing import CliRunner

from barcodemae.checking.profile import consensus
from barcodemae.cli import app
from barcodemae.errors import BarcodeMAEError


@pytest.fixture(scope="module")
def barcode() -> str:
    return "".join("ACGT"[code] for code in consensus().argmax(axis=1))


def run(*arguments):
    result = CliRunner().invoke(app, ["check", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_report_and_the_mended_barcodes(barcode, tmp_path):
    place = barcode.find("TTTT", 100)
    source = tmp_path / "barcodes.fasta"
    longer = barcode[:place] + "T" + barcode[place:]
    source.write_text(f">right\n{barcode}\n>longer some words\n{longer}\n>other\n{'ACGT' * 150}\n")
    report, mended = tmp_path / "report.tsv", tmp_path / "mended.fasta"
    result = run(source, "-o", report, "--repair", mended)
    assert "1 clean" in result.output and "1 nucleotides mended" in result.output
    table = pd.read_csv(report, sep="\t", dtype=str, keep_default_na=False).set_index("id")
    assert table["verdict"].to_dict() == {
        "right": "clean",
        "longer": "insertion",
        "other": "not COI",
    }
    row = table.loc["longer"]
    assert row["said_by"] == "profile" and row["problems"] == "insertion of 1"
    assert abs(int(row["positions"]) - place - 1) <= 4 and 0 < float(row["probability"]) <= 1
    right, longer, other = mended.read_text().split(">")[1:]
    assert right == f"right\n{barcode}\n" and other.split("\n")[1] == "ACGT" * 150
    header, sequence, _ = longer.split("\n")
    assert header == f"longer mended={row['edits']}" and sequence == barcode


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet"])
def test_the_ending_names_the_format(ending, barcode, tmp_path):
    source, report = tmp_path / "barcodes.fasta", tmp_path / f"report{ending}"
    source.write_text(f">right\n{barcode}\n>longer\n{barcode[:300]}A{barcode[300:]}\n")
    run(source, "-o", report)
    reader = {".csv": pd.read_csv, ".xlsx": pd.read_excel, ".parquet": pd.read_parquet}[ending]
    table = reader(report)
    assert table["verdict"].tolist() == ["clean", "insertion"]
    assert pd.isna(table["probability"][0]) and 0 < table["probability"][1] <= 1


def test_an_unknown_ending_is_refused_before_the_barcodes_are_read(tmp_path):
    with pytest.raises(BarcodeMAEError, match=r"report.docx: the ending names the format"):
        run(tmp_path / "nowhere.fasta", "-o", tmp_path / "report.docx")


def test_gaps_of_an_alignment_are_taken_out(barcode, tmp_path, caplog):
    source, report = tmp_path / "aligned.fasta", tmp_path / "report.tsv"
    source.write_text(f">a\n{barcode[:300]}--{barcode[300:500]}..{barcode[500:]}\n")
    assert "1 clean" in run(source, "-o", report).output and not caplog.text
    assert pd.read_csv(report, sep="\t")["unknown"].tolist() == [0]


@pytest.mark.parametrize(
    ("content", "said"),
    [(">protein\nMFINRWLFSTNHKDIGTLYLLF\n", "protein"), ("", "barcodes.fasta"), (">a\n\n", "a")],
)
def test_what_is_no_barcode_is_named_and_nothing_is_written(content, said, tmp_path):
    source, report = tmp_path / "barcodes.fasta", tmp_path / "report.tsv"
    source.write_text(content)
    with pytest.raises(BarcodeMAEError, match=said):
        run(source, "-o", report)
    assert not report.exists()


def test_ids_with_blanks_are_the_same_in_what_is_mended_and_checked_again(
    barcode, tmp_path, caplog
):
    place = barcode.find("TTTT", 100)
    longer = barcode[:place] + "T" + barcode[place:]
    source, mended = tmp_path / "barcodes.fasta", tmp_path / "mended.fasta"
    source.write_text(f">s 1\n{barcode}\n>s 2\n{reverse_complement(longer)}\n>s 3\n{longer}\n")
    run(source, "-o", tmp_path / "first.tsv", "--repair", mended)
    assert "3 ids have blanks" in caplog.text
    assert ">s 2 mended=turned," in mended.read_text()
    run(mended, "-o", tmp_path / "again.tsv", "--repair", tmp_path / "again.fasta")
    table = pd.read_csv(tmp_path / "again.tsv", sep="\t", dtype=str)
    assert table["id"].tolist() == ["s 1", "s 2", "s 3"]
    assert set(table["verdict"]) == {"clean"}
    records = (tmp_path / "again.fasta").read_text().split()
    assert records == [word for i in "123" for word in (">s", i, barcode)]


@pytest.mark.parametrize("names", [("x.tsv", "./x.tsv"), ("-", "-")])
def test_the_report_and_the_mended_barcodes_are_two_files(barcode, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "barcodes.fasta").write_text(f">a\n{barcode}\n")
    with pytest.raises(BarcodeMAEError, match="is to be two outputs"):
        run("barcodes.fasta", "-o", names[0], "--repair", names[1])


def test_a_model_of_another_kind_is_refused(barcode, tmp_path):
    from barcodemae import BarcodeMAEModel
    from barcodemae.presets import preset_config

    BarcodeMAEModel(preset_config("barcodemae-tiny")).save_pretrained(tmp_path / "model")
    source = tmp_path / "barcodes.fasta"
    source.write_text(f">a\n{barcode}\n")
    with pytest.raises(BarcodeMAEError, match="holds a BarcodeMAE; --tags needs an ENBED"):
        run(source, "-o", tmp_path / "report.tsv", "--tags", tmp_path / "model")
