"""A standing guard: files of every format, damaged at random, drive every reader.

Whatever the file, reading ends in a table whose counts add up, or in one message of ours that names
the file and a remedy; and it leaves nothing behind.
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import zipfile

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barcodemae.data import cache
from barcodemae.data.packed import zstd
from barcodemae.data.reader import Reader
from barcodemae.data.sources import FileSource
from barcodemae.errors import BarcodeMAEError

FILES = 40  # of one example
EXAMPLES = 260
TOKENS = (
    b'"|\n|\r|\0|,|;|\t|>|@|#|\xff|\xef\xbb\xbf|-|NNNNNN|""|\n\n|=|sep=;\n|\n>|\xc3|NA|"\n"|PK\x03\x04'
).split(b"|")
HEADERS = (
    *("{0}", "{0};tax=k:Animalia,g:{1},s:{2};", "{0} k__Animalia;g__{1};s__{2}"),
    *("Animalia;Insecta;{1};", "{0} {2}", "{0}|{2}|COI-5P"),
)


def records(draw):
    taxa = [("Aus", "Aus unus"), ("Bus", "Bus sp."), ("unclassified", "s__"), ("", "")]
    return [
        (f"ID{n}", *draw.choice(taxa), "".join(draw.choices("ACGT", k=draw.randint(1, 60))))
        for n in range(draw.choice([0, 1, 2, 3, 8]))
    ]


def as_fasta(draw, rows):
    header = draw.choice(HEADERS)
    return "".join(f">{header.format(*r)}\n{r[3][:30]}\n{r[3][30:]}\n" for r in rows).encode()


def as_fastq(draw, rows):
    return "".join(f"@{r[0]}\n{r[3]}\n+\n{'I' * len(r[3])}\n" for r in rows).encode()


def as_table(draw, rows):
    text = io.StringIO(newline="")
    quoting = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    ends = draw.choice(["\n", "\r\n"])
    writer = csv.writer(text, delimiter=draw.choice(",;\t"), quoting=quoting, lineterminator=ends)
    writer.writerow(["processid", "genus", "species", "nucleotides", "marker_code", "note"])
    for row in rows:
        marker, note = (
            draw.choice(["", "COI-5P", "ITS2"]),
            draw.choice(["", 'a "b"', "x\ny", "p;q"]),
        )
        writer.writerow([*row, marker, note])
    return text.getvalue().encode()


def as_parquet(draw, rows):
    columns = ["processid", "genus", "species", "nucleotides"]
    file = io.BytesIO()
    pd.DataFrame(rows, columns=columns, dtype=str).to_parquet(file)
    return file.getvalue()


def as_zip(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("barcodes", content)
    return file.getvalue()


PACKINGS = (gzip.compress, bz2.compress, lzma.compress, zstd.compress, as_zip)
FORMATS = (as_fasta, as_fastq, as_table, as_table, as_table, as_parquet)


def damaged(draw, content):
    """`content` with up to eight letters, pieces or lines put in, taken out or repeated."""
    content = bytearray(content)
    for _ in range(draw.choice([0, 1, 1, 1, 2, 3, 8])):
        at = draw.randint(0, len(content))
        end = at + draw.randint(1, 60)
        what = draw.randrange(6)
        if what == 0:
            content[at:at] = draw.choice(TOKENS)
        elif what == 1:
            del content[at:end]
        elif what == 2:
            content[at : at + 1] = bytes([draw.randrange(256)])
        elif what == 3:
            del content[at:]
        elif what == 4:
            content[at:at] = content[at:end]
        else:
            lines = bytes(content).split(b"\n")
            draw.shuffle(lines) if draw.random() < 0.2 else lines.pop(draw.randrange(len(lines)))
            content = bytearray(b"\n".join(lines))
    return bytes(content)


def made(draw):
    content = draw.choice(FORMATS)(draw, records(draw))
    pack = draw.choice([*PACKINGS, *[bytes] * 8])
    return pack(damaged(draw, content)) if draw.random() < 0.5 else damaged(draw, pack(content))


def check(draw, folder, content):
    """Read one file in a way drawn at random, and see that the promises are kept."""
    path, entry = folder / "barcodes", folder / "entry"
    path.write_bytes(content)
    entry.mkdir(exist_ok=True)
    skip, prepare = draw.random() < 0.5, draw.random() < 0.5
    ids = draw.choice(["refuse", "number", "keep"])
    reader = Reader(
        [FileSource(path)], [], prepare, prepare, prepare, ids, None, [], draw.random() < 0.3
    )
    try:
        reader.write(entry, skip, 1, progress=False)
    except BarcodeMAEError as error:
        assert str(path) in str(error) and len(str(error)) > len(str(path)) + 20
        return "refused"
    finally:
        assert {each.name for each in folder.iterdir()} == {"barcodes", "entry"}
    report, table = json.loads((entry / cache.REPORT).read_text()), cache.load(entry)
    faulty = [each for each in report["left_out"] if each["record"] is not None]
    others = sum(report["other_markers"].values())
    assert report["kept"] == len(table)
    assert report["records"] == report["kept"] + report["repeats"] + len(faulty) + others
    assert len({each["record"] for each in faulty}) == len(faulty)
    assert skip or not report["left_out"]
    names = table["processid"][:]
    assert all(names) and (ids == "keep" or len(set(names)) == len(names))
    assert all(table["nucleotides"][:])
    return "read"


@pytest.mark.slow
def test_no_file_brings_a_reader_down(tmp_path):
    outcomes = {"read": 0, "refused": 0}

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32))
    def many(seed):
        draw = random.Random(seed)
        for _ in range(FILES):
            outcomes[check(draw, tmp_path, made(draw))] += 1

    many()
    print(outcomes)
    assert sum(outcomes.values()) >= 10_000
    assert min(outcomes.values()) >= 2_000  # neither too tame nor too wild


def test_whole_files_are_read(tmp_path):
    draw = random.Random(0)
    for form in FORMATS:
        rows = records(draw) or [("ID0", "Aus", "Aus unus", "ACGT")]
        assert check(draw, tmp_path, form(draw, rows)) in ("read", "refused")
