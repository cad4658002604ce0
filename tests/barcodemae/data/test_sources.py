import gzip
import io
import os
import threading

import datasets
import pytest

from barcodemae.data.sources import resolve
from barcodemae.errors import BarcodeMAEError

TABLE = {"processid": ["a", "b", "c"], "dna_barcode": ["ACGT", "GGTT", "CC"]}


def test_files_keep_their_order_and_globs_are_sorted(write, tmp_path):
    for name in ("b.fa", "a.fa", "c.csv"):
        write(name, ">x\nACGT\n")
    found = resolve([tmp_path / "c.csv", f"{tmp_path}/*.fa"])
    assert [source.path.name for source in found] == ["c.csv", "a.fa", "b.fa"]


def test_a_file_named_twice_counts_once_and_this_is_said(write, tmp_path, monkeypatch, caplog):
    path = write("a.fa", ">x\nACGT\n")
    monkeypatch.chdir(tmp_path)
    assert len(resolve([path, f"{tmp_path}/*"])) == 1
    assert f"{path}: named twice; it is read once" in caplog.text
    assert len(resolve([path, "a.fa"])) == 1
    assert f"a.fa: named twice (as {path}); it is read once" in caplog.text


def test_a_file_whose_name_looks_like_a_pattern(write):
    path = write("plate[1].fa", ">x\nACGT\n")
    assert [source.path for source in resolve(path)] == [path]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("absent.csv", "no such file"),
        ("folder/absent.csv", "no such file"),
        ("folder/absent.fasta.gz", "no such file"),
        ("absent", "no such file"),
        ("*.absent", "the pattern matches no file"),
        ("org/absent", "neither a file here nor a data set that the Hub gives"),
    ],
)
def test_missing_sources(source, reason):
    with pytest.raises(BarcodeMAEError, match=f"{source.replace('*', '.')}: {reason}"):
        resolve(source)


def test_a_missing_file_of_an_existing_folder_is_not_sought_on_the_hub(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BarcodeMAEError, match="data/absent: no such file"):
        resolve("data/absent")


def test_no_source_at_all():
    with pytest.raises(BarcodeMAEError, match="at least one"):
        resolve([])


def test_a_folder_that_is_no_data_set(tmp_path):
    with pytest.raises(BarcodeMAEError, match="save_to_disk.*name its files"):
        resolve(tmp_path)


def test_a_saved_data_set_is_read(read, tmp_path):
    datasets.Dataset.from_dict(TABLE).save_to_disk(tmp_path / "saved")
    barcodes = read(tmp_path / "saved")
    assert barcodes["nucleotides"][:] == TABLE["dna_barcode"]
    assert barcodes["split"][:] == [None] * 3


def test_the_splits_of_a_saved_data_set_become_the_split_column(read, tmp_path):
    saved = datasets.Dataset.from_dict(TABLE)
    splits = {"train": saved.select([2, 0]), "test_unseen": saved.select([1])}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    barcodes = read(tmp_path / "saved")
    assert barcodes["processid"][:] == ["c", "a", "b"]
    assert barcodes["split"][:] == ["train", "train", "test_unseen"]
    assert read(tmp_path / "saved", split="test_unseen")["processid"][:] == ["b"]


def test_faults_of_a_saved_data_set_name_its_split(read, tmp_path):
    wrong = datasets.Dataset.from_dict({"dna_barcode": ["ACGT", "protein"]})
    datasets.DatasetDict({"train": wrong}).save_to_disk(tmp_path / "saved")
    with pytest.raises(BarcodeMAEError, match=r"saved\[train\]: record 2 .*not DNA"):
        read(tmp_path / "saved")
    datasets.Dataset.from_dict({"genus": ["Apis"]}).save_to_disk(tmp_path / "other")
    with pytest.raises(BarcodeMAEError, match="other: no nucleotide column: found genus"):
        read(tmp_path / "other")


def test_a_data_set_of_the_hub(read, monkeypatch):
    loaded = datasets.DatasetDict({"train": datasets.Dataset.from_dict(TABLE)})
    monkeypatch.setattr(datasets, "load_dataset", {"org/name": loaded}.__getitem__)
    barcodes = read("org/name")
    assert barcodes["processid"][:] == TABLE["processid"]
    assert set(barcodes["split"]) == {"train"}


def test_an_empty_data_set_of_the_hub(read, monkeypatch):
    loaded = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"dna_barcode": []})})
    monkeypatch.setattr(datasets, "load_dataset", {"org/name": loaded}.__getitem__)
    with pytest.raises(BarcodeMAEError, match=r"no barcode left of org/name\[train\]: empty"):
        read("org/name", on_error="skip")


def test_a_script_data_set_is_refused_with_the_way_out(monkeypatch):
    def refuse(name):
        raise RuntimeError("Dataset scripts are no longer supported, but found BIOSCAN-5M.py")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(BarcodeMAEError, match="bioscan-ml/BIOSCAN-5M: .*download its metadata CSV"):
        resolve("bioscan-ml/BIOSCAN-5M")


def fed(path, content):
    """Write `content` to a named pipe while somebody reads it."""
    os.mkfifo(path)
    threading.Thread(target=lambda: path.write_bytes(content), daemon=True).start()
    return path


def test_a_named_pipe_is_read(read, tmp_path):
    pipe = fed(tmp_path / "pipe", b">a\nACGT\n>b\n\n>b\nAC\n")
    with pytest.raises(BarcodeMAEError, match=r"pipe: record 2 \(id 'b'\): no sequence"):
        read(pipe)


def test_standard_input_is_read(read, tmp_path, monkeypatch):
    for content in (b">A 1\nACGT\n>A 2\nACC\n", gzip.compress(b"nucleotides\nACGT\nACC\n")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert read("-")["nucleotides"][:] == ["ACGT", "ACC"]
    assert read(fed(tmp_path / "p", b">a\nACGT\n"))["processid"][:] == ["a"]


def test_several_processes_cannot_share_standard_input(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BarcodeMAEError, match="-: several processes cannot read one stream"):
        resolve("-")
