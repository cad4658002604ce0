import numpy as np
from transformers import ByT5Tokenizer

from enbed import EnbedTokenizer


def test_tokens_are_byt5s():
    tokenizer = EnbedTokenizer()
    text = "ACGTN<extra_id_3>RY<extra_id_124>"
    assert tokenizer(text).input_ids == ByT5Tokenizer()(text).input_ids
    assert len(tokenizer) == 384
    assert tokenizer.model_max_length == 16384


def test_lower_case_rna_and_white_space_are_read():
    tokenizer = EnbedTokenizer()
    expected = tokenizer("ACGTTN").input_ids
    assert tokenizer("acgu\n TN").input_ids == expected
    assert tokenizer.decode(expected, skip_special_tokens=True) == "ACGTTN"


def test_the_fast_path_gives_the_same_ids():
    tokenizer = EnbedTokenizer()
    texts = ["ACGTN", "acgu RY-", "A"]
    expected = tokenizer(texts, padding=True, return_tensors="np")
    found = tokenizer.batch(texts)
    for name in ("input_ids", "attention_mask"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert tokenizer.batch(texts, multiple=16)["input_ids"].shape == (3, 16)
