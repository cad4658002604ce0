import numpy as np
import pytest
import torch

from barcodemae.data.kmers import kmer_ids
from train.draws import random_bits
from train.masking import MaskingCollator

K, UNK, MASK = 4, 256, 257


def barcodes(count, length=100, seed=0, first_draw=0):
    letters = np.random.default_rng(seed).choice(list("ACGT"), (count, length))
    return [(first_draw + row, "".join(letters[row])) for row in range(count)]


def collator(**changes):
    return MaskingCollator(**{"kmer_size": K, "mask_ratio": 0.5, "seed": 1, **changes})


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.75])
def test_exactly_the_share_of_each_barcodes_real_kmers_is_hidden(ratio):
    items = barcodes(20)
    items[3] = (3, "ACGT" * 10 + "ACNT" * 5)
    items[4] = (4, "ACGTA")
    batch = collator(mask_ratio=ratio, random_offset=False)(items)
    ids, _ = kmer_ids([sequence for _, sequence in items], K)
    hidden = batch["input_ids"] == MASK
    real = torch.from_numpy((ids < UNK).sum(axis=1))
    assert hidden.sum(dim=1).tolist() == np.rint(ratio * real.numpy()).tolist()
    assert torch.equal(batch["labels"] != -100, hidden)
    assert not hidden[torch.from_numpy(ids == UNK)].any()
    assert torch.equal(batch["labels"][hidden], torch.from_numpy(ids)[hidden].to(torch.int16))
    assert torch.equal(batch["input_ids"][~hidden], torch.from_numpy(ids)[~hidden].to(torch.int16))


def test_masks_depend_on_seed_and_draw_and_on_nothing_else():
    items = barcodes(8)
    together = collator()(items)
    for row, item in enumerate(items):
        alone = collator()([item])
        width = alone["input_ids"].shape[1]
        assert torch.equal(together["input_ids"][row, :width], alone["input_ids"][0])
    other_seed = collator(seed=2)(items)
    assert not torch.equal(other_seed["labels"], together["labels"])
    again = collator()([(draw + 8, sequence) for draw, sequence in items])
    assert not torch.equal(again["labels"][:, :20], together["labels"][:, :20])


def test_every_position_and_every_offset_is_as_likely():
    items = barcodes(4000, length=43)
    hidden = collator(random_offset=False)(items)["labels"] != -100
    share = hidden.float().mean(dim=0)  # 10 k-mers
    assert (share - 0.5).abs().max() < 0.04
    first = [collator()([item])["labels"].shape[1] for item in items[:400]]  # 43 = 10 k-mers + 3
    assert set(first) == {10}
    offsets = random_bits(1, np.arange(4000), 1)[:, 0] % K
    assert np.abs(np.bincount(offsets.astype(int)) / 4000 - 0.25).max() < 0.04


def test_random_bits_are_uniform_and_independent():
    bits = random_bits(7, np.arange(2000), 20)
    uniform = bits / 2.0**64
    assert abs(uniform.mean() - 0.5) < 0.01 and abs(uniform.std() - 12**-0.5) < 0.01
    correlation = np.corrcoef(uniform.T) - np.eye(20)
    assert np.abs(correlation).max() < 0.12
    assert np.array_equal(random_bits(7, np.arange(2000), 5), bits[:, :5])
    assert len(np.unique(bits)) == bits.size


def test_replacement_shows_a_tenth_and_changes_a_tenth():
    items = barcodes(500)
    batch = collator(replace=True, random_offset=False)(items)
    chosen = batch["labels"] != -100
    shown = batch["input_ids"][chosen]
    assert chosen.float().mean() == pytest.approx(0.48, abs=0.01)  # 12 of 25 k-mers
    assert (shown == MASK).float().mean() == pytest.approx(0.8, abs=0.02)
    assert (shown == batch["labels"][chosen]).float().mean() == pytest.approx(0.1, abs=0.02)
    assert shown.max() <= MASK and (shown != UNK).all()


def test_a_dense_batch_needs_no_attention_mask():
    batch = collator(random_offset=False)(barcodes(4))
    assert "attention_mask" not in batch
    assert (batch["num_visible"], batch["num_predicted"]) == (13, 12)
    ragged = collator(random_offset=False)([*barcodes(3), (3, "ACGT" * 7)])
    assert ragged["attention_mask"].sum(dim=1).tolist() == [25, 25, 25, 7]
    assert (ragged["num_visible"], ragged["num_predicted"]) == (13, 12)


def test_tokens_travel_as_the_smallest_integer_type():
    assert collator()(barcodes(2))["input_ids"].dtype == torch.int16
    assert collator(kmer_size=8)(barcodes(2))["input_ids"].dtype == torch.int32


def test_draws_beyond_the_end_carry_no_labels():
    batch = collator(end=2)(barcodes(3))
    assert (batch["labels"] != -100).any(dim=1).tolist() == [True, True, False]
