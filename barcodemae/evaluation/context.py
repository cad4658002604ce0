"""What every task of an evaluation shares: barcodes, embeddings, the store."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
from scipy import sparse
from tqdm import tqdm

from barcodemae.encoders import Encoder
from barcodemae.encoders.corruption import Corruption
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.aligners import Aligner
from barcodemae.evaluation.settings import Settings
from barcodemae.evaluation.splits import Barcodes, BarcodeSet, digest, whole_of
from barcodemae.identification import transforms
from barcodemae.identification.placement import Placement
from barcodemae.store import Stopwatch, Store, content_key

_SHARD = 8192  # barcodes embedded between two writes


@dataclass(frozen=True)
class Row:
    """A line of the tables: an encoder or an aligner, under inference options.

    Attributes:
        model: its name in the tables.
        encoder, aligner: one of them.
        variant: inference options, see `transforms`.
    """

    model: str
    encoder: Encoder | None = None
    aligner: Aligner | None = None
    variant: tuple[str, ...] = ()

    @property
    def settings(self) -> dict:
        return {**(self.encoder or self.aligner).settings, **self.options}

    @property
    def options(self) -> dict:
        """Its inference options, and whether they are fitted on the reference's labels."""
        supervised = transforms.is_supervised(self.variant)
        return {"inference": list(self.variant), "supervised": supervised}

    @property
    def fingerprint(self) -> str:
        return content_key(
            of=(self.encoder or self.aligner).fingerprint, variant=list(self.variant)
        )


@dataclass
class Embedded:
    """Embeddings (n, dim), dense or CSR, and the time that making them took."""

    vectors: np.ndarray | sparse.csr_matrix
    wall_seconds: float
    cpu_seconds: float


@dataclass
class Context:
    """Barcodes, settings and store of one evaluation."""

    barcodes: Barcodes
    settings: Settings
    store: Store
    progress: bool = True
    warnings: list[str] = field(default_factory=list)
    points: dict[str, dict] = field(default_factory=dict)  # of the t-SNE picture, by model
    right: dict[str, str] = field(default_factory=dict)  # queries, see `comparison`; by model
    queries: dict[str, list[int]] = field(default_factory=dict)  # codes of their species and taxa

    @cached_property
    def reference(self) -> BarcodeSet:
        return self.barcodes.get(self.settings.reference)

    @cached_property
    def query(self) -> BarcodeSet:
        return self.barcodes.get(self.settings.query)

    @cached_property
    def clustering(self) -> BarcodeSet:
        return self.barcodes.get(self.settings.clustering)

    @cached_property
    def seen(self) -> BarcodeSet:
        return self.barcodes.get(self.settings.seen)

    @cached_property
    def placement(self) -> Placement:
        """Fitted on the reference set."""
        return Placement(self.reference.sequences)

    def embed(
        self, row: Row, barcodes: BarcodeSet, corruption: Corruption | None = None
    ) -> Embedded:
        """Embed a set, shard by shard through the store; no transform is applied yet."""
        if corruption and transforms.ALIGNED in row.variant:
            raise BarcodeMAEError("robustness is not measured with the option `aligned`")
        offsets = range(row.encoder.num_offsets if transforms.OFFSETS in row.variant else 1)
        sums = [self._embed_at(row, barcodes, offset, corruption) for offset in offsets]
        mean = sum(embedded.vectors for embedded in sums) / len(sums)
        return Embedded(
            mean if len(sums) > 1 else sums[0].vectors,
            sum(embedded.wall_seconds for embedded in sums),
            sum(embedded.cpu_seconds for embedded in sums),
        )

    def fingerprint(self, row: Row) -> str:
        """Changes with all that a row's vectors depend on: its model, and what it is fitted on."""
        fitted = set(row.variant) - {transforms.OFFSETS}
        rank, reference = self.settings.rank, self.reference
        labels = [rank, digest(reference.labels(rank))] if transforms.is_supervised(fitted) else []
        return content_key(
            row=row.fingerprint, reference=[reference.content, *labels] if fitted else None
        )

    def transform_of(self, row: Row) -> transforms.Transform:
        """The row's inference options, fitted on the reference set alone."""
        if not set(row.variant) - set(transforms.FRAMES):
            return lambda vectors: vectors
        labels = self.reference.labels(self.settings.rank)
        vectors = self.embed(row, self.reference).vectors
        return transforms.fit(row.variant, vectors, labels, self.settings.seed)

    def _embed_at(
        self, row: Row, barcodes: BarcodeSet, offset: int, corruption: Corruption | None
    ) -> Embedded:
        shards = []
        with tqdm(
            desc=f"{row.model}: embedding {barcodes.name}",
            total=len(barcodes),
            unit="barcode",
            delay=2,
            disable=not self.progress,
        ) as bar:
            # By splits, so that sets which share a split share its embeddings.
            for _, part in barcodes.table.groupby("split", sort=False):
                for start in range(0, len(part), _SHARD):
                    some, more = part.iloc[start : start + _SHARD], {}
                    sequences = some["nucleotides"].tolist()
                    if row.encoder.finds_region:
                        sequences = whole_of(some)
                    elif transforms.ALIGNED in row.variant:
                        sequences, more["starts"] = self.placement.align(sequences)
                    shards.append(self._shard(row.encoder, sequences, offset, corruption, **more))
                    bar.update(len(sequences))
        stack = sparse.vstack if sparse.issparse(shards[0].vectors) else np.concatenate
        return Embedded(
            stack([shard.vectors for shard in shards]),
            sum(shard.wall_seconds for shard in shards),
            sum(shard.cpu_seconds for shard in shards),
        )

    def _shard(self, encoder: Encoder, sequences, offset, corruption, **more) -> Embedded:
        key = content_key(
            encoder=encoder.fingerprint,
            sequences=digest(sequences),
            offset=offset,
            corruption=asdict(corruption) if corruption else None,
            **{name: values.tolist() for name, values in more.items()},
        )

        def compute() -> dict[str, np.ndarray]:
            watch = Stopwatch()
            vectors = encoder.embed(sequences, offset, corruption, **more)
            return {**_pack(vectors), "seconds": np.array(watch.read())}

        arrays = self.store.arrays(key, compute)
        return Embedded(_unpack(arrays), *arrays["seconds"].tolist())


def _pack(vectors) -> dict[str, np.ndarray]:
    if not sparse.issparse(vectors):
        return {"vectors": vectors}
    csr = sparse.csr_matrix(vectors)
    shape = np.array(csr.shape)
    return {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr, "shape": shape}


def _unpack(arrays: dict[str, np.ndarray]):
    if "vectors" in arrays:
        return arrays["vectors"]
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    return sparse.csr_matrix(parts, shape=tuple(arrays["shape"]))
