"""Edit tags from an ENBED that was trained to undo sequencing errors in barcodes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from barcodemae.checking.tags import LABELS
from barcodemae.errors import BarcodeMAEError
from barcodemae.loading import family_at, load_whole
from enbed import EnbedConfig, EnbedForTokenClassification
from enbed.tokenization_enbed import END, ID_OF_CODE
from grid_barcodemae import UNKNOWN

logger = logging.getLogger(__name__)

WIDTH = 704  # tokens: the grid, a few extra nucleotides, </s>


def tokenize(
    barcodes: Sequence[np.ndarray], starts: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Codes of n barcodes -> ids (n, WIDTH), each nucleotide at its place on the grid.

    N stands before the start (which is at least 0). What does not fit is left out: the second
    answer, (n,), says how many nucleotides are in.
    """
    ids = np.zeros((len(barcodes), WIDTH), dtype=np.int64)
    kept = np.zeros(len(barcodes), dtype=np.int64)
    for row, (codes, start) in enumerate(zip(barcodes, starts, strict=True)):
        kept[row] = end = min(len(codes), WIDTH - start - 1)
        ids[row, :start] = ID_OF_CODE[UNKNOWN]
        ids[row, start : start + end] = ID_OF_CODE[codes[:end]]
        ids[row, start + end] = END
    return ids, kept


class Tagger:
    """A trained ENBED, and how probable it finds each edit.

    Attributes:
        least_to_flag, least_to_edit: probabilities from which a tag alone is told, and obeyed.
        least_to_mend: the same for one that says which nucleotide it is that the profile finds
            extra or missing. All three stand in the config, chosen after training; without them no
            tag counts.
        speaks_alone: whether a tag counts where the profile finds nothing.

    Raises:
        BarcodeMAEError: the directory holds no ENBED with edit tags.
    """

    def __init__(self, directory: str | Path, batch_size: int = 32):
        family = family_at(directory)
        if family.config_class is not EnbedConfig:
            raise BarcodeMAEError(f"{directory}: holds a {family.name}; --tags needs an ENBED")
        config = EnbedConfig.from_pretrained(directory)
        labels = tuple(name for _, name in sorted((config.id2label or {}).items()))
        if labels != LABELS or config.learned_positions < WIDTH:
            raise BarcodeMAEError(
                f"{directory}: not an ENBED that was trained on sequencing errors; give one made "
                "by train.pretrain --config train/configs/enbed-edits.yaml"
            )
        self.model = load_whole(EnbedForTokenClassification, directory).eval()
        self.least_to_flag = getattr(config, "least_to_flag", 1.0)
        self.least_to_edit = getattr(config, "least_to_edit", 1.0)
        self.least_to_mend = getattr(config, "least_to_mend", 1.0)
        if min(self.least_to_flag, self.least_to_edit, self.least_to_mend) >= 1:
            logger.warning(
                "%s: its config.json has no least_to_mend, so none of its tags counts. Set it to "
                "the probability from which one is believed (0.6 in the shipped model)",
                directory,
            )
        self.speaks_alone = min(self.least_to_flag, self.least_to_edit) < 1
        self.batch_size = batch_size

    @torch.inference_mode()
    def tag(self, barcodes: Sequence[np.ndarray], starts: Sequence[int]) -> list[np.ndarray]:
        """Probabilities (nucleotides + 1, 10) of each tag, for n barcodes of codes.

        A start before the grid cuts the barcode, and what lies after the grid falls off; there,
        to keep is certain.
        """
        found = []
        for first in range(0, len(barcodes), self.batch_size):
            part = slice(first, first + self.batch_size)
            some = [c[max(-s, 0) :] for c, s in zip(barcodes[part], starts[part], strict=True)]
            ids, kept = tokenize(some, [max(start, 0) for start in starts[part]])
            tokens = torch.from_numpy(ids)
            logits = self.model(tokens, attention_mask=(tokens != 0).long()).logits
            probabilities = logits.float().softmax(-1).numpy()
            for row, (codes, start) in enumerate(zip(barcodes[part], starts[part], strict=True)):
                tags = np.zeros((len(codes) + 1, len(LABELS)), dtype=np.float32)
                tags[:, 0] = 1
                front, begin = max(-start, 0), max(start, 0)
                if kept[row] > 0:
                    inside = probabilities[row, begin : begin + kept[row] + 1]
                    tags[front : front + len(inside)] = inside
                found.append(tags)
        return found
