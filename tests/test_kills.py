"""Every command that writes, killed at random moments: repeated, it ends as if nothing had been."""

import csv
import json
import multiprocessing
import os
import random
import re
import sys
import time
from pathlib import Path

import datasets
import pytest
import torch

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.cli import main
from barcodemae.data import write_simulated
from barcodemae.presets import preset_config
from train import finetune, pretrain

KILLS = 2  # of each command, before it is let to its end
PATIENCE = 300  # seconds
FORKS = multiprocessing.get_context("forkserver")
TINY = {"kmer_size": 3, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
TRAINING = ["--cpu", "--batch_size", "8", "--base_learning_rate", "5e-3", "--train_data"]

# Command -> its program and arguments; {i}: the folder of inputs, {o}: that of outputs.
COMMANDS = {
    "embed to a file": (main, "embed {i}/b.csv --model {i}/model --device cpu -o {o}/e.parquet"),
    "embed to shards": (
        main,
        "embed {i}/b.csv --model {i}/model --device cpu --shard-size 16 -o {o}/shards",
    ),
    "identify": (
        main,
        "identify {i}/q.fasta --reference {i}/b.csv --model kmer:3 --device cpu -o {o}/names.tsv "
        "--report {o}/page.html",
    ),
    "library build": (main, "library build {i}/b.csv --model kmer:3 --device cpu -o {o}/library"),
    "check": (main, "check {i}/q.fasta -o {o}/checked.tsv --repair {o}/mended.fasta --tags none"),
    "evaluate": (
        main,
        "evaluate --data {i}/b.csv --model kmer:3 --tasks genus-probe -o {o}/run",
    ),
    "export": (main, "export {i}/model -o {o}/repository"),
    "simulate": (
        main,
        "simulate -o {o}/simulated.csv --orders 2 --families 4 --genera 8 --species 16 "
        "--barcodes 99",
    ),
    "train.pretrain": (
        pretrain.main,
        f"{' '.join(TRAINING)} {{i}}/b.csv --output_dir {{o}}/run --preset barcodemae-tiny "
        "--model_overrides {tiny} --max_steps 12 --checkpoint_every 2 --validate_every 4",
    ),
    "train.finetune": (
        finetune.main,
        f"{' '.join(TRAINING)} {{i}}/b.csv --output_dir {{o}}/run --model {{i}}/model --epochs 3 "
        "--ranks genus species",
    ),
}
# Times, places and the command differ from run to run.
VOLATILE = re.compile(
    rb'("(seconds|duration|created|command|output_dir|barcodes_per_second|(eval_|train_)?runtime|'
    rb'(eval_|train_)?(samples|steps)_per_second|[a-z_]*seconds)": |'
    rb'"metric": "[a-z]+_seconds",\s+"value": )("[^"]*"|[-+.\w]+)'
)
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
OF_STATES = ("checkpoints", "cache", "embeddings")  # what a run goes on from, not what it gives


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    FORKS.set_forkserver_preload([__name__])
    imports = FORKS.Process(target=time.sleep, args=(0,))  # the first waits for all modules
    imports.start()
    folder = tmp_path_factory.mktemp("inputs")
    taxa = {"orders": 2, "families": 4, "genera": 8, "species": 16}
    write_simulated(folder / "b.csv", 0, **taxa, barcodes=160, unlabelled=0.3)
    rows = csv.DictReader((folder / "b.csv").open())
    queries = (f">{n}\n{row['dna_barcode']}\n" for n, row in enumerate(rows) if n % 9 == 0)
    (folder / "q.fasta").write_text("".join(queries))
    torch.manual_seed(0)
    BarcodeMAEForMaskedLM(preset_config("barcodemae-tiny", **TINY)).save_pretrained(
        folder / "model"
    )
    imports.join()
    return folder


def work(command, arguments, folder):
    """Run one command as its program would, with its log in the folder, and exit with its code."""
    datasets.config.HF_DATASETS_CACHE = folder / "datasets"
    sys.stdout = sys.stderr = (folder / "log").open("a")
    sys.argv = ["barcodemae", *arguments]
    program, _ = COMMANDS[command]
    try:
        program()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 1)


def begin(command, inputs, folder):
    """Start a command in a process that has all modules already.

    Not forked from the tests' own process: what is killed while it holds a lock that processes
    share (that of tqdm) would leave it locked for all forked later.
    """
    _, words = COMMANDS[command]
    tiny = json.dumps(TINY, separators=(",", ":"))
    places = {"{i}": str(inputs), "{o}": str(folder / "out"), "{tiny}": tiny}
    arguments = [re.sub(r"\{(i|o|tiny)\}", lambda m: places[m[0]], word) for word in words.split()]
    (folder / "out").mkdir(parents=True, exist_ok=True)
    process = FORKS.Process(target=work, args=(command, arguments, folder))
    process.start()
    return process


def finish(process, folder):
    process.join(PATIENCE)
    code = process.exitcode
    process.kill()
    assert code == 0, (folder / "log").read_text()[-3000:]


def contents(out):
    """Path -> bytes, without what may differ."""
    return {
        path.relative_to(out).as_posix(): TIME.sub(b"", VOLATILE.sub(rb"\1", path.read_bytes()))
        for path in sorted(out.rglob("*"))
        if path.is_file() and not set(path.relative_to(out).parts[:-1]) & set(OF_STATES)
    }


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_killed_command_repeated_gives_what_it_would_have(command, inputs, tmp_path):
    draw = random.Random(command)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    start = time.monotonic()
    finish(begin(command, inputs, whole), whole)
    seconds = time.monotonic() - start
    ended = 0
    for _ in range(KILLS):
        process = begin(command, inputs, killed)
        process.join(draw.uniform(0.05, 1) * seconds)
        ended += process.exitcode == 0
        process.kill()
        process.join(PATIENCE)
        if ended:  # it was quicker this time
            break
    # One that is killed between its last rename and its end is whole, too; export then refuses.
    is_whole = contents(killed / "out").keys() == contents(whole / "out").keys()
    if not ended and not (command == "export" and is_whole):
        finish(begin(command, inputs, killed), killed)
    expected, found = contents(whole / "out"), contents(killed / "out")
    assert expected and found.keys() == expected.keys()
    for name in expected:
        one, other = (
            b.replace(str(f).encode(), b"")
            for b, f in ((expected[name], whole), (found[name], killed))
        )
        assert one == other, name
    left = [path for path in Path(killed).rglob("*") if path.suffix in (".tmp", ".old", ".partial")]
    assert not left
