import numpy as np
import pytest
import torch

from barcodemae import BarcodeMAEModel
from barcodemae.data import simulate_barcodes
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.tokens import kmer_ids
from barcodemae.identification.placement import Placement
from barcodemae.presets import preset_config


@pytest.fixture(scope="module")
def whole():
    return simulate_barcodes(0, species=80, barcodes=200)["dna_barcode"].tolist()


def test_starts_are_found_where_barcodes_were_cut(whole):
    rng = np.random.default_rng(0)
    placement = Placement(whole[:150])
    assert placement.length == 658
    fronts, ends = rng.integers(0, 250, 50), rng.integers(500, 659, 50)
    cut = [barcode[a:b] for barcode, a, b in zip(whole[150:], fronts, ends, strict=True)]
    assert (placement.starts(cut) == fronts).all()
    longer = ["".join(rng.choice(list("ACGT"), 31)) + barcode for barcode in whole[150:]]
    assert (placement.starts(longer) == -31).all()
    assert placement.starts(whole).tolist() == [0] * 200  # several parts
    assert placement.starts(["NNNN", "N" * 700]).tolist() == [0, 0]
    assert placement.starts([]).shape == (0,)


@pytest.fixture(scope="module")
def embedder():
    config = preset_config("barcodemae-tiny", initializer_range=0.2)
    return Embedder(BarcodeMAEModel(config), "cpu")


@pytest.mark.parametrize("offset", [0, 3])
def test_what_stands_before_the_first_place_is_not_read(embedder, whole, offset):
    longer = ["GATTACA" + barcode for barcode in whole[:6]]
    found = embedder.embed(longer, 4, offset, starts=np.full(6, -7))
    np.testing.assert_allclose(found, embedder.embed(whole[:6], 4, offset), atol=1e-5)


def test_a_barcode_cut_short_is_read_as_the_rest_of_the_whole_one(embedder, whole):
    """Its k-mers, at their positions: as the encoder reads them by itself."""
    found = embedder.embed([barcode[10:] for barcode in whole[:3]], starts=np.full(3, 10))
    tokens = [barcode[12:656] for barcode in whole[:3]]  # the k-mers of four from the fourth on
    ids, _ = kmer_ids(tokens, 4)
    positions = torch.arange(3, 3 + ids.shape[1]).expand(3, -1)
    with torch.inference_mode():
        expected = embedder.model(torch.from_numpy(ids), None, positions).pooler_output
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    plain = embedder.embed([barcode[10:] for barcode in whole[:3]])
    assert not np.allclose(found, plain, atol=1e-3)


def test_no_position_lies_behind_the_last(embedder, whole):
    found = embedder.embed([whole[0] + "ACGT" * 30], starts=np.array([40]))
    assert np.isfinite(found).all() and found.any()
