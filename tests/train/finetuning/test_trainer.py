import numpy as np
import torch

from barcodemae import BarcodeMAETokenizer
from train.finetuning.trainer import BarcodeCollator


def test_collator_cuts_each_barcode_from_its_offset():
    items = [
        {"nucleotides": "AACCGGTTAA", "offset": 0, "labels": np.array([1, 2])},
        {"nucleotides": "AACCGGTTAA", "offset": 3, "labels": np.array([0, -100])},
    ]
    batch = BarcodeCollator(2)(items)
    tokenizer = BarcodeMAETokenizer(2)
    expected = tokenizer(["AACCGGTTAA", "CGGTTAA"], padding=True, return_tensors="pt")
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])
    assert batch["labels"].tolist() == [[1, 2], [0, -100]]
