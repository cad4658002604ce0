"""Naming barcodes with a fine-tuned model: taxon, probability, and whether to rely on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from barcodemae import BarcodeMAEForSequenceClassification
from barcodemae.encoders.embedder import Embedder, grid_beside
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import Lineages
from barcodemae.loading import load_model, read_json
from barcodemae.outputs import whole_tsv
from grid_barcodemae import Grid

COLUMNS = ("id", "rank", "taxon", "probability", "confidence")
CONFIDENT, NOT_CONFIDENT = "confident", "not confident"
_PIECE = 4096  # barcodes whose probabilities are held at a time


@dataclass
class Calls:
    """The likeliest taxon of each of n barcodes, at one rank.

    Attributes:
        taxa: (n,) names; "" where the barcode has no real k-mer.
        probabilities: (n,) float32, 0 where there is no name.
        confident: (n,) bool, whether the probability reaches the rank's threshold.
    """

    taxa: np.ndarray
    probabilities: np.ndarray
    confident: np.ndarray


class Classifier:
    """A fine-tuned model, ready to name barcodes in bulk.

    Args:
        model: with a single-label head; moved to `device` and set to evaluation.
        device: default: the accelerator that PyTorch sees, else the CPU.
        grid: as of `Embedder`.

    Attributes:
        lineages: the taxa that it knows.
        thresholds: rank -> probability from which on a call is confident.
    """

    def __init__(
        self,
        model: BarcodeMAEForSequenceClassification,
        device: str | torch.device | None = None,
        grid: Grid | None = None,
    ):
        self.embedder = Embedder(model.barcodemae, device, grid=grid)
        self.head = model.classifier.to(self.embedder.device).eval()
        self.lineages = Lineages.of_config(model.config)
        self.thresholds = dict(getattr(model.config, "confidence_thresholds", None) or {})

    @classmethod
    def from_pretrained(
        cls, model: str | Path, device: str | torch.device | None = None
    ) -> Classifier:
        """Load a checkpoint directory that fine-tuning wrote, or a Hub id.

        Raises:
            BarcodeMAEError: there is no model, it has no trained head for taxa, or its tokenizer
                cuts other k-mers than it was trained on or lacks the grid.
        """
        check_kmer_size(model)
        loaded = load_model(
            BarcodeMAEForSequenceClassification, model, may_lack="", dtype=torch.float32
        )
        saved_by = (loaded.config.architectures or [""])[0]
        if saved_by != "BarcodeMAEForSequenceClassification":
            raise BarcodeMAEError(
                f"{model}: was saved by {saved_by or 'another class'} and has no trained head. "
                "Fine-tune it first: accelerate launch -m train.finetune --model ..."
            )
        kind = loaded.config.problem_type or "single_label_classification"
        if kind != "single_label_classification" or loaded.config.num_labels < 2:
            raise BarcodeMAEError(
                f"{model}: its head is for {kind} with {loaded.config.num_labels} outputs, not for "
                "one taxon out of several. Give a model that was fine-tuned on taxa."
            )
        return cls(loaded, device, grid_beside(model) if loaded.config.pooling == "sites" else None)

    @torch.inference_mode()
    def logits(self, embeddings: np.ndarray) -> torch.Tensor:
        """Scores of the finest rank's taxa, (n, leaves) on the CPU, from embeddings (n, dim)."""
        return self.head(torch.from_numpy(embeddings).to(self.embedder.device)).float().cpu()

    def classify(self, sequences: Sequence[str], batch_size: int = 64) -> dict[str, Calls]:
        """Name n barcodes at every rank that the model knows.

        Each is laid on the model's grid, or else cut at 660 nucleotides. The likeliest taxon of
        each rank is named; ranks are judged one by one, so a barcode of an unknown species may be
        confident in genus alone. Without a calibrated threshold (a model that `train.finetune` did
        not make) nothing is called confident.
        """
        embeddings = self.embedder.embed(sequences, batch_size)
        # A barcode without a real k-mer has the embedding 0: the bias alone would name it.
        is_readable = embeddings.any(axis=1)
        logits = self.logits(embeddings)
        calls = {}
        for rank in self.lineages.ranks:
            likeliest = self.lineages.logits(logits, rank).softmax(dim=1).max(dim=1)
            names = np.array(self.lineages.names[rank], dtype=object)[likeliest.indices.numpy()]
            best = np.where(is_readable, likeliest.values.numpy(), 0)
            threshold = self.thresholds.get(rank, np.inf)
            calls[rank] = Calls(np.where(is_readable, names, ""), best, best >= threshold)
        return calls


def write_calls(
    output: Path,
    classifier: Classifier,
    ids: Sequence[str],
    sequences: Sequence[str],
    batch_size: int = 64,
    progress: bool = True,
) -> None:
    """Write a TSV with the columns `COLUMNS`: a row for each barcode and rank, coarse to fine.

    Raises:
        BarcodeMAEError: `output` cannot be written.
    """
    with (
        whole_tsv(Path(output), COLUMNS) as write,
        tqdm(total=len(ids), unit="barcode", delay=2, disable=not progress) as bar,
    ):
        for start in range(0, len(ids), _PIECE):
            piece = slice(start, start + _PIECE)
            calls = classifier.classify(sequences[piece], batch_size)
            write(_rows(ids[piece], calls))
            bar.update(len(ids[piece]))


def _rows(ids: Sequence[str], calls: dict[str, Calls]) -> Iterator[tuple]:
    for row, name in enumerate(ids):
        for rank, call in calls.items():
            confidence = CONFIDENT if call.confident[row] else NOT_CONFIDENT
            yield name, rank, call.taxa[row], f"{call.probabilities[row]:.4f}", confidence


def check_kmer_size(model: str | Path) -> None:
    """Raise BarcodeMAEError where a directory's tokenizer and model differ in k.

    The library cuts k-mers by the model's own k; whoever loads the directory with transformers
    would get the tokenizer's.
    """
    config, tokenizer = (Path(model) / name for name in ("config.json", "tokenizer_config.json"))
    if not (config.is_file() and tokenizer.is_file()):
        return
    of_model = read_json(config).get("kmer_size")
    of_tokenizer = read_json(tokenizer).get("kmer_size")
    if of_model != of_tokenizer:
        raise BarcodeMAEError(
            f"{model}: the model reads {of_model}-mers, its tokenizer cuts {of_tokenizer}-mers. "
            "Put the tokenizer that belongs to the model beside it: "
            f"BarcodeMAETokenizer(kmer_size={of_model}).save_pretrained({str(model)!r})"
        )
