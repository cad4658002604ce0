from barcodemae.evaluation.splits import Barcodes

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
