import json

import numpy as np
import pytest
import torch
from transformers import PretrainedConfig

from barcodemae import BarcodeMAEConfig
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED, UNPLACED, Lineages
from barcodemae.presets import preset_config

COLUMNS = {
    "family": ["Apidae", "Apidae", None, "Vespidae"],
    "genus": ["Apis", "Apis", "Dubia", "Vespa"],
    "species": ["Apis cerana", "Apis mellifera", "Dubia sp", "Vespa crabro"],
}


@pytest.fixture
def lineages():
    return Lineages.from_columns(COLUMNS)


def test_probabilities_add_up_along_lineages(lineages):
    logits = torch.randn(50, 4) * 20
    species = logits.softmax(dim=1)
    genus = lineages.logits(logits, "genus").softmax(dim=1)
    assert lineages.names["genus"] == ["Apis", "Dubia", "Vespa"]
    expected = torch.stack([species[:, 0] + species[:, 1], species[:, 2], species[:, 3]], dim=1)
    torch.testing.assert_close(genus, expected, atol=1e-6, rtol=1e-4)
    family = lineages.logits(logits, "family").softmax(dim=1)
    assert lineages.names["family"] == ["Apidae", "Vespidae", UNPLACED]
    torch.testing.assert_close(family[:, [0, 2, 1]], genus, atol=1e-6, rtol=1e-4)


def test_extreme_logits_neither_overflow_nor_lose_their_gradient(lineages):
    logits = torch.tensor([[-500.0, -501.0, 500.0, 0.0]], requires_grad=True)
    genus = lineages.logits(logits, "genus")
    assert genus[0].tolist() == pytest.approx([-500 + np.log(1 + np.exp(-1)), 500, 0])
    torch.nn.functional.cross_entropy(genus, torch.tensor([0])).backward()
    share = torch.tensor([1.0, np.exp(-1)]) / (1 + np.exp(-1))
    torch.testing.assert_close(logits.grad[0, :2], -share.float())
    assert logits.grad[0, 2] == 1


def test_codes_leave_out_what_is_missing_or_unknown(lineages):
    given = ["Vespa", None, "Bombus", "Apis"]
    assert lineages.codes("genus", given).tolist() == [2, IGNORED, IGNORED, 0]
    assert lineages.codes("family", [UNPLACED]).tolist() == [IGNORED]
    with pytest.raises(BarcodeMAEError, match="no rank 'order' here; ranks: family, genus"):
        lineages.codes("order", given)


def test_config_keeps_them(lineages):
    config = preset_config("barcodemae-tiny")
    lineages.to_config(config)
    assert config.num_labels == 4 and config.label2id["Vespa crabro"] == 3
    kept = BarcodeMAEConfig.from_dict(json.loads(config.to_json_string()))
    again = Lineages.of_config(kept)
    assert again.names == lineages.names and again.ranks == ["family", "genus", "species"]
    for rank in lineages.ranks:
        assert torch.equal(again.of_leaf[rank], lineages.of_leaf[rank])


def test_a_config_without_them_has_one_rank():
    config = preset_config("barcodemae-tiny", id2label={0: "bee", 1: "wasp"})
    assert Lineages.of_config(config).names == {"label": ["bee", "wasp"]}


def test_the_order_of_the_ranks_survives_the_file(lineages, tmp_path):
    config = PretrainedConfig()
    columns = {"order": ["B", "B", "A", "B"], **COLUMNS}
    Lineages.from_columns(columns).to_config(config)
    config.save_pretrained(tmp_path)
    again = Lineages.of_config(PretrainedConfig.from_pretrained(tmp_path))
    assert again.ranks == ["order", "family", "genus", "species"]


def test_ranks_that_an_earlier_version_saved_sorted_are_put_in_order():
    config = PretrainedConfig(num_labels=4)
    config.lineages = {rank: COLUMNS[rank] for rank in sorted(COLUMNS, reverse=True)}
    assert Lineages.of_config(config).ranks == ["family", "genus", "species"]
