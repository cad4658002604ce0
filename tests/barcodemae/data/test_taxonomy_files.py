import gzip

import pytest

from barcodemae.data import read_report
from barcodemae.data.taxonomy_files import is_taxonomy_file
from barcodemae.errors import BarcodeMAEError

FASTA = ">a x\nACGT\n>b\nACC\n>c\nAGG\n"
LINEAGES = {
    "a": "k__Animalia; p__Arthropoda; c__Insecta; o__Diptera; f__Muscidae; g__Musca; s__",
    "b": "k__Animalia; p__Arthropoda; c__Insecta; o__Diptera; f__Muscidae; g__Fannia; s__Fannia x",
}
QIIME = "Feature ID\tTaxon\tConfidence\n" + "".join(f"{i}\t{t}\t1\n" for i, t in LINEAGES.items())
MOTHUR = (
    "a\tAnimalia(100);Arthropoda(99);Insecta;Diptera;Muscidae;Musca;\nb\tAnimalia;x;y;z;u;Fannia;\n"
)
BY_RANK = "#ASV ID,Kingdom,Family,Genus\na,Animalia,Muscidae,Musca\nb,Animalia,Muscidae,Fannia\n"


@pytest.mark.parametrize("content", [QIIME, MOTHUR, BY_RANK, gzip.compress(QIIME.encode())])
@pytest.mark.parametrize("named", [True, False])
def test_a_fasta_file_gets_the_labels_of_a_taxonomy_file(read, write, content, named):
    fasta, taxonomy = write("seqs.fasta", FASTA), write("tax.tsv", content)
    assert is_taxonomy_file(taxonomy) and not is_taxonomy_file(fasta)
    barcodes = read(fasta, taxonomy=taxonomy) if named else read([taxonomy, fasta])
    assert barcodes["genus"][:] == ["Musca", "Fannia", None]
    assert barcodes["kingdom"][:2] == ["Animalia"] * 2
    assert read_report(barcodes).without_lineage == {str(fasta): 1}


def test_the_columns_of_a_taxonomy_file_stand_in_any_order(read, write):
    rows = "".join(f"{text}\t{id}\n" for id, text in LINEAGES.items())
    taxonomy = write("tax.tsv", f"Taxon\tFeature ID\n{rows}")
    barcodes = read(write("seqs.fasta", FASTA), taxonomy=taxonomy)
    assert barcodes["genus"][:] == ["Musca", "Fannia", None]


def test_empty_ranks_stay_empty(read, write):
    barcodes = read(write("seqs.fasta", FASTA), taxonomy=write("tax.tsv", QIIME))
    assert barcodes["species"][:] == [None, "Fannia x", None]


def test_a_lineage_is_taken_whole(read, write):
    fasta = write("seqs.fasta", ">a Fannia canicularis\nACGT\n>b Musca domestica\nACC\n")
    barcodes = read(fasta, taxonomy=write("tax.tsv", QIIME.replace("b\t", "z\t")))
    assert barcodes["genus"][:] == ["Musca", "Musca"]
    assert barcodes["species"][:] == [None, "Musca domestica"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("id,country\na,Peru\n", "no taxonomy file: give a table"),
        (QIIME + "a\tk__Plantae\t1\n", "the id 'a' has two lineages"),
        (QIIME + "c\td\te\tf\n", "line 4: malformed row: 4 fields where the header has 3"),
        (QIIME.encode() + b"\xff\t\xff\t1\n", "not UTF-8; convert the file"),
        (gzip.compress(QIIME.encode())[:-9], "truncated or damaged gzip.*fetch"),
    ],
)
def test_bad_taxonomy_files(read, write, content, reason):
    with pytest.raises(BarcodeMAEError, match=f"tax.tsv: {reason}"):
        read(write("seqs.fasta", FASTA), taxonomy=write("tax.tsv", content))


def test_a_changed_taxonomy_is_read_anew(read, write):
    fasta = write("seqs.fasta", FASTA)
    assert read(fasta, taxonomy=write("tax.tsv", QIIME))["genus"][0] == "Musca"
    assert read(fasta, taxonomy=write("tax.tsv", MOTHUR))["family"][0] == "Muscidae"
    assert read(fasta)["genus"][0] is None
