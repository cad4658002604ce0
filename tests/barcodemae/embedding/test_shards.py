"""Folders of shards, written by `barcodemae embed` as users start it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from typer.testing import CliRunner

from barcodemae import BarcodeMAEModel
from barcodemae.cli import app
from barcodemae.data import read_barcodes, write_simulated
from barcodemae.embedding.precision import at_precision
from barcodemae.embedding.shards import (
    MANIFEST,
    _identity,
    start_processes,
    write_shards,
)
from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import held_folder
from barcodemae.presets import preset_config
from barcodemae.shard_folders import check_alone
from launcher import launcher

PROJECT = Path(__file__).parents[3]
RECORDS, SHARD = 1000, 64


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A CSV file of simulated barcodes and a tiny model with random weights."""
    folder = tmp_path_factory.mktemp("inputs")
    write_simulated(folder / "b.csv", 0, species=80, barcodes=RECORDS)
    torch.manual_seed(0)
    BarcodeMAEModel(preset_config("barcodemae-tiny")).save_pretrained(folder / "model")
    return folder


@pytest.fixture(scope="module")
def expected(inputs):
    """Ids and embeddings, without files and processes."""
    barcodes = read_barcodes(inputs / "b.csv", prepare=False)
    embedder = Embedder.from_pretrained(inputs / "model", "cpu")
    return barcodes["processid"][:], embedder.embed(barcodes["nucleotides"][:])


def words(inputs, output, **options):
    command = ["-m", "barcodemae", "embed", str(inputs / "b.csv"), "--device", "cpu"]
    options = {"model": inputs / "model", "output": output, "shard-size": SHARD, **options}
    return [*command, *(f"--{name}={value}" for name, value in options.items())]


