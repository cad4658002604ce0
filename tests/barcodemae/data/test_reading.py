import os
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barcodemae.data import COLUMNS, ReadReport, read_barcodes, read_report
from barcodemae.data.cache import REPORT, report_file
from barcodemae.data.reading import read_as_they_stand
from barcodemae.errors import BarcodeMAEError

BIOSCAN = """processid,phylum,class,order,genus,species,dna_bin,dna_barcode,inferred_ranks,split
A,Arthropoda,Insecta,Diptera,Musca,Musca domestica,BOLD:AAA0001,ACGTACGTNN,0,train
B,Arthropoda,Insecta,Diptera,no_data,None,-1,ACGTACGT,0,pretrain
C,Chordata,Aves,,Corvus,nan,BOLD:AAA0002,GGGTTT,0,test_unseen
D,Arthropoda,Insecta,Diptera,Musca,,,ACGTACGA,0,test_unseen
"""
SHARED = Path(__file__).parents[4] / "shared/barcodes/barcodes.parquet"


def test_bioscan_metadata(read, write):
    barcodes = read(write("metadata.csv", BIOSCAN))
    assert tuple(barcodes.column_names) == COLUMNS
    assert barcodes[0] == {
        "processid": "A",
        "nucleotides": "ACGTACGT",
        "kingdom": None,
        "phylum": "Arthropoda",
        "class": "Insecta",
        "order": "Diptera",
        "family": None,
        "subfamily": None,
        "genus": "Musca",
        "species": "Musca domestica",
        "dna_bin": "BOLD:AAA0001",
        "split": "train",
    }
    assert barcodes["processid"][:] == ["A", "C", "D"]  # B repeats A
    assert barcodes["species"][:] == ["Musca domestica", None, None]
    assert read_report(barcodes) == ReadReport(records=4, kept=3, repeats=1)


def test_without_preparation_repeats_and_trailing_n_stay(read, write):
    path = write("a.fa", ">a\nacgunn\n>b\nACGTNN\n>c\n" + "A" * 700)
    assert read(path, prepare=False)["nucleotides"][:] == ["ACGTNN", "ACGTNN", "A" * 700]
    assert read(path)["nucleotides"][:] == ["ACGT", "A" * 660]


