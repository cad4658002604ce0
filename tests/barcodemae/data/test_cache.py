import errno
import sys
import threading

import datasets
import pyarrow as pa
import pytest

from barcodemae.data import cache, read_report
from barcodemae.data.problems import LeftOut
from barcodemae.data.read_report import ReadReport
from barcodemae.data.schemas import COLUMNS, SCHEMA
from barcodemae.errors import BarcodeMAEError


def table_of(barcodes):
    columns = {name: [None] * len(barcodes) for name in COLUMNS}
    return pa.table(columns | {"nucleotides": barcodes}, SCHEMA)


def build_of(barcodes, calls=None):
    def build(folder):
        if calls is not None:
            calls.append(folder)
        writer = cache.Writer(folder)
        for barcode in barcodes:
            writer.write(table_of([barcode]))
        writer.close(ReadReport(2, 1, 0, [LeftOut("a.fa", 2, None, "no sequence")]))

    return build


def test_an_entry_is_built_once(tmp_path):
    calls = []
    folders = {cache.entry(tmp_path, ["key"], build_of(["AC", "GT"], calls)) for _ in range(3)}
    assert len(folders) == len(calls) == 1
    assert cache.load(folders.pop())["nucleotides"][:] == ["AC", "GT"]


def test_other_keys_are_other_entries(tmp_path):
    folders = [cache.entry(tmp_path, [key], build_of([key])) for key in ("A", "C")]
    assert [cache.load(folder)["nucleotides"][:] for folder in folders] == [["A"], ["C"]]


def test_small_tables_are_gathered_in_one_batch(tmp_path):
    folder = cache.entry(tmp_path, "key", build_of(["AC"] * 50))
    assert cache.load(folder).data.column("nucleotides").num_chunks == 1


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_an_interrupted_build_leaves_nothing(tmp_path, interruption):
    def build(folder):
        build_of(["AC"])(folder)
        raise interruption

    with pytest.raises(interruption):
        cache.entry(tmp_path, "key", build)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_what_a_killed_process_left_is_built_anew(tmp_path):
    folder = cache.entry(tmp_path, "key", build_of(["AC"]))
    folder.rename(folder.with_suffix(".partial"))
    (folder.with_suffix(".partial") / cache.TABLE).write_bytes(b"half")
    assert cache.load(cache.entry(tmp_path, "key", build_of(["GT"])))["nucleotides"][:] == ["GT"]


def test_of_several_at_once_one_builds(tmp_path):
    calls = []
    ask = lambda: cache.entry(tmp_path, "key", build_of(["AC"] * 200, calls))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_the_report_belongs_to_the_data_set_and_its_parts(tmp_path):
    barcodes = cache.load(cache.entry(tmp_path, "key", build_of(["AC", "GT"])))
    assert read_report(barcodes) == read_report(barcodes.select([1]))
    assert read_report(barcodes).left_out == [LeftOut("a.fa", 2, None, "no sequence")]
    with pytest.raises(ValueError, match="does not come from read_barcodes"):
        read_report(datasets.Dataset.from_dict({"nucleotides": ["AC"]}))


def test_the_default_folder_is_that_of_datasets(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    assert cache.root(None) == tmp_path / "barcodemae"


@pytest.mark.parametrize(
    "name, below",
    [
        ("HF_DATASETS_CACHE", "."),
        ("HF_HOME", "datasets"),
        ("XDG_CACHE_HOME", "huggingface/datasets"),
        ("HOME", ".cache/huggingface/datasets"),
    ],
)
def test_the_default_folder_is_the_same_without_datasets(tmp_path, monkeypatch, name, below):
    for other in ("HF_DATASETS_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delitem(sys.modules, "datasets")
    assert cache.root(None) == tmp_path / below / "barcodemae"


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_a_damaged_entry_is_built_anew(tmp_path, damage):
    folder = cache.entry(tmp_path, "key", build_of(["AC", "GT"]))
    table = folder / cache.TABLE
    table.write_bytes(table.read_bytes()[:-200] if damage is None else damage)
    again = cache.load(cache.entry(tmp_path, "key", build_of(["AC", "GT"])))
    assert again["nucleotides"][:] == ["AC", "GT"]


def test_an_entry_that_lost_whole_batches_is_built_anew(tmp_path):
    folder = cache.entry(tmp_path, "key", build_of(["AC", "GT"]))
    short = cache.entry(tmp_path, "other", build_of(["AC"]))
    (folder / cache.TABLE).write_bytes((short / cache.TABLE).read_bytes())
    again = cache.load(cache.entry(tmp_path, "key", build_of(["AC", "GT"])))
    assert again["nucleotides"][:] == ["AC", "GT"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(tmp_path, code):
    def build(folder):
        raise OSError(code, "full")

    with pytest.raises(BarcodeMAEError, match=f"{tmp_path}: the cache .*HF_DATASETS_CACHE"):
        cache.entry(tmp_path, "key", build)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
