import pytest
import torch
from accelerate import Accelerator

from barcodemae import BarcodeMAEConfig, BarcodeMAEForMaskedLM
from barcodemae.errors import BarcodeMAEError
from train.batch_size import largest_batch_size

TINY = {"kmer_size": 3, "num_hidden_layers": 1, "decoder_num_hidden_layers": 1}


@pytest.fixture
def model():
    return BarcodeMAEForMaskedLM(BarcodeMAEConfig.preset("barcodemae-tiny", **TINY))


def limit(model, fits):
    """Memory for batches of `fits` barcodes; notes the sizes that are tried."""
    tried = []

    def forward(input_ids, *args, _forward=model.forward, **kwargs):
        tried.append(len(input_ids))
        if len(input_ids) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return _forward(input_ids, *args, **kwargs)

    model.forward = forward
    return tried


@pytest.mark.parametrize(("fits", "expected"), [(100, 16), (9, 8), (4, 4), (1, 1)])
def test_batches_are_halved_until_they_fit(model, fits, expected):
    tried = limit(model, fits)
    before = torch.get_rng_state()
    assert largest_batch_size(model, 16, Accelerator(cpu=True)) == expected
    assert tried == [16 >> halvings for halvings in range(len(tried))]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_batch_is_a_whole_number_of_parts(model):
    tried = limit(model, 2)
    assert largest_batch_size(model, 15, Accelerator(cpu=True)) == 1
    assert tried == [15, 5, 1]


def test_a_model_too_large_for_one_barcode_is_a_plain_error(model):
    limit(model, 0)
    with pytest.raises(BarcodeMAEError, match="not even one barcode fits"):
        largest_batch_size(model, 4, Accelerator(cpu=True))


def test_other_errors_are_not_taken_for_a_lack_of_memory(model):
    model.forward = lambda *args, **kwargs: 1 / 0
    with pytest.raises(ZeroDivisionError):
        largest_batch_size(model, 4, Accelerator(cpu=True))


def test_a_range_of_mask_ratios_asks_for_the_most_of_both_ends(model):
    found = []

    def forward(input_ids, labels, num_visible, num_predicted, **_):
        found.append((num_visible, num_predicted))
        assert ((input_ids != model.config.mask_token_id).sum(dim=1) == num_visible).all()
        assert ((labels != -100).sum(dim=1) == num_predicted).all()
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    model.forward = forward
    for ratios in ((), (0.2, 0.7)):
        with pytest.raises(BarcodeMAEError):
            largest_batch_size(model, 1, Accelerator(cpu=True), ratios)
    assert found == [(110, 110), (176, 154)]  # of 220 k-mers
