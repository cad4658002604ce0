"""Naming barcodes by a reference library: the taxon of the nearest references, at each rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
from scipy import sparse
from tqdm import tqdm

from barcodemae.data import RANKS
from barcodemae.encoders import Encoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import transforms
from barcodemae.identification.neighbours import nearest, vote
from barcodemae.identification.placement import Placement
from barcodemae.outputs import whole_tsv

COLUMNS = ("id", "rank", "taxon", "similarity", "votes", "nearest")
_PIECE = 4096  # barcodes embedded and searched at a time


@dataclass
class Names:
    """What the nearest references of n barcodes say, at one rank.

    Attributes:
        taxa: (n,) names; "" where the barcode has no real k-mer.
        similarities: (n,) cosine of the nearest reference that is labelled at the rank.
        votes: (n,) share of the neighbours' similarities that speaks for the taxon.
        nearest: (n,) ids of the nearest references; "" where there is no taxon.
    """

    taxa: np.ndarray
    similarities: np.ndarray
    votes: np.ndarray
    nearest: np.ndarray


class ReferenceLibrary:
    """Labelled barcodes, embedded and ready to be searched.

    Args:
        encoder: any that `barcodemae.encoders` makes.
        barcodes: canonical columns; a reference counts at the ranks where it has a label.
        ranks: to name, coarse to fine.
        inference: options of `barcodemae.identification.transforms`, fitted on the references;
            discriminants are those of the last of `ranks`.

    Raises:
        BarcodeMAEError: no reference is labelled at a rank, or the encoder knows no frames and the
            references are to be aligned.
    """

    def __init__(
        self,
        encoder: Encoder,
        barcodes: datasets.Dataset,
        ranks: Sequence[str],
        inference: Sequence[str] = (),
        progress: bool = True,
    ):
        self.encoder = encoder
        self.inference = tuple(inference)
        self.progress = progress
        if transforms.ALIGNED in self.inference and not encoder.knows_frames:
            raise BarcodeMAEError(
                f"{encoder.settings['encoder']}: barcodes cannot be aligned for this model, which "
                "is given no frame. Leave the option `aligned` out."
            )
        self.ids = np.array(barcodes["processid"][:], dtype=object)
        self.labels = {rank: _labels(barcodes, rank) for rank in ranks}
        sequences = barcodes["nucleotides"][:]
        aligned = transforms.ALIGNED in self.inference
        self._placement = Placement(sequences) if aligned else None
        vectors = self._embed(sequences, "embedding the references")
        finest = self.labels[ranks[-1]]
        self._transform = transforms.fit(self.inference, vectors, finest)
        self._vectors = self._transform(vectors)

    def name(self, sequences: Sequence[str], neighbours: int = 1) -> dict[str, Names]:
        """Name n barcodes at every rank, by a vote of the nearest `neighbours` references.

        Raises:
            BarcodeMAEError: there are fewer references than neighbours.
        """
        embedded = self._embed(sequences)
        readable = np.asarray(abs(embedded).sum(axis=1)).ravel() > 0
        query = self._transform(embedded)
        names, found = {}, {}
        for rank, labels in self.labels.items():
            known = np.flatnonzero(labels != "")
            if neighbours > len(known):
                raise BarcodeMAEError(
                    f"--neighbours {neighbours}: the library has {len(known)} references with a "
                    f"{rank}; give at most that many"
                )
            key = known.tobytes()
            if key not in found:  # most libraries are labelled at all ranks alike
                found[key] = nearest(self._vectors[known], query, neighbours)
            similarities, places = found[key]
            taxa, codes = np.unique(labels[known], return_inverse=True)
            winners, votes = vote(similarities, codes[places])
            names[rank] = Names(
                np.where(readable, taxa[winners], ""),
                np.where(readable, similarities[:, 0], 0),
                np.where(readable, votes, 0),
                np.where(readable, self.ids[known[places[:, 0]]], ""),
            )
        return names

    def _embed(self, sequences: Sequence[str], doing: str = ""):
        """(n, dim), dense or CSR, before the options that are fitted."""
        offsets = self.encoder.num_offsets if transforms.OFFSETS in self.inference else 1
        shown = bool(doing) and self.progress
        total, pieces = len(sequences) * offsets, []
        with tqdm(desc=doing, total=total, unit="barcode", delay=2, disable=not shown) as bar:
            for start in range(0, len(sequences), _PIECE):
                piece, more = sequences[start : start + _PIECE], {}
                if self._placement is not None:
                    piece, more["starts"] = self._placement.align(piece)
                embedded = 0
                for offset in range(offsets):
                    embedded = embedded + self.encoder.embed(piece, offset, **more)
                    bar.update(len(piece))
                pieces.append(embedded / offsets)
        return sparse.vstack(pieces) if sparse.issparse(pieces[0]) else np.concatenate(pieces)


def write_names(
    output: Path,
    library: ReferenceLibrary,
    barcodes: datasets.Dataset,
    neighbours: int = 1,
    progress: bool = True,
) -> None:
    """Write a TSV with the columns `COLUMNS`: a row for each barcode and rank, coarse to fine.

    Raises:
        BarcodeMAEError: `output` cannot be written, or as `ReferenceLibrary.name`.
    """
    with (
        whole_tsv(Path(output), COLUMNS) as write,
        tqdm(total=len(barcodes), unit="barcode", delay=2, disable=not progress) as bar,
    ):
        for rows in barcodes.select_columns(["processid", "nucleotides"]).iter(_PIECE):
            names = library.name(rows["nucleotides"], neighbours)
            write(_rows(rows["processid"], names))
            bar.update(len(rows["processid"]))


def _rows(ids: Sequence[str], names: dict[str, Names]) -> Iterator[tuple]:
    for row, name in enumerate(ids):
        for rank, found in names.items():
            numbers = f"{found.similarities[row]:.4f}", f"{found.votes[row]:.4f}"
            yield name, rank, found.taxa[row], *numbers, found.nearest[row]


def _labels(barcodes: datasets.Dataset, rank: str) -> np.ndarray:
    """(m,) taxa, "" where missing."""
    if rank not in RANKS:
        raise BarcodeMAEError(f"{rank}: no such rank; ranks: {', '.join(RANKS)}")
    labels = np.array([label or "" for label in barcodes[rank][:]], dtype=object)
    if not (labels != "").any():
        raise BarcodeMAEError(
            f"the reference library: no barcode has a {rank}. Give a table with a column of that "
            "name (FASTA holds none), or other --ranks"
        )
    return labels
