"""Embedding and tokenization, beside the plain baseline."""

from __future__ import annotations

import numpy as np
import torch

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.embedding.precision import at_precision
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.tokens import kmer_ids
from benchmarks.plain_baseline import PlainBarcodeMAE, PlainTokenizer
from benchmarks.timing import ratio, summary, take_turns

_BATCH = 128  # barcodes to tokenize at a time, the paper's batch


def compare_embedding(
    model: BarcodeMAEForMaskedLM,
    barcodes: list[str],
    repeats: int,
    device: torch.device,
    clock: str = "day",
) -> dict:
    """Barcodes a second of one at a time, of batches, and of batches in fewer bits."""
    plain = PlainBarcodeMAE(model.config).load_from(model).to(device).eval()
    tokenizer = PlainTokenizer(model.config.kmer_size)
    full = Embedder(model.barcodemae, device)
    precisions = ("bf16", "int8") if device.type == "cpu" else ("bf16",)
    embedders = {"BarcodeMAE": full}
    embedders |= {f"BarcodeMAE, {name}": at_precision(full, name) for name in precisions}
    contestants = {"plain baseline": lambda: plain.embed(barcodes, tokenizer)}
    for name, embedder in embedders.items():
        contestants[name] = lambda embedder=embedder: embedder.embed(barcodes)
    times = take_turns(contestants, repeats, clock=clock)
    rows = {}
    for name in contestants:
        rows[name] = summary(times[name], len(barcodes))
        rows[name]["faster_than_plain"] = ratio(times["plain baseline"], times[name])
        rows[name]["faster_than_fp32"] = ratio(times["BarcodeMAE"], times[name])
    difference = np.abs(full.embed(barcodes) - plain.embed(barcodes, tokenizer).numpy()).max()
    return {
        "barcodes": len(barcodes),
        "largest_difference_from_plain": float(difference),
        "contestants": rows,
    }


def compare_tokenization(
    barcodes: list[str], kmer_size: int, repeats: int, clock: str = "day"
) -> dict:
    """Batches cut at random offsets into arrays of ids, filled up with [UNK]."""
    tokenizer = PlainTokenizer(kmer_size)
    offsets = np.random.default_rng(0).integers(0, kmer_size, len(barcodes))
    starts = range(0, len(barcodes), _BATCH)
    batches = [(barcodes[n : n + _BATCH], offsets[n : n + _BATCH]) for n in starts]

    def plain(barcodes: list[str], offsets: np.ndarray) -> np.ndarray:
        rows = [tokenizer(b[o:], padded=False) for b, o in zip(barcodes, offsets, strict=True)]
        ids = np.full((len(rows), max(map(len, rows))), tokenizer.unknown, dtype=np.int32)
        for row, kmers in zip(ids, rows, strict=True):
            row[: len(kmers)] = kmers
        return ids

    def vectorised(barcodes: list[str], offsets: np.ndarray) -> np.ndarray:
        return kmer_ids(barcodes, kmer_size, offsets)[0]

    assert all(np.array_equal(plain(*batch), vectorised(*batch)) for batch in batches)
    works = {
        "plain": lambda: [plain(*batch) for batch in batches],
        "vectorised": lambda: [vectorised(*batch) for batch in batches],
    }
    times = take_turns(works, max(repeats, 20), clock=clock)
    return {
        "batch_size": _BATCH,
        "barcodes": len(barcodes),
        "plain": summary(times["plain"], len(barcodes)),
        "vectorised": summary(times["vectorised"], len(barcodes)),
        "faster_than_plain": ratio(times["plain"], times["vectorised"]),
    }
