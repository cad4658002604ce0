import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounter

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.presets import preset_config
from train.masked_lm.compilation import StaticShapes, compile_model
from train.masked_lm.masking import MaskingCollator

K = 4
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
DECODER = {f"decoder_{name}": value for name, value in SIZES.items()}
PLAIN = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = preset_config("barcodemae-tiny", **SIZES, **DECODER, **PLAIN)
    return BarcodeMAEForMaskedLM(config).train()


def barcodes(shortest, longest, seed, count=8):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shortest, longest + 1, count)
    letters = [rng.choice(list("ACGTN"), n, p=[0.24, 0.24, 0.24, 0.24, 0.04]) for n in lengths]
    return [(row, "".join(letter)) for row, letter in enumerate(letters)]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("ratio", [0.5, (0.2, 0.8)])
def test_loss_and_gradients_are_those_of_the_batch_as_it_was(model, replace, ratio):
    collator = MaskingCollator(K, ratio, 1, replace=replace)
    for items in (barcodes(60, 657, 0), barcodes(20, 20, 1), barcodes(660, 660, 2)):
        results = []
        for collate in (collator, StaticShapes(collator)):
            model.zero_grad()
            loss = model(**collate(items)).loss
            loss.backward()
            results.append((loss, [parameter.grad.clone() for parameter in model.parameters()]))
        torch.testing.assert_close(results[1], results[0], atol=1e-6, rtol=1e-5)


def shape(batch):
    return tuple(batch["input_ids"].shape[1:]), batch["num_visible"], batch["num_predicted"]


def test_barcodes_of_many_lengths_give_few_shapes():
    collator = MaskingCollator(6, 0.5, 1)
    batches = [barcodes(500, 660, seed, count=64) for seed in range(40)]
    assert len({shape(collator(items)) for items in batches}) > 4
    assert len({shape(StaticShapes(collator)(items)) for items in batches}) <= 2


@pytest.mark.parametrize(("kmer_size", "whole"), [(6, 56), (4, 88)])
def test_ambiguous_kmers_add_one_shape_and_whole_barcodes_stay_tight(kmer_size, whole):
    collate = StaticShapes(MaskingCollator(kmer_size, 0.5, 1, random_offset=False))
    plain = ["ACGT" * 165] * 8
    visible = set()
    for ambiguous in range(0, 24):  # k-mers of one barcode
        barcode = "N" * (ambiguous * kmer_size) + plain[0]
        batch = collate(list(enumerate([barcode[:660], *plain])))
        visible.add(batch["num_visible"])
    assert visible == {whole, whole + 24}


@pytest.mark.parametrize(("kmer_size", "shapes"), [(6, 5), (4, 8), (3, 18)])
def test_a_ratio_for_each_batch_gives_few_shapes_too(kmer_size, shapes):
    # Five barcodes of nearly full length, as most are; 200 ratios.
    collator = MaskingCollator(kmer_size, (0.2, 0.8), 1, global_batch=5)
    batches = [
        [(5 * n + row, barcode) for row, barcode in barcodes(640, 660, seed=n, count=5)]
        for n in range(200)
    ]
    assert len({shape(collator(items)) for items in batches}) > 4 * shapes
    assert len({shape(StaticShapes(collator)(items)) for items in batches}) <= shapes


def test_each_shape_is_compiled_once_and_never_again(model):
    compiled = CompileCounter()
    model.compile(dynamic=False, backend=compiled, fullgraph=True)
    collate = StaticShapes(MaskingCollator(K, 0.5, 1))
    batches = [collate(barcodes(600, 640, seed)) for seed in range(8)]
    batches += [collate(barcodes(100, 100, seed)) for seed in range(4)]
    for batch in batches:
        model(**batch).loss.backward()
    assert compiled.frame_count == len({shape(batch) for batch in batches})


@pytest.mark.slow
def test_the_compiled_model_learns_as_the_plain_one(model):
    batch = StaticShapes(MaskingCollator(K, 0.5, 1))(barcodes(100, 640, 0))
    plain = model(**batch).loss
    compile_model(model)
    compiled = model(**batch).loss
    torch.testing.assert_close(compiled, plain, atol=1e-5, rtol=1e-5)
    compiled.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
