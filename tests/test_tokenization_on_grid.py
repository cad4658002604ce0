"""The tokenizer that lays barcodes on a grid before it cuts k-mers."""

import logging
import pickle
import shutil

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from transformers import AutoTokenizer

import barcodemae  # noqa: F401 - registers the classes
from barcodemae.data.grid import coi_grid
from barcodemae.encoders.tokens import token_batch
from coi import draw, noise, records, turned
from grid_barcodemae import Grid
from tokenization_barcodemae import BarcodeMAETokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return BarcodeMAETokenizer(kmer_size=6, grid=coi_grid())


@pytest.fixture(scope="module")
def whole():
    return draw(5)


@pytest.fixture(scope="module")
def paper():
    return BarcodeMAETokenizer(kmer_size=6)


def test_every_record_of_a_barcode_has_its_ids(tokenizer, paper, whole):
    for barcode in whole:
        expected = paper(barcode)["input_ids"]
        assert len(expected) == 109
        found = tokenizer([barcode, turned(barcode), noise(31) + barcode + "NN-", barcode.lower()])
        assert found["input_ids"] == [expected] * 4
        assert tokenizer(barcode)["input_ids"] == expected
        assert tokenizer.encode(barcode) == expected
        assert tokenizer.convert_tokens_to_ids(tokenizer.tokenize(turned(barcode))) == expected


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    barcodes=st.lists(records(), min_size=1, max_size=8),
    odd=st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 700), st.sampled_from("nRYu-. \n\u00e9*acgt")),
        max_size=6,
    ),
)
def test_ids_are_those_of_the_numpy_path(tokenizer, barcodes, odd):
    for which, at, letter in odd:
        which %= len(barcodes)
        barcodes[which] = barcodes[which][:at] + letter + barcodes[which][at + 1 :]
    expected = token_batch(barcodes, 6, grid=tokenizer.grid).ids
    assert tokenizer(barcodes)["input_ids"] == expected.tolist()
    assert tokenizer(barcodes[0])["input_ids"] == expected[0].tolist()


def test_a_part_keeps_its_places(tokenizer, paper, whole):
    ids = tokenizer(whole[0][200:500])["input_ids"]
    known = np.arange(34, 83)  # k-mers of nucleotides 204 to 497
    assert np.array(ids)[known].tolist() == np.array(paper(whole[0])["input_ids"])[known].tolist()
    assert set(np.delete(ids, known)) == {tokenizer.unk_token_id}


def test_padding_truncation_and_tensors(tokenizer, whole):
    batch = tokenizer([whole[0], whole[1][:200]], padding=True, return_tensors="pt")
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 109)
    assert batch["attention_mask"].all()
    assert set(batch) == {"input_ids", "attention_mask"}
    assert tokenizer.model_max_length == 109
    short = tokenizer(whole, truncation=True, max_length=20, return_tensors="np")
    assert short["input_ids"].shape == (5, 20)
    wide = tokenizer(whole[0], padding="max_length", max_length=112)
    assert wide["attention_mask"] == [1] * 109 + [0] * 3


def test_a_mask_in_the_text_masks_its_kmer(tokenizer, whole):
    masked = whole[0][:60] + "[MASK]" + whole[0][66:]
    plain = tokenizer(whole[0])["input_ids"]
    expected = plain[:10] + [tokenizer.mask_token_id] + plain[11:]
    assert tokenizer(masked)["input_ids"] == expected
    backwards = turned(whole[0][66:]) + " [MASK] " + turned(whole[0][:60])
    assert tokenizer(backwards)["input_ids"] == expected


def test_what_fits_nowhere_is_unknown_and_told(tokenizer, whole, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    ids = tokenizer([whole[0], noise(600), ""])["input_ids"]
    assert set(ids[1]) == set(ids[2]) == {tokenizer.unk_token_id}
    assert "2 of 3 barcodes fit nowhere" in caplog.text and "number 2" in caplog.text


def test_pairs_and_pieces_are_refused(tokenizer, whole):
    for arguments in ((whole[0], whole[1]), (whole[:2], whole[2:4]), ([(whole[0], whole[1])],)):
        with pytest.raises(ValueError, match="no pairs"):
            tokenizer(*arguments)
    with pytest.raises(ValueError, match="is_split_into_words"):
        tokenizer([whole[:2]], is_split_into_words=True)


def test_round_trips(tokenizer, whole, tmp_path):
    expected = tokenizer(whole)["input_ids"]
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "grid.safetensors").is_file()
    again = BarcodeMAETokenizer.from_pretrained(tmp_path)
    assert again(whole)["input_ids"] == expected and again.model_max_length == 109
    again.save_pretrained(tmp_path / "again")
    (tmp_path / "again" / "config.json").write_text('{"model_type": "barcodemae"}')
    assert AutoTokenizer.from_pretrained(tmp_path / "again")(whole)["input_ids"] == expected
    assert pickle.loads(pickle.dumps(tokenizer))(whole)["input_ids"] == expected


def test_data_sets_are_mapped_by_several_processes(tokenizer, whole):
    data = Dataset.from_dict({"nucleotides": whole * 4})
    mapped = data.map(lambda rows: tokenizer(rows["nucleotides"]), batched=True, num_proc=2)
    assert mapped["input_ids"][:5] == tokenizer(whole)["input_ids"]


def test_a_missing_damaged_or_other_grid_is_named(tokenizer, tmp_path):
    saved = tmp_path / "model"
    tokenizer.save_pretrained(saved)
    shutil.copytree(saved, tmp_path / "none")
    (tmp_path / "none" / "grid.safetensors").unlink()
    with pytest.raises(ValueError, match="none needs a grid of 658 places, and there is none"):
        BarcodeMAETokenizer.from_pretrained(tmp_path / "none")
    Grid(np.zeros((4, 300))).save(saved / "grid.safetensors")
    with pytest.raises(ValueError, match="needs a grid of 658 places, and this one has 300"):
        BarcodeMAETokenizer.from_pretrained(saved)
    save_file({"profile": np.zeros((2, 658))}, saved / "grid.safetensors")
    with pytest.raises(ValueError, match=r"grid.safetensors: .* \(2, 658\)"):
        BarcodeMAETokenizer.from_pretrained(saved)
    (saved / "grid.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="grid.safetensors is damaged"):
        BarcodeMAETokenizer.from_pretrained(saved)


def test_without_a_grid_unknown_ends_are_dropped_and_nothing_else(paper):
    plain = paper("ACGTACGTACGT")["input_ids"]
    assert paper("ACGTACGTACGTNNNNNN")["input_ids"] == plain
    assert paper(["ACGTACGTACGT-----. N\n"])["input_ids"] == [plain]
    unknown = paper.unk_token_id
    assert paper("NNNNNNACGTACACGTACGT")["input_ids"][0] == unknown
    masked = paper("ACGTACNNNNNN[MASK]ACGTAC")["input_ids"]
    assert masked == [plain[0], unknown, paper.mask_token_id, plain[0]]