def test_records_as_they_stand_are_the_same_without_datasets(write, monkeypatch, tmp_path):
    """`identify` reads them: half a second of imports less."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "datasets", None)  # an import of it fails
    path = write("a.fa", ">a\nacgunn\n>b\nACGTNN\n>c\n" + "A" * 700)
    kept = read_as_they_stand([path])
    assert kept.table["nucleotides"].to_pylist() == ["ACGTNN", "ACGTNN", "A" * 700]
    monkeypatch.undo()
    same = read_barcodes([path], prepare=False, cache_dir=tmp_path / "barcodemae")
    assert report_file(same) == kept.folder / REPORT


def test_barcodes_with_gaps_are_counted_and_the_remedy_is_said(read, write, caplog):
    path = write("aligned.fa", ">a\nAC--GT\n>b\nACGT\n>c\nACG.\n")
    assert read_report(read(path, prepare=False)).gapped == 2
    assert "2 of 3 barcodes hold gaps" in caplog.text and "--degap" in caplog.text
    caplog.clear()
    read(write("plain.fa", ">a\nACGT\n"))
    assert not caplog.text


def test_records_without_an_id_are_called_after_the_name_given(read, write):
    path = write("one.csv", "nucleotides\nACGT\n")
    link = path.with_name("two.csv")
    link.symlink_to(path)
    assert read(path)["processid"][:] == ["one:1"]
    assert read(link)["processid"][:] == ["two:1"]


def test_repeats_are_found_before_the_cut(read, write):
    path = write("a.fa", f">a\n{'A' * 670}C\n>b\n{'A' * 670}G\n")
    assert len(read(path)) == 2


def test_repeats_are_found_over_all_files_and_splits(read, write):
    first = write("a.csv", "processid,nucleotides,split\na,ACGT,train\n")
    second = write("b.csv", "processid,nucleotides,split\nb,ACGTN,test\nc,ACC,test\n")
    assert read([first, second])["processid"][:] == ["a", "c"]
    assert read([second, first])["processid"][:] == ["b", "c"]
    assert read([first, second], split="test")["processid"][:] == ["c"]


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.text("ACGTN", min_size=3, max_size=5), st.sampled_from(["train", "val"])),
        min_size=1,
        max_size=20,
    ).filter(lambda rows: all(set(barcode) != {"N"} for barcode, _ in rows))
)
def test_preparation_and_splits_agree_with_plain_code(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("reading")
    path = folder / "barcodes.csv"
    pd.DataFrame(rows, columns=["dna_barcode", "split"]).to_csv(path, index=False)
    kept = {}
    for barcode, split in rows:
        kept.setdefault(barcode.rstrip("N"), split)
    barcodes = read_barcodes(path, cache_dir=folder, progress=False)
    assert list(zip(barcodes["nucleotides"], barcodes["split"], strict=True)) == list(kept.items())
    for split in set(kept.values()):
        part = read_barcodes(path, split=split, cache_dir=folder, progress=False)
        assert part["nucleotides"][:] == [b for b, of in kept.items() if of == split]


def test_filters(read, write):
    path = write("metadata.csv", BIOSCAN)
    assert read(path, split=["train", "test_unseen"], phylum="Arthropoda")["processid"][:] == [
        "A",
        "D",
    ]
    assert read(path, min_length=8)["processid"][:] == ["A", "D"]
    assert read(path, min_length=8, prepare=False)["processid"][:] == ["A", "B", "D"]


def test_filter_values_that_do_not_occur(read, write):
    path = write("metadata.csv", BIOSCAN)
    with pytest.raises(BarcodeMAEError, match="split 'tset'; present: test_unseen, train$"):
        read(path, split=["train", "tset"])
    with pytest.raises(BarcodeMAEError, match="phylum 'Mollusca'; present: Arthropoda, Chordata"):
        read(path, phylum="Mollusca")
    with pytest.raises(BarcodeMAEError, match="split 'train'; present: none at all"):
        read(write("a.fa", ">a\nACGT\n"), split="train")
    with pytest.raises(BarcodeMAEError, match="none of 3 barcodes passes .*min_length=9"):
        read(path, split="train", min_length=9)


@pytest.mark.parametrize("options", [{"on_error": "ignore"}, {"num_threads": 0}])
def test_wrong_options(read, write, options):
    with pytest.raises(BarcodeMAEError, match=next(iter(options))):
        read(write("a.fa", ">a\nACGT\n"), **options)


def test_ids_of_records_without_one_differ_between_files(read, write):
    one = write("canada/pre_training.csv", "nucleotides,genus_name\nACGT,Apis\nACC,Bombus\n")
    two = write("bioscan/pre_training.csv", "nucleotides,genus_name\nAGGT,Apis\n")
    assert read(one)["processid"][:] == ["pre_training:1", "pre_training:2"]
    assert read([one, two])["processid"][:] == [f"{one}:1", f"{one}:2", f"{two}:1"]


def test_duplicate_ids(read, write):
    path = write("two.fa", ">b\nACC\n>a\nAC\n>a\nACG\n")
    with pytest.raises(BarcodeMAEError, match=r"two.fa: record 3 \(id 'a', line 5\): duplicate id"):
        read(path)
    barcodes = read(path, on_error="skip")
    assert barcodes["nucleotides"][:] == ["ACC", "AC"]
    assert [entry.id for entry in read_report(barcodes).left_out] == ["a"]
    assert read(path, ids="number")["processid"][:] == ["b", "a", "a:3"]
    assert read(path, ids="keep")["processid"][:] == ["b", "a", "a"]


def test_like_ids_of_two_files_are_told_apart(read, write, caplog):
    plates = [write(f"plate{n}.fa", f">A01\nACGT{n * 'A'}\n>A02 x\nACC{n * 'A'}\n") for n in (1, 2)]
    barcodes = read(plates)
    assert barcodes["processid"][:] == ["A01", "A02", "plate2:A01", "plate2:A02"]
    assert read_report(barcodes).renamed == {"plate2": 2}
    assert "2 ids of plate2 stand in an earlier source" in caplog.text


def test_where_first_words_repeat_the_whole_header_is_the_id(read, write, caplog):
    path = write("a.fa", ">Sample 1\nACGT\n>Sample 2\nACC\n>Other\nAGG\n")
    assert read(path)["processid"][:] == ["Sample 1", "Sample 2", "Other"]
    assert "whole headers, since first words repeat" in caplog.text


def test_the_barcode_of_a_duplicate_id_does_not_count_as_seen(read, write):
    path = write("a.fa", ">a\nAC\n>a\nGT\n>b\nGT\n")
    assert read(path, on_error="skip")["processid"][:] == ["a", "b"]


def test_skipping_lists_every_fault_and_counts_every_record(read, write, caplog):
    good = write("a.csv", "id,sequence\na,ACGT\nb\nc,\nd,PROTEIN\na,ACC\ne,ACGTN\nf,GG\n")
    empty = write("b.fa", "")
    barcodes = read([good, empty], on_error="skip")
    assert barcodes["processid"][:] == ["a", "f"]
    report = read_report(barcodes)
    assert (report.records, report.kept, report.repeats) == (7, 2, 1)
    faults = [(entry.record, entry.id, entry.reason.split(":")[0]) for entry in report.left_out]
    assert sorted(faults, key=str) == [
        (2, None, "malformed row"),
        (3, "c", "no sequence"),
        (4, "d", "not DNA"),
        (5, "a", "duplicate id"),
        (None, None, "empty file"),
    ]
    assert "left out 5 of 7 records" in caplog.text
    assert read_report(read([good, empty], on_error="skip", min_length=4)) == report


def test_nothing_left_is_an_error_and_not_an_empty_table(read, write):
    with pytest.raises(BarcodeMAEError, match="no barcode left of .*a.fa: no sequence"):
        read(write("a.fa", ">a\n>b\n"), on_error="skip")


def test_an_unclosed_quote(read, write):
    with pytest.raises(BarcodeMAEError, match=r"record 2 \(line 3\): a quote .* is not closed"):
        read(write("a.csv", 'processid,nucleotides\na,ACG\nb,"AC\nc,GG\n'))


@pytest.mark.parametrize("threads", [1, 3])
def test_many_records_keep_their_order(read, write, threads):
    barcodes = [f"{number:020b}".replace("0", "A").replace("1", "C") for number in range(40_000)]
    content = "".join(f">{number}\n{barcode}\n" for number, barcode in enumerate(barcodes))
    table = read(write("many.fa", content), num_threads=threads)
    assert table["nucleotides"][:] == barcodes
    assert table["processid"][-1] == "39999"


def test_a_changed_file_is_read_anew(read, write):
    assert len(read(write("a.fa", ">a\nACGT\n"))) == 1
    path = write("a.fa", ">a\nACGT\n>b\nACC\n")
    assert len(read(path)) == 2
    path.write_text(">a\nACGT\n>b\nAGG\n")  # the same size
    os.utime(path, ns=(1, 1))
    assert read(path)["nucleotides"][1] == "AGG"


def test_a_second_reading_does_not_parse(read, write, monkeypatch):
    path = write("a.fa", ">a\nACGT\n")
    first = read(path)
    monkeypatch.setattr("barcodemae.data.sources.parse", None)
    assert read(path)[:] == first[:]


@pytest.mark.skipif(not SHARED.exists(), reason="the shared barcodes are not here")
def test_real_barcodes(read):
    barcodes = read(SHARED)
    assert len(barcodes) == 96_656
    assert read_report(barcodes) == ReadReport(records=96_656, kept=96_656)
    assert len(read(SHARED, split=["train", "val_unseen"])) == 10_362 + 1_016


def test_a_header_is_never_missing(read, write):
    names = ["NA", "nan", "None", "null", "-1"]
    path = write("a.fa", "".join(f">{name}\nACG{'T' * n}\n" for n, name in enumerate(names, 1)))
    assert read(path)["processid"][:] == names


def test_made_up_ids_are_said(read, write, caplog):
    barcodes = read(write("a.csv", "plate,nucleotides\nx,ACGT\ny,ACC\n"))
    assert barcodes["processid"][:] == ["a:1", "a:2"]
    assert "2 records of a have no id that is known" in caplog.text
    caplog.clear()
    read(write("a.csv", "plate,nucleotides\nx,ACGT\ny,ACC\n"), ids="keep")
    assert not caplog.text


def test_a_column_that_repeats_is_no_id(read, write, caplog):
    barcodes = read(write("a.csv", "sample,nucleotides\nx,ACGT\nx,ACC\ny,AGG\n"))
    assert barcodes["processid"][:] == ["a:1", "a:2", "a:3"]
    assert "since those of the column 'sample' repeat" in caplog.text
    assert read(write("b.csv", "sample,nucleotides\nx,ACGT\ny,ACC\n"))["processid"][:] == ["x", "y"]


@pytest.mark.parametrize("id", ["a\0", "a\x1b[2J", "x" * 5000])
def test_ids_that_cannot_be_kept_are_refused(read, write, id):
    with pytest.raises(BarcodeMAEError, match=r"control character|more than 4,096|not text"):
        read(write("a.fa", f">{id}\nACGT\n"))


def test_a_line_with_a_number_sign_is_not_dropped(read, write):
    with pytest.raises(BarcodeMAEError, match=r"record 1 \(id 'a', line 1\): not DNA: '#'"):
        read(write("a.fa", ">a\nACGT\n#ACGT\nAC\n"))


def test_gaps_are_taken_out_on_request_and_inosine_is_n(read, write, caplog):
    path = write("a.fa", ">a\nAC--GT.A\n>b\nACIIG\n")
    barcodes = read(path, degap=True)
    assert barcodes["nucleotides"][:] == ["ACGTA", "ACNNG"] and not caplog.text


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_of_fasta(read, write, newline):
    content = newline.join([">a x", "ACGT", "", "AC", ">b", "GG", ""])
    assert read(write("a.fa", content))["nucleotides"][:] == ["ACGTAC", "GG"]
    with pytest.raises(BarcodeMAEError, match=r"record 3 \(id 'c', line 7\)"):
        read(write("b.fa", content + f">c{newline}"))
