import numpy as np
import pytest
import torch

from barcodemae.encoders.tokens import kmer_ids
from train.loop.draws import random_bits
from train.masked_lm.masking import MaskingCollator

K, UNK, MASK = 4, 256, 257


def barcodes(count, length=100, seed=0, first_draw=0):
    letters = np.random.default_rng(seed).choice(list("ACGT"), (count, length))
    return [(first_draw + row, "".join(letters[row])) for row in range(count)]


def collator(**changes):
    return MaskingCollator(**{"kmer_size": K, "mask_ratio": 0.5, "seed": 1, **changes})


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.75])
def test_exactly_the_share_of_each_barcodes_real_kmers_is_masked(ratio):
    items = barcodes(20)
    items[3] = (3, "ACGT" * 10 + "ACNT" * 5)
    items[4] = (4, "ACGTA")
    batch = collator(mask_ratio=ratio, random_offset=False)(items)
    ids, _ = kmer_ids([sequence for _, sequence in items], K)
    masked = batch["input_ids"] == MASK
    real = torch.from_numpy((ids < UNK).sum(axis=1))
    assert masked.sum(dim=1).tolist() == np.rint(ratio * real.numpy()).tolist()
    assert torch.equal(batch["labels"] != -100, masked)
    assert not masked[torch.from_numpy(ids == UNK)].any()
    assert torch.equal(batch["labels"][masked], torch.from_numpy(ids)[masked].to(torch.int16))
    assert torch.equal(batch["input_ids"][~masked], torch.from_numpy(ids)[~masked].to(torch.int16))


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
    masked = collator(random_offset=False)(items)["labels"] != -100
    share = masked.float().mean(dim=0)  # 10 k-mers
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


# --- a mask ratio for each global batch ---------------------------------------------------------


def share_masked(batch):
    return (batch["labels"] != -100).float().mean(dim=1)


def test_each_global_batch_has_a_ratio_of_its_own_between_the_two():
    drawn = collator(mask_ratio=(0.2, 0.8), random_offset=False, global_batch=4)
    shares = [share_masked(drawn(barcodes(4, seed=n, first_draw=4 * n))) for n in range(400)]
    assert all((share == share[0]).all() for share in shares)
    ratios = torch.stack(shares)[:, 0]
    assert 0.2 <= ratios.min() < 0.22 and 0.78 < ratios.max() <= 0.8
    assert ratios.mean() == pytest.approx(0.5, abs=0.03)
    assert ratios.std() == pytest.approx(0.6 / 12**0.5, abs=0.02)


def test_parts_of_a_global_batch_share_its_ratio_however_it_is_divided():
    drawn = collator(mask_ratio=[0.2, 0.8], global_batch=8)
    items = barcodes(8, first_draw=24)
    whole = drawn(items)["labels"]
    for parts in (2, 4, 8):  # of several processes, or of several accumulation steps
        size = 8 // parts
        shared = [drawn(items[part * size : (part + 1) * size])["labels"] for part in range(parts)]
        for row, alone in enumerate(row for part in shared for row in part):
            assert torch.equal(alone, whole[row, : len(alone)])


def test_the_drawn_ratio_follows_the_seed_and_keeps_the_promise_of_dense_batches():
    items = barcodes(4)
    batches = [
        collator(mask_ratio=(0.2, 0.8), seed=seed, random_offset=False, global_batch=4)(items)
        for seed in (1, 1, 2)
    ]
    assert torch.equal(batches[0]["labels"], batches[1]["labels"])
    assert batches[0]["num_predicted"] != batches[2]["num_predicted"]
    for batch in batches:
        assert "attention_mask" not in batch
        visible = (batch["input_ids"] != MASK).sum(dim=1)
        assert (visible == batch["num_visible"]).all()


def test_a_range_of_one_ratio_is_that_ratio():
    items = barcodes(6)
    expected, found = collator()(items), collator(mask_ratio=(0.5, 0.5))(items)
    assert torch.equal(found["input_ids"], expected["input_ids"])