def start(inputs, output, processes=1, **options):
    command = words(inputs, output, **options)
    if processes > 1:
        command = [*launcher(processes), *command]
    with Path(f"{output}.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def check(output, expected):
    table = pd.read_parquet(output)
    assert table["id"].tolist() == expected[0]
    np.testing.assert_allclose(np.stack(table["embedding"]), expected[1], atol=1e-5)
    assert not list(output.glob(".*"))


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_and_repeats_nothing(processes, inputs, expected, tmp_path):
    output = tmp_path / "embeddings"
    run = start(inputs, output, processes, **{"batch-size": 1})  # slow enough to be met at work
    deadline = time.monotonic() + 600
    while len(list(output.glob("part-*"))) < 3:
        assert run.poll() is None and time.monotonic() < deadline, "the run ended before"
        time.sleep(0.002)
    # Those that a launcher starts are in groups of their own.
    processes = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
    for process in processes:
        process.kill()
    run.wait()
    psutil.wait_procs(processes)
    finished = {shard: shard.stat().st_mtime_ns for shard in output.glob("part-*")}
    assert 3 <= len(finished) < 16
    (output / ".part-00015-of-00016.parquet.tmp").write_text("torn")
    resumed = CliRunner().invoke(app, words(inputs, output)[2:], catch_exceptions=False)
    assert f"{RECORDS} embeddings of 128 dimensions" in resumed.output
    check(output, expected)
    assert len(list(output.glob("part-*"))) == 16
    assert {shard: shard.stat().st_mtime_ns for shard in finished} == finished


def test_a_folder_belongs_to_one_input_and_one_model(inputs, tmp_path):
    barcodes = read_barcodes(inputs / "b.csv", prepare=False).select(range(10))
    embedder = Embedder.from_pretrained(inputs / "model", "cpu")
    state = start_processes("cpu")
    folder = tmp_path / "embeddings"
    assert write_shards(folder, embedder, barcodes, state, shard_size=4) == 10
    assert json.loads((folder / MANIFEST).read_text())["records"] == 10
    assert write_shards(folder, embedder, barcodes, state, shard_size=4) == 10
    with pytest.raises(BarcodeMAEError, match=r"these differ: offset"):
        write_shards(folder, embedder, barcodes, state, shard_size=4, offset=1)
    with pytest.raises(BarcodeMAEError, match=r"these differ: weights"):
        write_shards(folder, at_precision(embedder, "bf16"), barcodes, state, shard_size=4)
    with pytest.raises(BarcodeMAEError, match=r"these differ: records"):
        write_shards(folder, embedder, barcodes.select(range(9)), state, shard_size=4)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(BarcodeMAEError, match="holds other files"):
        write_shards(tmp_path / "other", embedder, barcodes, state)
    with pytest.raises(BarcodeMAEError, match="notes.txt: is a file"):
        write_shards(tmp_path / "other" / "notes.txt", embedder, barcodes, state)


def test_a_second_start_is_told_and_harms_nothing(inputs, tmp_path):
    barcodes = read_barcodes(inputs / "b.csv", prepare=False).select(range(4))
    embedder = Embedder.from_pretrained(inputs / "model", "cpu")
    state = start_processes("cpu")
    folder = tmp_path / "embeddings"
    with held_folder(folder):
        (folder / ".part-00000-of-00001.parquet.tmp").write_text("at work")
        identity = _identity(embedder, barcodes, 65_536, {})
        (folder / MANIFEST).write_text(json.dumps(identity))
        with pytest.raises(BarcodeMAEError, match="another process is writing it"):
            write_shards(folder, embedder, barcodes, state)
        assert (folder / ".part-00000-of-00001.parquet.tmp").read_text() == "at work"
    assert write_shards(folder, embedder, barcodes, state) == 4
    assert not list(folder.glob(".*"))


def test_standard_output_gets_csv_and_the_input_is_no_output(inputs, tmp_path):
    (tmp_path / "two.csv").write_text("processid,nucleotides\na,ACGTACGT\nb,ACGTACGA\n")
    before = (tmp_path / "two.csv").read_text()
    command = ["embed", str(tmp_path / "two.csv"), f"--model={inputs / 'model'}", "--device=cpu"]
    with pytest.raises(BarcodeMAEError, match="is also an input"):
        CliRunner().invoke(app, [*command, "-o", str(tmp_path / "two.csv")], catch_exceptions=False)
    assert (tmp_path / "two.csv").read_text() == before
    result = CliRunner().invoke(app, [*command, "-o", "-"])
    assert result.exit_code == 0, result.output
    rows = [line.split(",") for line in result.stdout.splitlines()]
    assert [row[0] for row in rows] == ["id", "a", "b"] and {len(row) for row in rows} == {129}
    assert "2 embeddings of 128 dimensions" in result.stderr


def test_a_record_without_a_kmer_stops_the_run_with_no_half_written_shard(inputs, tmp_path):
    (tmp_path / "late.fasta").write_text(">a\nACGTACGT\n>b\nACGTACGA\n>short\nACG\n")
    output = tmp_path / "embeddings"
    command = ["embed", str(tmp_path / "late.fasta"), f"--model={inputs / 'model'}"]
    command += [f"--output={output}", "--shard-size=1", "--device=cpu"]
    with pytest.raises(BarcodeMAEError, match="late.fasta: record short: no 4-mer"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    whole = [f"part-0000{number}-of-00003.parquet" for number in (0, 1)]
    assert sorted(path.name for path in output.glob("*part*")) == whole
    command[-3] = f"--output={(output := tmp_path / 'skipping')}"
    result = CliRunner().invoke(app, [*command, "--on-error=skip"])
    assert result.exit_code == 0, result.output
    assert pd.read_parquet(output)["id"].tolist() == ["a", "b"]


def test_several_processes_do_not_write_one_file(tmp_path, monkeypatch):
    check_alone(tmp_path / "embeddings.csv")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BarcodeMAEError, match="several processes write a folder of Parquet shards"):
        check_alone(tmp_path / "embeddings.csv")
