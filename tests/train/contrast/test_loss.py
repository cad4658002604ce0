import numpy as np
import torch
from torch.nn import functional as F

from train.contrast.loss import contrast, positives
from train.contrast.model import named_by
from train.contrast.start import begin_at_means

NONE = -100


def test_positives_are_those_of_another_species_first():
    taxa = torch.tensor([0, 0, 0, 1, 1, 2, NONE, NONE])
    species = torch.tensor([0, 0, 1, 2, 2, 3, NONE, 3])
    attract, compared = positives(taxa, species)
    pairs = {tuple(pair) for pair in attract.nonzero().tolist()}
    # Genus 0 has two species; genus 1 has one, so that its barcodes attract each other.
    assert pairs == {(0, 2), (1, 2), (2, 0), (2, 1), (3, 4), (4, 3)}
    assert not compared[0, 1] and not compared[0, 0]
    # Without a label: pushed away by all others, attracted by none.
    assert compared[6].tolist() == [True] * 6 + [False, True]


def test_the_loss_is_khoslas_over_them():
    torch.manual_seed(0)
    embeddings = torch.randn(6, 5, requires_grad=True)
    taxa, species = torch.tensor([0, 0, 0, 1, 1, NONE]), torch.tensor([0, 0, 1, 2, 3, NONE])
    loss, right = contrast(embeddings, taxa, species, temperature=0.2)
    unit, expected, hits = F.normalize(embeddings, dim=1), 0.0, 0
    for anchor, attracted, left_out in (
        (0, [2], [1]),
        (1, [2], [0]),
        (2, [0, 1], []),
        (3, [4], []),
        (4, [3], []),
    ):
        others = [i for i in range(6) if i != anchor and i not in left_out]
        scores = {i: unit[anchor] @ unit[i] / 0.2 for i in others}
        total = torch.stack(list(scores.values())).logsumexp(0)
        expected -= sum(scores[i] - total for i in attracted) / len(attracted)
        hits += max(scores, key=scores.get) in attracted
    torch.testing.assert_close(loss, expected)
    assert right == hits
    loss.backward()
    assert embeddings.grad.isfinite().all()


def test_a_batch_without_pairs_has_no_loss_and_no_nan():
    embeddings = torch.randn(3, 4, requires_grad=True)
    loss, right = contrast(embeddings, torch.tensor([0, 1, NONE]), torch.tensor([0, 1, 2]), 0.1)
    loss.backward()
    assert loss == 0 and right == 0 and embeddings.grad.isfinite().all()


def test_proxies_name_the_labelled_barcodes():
    torch.manual_seed(0)
    embeddings = torch.randn(5, 4, requires_grad=True)
    proxies = torch.randn(3, 4, requires_grad=True)
    taxa = torch.tensor([0, 2, NONE, 1, 0])
    loss, right = named_by(embeddings, proxies, taxa)
    cosine = F.cosine_similarity(embeddings[:, None], proxies[None], dim=2)
    rows = [0, 1, 3, 4]
    expected = sum(F.cross_entropy(cosine[row] / 0.05, taxa[row]) for row in rows)
    torch.testing.assert_close(loss, expected)
    assert right == sum(int(cosine[row].argmax() == taxa[row]) for row in rows)
    nothing, _ = named_by(embeddings, proxies, torch.full((5,), NONE))
    nothing.backward()  # every process's proxies have a gradient, whatever its batch
    assert nothing == 0 and proxies.grad is not None and not proxies.grad.any()


def test_proxies_begin_at_the_means_of_their_taxa():
    proxies = torch.nn.Parameter(torch.eye(3))
    embeddings = torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, 1.0], [5.0, 0.0, 0.0]])
    begin_at_means(proxies, embeddings, np.array([0, 0, NONE]))
    half = 0.5**0.5
    torch.testing.assert_close(proxies.data, torch.tensor([[0, half, half], [0, 1, 0], [0, 0, 1]]))
