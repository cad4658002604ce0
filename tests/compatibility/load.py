"""Load exported repositories through every Auto class and save what they compute.

Run by versions.py in an environment that has transformers, torch and nothing of the project.
"""

import json
import sys

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

AUTO_CLASSES = (
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForTokenClassification,
    AutoModelForSequenceClassification,
)
BARCODES = [
    "AACTTTATATTTTATTTTTGGAGCTTGATCAGGAATAGTAGGAACATCTTTAAGAATTTTAATTCGAGCTGAATTAGG",
    "AACATTATATTTTATTTTTGGTNTTTGAGCAGGTATAATTGGTACTTCTCTTAGT",
    "acguacgu" * 90,
]


def compute(directory: str) -> dict[str, list]:
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    config = AutoConfig.from_pretrained(directory, trust_remote_code=True)
    batch = tokenizer(BARCODES, padding=True, truncation=True, return_tensors="pt")
    encoder = AutoModel.from_pretrained(directory, trust_remote_code=True).eval()
    found = {"tokens": batch["input_ids"].tolist()}
    with torch.no_grad():
        found["embeddings"] = encoder(**batch).pooler_output.tolist()
        for auto in AUTO_CLASSES:
            if auto.__name__ not in config.auto_map:
                continue
            model = auto.from_pretrained(directory, trust_remote_code=True).eval()
            # A decoder is given what it shall write.
            is_writer = auto is AutoModelForSeq2SeqLM
            logits = model(**batch, **({"labels": batch["input_ids"]} if is_writer else {})).logits
            assert torch.isfinite(logits).all()
            if type(model).__name__ in model.config.architectures:
                found[auto.__name__] = logits.tolist()
    return found


if __name__ == "__main__":
    *directories, output = sys.argv[1:]
    found = {directory: compute(directory) for directory in directories}
    with open(output, "w") as file:
        json.dump({"transformers": transformers.__version__, "found": found}, file)
