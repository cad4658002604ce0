import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional as F

from barcodemae.identification.lineages import IGNORED, UNPLACED, Lineages
from train.finetuning.contrastive import contrastive_loss, ignore_unplaced, nearest_accuracies
from train.finetuning.labels import LabelledBarcodes


def plain_loss(embeddings, labels, temperature):
    """Eq. 2 of Khosla et al. (2020), term by term; a mean over the labels of all ranks."""
    z = F.normalize(embeddings.double(), dim=1)
    terms, count = [], 0
    for taxa in labels.T.tolist():
        known = [row for row, taxon in enumerate(taxa) if taxon != IGNORED]
        for i in known:
            count += 1
            others = [a for a in known if a != i]
            positives = [p for p in others if taxa[p] == taxa[i]]
            whole = sum(torch.exp(z[i] @ z[a] / temperature) for a in others)
            terms += [
                -torch.log(torch.exp(z[i] @ z[p] / temperature) / whole) / len(positives)
                for p in positives
            ]
    return sum(terms) / count


LABELS = torch.tensor([[0, 0], [0, 0], [0, 1], [1, 2], [1, 2], [1, IGNORED], [2, 3], [2, 3]])


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_loss_and_gradient_are_those_of_the_plain_loop(temperature):
    torch.manual_seed(0)
    embeddings = torch.randn(8, 5, requires_grad=True)
    expected = plain_loss(embeddings, LABELS, temperature)
    (gradient,) = torch.autograd.grad(expected, embeddings)
    found = contrastive_loss(embeddings, LABELS, temperature)
    found.backward()
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(embeddings.grad, gradient, atol=1e-5, rtol=1e-4)


def test_loss_counts_the_labels_of_the_global_batch():
    embeddings = torch.randn(8, 5)
    found = contrastive_loss(embeddings, LABELS, 0.1)
    part = contrastive_loss(embeddings, LABELS, 0.1, num_items_in_batch=60)
    torch.testing.assert_close(part, found * 15 / 60)


def test_two_taxa_apart_leave_the_smallest_loss():
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    taxa = torch.tensor([[0], [0], [1], [1]])
    # One positive of similarity 1 against two others of -1.
    expected = math.log(1 + 2 * math.exp(-2 / 0.5))
    assert contrastive_loss(apart, taxa, 0.5) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "labels", [[IGNORED] * 3, [0, IGNORED, IGNORED], [0, 1, 2]], ids=["none", "one", "all differ"]
)
def test_a_batch_without_pairs_teaches_nothing(labels):
    embeddings = torch.randn(3, 4, requires_grad=True)
    loss = contrastive_loss(embeddings, torch.tensor(labels)[:, None], 0.1)
    loss.backward()
    assert loss == 0 and not embeddings.grad.any() and not embeddings.grad.isnan().any()


def test_what_is_unplaced_is_no_taxon():
    lineages = Lineages.from_columns({"genus": ["A", None, None], "species": ["A x", "y", "z"]})
    unplaced = lineages.names["genus"].index(UNPLACED)
    labels = np.array([[1 - unplaced, 0], [unplaced, 1], [unplaced, 2]])
    barcodes = LabelledBarcodes(["ACGT"] * 3, labels)
    ignore_unplaced(barcodes, lineages)
    assert barcodes.labels.tolist() == [[1 - unplaced, 0], [IGNORED, 1], [IGNORED, 2]]


def test_accuracies_are_those_of_nearest_neighbours():
    draw = np.random.default_rng(0)
    reference, query = draw.standard_normal((40, 6)), draw.standard_normal((30, 6))
    of_reference, of_query = draw.integers(0, 3, (40, 2)), draw.integers(0, 3, (30, 2))
    of_reference[:5, 0] = IGNORED
    of_query[:, 1] = IGNORED
    of_query[:7, 0] = IGNORED
    found = nearest_accuracies(reference, of_reference, query, of_query, ["genus", "species"])
    probe = KNeighborsClassifier(1, metric="cosine").fit(reference[5:], of_reference[5:, 0])
    expected = {"accuracy": probe.score(query[7:], of_query[7:, 0]), "barcodes": 23}
    assert found == {"genus": expected}
