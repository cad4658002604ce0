import numpy as np
import pytest
import torch
from accelerate import Accelerator

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.presets import preset_config
from train.loop.held_out import loss_and_accuracy
from train.masked_lm.masking import MaskingCollator
from train.masked_lm.validation import context_free_guess, correct_masked_tokens


def barcodes(count, length=60, seed=0):
    letters = np.random.default_rng(seed).choice(
        list("ACGT"), (count, length), p=[0.4, 0.1, 0.1, 0.4]
    )
    return list(enumerate(map("".join, letters)))


def batches(items, size, **changes):
    collator = MaskingCollator(3, 0.5, seed=1, random_offset=False, **changes)
    return [collator(items[start : start + size]) for start in range(0, len(items), size)]


def validate(model, batches, accelerator):
    def judged(batch):
        output = model(**batch, num_items_in_batch=1)
        return output.loss, correct_masked_tokens(output, batch["labels"]), batch["labels"]

    return loss_and_accuracy(model, batches, accelerator, judged)


def test_the_mean_is_over_masked_kmers_however_they_are_batched():
    torch.manual_seed(0)
    config = preset_config("barcodemae-tiny", kmer_size=3)
    model = BarcodeMAEForMaskedLM(config).train()
    items = [(draw, text[: 60 - 9 * (draw % 3)]) for draw, text in barcodes(10)]
    accelerator = Accelerator(cpu=True)
    whole = validate(model, batches(items, 10), accelerator)
    parts = validate(model, batches(items, 3), accelerator)
    assert parts == pytest.approx(whole, rel=1e-5)
    filled = batches([*items, *((10 + d, text) for d, text in items[:2])], 3, end=10)
    assert validate(model, filled, accelerator) == pytest.approx(whole, rel=1e-5)
    assert model.training
    (batch,) = batches(items, 10)
    output = model.eval()(**batch)
    assert whole["loss"] == pytest.approx(output.loss.item(), rel=1e-5)


def test_the_guess_finds_frequencies_by_position():
    # Position 0 is always AAA, position 1 is CCC or GGG, the rest is uniform over 64 k-mers.
    generator = np.random.default_rng(0)
    kmers = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT"]

    def draw(count):
        tail = generator.choice(kmers, (count, 4))
        second = generator.choice(["CCC", "GGG"], count)
        return ["AAA" + s + "".join(t) for s, t in zip(second, tail, strict=True)]

    validation = batches(list(enumerate(draw(3000))), 500)
    guess = context_free_guess(draw(20_000), validation, kmer_size=3)
    best = (0 + np.log(2) + 4 * np.log(64)) / 6
    assert guess["loss"] == pytest.approx(best, abs=0.03)
    assert guess["accuracy"] == pytest.approx((1 + 0.5 + 4 / 64) / 6, abs=0.02)
