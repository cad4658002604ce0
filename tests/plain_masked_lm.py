"""The paper's masked-LM objective, one barcode at a time, with nothing but matrix products.

The yardstick of `test_modeling_barcodemae.py`: written from Eq. 1 and 2 alone, no batching, no
padding, no gathering, no transformers.
"""

import math

import torch
from torch.nn import functional as F


def masked_lm_loss(weights, config, barcodes):
    """Mean cross-entropy over masked k-mers.

    `weights`: name -> tensor, as in the model's state dict. `barcodes`: (input_ids, labels) pairs
    of lists.
    """
    losses = []
    for input_ids, labels in barcodes:
        masked = [token == config.mask_token_id for token in input_ids]
        embedding = weights["barcodemae.bert.embeddings.word_embeddings.weight"]
        everywhere = list(range(len(input_ids)))
        if config.encoder_sees_mask:
            seen = everywhere
        else:
            seen = [position for position in everywhere if not masked[position]]
        states = {}
        cls = weights["barcodemae.cls_embedding.weight"] if config.cls_token else embedding[:0]
        if seen or config.cls_token:
            tokens = torch.tensor([input_ids[position] for position in seen], dtype=torch.long)
            cls, encoded = _bert_after(
                cls,
                weights,
                "barcodemae.bert.",
                embedding[tokens],
                seen,
                config.num_attention_heads,
            )
            states = dict(zip(seen, encoded, strict=True))
        if config.decoder_num_hidden_layers:
            inputs = torch.stack(
                [
                    _linear(
                        weights,
                        "decoder.decoder_embed",
                        states.get(position, embedding[config.mask_token_id]),
                    )
                    for position in everywhere
                ]
            )
            _, decoded = _bert_after(
                _linear(weights, "decoder.decoder_embed", cls),
                weights,
                "decoder.bert.",
                inputs,
                everywhere,
                config.decoder_num_attention_heads,
            )
            states = dict(zip(everywhere, decoded, strict=True))
        for position, label in enumerate(labels):
            if label != -100:
                logits = _linear(weights, "head", states[position])
                losses.append(F.cross_entropy(logits, torch.tensor(label)))
    return torch.stack(losses).mean()


def _bert_after(cls, weights, prefix, inputs, positions, num_heads):
    """States of [CLS], (1, hidden) or (0, hidden), and of the inputs after it."""
    inputs = torch.cat([cls, inputs])
    states = _bert(weights, prefix, inputs, [0] * len(cls) + positions, num_heads)
    return states[: len(cls)], states[len(cls) :]


def _bert(weights, prefix, inputs, positions, num_heads):
    names = f"{prefix}embeddings."
    states = (
        inputs
        + weights[f"{names}position_embeddings.weight"][torch.tensor(positions)]
        + weights[f"{names}token_type_embeddings.weight"][0]
    )
    states = _norm(weights, f"{names}LayerNorm", states)
    layer = 0
    while f"{prefix}encoder.layer.{layer}.output.dense.weight" in weights:
        name = f"{prefix}encoder.layer.{layer}."
        query, key, value = (
            _linear(weights, f"{name}attention.self.{part}", states).chunk(num_heads, dim=-1)
            for part in ("query", "key", "value")
        )
        heads = [
            torch.softmax(q @ k.T / math.sqrt(q.shape[-1]), dim=-1) @ v
            for q, k, v in zip(query, key, value, strict=True)
        ]
        mixed = _linear(weights, f"{name}attention.output.dense", torch.cat(heads, dim=-1))
        states = _norm(weights, f"{name}attention.output.LayerNorm", states + mixed)
        inner = F.gelu(_linear(weights, f"{name}intermediate.dense", states))
        outer = _linear(weights, f"{name}output.dense", inner)
        states = _norm(weights, f"{name}output.LayerNorm", states + outer)
        layer += 1
    return states


def _linear(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(weights, name, x):
    return F.layer_norm(
        x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-12
    )
