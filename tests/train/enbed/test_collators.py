import numpy as np
import pytest
import torch
from edit_tags import apply_tags

from barcodemae.checking.profile import consensus
from barcodemae.checking.tags import KEEP, REPLACE
from enbed import EnbedTokenizer
from grid_barcodemae import UNKNOWN
from train.enbed.edits import EditCollator, profile_places
from train.enbed.spans import SpanCollator, TokenCollator


def draws(count=6, length=200):
    rng = np.random.default_rng(0)
    return [(n, rng.integers(0, 4, length).astype(np.uint8)) for n in range(count)]


def test_spans_put_back_in_place_of_their_sentinels_give_the_window():
    batch = SpanCollator(0.15, 5, seed=1)(draws())
    tokenizer = EnbedTokenizer()
    for (_, codes), source, target in zip(
        draws(), batch["input_ids"], batch["labels"], strict=True
    ):
        source, target = tokenizer.decode(source[:-1]), tokenizer.decode(target[:-1])
        spans = target.split("<extra_id_")[1:]
        assert len(spans) == 6 and sum(len(span.split(">")[1]) for span in spans) == 30
        for number, span in enumerate(spans):
            source = source.replace(f"<extra_id_{number}>", span.split(">")[1])
        assert source == "".join("ACGT"[code] for code in codes)


def test_a_draw_is_corrupted_alike_in_any_batch():
    collator = SpanCollator(0.15, 5, seed=1)
    whole, part = collator(draws()), collator(draws()[3:])
    assert torch.equal(whole["input_ids"][3:], part["input_ids"])
    assert not torch.equal(SpanCollator(0.15, 5, seed=2)(draws())["labels"], whole["labels"])


@pytest.mark.parametrize(
    "collator", [SpanCollator(0.15, 5, 1, end=4), TokenCollator(0.2, 1, end=4)]
)
def test_what_only_fills_up_a_batch_does_not_count(collator):
    labels = collator(draws())["labels"]
    assert (labels[4:] == -100).all() and (labels[:4] != -100).any(1).all()


def test_single_nucleotides_are_masked_by_a_sentinel():
    batch = TokenCollator(0.2, seed=1)(draws())
    masked = batch["labels"] != -100
    assert (masked.sum(1) == 40).all() and (batch["input_ids"][masked] == 259).all()
    codes = torch.tensor(np.stack([codes for _, codes in draws()])).long()
    assert torch.equal(batch["labels"][:, :-1][masked[:, :-1]], codes[masked[:, :-1]])


def barcodes():
    common = "".join("ACGT"[code] for code in consensus().argmax(axis=1))
    return [(draw, common[20 * (draw % 3) :]) for draw in range(40)]


def undone(ids, labels):
    """The barcode that a row's tags restore, as it stands on the grid, and its start."""
    letters = EnbedTokenizer().decode(ids[ids != 0][:-1])
    codes = np.array(["ACGTN".index(letter) for letter in letters], dtype=np.uint8)
    tags = labels[: len(codes) + 1].numpy()
    start = int(np.flatnonzero(tags != -100)[0])
    return "".join("ACGTN"[c] for c in apply_tags(codes[start:], tags[start:])), start


@pytest.mark.parametrize(("progress", "masks_only"), [(0, True), (500, False), (900, False)])
def test_tags_restore_the_barcode_at_its_place_of_the_grid(progress, masks_only):
    collator = EditCollator(seed=1, draws=1000, masks_first=0.2)
    batch = collator([(progress + draw, barcode) for draw, barcode in barcodes()])
    common = barcodes()[0][1]
    assert batch["input_ids"].shape == (40, 704)
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        restored, start = undone(ids, labels)
        assert common[start : start + len(restored)] == restored
    tags = batch["labels"][batch["labels"] != -100]
    others = tags[tags != KEEP]
    assert len(others) > 100
    masked = (batch["input_ids"] == 81) & (batch["labels"] >= REPLACE)
    assert masks_only == bool(masked.sum() == len(others))


def test_validation_has_few_errors_and_no_masked_nucleotide():
    batch = EditCollator(1, 1000, 0.2, end=30)(barcodes())
    assert (batch["labels"][30:] == -100).all()
    assert not ((batch["input_ids"] == 81) & (batch["labels"] > KEEP)).any()
    wrong = (batch["labels"] > KEEP).sum() / (batch["labels"] != -100).sum()
    assert 0 < wrong < 0.03


def test_unknown_letters_are_not_learned_from():
    barcode = barcodes()[0][1]
    barcode = barcode[:300] + "N" * 10 + barcode[310:]
    labels = EditCollator(1, 1000, 0.0, end=1)([(0, barcode)])["labels"][0]
    assert (labels == -100).sum() >= 704 - 658 - 1 + 10 - UNKNOWN


def test_places_begin_with_the_profile():
    places = profile_places(704, 64, seed=0)
    assert places.shape == (704, 64) and places[:658].std() > 10 * places[670:].std()
