import sys
from pathlib import Path

import datasets
import pyarrow as pa
import pytest

from barcodemae.data.resident import MappedPages

ROWS, LENGTH = 2000, 10_000  # 20 MB


def write(folder):
    table = pa.table({"nucleotides": [f"{row:08d}" * (LENGTH // 8) for row in range(ROWS)]})
    with pa.ipc.new_stream(str(folder / "t.arrow"), table.schema) as stream:
        stream.write_table(table, max_chunksize=500)
    return folder / "t.arrow"


def mapped_files():
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["RssFile"].split()[0]) * 1024


def read_all(column):
    return sum(len(value.as_py()) for value in column)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_are_let_go_of_and_read_again(tmp_path):
    column = datasets.Dataset.from_file(str(write(tmp_path))).data.column("nucleotides")
    pages = MappedPages(column)
    pages.release()
    before = mapped_files()
    assert read_all(column) == ROWS * LENGTH
    assert mapped_files() - before > 0.9 * ROWS * LENGTH
    pages.release()
    assert mapped_files() - before < 0.1 * ROWS * LENGTH
    assert column[1234].as_py() == "00001234" * (LENGTH // 8)


def test_a_column_in_memory_keeps_its_values():
    column = pa.chunked_array([["ACGT" * 50_000] * 20])
    MappedPages(column).release()
    assert column.to_pylist() == ["ACGT" * 50_000] * 20
