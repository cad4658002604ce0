"""Judge an ENBED that writes children of viral strains, sampled, by the mutations that came.

    accelerate launch -m train.pretrain --config train/configs/enbed-mutations.yaml \\
        --train_data STRAINS --pairs season --test_from 2015-2016 --output_dir runs/flu
    python -m train.enbed.mutations --model runs/flu/best --train_data STRAINS --pairs season \\
        --test_from 2015-2016 --output runs/flu/mutations.json

Judged are pairs whose child is of `--test_from` or later. Beside the model stand a copy of the
parent, and a model that draws mutations at the rate, and of the kind, that training had at each
position.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from barcodemae.errors import BarcodeMAEError
from barcodemae.loading import load_model
from barcodemae.outputs import check_output, write_whole_text
from enbed import EnbedForConditionalGeneration
from enbed.tokenization_enbed import END, ID_OF_CODE
from grid_barcodemae import UNKNOWN
from train.enbed.strains import WAYS, Pairs, read_pairs
from train.loop.script import errors_in_a_line

# (parent (columns,), children wanted) -> (children, columns) codes, or lists of codes that drifted
Sampler = Callable[[np.ndarray, int], list[np.ndarray]]


def divide(pairs: Pairs, test_from: str) -> tuple[Pairs, Pairs]:
    """Pairs before a season or year, and those from it on.

    Raises:
        BarcodeMAEError: either is empty, or it is no year where the pairs have years.
    """
    first: str | float = test_from
    if pairs.times.dtype.kind == "f":
        try:
            first = float(test_from)
        except ValueError:
            raise BarcodeMAEError(f"--test_from {test_from}: must be a year, as 2011") from None
    is_later = pairs.times >= first
    if is_later.all() or not is_later.any():
        raise BarcodeMAEError(
            f"--test_from {test_from}: must lie within {pairs.times[0]} to {pairs.times[-1]}, so "
            "that there are pairs to learn from and pairs to judge"
        )
    return pairs[~is_later], pairs[is_later]


class Frequencies:
    """Mutations at the rate, and of the kind, that training had at each position."""

    def __init__(self, training: Pairs, seed: int = 0):
        columns = training.parents.shape[1]
        changes = np.zeros((columns, 4))
        rows, at = np.nonzero(training.mutated)
        np.add.at(changes, (at, training.children[rows, at]), 1)
        known = ((training.parents < UNKNOWN) & (training.children < UNKNOWN)).sum(axis=0)
        mean = changes.sum() / max(known.sum(), 1)
        # A position that never changed gets the mean rate of one pair.
        self.rate = (changes.sum(axis=1) + mean) / (known + 1)
        self.kinds = changes + 0.1
        self.rng = np.random.default_rng(seed)

    def __call__(self, parent: np.ndarray, number: int) -> list[np.ndarray]:
        children = np.repeat(parent[None], number, axis=0)
        hit = (self.rng.random(children.shape) < self.rate) & (children < UNKNOWN)
        for row, at in zip(*np.nonzero(hit), strict=True):
            kinds = self.kinds[at].copy()
            kinds[parent[at]] = 0
            children[row, at] = self.rng.choice(4, p=kinds / kinds.sum())
        return list(children)


class Writer:
    """Children as an ENBED writes them, window by window."""

    def __init__(self, model: EnbedForConditionalGeneration, window: int, temperature: float = 1.0):
        self.model, self.window, self.temperature = model.eval(), window, temperature

    def __call__(self, parent: np.ndarray, number: int) -> list[np.ndarray]:
        known = np.flatnonzero(parent < UNKNOWN)
        front, end = known[0], known[-1] + 1
        written: list[list[np.ndarray]] = [[] for _ in range(number)]
        for start in range(front, end, self.window):
            source = parent[start : min(start + self.window, end)]
            ids = torch.from_numpy(np.append(ID_OF_CODE[source], END))[None].to(self.model.device)
            found = self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                temperature=self.temperature,
                top_k=0,
                num_return_sequences=number,
                max_new_tokens=len(source) + 8,
            )
            for child, row in zip(written, found[:, 1:].tolist(), strict=True):
                row = row[: row.index(END)] if END in row else row
                child.append(np.array([_CODES.get(token, UNKNOWN) for token in row], np.uint8))
        edges = [
            np.full(front, UNKNOWN, np.uint8),
            np.full(len(parent) - end, UNKNOWN, np.uint8),
        ]
        return [np.concatenate([edges[0], *parts, edges[1]]) for parts in written]


class PlaceByPlace:
    """Children whose letters an ENBED draws each beside the parent's letters before it.

    One pass for all children, and none is longer or shorter than its parent; what is drawn at one
    place does not change what is drawn at the next.
    """

    def __init__(
        self,
        model: EnbedForConditionalGeneration,
        window: int,
        temperature: float = 1.0,
        seed: int = 0,
    ):
        self.model, self.window, self.temperature = model.eval(), window, temperature
        self.rng = np.random.default_rng(seed)

    def __call__(self, parent: np.ndarray, number: int) -> list[np.ndarray]:
        shares = self.shares(parent).cumsum(axis=1)
        drawn = (self.rng.random((number, len(parent), 1)) > shares[:, :3]).sum(axis=2)
        return list(np.where(parent < UNKNOWN, drawn, UNKNOWN).astype(np.uint8))

    @torch.inference_mode()
    def shares(self, parent: np.ndarray) -> np.ndarray:
        """(columns, 4) of A, C, G, T, given the parent and its letters before the place."""
        known = np.flatnonzero(parent < UNKNOWN)
        shares = np.full((len(parent), 4), 0.25)
        for start in range(known[0], known[-1] + 1, self.window):
            source = parent[start : min(start + self.window, known[-1] + 1)]
            ids = torch.from_numpy(np.append(ID_OF_CODE[source], END))[None].to(self.model.device)
            logits = self.model(ids, attention_mask=torch.ones_like(ids), labels=ids).logits[0]
            letters = logits[: len(source), ID_OF_CODE[:4]].double() / self.temperature
            shares[start : start + len(source)] = letters.softmax(1).cpu().numpy()
        return shares


_CODES = {int(token): code for code, token in enumerate(ID_OF_CODE)}


def judge(sampler: Sampler, judged: Pairs, children: int) -> dict[str, float]:
    """How near sampled children are to those that came.

    Returns:
        distance: the median, over samples, of differences to the nearest child of the same parent
            (letters that differ; all of them where the length drifted);
        mutations: mean number in a sample; true_share: of them, those that a child has;
        parents_with_a_true_one: share of parents; drifted: share of samples of another length.
    """
    distances, made, true, hit, drifted = [], 0, 0, [], 0
    _, family = np.unique(judged.parents, axis=0, return_inverse=True)
    family = family.reshape(-1)
    for number in range(family.max() + 1):
        own = judged[family == number]
        parent, right = own.parents[0], 0
        known = own.children < UNKNOWN
        for sample in sampler(parent, children):
            if len(sample) != len(parent):
                drifted += 1
                distances.append(len(parent))
                continue
            differs = (sample != own.children) & known & (parent < UNKNOWN)
            distances.append(int(differs.sum(axis=1).min()))
            changed = (sample != parent) & (parent < UNKNOWN)
            came = changed & ((sample == own.children) & known).any(axis=0)
            made, right = made + int(changed.sum()), right + int(came.sum())
        true += right
        hit.append(right > 0)
    samples = len(distances)
    return {
        "distance": float(np.median(distances)),
        "mutations": made / max(samples - drifted, 1),
        "true_share": true / made if made else 0.0,
        "parents_with_a_true_one": float(np.mean(hit)),
        "drifted": drifted / samples,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="checkpoint directory; without: copy and frequencies alone")
    parser.add_argument("--train_data", nargs="+", required=True)
    parser.add_argument("--pairs", choices=WAYS, required=True)
    parser.add_argument("--tree", default="", help="Newick file, for --pairs tree")
    parser.add_argument("--test_from", required=True, help="season or year of the first judged")
    parser.add_argument("--children", type=int, default=20, help="sampled for each parent")
    parser.add_argument("--window", type=int, default=200, help="nucleotides written at a time")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--most", type=int, default=0, help="judge so many pairs alone; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("-"))
    arguments = parser.parse_args()
    with errors_in_a_line("train.enbed.mutations"):
        check_output(arguments.output, arguments.train_data)
        figures = run(arguments)
        write_whole_text(arguments.output, json.dumps(figures, indent=2) + "\n")


def run(arguments: argparse.Namespace) -> dict:
    """The figures of all samplers."""
    pairs = read_pairs(arguments.train_data, arguments.pairs, arguments.tree)
    training, judged = divide(pairs, arguments.test_from)
    if arguments.most:
        judged = judged[np.arange(min(arguments.most, len(judged)))]
    samplers: dict[str, Sampler] = {
        "copy": lambda parent, number: [parent] * number,
        "frequencies": Frequencies(training, arguments.seed),
    }
    if arguments.model:
        torch.manual_seed(arguments.seed)
        model = load_model(EnbedForConditionalGeneration, arguments.model, may_lack="")
        how = arguments.window, arguments.temperature
        samplers["model"] = Writer(model, *how)
        samplers["model, place by place"] = PlaceByPlace(model, *how, arguments.seed)
    figures: dict = {"training_pairs": len(training), "judged_pairs": len(judged)}
    for name, sampler in samplers.items():
        figures[name] = judge(sampler, judged, arguments.children)
        print(f"{name}: {figures[name]}", flush=True)
    return figures


if __name__ == "__main__":
    main()
