import numpy as np
import pytest
import torch

from barcodemae import BarcodeMAEModel
from barcodemae.data import simulate_barcodes
from barcodemae.data.grid import coi_grid
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.tokens import kmer_ids
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.placement import Placement
from barcodemae.presets import preset_config
from coi import draw, noise, turned


@pytest.fixture(scope="module")
def whole():
    return simulate_barcodes(0, species=80, barcodes=200)["dna_barcode"].tolist()


def test_parts_turned_and_broken_barcodes_are_put_where_they_belong():
    barcodes = draw(40)
    placement = Placement(barcodes)
    assert placement.grid is coi_grid()
    parts = [barcode[at : at + 300] for at, barcode in enumerate(barcodes)]
    for records in (parts, list(map(turned, parts)), [noise(31) + parts[0], *parts[1:]]):
        texts, starts = placement.align(records)
        assert texts == parts and starts.tolist() == list(range(40))
    lost = [barcode[:300] + barcode[301:] for barcode in barcodes]
    texts, starts = placement.align(lost)
    assert {len(text) for text in texts} == {658} and not starts.any()
    odd = ["NNNN", "N" * 700, noise(500)]
    texts, starts = placement.align(odd)
    assert texts == odd and not starts.any()
    assert placement.align([])[1].shape == (0,)


def test_references_of_another_gene_make_their_own_grid():
    rng = np.random.default_rng(0)
    ancestor = rng.choice(list("ACGT"), 400)
    changed = np.where(rng.random(400) < 0.1, rng.choice(list("ACGT"), 400), ancestor)
    others = ["".join(np.where(rng.random(400) < 0.1, changed, ancestor)) for _ in range(60)]
    placement = Placement(others)
    assert placement.grid.length == 400
    texts, starts = placement.align([others[0][37:], turned(others[1])])
    assert texts == [others[0][37:], others[1]] and starts.tolist() == [37, 0]
    short = ["".join(rng.choice(list("ACGT"), 50))] * 3
    with pytest.raises(BarcodeMAEError, match="make no grid of their own .*Leave the option"):
        Placement(short)


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


def test_no_position_lies_after_the_last(embedder, whole):
    found = embedder.embed([whole[0] + "ACGT" * 30], starts=np.array([40]))
    assert np.isfinite(found).all() and found.any()
