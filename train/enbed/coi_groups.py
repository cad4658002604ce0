"""Find the groups of like barcodes that `barcodemae check` ships with.

    python -m train.enbed.coi_groups --barcodes BARCODES.parquet --output coi-groups.safetensors

A mixture of independent sites, by expectation and maximisation, among barcodes on the grid. An
eighth of the genera is left out of it: on them the weights of group, codon and amino acid are
fitted, so that what is unlike all groups is judged as such.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file
from scipy.optimize import minimize

from barcodemae.checking.checker import CLEAN, NOT_COI, REVERSED, check, on_grid
from barcodemae.checking.ends import best_shift
from barcodemae.checking.groups import (
    CODONS,
    END,
    FEATURES,
    STEP,
    Groups,
    amino_acid_of_codon,
    one_hot,
)
from barcodemae.checking.stops import FIRST_CODON
from barcodemae.data.grid import coi_grid
from barcodemae.outputs import write_whole

_LEAST, _FIT = 450, 0.45  # nucleotides on the grid, and their mean log-odds
_SMOOTH = 2.0  # barcodes of the common kind that are added to a group
_LEFT_OUT = 1 / 8  # of the genera
_FITTED_ON = 400  # barcodes of these
_FLAGGED = 0.01  # of clean barcodes, by stop codons, profile and breaks near the ends together


def codons_of(codes: np.ndarray) -> np.ndarray:
    """Codes (n, 658) -> (n, codons), 0 to 63; 64 where a letter is unknown."""
    three = codes[:, FIRST_CODON:END].reshape(len(codes), CODONS, 3).astype(int)
    return np.where((three < 4).all(axis=2), three @ np.array([16, 4, 1]), 64)


def find_groups(codes: np.ndarray, groups: int, rounds: int, seed: int) -> dict[str, np.ndarray]:
    """Codes (n, 658) -> the tensors of `Groups`, with equal weights."""
    rng = np.random.default_rng(seed)
    letters = one_hot(codes)
    common = letters.mean(axis=0).reshape(-1, 4) + 1e-4
    common /= common.sum(axis=1, keepdims=True)
    counts = letters[rng.choice(len(codes), groups, replace=False)].reshape(groups, -1, 4)
    shares, smooth = np.zeros(groups), 0.5
    for _ in range(rounds):
        logs = _smoothed(counts, common, smooth)
        fit = letters @ logs.reshape(groups, -1).T.astype(np.float32) + shares
        member = np.exp(fit - fit.max(axis=1, keepdims=True))
        member = (member / member.sum(axis=1, keepdims=True)).astype(np.float32)
        counts, smooth = (member.T @ letters).reshape(groups, -1, 4), _SMOOTH
        shares = np.log((member.sum(axis=0) + 1) / (len(codes) + groups))
    codons = codons_of(codes)
    acids = np.append(amino_acid_of_codon(), -1)[codons]
    acid_counts = np.stack([member.T @ (acids == a) for a in range(21)], axis=2)
    common_acids = acid_counts.sum(axis=0) + 0.5
    common_acids /= common_acids.sum(axis=1, keepdims=True)
    codon_counts = np.stack([(codons == codon).sum(axis=0) for codon in range(64)], axis=1) + 0.1
    return {
        "shares": shares.astype(np.float32),
        "nucleotides": _stored(_smoothed(counts, common, _SMOOTH)),
        "amino_acids": _stored(_smoothed(acid_counts, common_acids, _SMOOTH)),
        "codons": _stored(np.log(codon_counts / codon_counts.sum(axis=1, keepdims=True))),
        "thresholds": np.full(2, np.inf, dtype=np.float32),
        "weights": np.full((3, FEATURES), 0.2, dtype=np.float32),
    }


def _smoothed(counts: np.ndarray, common: np.ndarray, by: float) -> np.ndarray:
    return np.log((counts + by * common) / (counts.sum(axis=-1, keepdims=True) + by))


def _stored(logs: np.ndarray) -> np.ndarray:
    return np.clip(np.round(-logs * STEP), 0, 255).astype(np.uint8)


def fit_weights(groups: Groups, codes: np.ndarray) -> tuple[np.ndarray, float]:
    """The weights (3, FEATURES) that name nucleotides best, and the mean loss then."""
    features = groups.features(codes)
    three = codes[:, FIRST_CODON:END].reshape(len(codes), CODONS, 3)
    known = (three < 4).all(axis=2)
    features, right = features[known], three[known].astype(int)  # (m, 3, 4, FEATURES), (m, 3)
    target = np.eye(4, dtype=np.float32)[right]

    def loss(flat: np.ndarray):
        logits = np.einsum("mpyf,pf->mpy", features, flat.reshape(3, FEATURES).astype(np.float32))
        logits -= logits.max(axis=2, keepdims=True)
        shares = np.exp(logits)
        shares /= shares.sum(axis=2, keepdims=True)
        gradient = np.einsum("mpy,mpyf->pf", shares - target, features) / right.size
        named = np.log((shares * target).sum(axis=2) + 1e-12)
        return -named.mean(dtype=np.float64), gradient.ravel().astype(np.float64)

    found = minimize(
        loss, np.full(3 * FEATURES, 0.1), jac=True, method="L-BFGS-B", options={"maxiter": 60}
    )
    return found.x.reshape(3, FEATURES).astype(np.float32), float(found.fun)


def thresholds(groups: Groups, barcodes: list[str]) -> np.ndarray:
    """(2,) `least_shift` and `least_surprise`, by barcodes that are taken to be clean.

    Shifts are looked at where all letters are known, surprise in all barcodes.
    """
    checked = [item for item in check(barcodes, groups=groups) if item.verdict != NOT_COI]
    known = [item for item in checked if not set(item.barcode) - set("ACGT")]
    passed = [item for item in known if item.verdict in (CLEAN, REVERSED)]
    rows = on_grid(passed)
    expected = np.concatenate(
        [groups.expected(rows[i : i + 256])[0] for i in range(0, len(rows), 256)]
    )
    shifts = []
    for item, own in zip(passed, expected, strict=True):
        ends = (best_shift(item.codes, item.alignment.columns, own, x) for x in (True, False))
        shifts.append(max((end.odds for end in ends if end), default=-np.inf))
    surprise = groups.surprise(on_grid(checked))
    # Substitutions are told by rank (`surprise`); flagged is what none of these reaches.
    left = max(_FLAGGED - 1 + len(passed) / len(known), 0) * len(known) / len(passed)
    found = np.quantile(shifts, 1 - left), surprise.max()
    print(
        f"{len(passed)} of {len(known)} pass; least shift {found[0]:.1f}, surprise {found[1]:.0f}"
    )
    return np.array(found, dtype=np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--barcodes", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--splits", nargs="*", default=["pretrain", "train"])
    parser.add_argument("--clean", nargs="*", default=["val"], help="splits, for the thresholds")
    parser.add_argument("--groups", type=int, default=256)
    parser.add_argument("--number", type=int, default=40_000, help="barcodes, drawn")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    table = pd.read_parquet(arguments.barcodes)
    clean = table[table["split"].isin(arguments.clean)]
    table = table[table["split"].isin(arguments.splits)]
    rng = np.random.default_rng(arguments.seed)
    genera = table["genus"].dropna().unique()
    left_out = rng.choice(genera, int(_LEFT_OUT * len(genera)), replace=False)
    is_out = table["genus"].isin(left_out)
    some = table[~is_out].sample(min(arguments.number, (~is_out).sum()), random_state=rng)
    unlike = table[is_out].sample(min(_FITTED_ON, is_out.sum()), random_state=rng)
    codes, others = (_laid(rows["nucleotides"].tolist()) for rows in (some, unlike))
    tensors = find_groups(codes, arguments.groups, arguments.rounds, arguments.seed)
    tensors["weights"], loss = fit_weights(Groups(tensors), others)
    tensors["thresholds"] = thresholds(Groups(tensors), clean["nucleotides"].tolist())
    write_whole(arguments.output, lambda path: save_file(tensors, path))
    print(
        f"{arguments.output}: {arguments.groups} groups of {len(codes)} barcodes; loss in genera "
        f"left out {loss:.4f}; weights {tensors['weights'].round(2).tolist()}"
    )


def _laid(barcodes: list[str]) -> np.ndarray:
    codes, placements = coi_grid().lay(barcodes)
    kept = placements.placed & (placements.breaks == 0) & (placements.overlap >= _LEAST)
    return codes[kept & (placements.score > _FIT)]


if __name__ == "__main__":
    main()
