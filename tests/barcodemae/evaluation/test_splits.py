import numpy as np

from barcodemae.checking.profile import consensus
from barcodemae.encoders.kmer_frequencies import KmerFrequencies
from barcodemae.encoders.sites import Sites
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.settings import Settings
from barcodemae.evaluation.splits import Barcodes
from barcodemae.store import Store

TEXT = """id,split,genus,species,nucleotides
a,train,,,ACGTACGT
b,test,Aus,Aus duo,ACGTACGTN
c,test,Bus,Bus x,GGGTTT
d,test,Cus,Cus x,GGGTTT
"""


def test_a_barcode_has_the_labels_of_its_copies_and_none_that_they_contradict(tmp_path):
    path = tmp_path / "barcodes.csv"
    path.write_text(TEXT)
    read = Barcodes.read([path], ["train", "test"])
    assert read.get("train").labels("genus").tolist() == ["Aus"]  # and not in the test, too
    assert read.get("test").sequences == ["GGGTTT"]
    assert read.get("test").labels("genus").tolist() == [""]


def test_what_reads_on_a_grid_sees_the_whole_record_and_all_else_660_nucleotides(tmp_path):
    barcode = "".join("ACGT"[code] for code in consensus().argmax(axis=1))
    flank = "".join(np.random.default_rng(0).choice(list("ACGT"), 300))
    path = tmp_path / "barcodes.csv"
    path.write_text(f"id,split,genus,nucleotides\na,train,Aus,{flank}{barcode}NN\n")
    read = Barcodes.read([path], ["train"])
    context = Context(read, Settings(reference="train"), Store(tmp_path / "cache"), progress=False)
    assert context.reference.sequences == [(flank + barcode)[:660]]
    on_grid = context.embed(Row("sites", Sites()), context.reference).vectors
    np.testing.assert_array_equal(on_grid, Sites().embed([barcode]))
    plain = context.embed(Row("kmer", KmerFrequencies(3)), context.reference).vectors
    np.testing.assert_array_equal(plain, KmerFrequencies(3).embed([(flank + barcode)[:660]]))
