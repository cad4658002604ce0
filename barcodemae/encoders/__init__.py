"""Encoders behind one small interface: barcodes in, one vector each out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from barcodemae.encoders.corruption import Corruption
from barcodemae.errors import BarcodeMAEError


class Encoder(Protocol):
    """What every encoder offers.

    Attributes:
        fingerprint: changes with the weights, the tokenization and the pooling.
        settings: what the report says of it.
        corruptions: the kinds of `Corruption` that it knows.
        num_offsets: reading frames that differ for it (k of non-overlapping k-mers, else 1).
    """

    fingerprint: str
    settings: dict
    corruptions: tuple[str, ...]
    num_offsets: int

    def embed(
        self, sequences: Sequence[str], offset: int = 0, corruption: Corruption | None = None
    ) -> np.ndarray:
        """(n, dim); where frames differ, also with `starts=`: places (n,) of first nucleotides."""
        ...


def load_encoder(
    spec: str,
    device: str | None = None,
    batch_size: int = 64,
    seed: int = 0,
    trust_remote_code: bool = False,
) -> Encoder:
    """Make the encoder that `spec` names.

    `kmer:K`; `untrained`, `untrained:PRESET` or `untrained:DIR`; a baseline of `baselines.yaml` by
    name or Hub id; a BarcodeMAE checkpoint directory or Hub id, after `cls:` pooled by its [CLS];
    any other transformers encoder.

    Raises:
        BarcodeMAEError: it cannot be had; the message says what is missing.
    """
    kind, _, detail = spec.partition(":")
    if kind == "kmer":
        from barcodemae.encoders.kmer_frequencies import KmerFrequencies

        return KmerFrequencies(int(detail) if detail.isdecimal() else 0)
    from barcodemae.encoders.embedder import Embedder
    from barcodemae.encoders.huggingface import Entry, HuggingFaceEncoder, known_entries
    from barcodemae.encoders.pretrained import BarcodeMAEEncoder

    if kind == "untrained":
        return BarcodeMAEEncoder.untrained(detail or "barcodemae-k6", device, batch_size, seed)
    if kind == "cls":
        embedder = Embedder.from_pretrained(detail, device, pooling="cls")
        return BarcodeMAEEncoder(embedder, batch_size, detail)
    entry = known_entries().get(spec)
    if entry is None and model_type(spec) == "barcodemae":
        return BarcodeMAEEncoder(Embedder.from_pretrained(spec, device), batch_size, spec)
    if entry is None:
        entry = Entry(name=spec, id=spec, remote_code=trust_remote_code)
    return HuggingFaceEncoder(entry, device, batch_size)


def model_type(spec: str) -> str | None:
    """`model_type` of a directory's or a Hub repository's config.json.

    Raises:
        BarcodeMAEError: there is none.
    """
    from transformers import PretrainedConfig

    path = Path(spec)
    if path.exists() and not (path / "config.json").is_file():
        raise BarcodeMAEError(
            f"{spec}: not a checkpoint directory (it has no config.json). Give the directory that "
            "pretraining wrote, for example OUTPUT_DIR/best."
        )
    try:
        config, _ = PretrainedConfig.get_config_dict(spec)
    except (OSError, json.JSONDecodeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BarcodeMAEError(f"{spec} cannot be loaded: {reason}") from error
    return config.get("model_type")
