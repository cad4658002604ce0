"""A deep or a shallow decoder: ENBEDs with as many layers in all, pretrained at equal cost.

    python -m benchmarks.decoder_depth --train_data gene_families.parquet --held_out species=dog \\
        --depths 5+1 4+2 3+3 --seconds 90

Every model gets the same processor seconds of span corruption on windows of long sequences. Judged
are what it writes for masked spans of sequences that were held out, and its encoder alone: a
logistic regression on frozen embeddings, fitted on the others, names the class of those held out.
The row without training is the same encoder with random weights.
"""

from __future__ import annotations

import argparse
import copy
import itertools
from collections.abc import Iterator

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from barcodemae.presets import preset_config
from benchmarks.timing import fit
from enbed import EnbedForConditionalGeneration, EnbedModel, EnbedTokenizer
from grid_barcodemae import nucleotide_codes
from train.enbed.labelled_sequences import read_table
from train.enbed.spans import SpanCollator

_BATCH = 8
_MASKED, _SPAN = 0.15, 8.0
_JUDGED = 128  # windows held out


def windows(sequences: list[str], length: int, number: int, seed: int) -> np.ndarray:
    """(number, length) codes, each from anywhere in a sequence that is long enough."""
    rng = np.random.default_rng(seed)
    long = [nucleotide_codes([s])[0, : len(s)] for s in sequences if len(s) >= length]
    chances = np.array([len(codes) - length + 1 for codes in long], dtype=float)
    chosen = rng.choice(len(long), number, p=chances / chances.sum())
    starts = [int(rng.integers(len(long[row]) - length + 1)) for row in chosen]
    return np.stack([long[row][at : at + length] for row, at in zip(chosen, starts, strict=True)])


def make(depths: str, width: int) -> EnbedForConditionalGeneration:
    """A model with so many layers in encoder and decoder, "4+2"."""
    encoder, decoder = map(int, depths.split("+"))
    config = preset_config(
        "enbed-tiny",
        hidden_size=width,
        num_layers=encoder,
        num_decoder_layers=decoder,
        num_heads=2,
        intermediate_size=2 * width,
        radii=[16 if layer < 2 else 64 for layer in range(encoder)],
        dropout_rate=0.0,
    )
    return EnbedForConditionalGeneration(config)


def losses(model: EnbedForConditionalGeneration, learned: np.ndarray) -> Iterator[torch.Tensor]:
    """Of one batch after the other, without end."""
    collate = SpanCollator(_MASKED, _SPAN, seed=0)
    for first in itertools.count(step=_BATCH):
        rows = range(first, first + _BATCH)
        yield model(**collate([(row, learned[row % len(learned)]) for row in rows])).loss


@torch.inference_mode()
def written(model: EnbedForConditionalGeneration, judged: np.ndarray) -> tuple[float, float]:
    """Loss in nats and accuracy of masked nucleotides, given those before them in their span."""
    collate, sums = SpanCollator(_MASKED, _SPAN, seed=1), np.zeros(3)
    model.eval()
    for first in range(0, len(judged), _BATCH):
        batch = collate(list(enumerate(judged[first : first + _BATCH], start=first)))
        logits, labels = model(**batch).logits, batch["labels"]
        is_base = (labels > 3) & (labels < 259)  # no sentinels, which say nothing about DNA
        logits, labels = logits[is_base], labels[is_base]
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        right = (logits.argmax(-1) == labels).sum()
        sums += np.array([float(loss), float(right), len(labels)])
    return sums[0] / sums[2], sums[1] / sums[2]


@torch.inference_mode()
def embed(encoder: EnbedModel, sequences: list[str], longest: int) -> np.ndarray:
    """(n, width) means over the nucleotides of each sequence's front."""
    encoder.eval()
    order = np.argsort([-len(sequence) for sequence in sequences], kind="stable")
    found = np.zeros((len(sequences), encoder.config.hidden_size), dtype=np.float32)
    for first in range(0, len(order), 16):
        some = order[first : first + 16]
        batch = EnbedTokenizer().batch([sequences[row][:longest] for row in some])
        output = encoder(**{name: torch.from_numpy(array) for name, array in batch.items()})
        found[some] = output.pooler_output.numpy()
    return found


def classified(model: EnbedForConditionalGeneration, learned, judged, longest: int) -> float:
    """Accuracy of a logistic regression on the encoder's embeddings; (sequences, labels) each."""
    encoder = EnbedModel(copy.deepcopy(model.config))  # it would make an encoder of the config
    encoder.encoder.load_state_dict(model.model.encoder.state_dict())
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    regression.fit(embed(encoder, learned[0], longest), learned[1])
    return float(regression.score(embed(encoder, judged[0], longest), judged[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train_data", nargs="+", required=True)
    parser.add_argument("--label", default="label")
    parser.add_argument("--held_out", required=True, help="COLUMN=VALUE")
    parser.add_argument("--depths", nargs="+", default=["5+1", "4+2", "3+3"])
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--window", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=90.0, help="of the processor, each")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    table = read_table(arguments.train_data, arguments.label)
    column, _, value = arguments.held_out.partition("=")
    is_out = (table[column].astype(str) == value).to_numpy()
    parts = [
        (part["nucleotides"].tolist(), part[arguments.label].astype(str).tolist())
        for part in (table[~is_out], table[is_out])
    ]
    learned = windows(parts[0][0], arguments.window, 20_000, seed=0)
    judged = windows(parts[1][0], arguments.window, _JUDGED, seed=1)
    print("| layers | seed | windows seen | loss | masked nucleotides right | class right |")
    print("|---|---|---|---|---|---|")
    for depths in arguments.depths:
        for seed in range(arguments.seeds):
            torch.manual_seed(seed)
            model = make(depths, arguments.width)
            untrained = classified(model, *parts, arguments.window)
            seen = _BATCH * fit(model, losses(model, learned), arguments.seconds)
            loss, accuracy = written(model, judged)
            named = classified(model, *parts, arguments.window)
            print(
                f"| {depths} | {seed} | {seen:,} | {loss:.3f} | {accuracy:.1%} | {named:.1%} "
                f"(untrained {untrained:.1%}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
