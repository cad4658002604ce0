"""Embed barcodes with ONNX Runtime alone: pip install onnxruntime tokenizers numpy

python embed_with_onnxruntime.py MODEL_DIR BARCODE [BARCODE ...]
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def tokenize(model_dir: Path, barcodes: list[str]) -> dict[str, np.ndarray]:
    """Ids and attention mask, (n, tokens) int64 each."""
    if (
        model_dir / "grid.safetensors"
    ).exists():  # barcodes are laid down: pip install transformers
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(model_dir, trust_remote_code=True)
        return dict(tokenizer(barcodes, return_tensors="np"))
    settings = json.loads((model_dir / "tokenizer_config.json").read_text())
    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    tokenizer.enable_truncation(settings["model_max_length"])
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[UNK]"), pad_token="[UNK]")
    encodings = tokenizer.encode_batch([barcode.rstrip("Nn-. ") for barcode in barcodes])
    return {
        "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
        "attention_mask": np.array([e.attention_mask for e in encodings], dtype=np.int64),
    }


def embed(model_dir: str, barcodes: list[str]) -> np.ndarray:
    """Embeddings (n, size) of n barcodes, the model's pooler_output."""
    model_dir = Path(model_dir)
    session = onnxruntime.InferenceSession(model_dir / "onnx" / "model.onnx")
    inputs = tokenize(model_dir, barcodes)
    return session.run(["pooler_output"], inputs)[0]


if __name__ == "__main__":
    np.savetxt(sys.stdout, embed(sys.argv[1], sys.argv[2:]), fmt="%.6g")
