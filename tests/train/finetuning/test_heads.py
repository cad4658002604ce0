import math

import torch
from torch.nn import functional as F

from barcodemae.identification.lineages import IGNORED, Lineages
from train.finetuning.heads import LineageHeads, lineage_loss

LINEAGES = Lineages.from_columns({"genus": ["A", "A", "B"], "species": ["A x", "A y", "B z"]})


def heads():
    torch.manual_seed(0)
    heads = LineageHeads(8, LINEAGES, initializer_range=1.0)
    for head in heads.heads.values():
        torch.nn.init.normal_(head.bias)
    return heads


def test_a_lineage_scores_what_its_taxa_score():
    x = torch.randn(5, 8)
    layers = heads()
    genus, species = (layers.heads[rank](x) for rank in ("genus", "species"))
    expected = torch.stack(
        [genus[:, 0] + species[:, 0], genus[:, 0] + species[:, 1], genus[:, 1] + species[:, 2]], 1
    )
    torch.testing.assert_close(layers(x), expected)


def test_merged_is_the_same_function():
    x = torch.randn(5, 8)
    layers = heads()
    merged = layers.merged()
    assert merged.weight.shape == (3, 8)
    torch.testing.assert_close(merged(x), layers(x))


def test_loss_is_the_mean_over_the_labels_of_all_ranks():
    logits = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 4.0]])
    labels = torch.tensor([[0, 1], [1, IGNORED]])
    p = logits.softmax(dim=1)
    expected = [-(p[0, 0] + p[0, 1]).log(), -p[0, 1].log(), -p[1, 2].log()]
    found = lineage_loss(logits, labels, LINEAGES)
    torch.testing.assert_close(found, torch.stack(expected).mean())
    torch.testing.assert_close(
        lineage_loss(logits, labels, LINEAGES, num_items_in_batch=30), found * 3 / 30
    )


def test_a_barcode_without_species_counts_for_its_genus():
    layers = heads()
    loss = lineage_loss(layers(torch.randn(1, 8)), torch.tensor([[0, IGNORED]]), LINEAGES)
    loss.backward()
    assert layers.heads["genus"].weight.grad.abs().max() > 0.01
    nothing = lineage_loss(layers(torch.randn(1, 8)), torch.full((1, 2), IGNORED), LINEAGES)
    assert nothing == 0


def test_label_smoothing_is_spread_over_the_ranks_taxa():
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    species = Lineages.from_columns({"species": ["x", "y", "z"]})
    found = lineage_loss(logits, torch.tensor([[2]]), species, label_smoothing=0.3)
    target = torch.tensor([[0.1, 0.1, 0.8]])
    assert math.isclose(found, F.cross_entropy(logits, target), rel_tol=1e-5)
