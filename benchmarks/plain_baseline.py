"""BarcodeMAE in the manner of the published code, to be measured against.

Written anew for this comparison. As there: every barcode is padded to 660 nucleotides and cut by a
Python loop over a dictionary; each k-mer is masked by a throw of its own, so the barcodes of a
batch keep different numbers of visible tokens, which are padded on the right; logits are computed
at every position; AdamW has PyTorch's defaults; embeddings are computed one barcode at a time. Its
attention kernels are today's: the comparison is of the program, not of library versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from barcodemae import BarcodeMAEConfig, BarcodeMAEForMaskedLM

NUCLEOTIDES = 660


class PlainTokenizer:
    """Barcodes -> k-mer ids, one k-mer after the other."""

    def __init__(self, kmer_size: int):
        self.kmer_size = kmer_size
        kmers = map("".join, product("ACGT", repeat=kmer_size))
        self.vocabulary = {kmer: index for index, kmer in enumerate(kmers)}
        self.unknown = len(self.vocabulary)

    def __call__(self, barcode: str, padded: bool = True) -> list[int]:
        k = self.kmer_size
        if padded:
            barcode = barcode[:NUCLEOTIDES].ljust(NUCLEOTIDES, "N")
        ids = []
        for start in range(0, len(barcode) - k + 1, k):
            ids.append(self.vocabulary.get(barcode[start : start + k], self.unknown))
        return ids


class PlainBarcodeMAE(nn.Module):
    """Encoder over right-padded visible tokens, decoder, logits everywhere."""

    def __init__(self, config: BarcodeMAEConfig):
        super().__init__()
        self.config = config
        self.encoder = _bert(config, "")
        self.between = nn.Linear(config.hidden_size, config.decoder_hidden_size)
        self.decoder = _bert(config, "decoder_")
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.head = nn.Linear(config.decoder_hidden_size, config.num_kmers)

    def forward(self, tokens: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
        """Loss () of the k-mers `tokens` (batch, length) where `masked` (batch, length)."""
        counts = (~masked).sum(dim=1)
        width = int(counts.max())
        positions = [torch.nonzero(~row)[:, 0] for row in masked]
        padded = [F.pad(p, (0, width - len(p))) for p in positions]
        positions = torch.stack(padded)  # (batch, width)
        filled = torch.arange(width, device=tokens.device) < counts[:, None]
        visible = tokens.gather(1, positions)
        encoded = self.encoder(
            input_ids=visible, attention_mask=filled, position_ids=positions
        ).last_hidden_state
        mask = self.encoder.embeddings.word_embeddings.weight[self.config.mask_token_id]
        states = self.between(mask).expand(*tokens.shape, -1).clone()
        encoded = self.between(encoded).to(states.dtype)
        states[~masked] = encoded[filled]
        decoded = self.decoder(inputs_embeds=states).last_hidden_state
        logits = self.head(self.dropout(decoded))  # (batch, length, 4^k)
        labels = tokens.masked_fill(~masked, -100)
        return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())

    def mask(self, tokens: torch.Tensor) -> torch.Tensor:
        """Throw a coin for each k-mer; padding, which is [UNK], stays visible."""
        chance = torch.rand(tokens.shape, device=tokens.device)
        return (chance < self.config.mask_ratio) & (tokens < self.config.num_kmers)

    @torch.inference_mode()
    def embed(self, barcodes: Sequence[str], tokenizer: PlainTokenizer) -> torch.Tensor:
        """(n, hidden), one barcode at a time."""
        embeddings = []
        device = self.head.weight.device
        for barcode in barcodes:
            tokens = torch.tensor([tokenizer(barcode[:NUCLEOTIDES], padded=False)], device=device)
            states = self.encoder(input_ids=tokens).last_hidden_state
            real = (tokens < self.config.num_kmers).unsqueeze(-1)
            embeddings.append(((states * real).sum(dim=1) / real.sum(dim=1)).float().cpu())
        return torch.cat(embeddings)

    def load_from(self, model: BarcodeMAEForMaskedLM) -> PlainBarcodeMAE:
        """Take over the weights of our model."""
        places = {
            "barcodemae.bert.": "encoder.",
            "decoder.decoder_embed.": "between.",
            "decoder.bert.": "decoder.",
            "head.": "head.",
        }
        weights = {}
        for name, weight in model.state_dict().items():
            ours = next(place for place in places if name.startswith(place))
            weights[places[ours] + name.removeprefix(ours)] = weight
        missing, unexpected = self.load_state_dict(weights, strict=False)
        assert not unexpected and missing == ["decoder.embeddings.word_embeddings.weight"], missing
        return self


def _bert(config: BarcodeMAEConfig, prefix: str) -> BertModel:
    sizes = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    bert = BertConfig(
        **{size: getattr(config, prefix + size) for size in sizes},
        vocab_size=config.vocab_size,
        hidden_dropout_prob=config.hidden_dropout_prob,
        attention_probs_dropout_prob=config.attention_probs_dropout_prob,
        layer_norm_eps=config.layer_norm_eps,
        pad_token_id=None,
    )
    return BertModel(bert, add_pooling_layer=False)
