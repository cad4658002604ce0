import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barcodemae.data.names import MISSING
from barcodemae.data.preparation import cut, fault_of, standardise, strip_unknown_end
from barcodemae.data.problems import Problems
from barcodemae.data.schemas import COLUMNS
from barcodemae.errors import BarcodeMAEError


def standardised(problems=None, **columns):
    count = len(next(iter(columns.values())))
    record = pa.array(range(1, count + 1), pa.int64())
    table = pa.table({"record": record, **{name: pa.array(v) for name, v in columns.items()}})
    return standardise(table, "some/file.csv", "file", problems or Problems())


def test_all_canonical_columns_come_out_as_strings():
    table = standardised(nucleotides=["ACGT"], species=[7])
    assert table.column_names == ["record", *COLUMNS]
    assert {table[name].type for name in COLUMNS} == {pa.string()}
    assert table["species"].to_pylist() == ["7"]


def test_missing_values_become_null():
    values = [*sorted(MISSING), " -1 ", None]
    table = standardised(nucleotides=["ACGT"] * len(values), species=values, dna_bin=values)
    assert table["species"].null_count == table["dna_bin"].null_count == len(values)


def test_records_without_an_id_are_called_after_file_and_number():
    table = standardised(nucleotides=["ACGT", "ACG"], processid=["None", "A1"])
    assert table["processid"].to_pylist() == ["file:1", "A1"]


def test_nucleotides_are_tidied():
    table = standardised(nucleotides=["ac gu\nTTN ", "Ac-gR"])
    assert table["nucleotides"].to_pylist() == ["ACGTTTN", "AC-GR"]


def test_dictionary_columns_are_read():
    order = pa.array(["Diptera", None, "Diptera"]).dictionary_encode()
    table = standardised(nucleotides=["A", "C", "G"], order=order)
    assert table["order"].to_pylist() == ["Diptera", None, "Diptera"]


def test_nested_columns_are_refused():
    with pytest.raises(BarcodeMAEError, match=r"some/file.csv: the column of genus holds list"):
        standardised(nucleotides=["ACGT"], genus=[["a"]])


@pytest.mark.parametrize(
    ("nucleotides", "reason"),
    [
        (None, "no sequence"),
        ("", "no sequence"),
        ("nan", "no sequence"),
        ("no_data", "no sequence"),
        ("ACGTLACGT", "not DNA: 'L' at nucleotide 5"),
        ("MFINRWLFSTNHKDIGTLYFIFGAWAG", "not DNA: 'F' at nucleotide 2"),
        ("WITHHELD", "not DNA: 'E'"),
        ("KMSYRWHVDDBKKSWY", "not DNA: more than half"),
        ("ACGT*", "not DNA: '\\*' at nucleotide 5"),
        ("NNNNNN", "only unknown nucleotides"),
        ("--NN--", "only unknown nucleotides"),
    ],
)
def test_faults(nucleotides, reason):
    with pytest.raises(BarcodeMAEError, match=rf"some/file.csv: record 2 \(id 'b'\): {reason}"):
        standardised(nucleotides=["ACGT", nucleotides], processid=["a", "b"])


@pytest.mark.parametrize("nucleotides", ["A", "ACGT" * 3 + "RYSWKMBDHVN-.", "NNNNA", "ACGTN-RY"])
def test_sound_barcodes(nucleotides):
    assert fault_of(nucleotides) is None


def test_skipping_notes_each_fault_down():
    problems = Problems(skip=True)
    table = standardised(problems, nucleotides=["", "ACGT", "QQ"], processid=["a", "b", "c"])
    assert table["processid"].to_pylist() == ["b"]
    assert [(entry.record, entry.id) for entry in problems.left_out] == [(1, "a"), (3, "c")]
    assert problems.left_out[0].reason.startswith("no sequence")


def test_undecodable_bytes_are_a_fault_of_their_record():
    problems = Problems(skip=True)
    genus = ["Ægus".encode(), "Ægus".encode("latin-1")]
    table = standardised(problems, nucleotides=[b"ACGT", b"ACG"], genus=genus)
    assert table["genus"].to_pylist() == ["Ægus"]
    assert problems.left_out[0].record == 2 and "iconv" in problems.left_out[0].reason


@given(st.lists(st.text("ACGTUNacgtRYWS-. \nEFX", max_size=12), min_size=1, max_size=20))
def test_the_fast_screen_finds_what_the_plain_check_finds(barcodes):
    squeezed = ["".join(barcode.split()) for barcode in barcodes]
    plain = [
        None if barcode in MISSING else barcode.upper().replace("U", "T") for barcode in squeezed
    ]
    problems = Problems(skip=True)
    table = standardised(problems, nucleotides=barcodes)
    sound = [barcode for barcode in plain if fault_of(barcode) is None]
    assert table["nucleotides"].to_pylist() == sound
    assert len(problems.left_out) == len(barcodes) - len(sound)


def test_preparation_strips_trailing_n_only_and_cuts_at_660():
    barcodes = pa.array(["NNACNNGTNN", "A" * 661 + "C", "ACGT-"])
    assert strip_unknown_end(barcodes).to_pylist() == ["NNACNNGT", "A" * 661 + "C", "ACGT-"]
    assert cut(barcodes).to_pylist() == ["NNACNNGTNN", "A" * 660, "ACGT-"]
