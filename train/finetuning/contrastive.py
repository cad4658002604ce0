"""Supervised contrastive tuning: barcodes of a taxon come together, judged by 1-NN alone."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import Sampler

from barcodemae.identification.lineages import IGNORED, UNPLACED, Lineages
from barcodemae.identification.neighbours import nearest
from train.finetuning.labels import LabelledBarcodes
from train.finetuning.sampling import TaxonSampler
from train.finetuning.trainer import FinetuneTrainer


def contrastive_loss(
    embeddings: torch.Tensor,
    labels: torch.Tensor,
    temperature: float,
    num_items_in_batch: torch.Tensor | int | None = None,
) -> torch.Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, Eq. 2), a mean over the labels of all ranks.

    A barcode is to be more similar, by cosine, to each one of its taxon than to all others of the
    batch. One without a label at a rank has no part in the loss of that rank; one that is the only
    one of its taxon is told from the others by theirs, but has no loss of its own.

    Args:
        embeddings: (n, hidden).
        labels: (n, ranks); IGNORED where a barcode has no label.
        temperature: that cosines are divided by.
        num_items_in_batch: labels in the global batch, where the n barcodes are a part of it.
    """
    embeddings = F.normalize(embeddings.float())
    similarity = embeddings @ embeddings.T / temperature  # (n, n)
    is_other = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    total = 0.0
    for taxa in labels.T:
        is_known = taxa != IGNORED
        contrasted = is_other & is_known & is_known[:, None]
        # Not minus infinity: a row with nothing to contrast would have no gradient but NaN.
        kept = similarity.masked_fill(~contrasted, torch.finfo(similarity.dtype).min)
        log_shares = similarity - kept.logsumexp(dim=1, keepdim=True)
        is_positive = contrasted & (taxa == taxa[:, None])
        sums = log_shares.masked_fill(~is_positive, 0.0).sum(dim=1)
        total = total - (sums / is_positive.sum(dim=1).clamp(min=1)).sum()
    if num_items_in_batch is None:
        num_items_in_batch = (labels != IGNORED).sum().clamp(min=1)
    return total / num_items_in_batch


def ignore_unplaced(barcodes: LabelledBarcodes, lineages: Lineages) -> None:
    """Take for unknown what lineages do not say: what is unplaced is no taxon to bring together."""
    for column, rank in enumerate(lineages.ranks):
        if UNPLACED in lineages.names[rank]:
            codes = barcodes.labels[:, column]
            codes[codes == lineages.names[rank].index(UNPLACED)] = IGNORED


def nearest_accuracies(
    reference: np.ndarray,
    reference_labels: np.ndarray,
    query: np.ndarray,
    query_labels: np.ndarray,
    ranks: list[str],
) -> dict[str, dict]:
    """Share of queries whose nearest reference by cosine is of their taxon, for each rank.

    Args:
        reference, query: (m, hidden) and (n, hidden).
        reference_labels, query_labels: (m, ranks) and (n, ranks); IGNORED is left out.

    Returns:
        rank -> accuracy, and barcodes asked, for the ranks at which a query has a label.
    """
    accuracies = {}
    for column, rank in enumerate(ranks):
        known, asked = (labels[:, column] != IGNORED for labels in (reference_labels, query_labels))
        if known.any() and asked.any():
            _, found = nearest(reference[known], query[asked])
            named = reference_labels[known, column][found[:, 0]]
            right = named == query_labels[asked, column]
            accuracies[rank] = {"accuracy": float(right.mean()), "barcodes": len(right)}
    return accuracies


class ContrastiveTrainer(FinetuneTrainer):
    """Trainer for a model `without_head`.

    Each process contrasts the barcodes of its own share of the global batch, P taxa x K barcodes;
    gradients are averaged over processes and accumulated parts. So the more parts a batch has, the
    fewer barcodes each one is told from.
    """

    def __init__(self, *arguments, sampler: TaxonSampler):
        super().__init__(*arguments)
        self.sampler = sampler
        self.compute_metrics = None

    def loss_of(self, outputs, labels, num_items_in_batch=None) -> torch.Tensor:
        temperature = self.finetune_arguments.temperature
        return contrastive_loss(outputs.logits, labels, temperature, num_items_in_batch)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval") -> dict:
        """1-NN accuracy of validation against training, by which the best epoch is chosen.

        `eval_accuracy` is that of the finest rank at which validation has labels. (No loss: that of
        a batch depends on which barcodes are in it.)
        """
        training = LabelledBarcodes(self.train_dataset.nucleotides, self.train_dataset.labels)
        reference, query = (
            self.predict(barcodes).predictions for barcodes in (training, self.eval_dataset)
        )
        accuracies = nearest_accuracies(
            reference, training.labels, query, self.eval_dataset.labels, self.lineages.ranks
        )
        metrics = {f"eval_accuracy_{rank}": found["accuracy"] for rank, found in accuracies.items()}
        metrics["eval_accuracy"] = list(metrics.values())[-1]
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _get_train_sampler(self, train_dataset=None) -> Sampler:
        return self.sampler
