"""Tokens of 1, 3 or 6 nucleotides: the same encoder at equal cost.

    python -m benchmarks.token_size --train_data splice.parquet --kmer 1 3 6 --seconds 60
    python -m benchmarks.token_size --barcodes BARCODES.parquet --kmer 1 3 6 --seconds 60

The first names elements: a table with `nucleotides` and `label`. The second finds noise: windows of
barcodes at one place of the grid, half of them with sequencing errors in the mix of real ones.
Every model gets the same processor seconds of training, in which longer tokens see more sequences;
layers, width and reach in nucleotides are the same, the table of embeddings grows as 4^k. Rows that
are judged (a fifth; for barcodes those of `val_unseen`) are the same for all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from torch import nn

from barcodemae.data.grid import coi_grid
from barcodemae.presets import preset_config
from benchmarks.timing import fit
from enbed import EnbedModel
from grid_barcodemae import nucleotide_codes
from train.enbed.corruption import REAL_MIX, corrupt
from train.enbed.labelled_sequences import read_table

_FIRST = 3  # ids of <pad>, </s>, <unk> before those of k-mers
_WINDOW, _START, _ERRORS = 240, 200, 3  # of barcodes: nucleotides, column, errors in a window
_REACH = (12, 48)  # nucleotides to either side, by layer
_BATCH = 32


class KmerClassifier(nn.Module):
    """ENBED's encoder over k-mers that do not overlap, and a class from the mean of its states."""

    def __init__(self, kmer: int, length: int, classes: int):
        super().__init__()
        self.kmer, tokens = kmer, length // kmer
        config = preset_config(
            "enbed-tiny",
            hidden_size=48,
            num_layers=len(_REACH),
            num_heads=2,
            intermediate_size=96,
            radii=[-(-reach // kmer) for reach in _REACH],
            learned_positions=tokens,
            vocab_size=_FIRST + 4**kmer + 1,
        )
        self.encoder, self.score = EnbedModel(config), nn.Linear(48, classes)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (n, length) -> logits (n, classes); a k-mer with an unknown letter is one token."""
        kmers = codes[:, : codes.shape[1] // self.kmer * self.kmer].unflatten(1, (-1, self.kmer))
        powers = 4 ** torch.arange(self.kmer - 1, -1, -1)
        ids = (kmers.clamp(max=3) * powers).sum(2)
        ids = torch.where((kmers < 4).all(2), ids, 4**self.kmer) + _FIRST
        return self.score(self.encoder(ids).last_hidden_state.mean(1))


def read_elements(files: list[str], label: str) -> tuple[np.ndarray, ...]:
    """Codes and classes to learn from, and those to judge: one fold of the five."""
    table = read_table(files, label)
    width = table["nucleotides"].str.len().max()
    codes = nucleotide_codes(table["nucleotides"].tolist())[:, :width]
    classes = pd.factorize(table[label].astype(str), sort=True)[0]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    learned, judged = next(iter(folds.split(codes, classes)))
    return codes[learned], classes[learned], codes[judged], classes[judged]


def read_noise(path: Path, number: int, seed: int) -> tuple[np.ndarray, ...]:
    """Windows of barcodes: clean ones (0) and others with errors (1)."""
    rng, table = np.random.default_rng(seed), pd.read_parquet(path)
    found = []
    for split, count in (("train", number), ("val_unseen", 1000)):
        rows = table[table["split"] == split]["nucleotides"].iloc[:count]
        codes, _ = coi_grid().lay(rows.tolist())
        windows = codes[:, _START : _START + _WINDOW + 12]
        windows = windows[(windows < 4).all(axis=1)]
        noisy = rng.random(len(windows)) < 0.5
        for row in np.flatnonzero(noisy):
            with_errors, _ = corrupt(windows[row], rng, _ERRORS, REAL_MIX)
            windows[row, :_WINDOW] = with_errors[:_WINDOW]
        found += [windows[:, :_WINDOW], noisy.astype(np.int64)]
    return tuple(found)


def losses(model: KmerClassifier, codes: np.ndarray, classes: np.ndarray) -> Iterator[torch.Tensor]:
    """Of one batch after the other, without end."""
    rng = np.random.default_rng(0)
    while True:
        rows = rng.integers(0, len(codes), _BATCH)
        logits = model(torch.from_numpy(codes[rows].astype(np.int64)))
        yield nn.functional.cross_entropy(logits, torch.from_numpy(classes[rows]))


@torch.inference_mode()
def judge(model: KmerClassifier, codes: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    """Accuracy, and the area under the curve (one against the rest, where there are several)."""
    model.eval()
    shares = [
        model(torch.from_numpy(codes[i : i + 256].astype(np.int64))).softmax(1)
        for i in range(0, len(codes), 256)
    ]
    found = torch.cat(shares).numpy()
    scores = found[:, 1] if found.shape[1] == 2 else found
    area = roc_auc_score(classes, scores, multi_class="ovr")
    return float((found.argmax(axis=1) == classes).mean()), float(area)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train_data", nargs="*", help="a table of elements")
    parser.add_argument("--label", default="label")
    parser.add_argument("--barcodes", type=Path, help="in place of elements: noise")
    parser.add_argument("--number", type=int, default=8000, help="barcodes to learn from")
    parser.add_argument("--kmer", type=int, nargs="+", default=[1, 3, 6])
    parser.add_argument("--seconds", type=float, default=60.0, help="of the processor, each")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    if bool(arguments.train_data) == bool(arguments.barcodes):
        parser.error("give --train_data or --barcodes")
    if arguments.barcodes:
        data = read_noise(arguments.barcodes, arguments.number, seed=0)
    else:
        data = read_elements(arguments.train_data, arguments.label)
    codes, classes, judged, right = data
    print(f"{len(codes)} to learn from, {len(judged)} judged, {codes.shape[1]} nucleotides each\n")
    print("| nucleotides in a token | seed | sequences seen | accuracy | AUROC |")
    print("|---|---|---|---|---|")
    for kmer in arguments.kmer:
        for seed in range(arguments.seeds):
            torch.manual_seed(seed)
            model = KmerClassifier(kmer, codes.shape[1], int(classes.max()) + 1)
            seen = _BATCH * fit(model, losses(model, codes, classes), arguments.seconds)
            accuracy, area = judge(model, judged, right)
            print(f"| {kmer} | {seed} | {seen:,} | {accuracy:.1%} | {area:.3f} |", flush=True)


if __name__ == "__main__":
    main()
