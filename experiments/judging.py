"""What a finished run is worth: the tasks of `barcodemae.evaluation`, one after another."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import torch

from barcodemae.encoders.embedder import usable_device
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import evaluator
from barcodemae.evaluation.aligners import is_aligner
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.settings import Settings
from barcodemae.evaluation.splits import Barcodes
from barcodemae.evaluation.tasks.harmonic_mean import harmonic_means
from barcodemae.identification.transforms import parse_variants
from barcodemae.store import Store
from experiments.saved_embeddings import SavedEmbeddings, save_embeddings
from experiments.work import Work

CLUSTERING, SPECIES = "bin-clustering", "species-probe"
_WARM_UP = 64  # barcodes


def can_cluster() -> bool:
    return importlib.util.find_spec("umap") is not None


class Judge:
    """Judges runs on the same barcodes by the same protocol.

    Args:
        data: files with labelled barcodes and splits.
        settings: the protocol; its split `seen` is named at the rank of species, too.
        device: cpu, cuda, ...; None: what there is.
        folder: for embeddings/, which is kept, and cache/, which is not.
    """

    def __init__(self, data: Sequence[str], settings: Settings, device: str | None, folder: Path):
        self.data = data
        self.settings = settings
        self.device = device
        self.folder = folder

    @cached_property
    def barcodes(self) -> Barcodes:
        """All splits of the protocol, read once."""
        return Barcodes.read(self.data, self.settings.splits([CLUSTERING, "linear-probe"]))

    def check(self) -> None:
        """Read the barcodes and look at them, before any hour is spent.

        Raises:
            BarcodeMAEError: a file or a split is missing, or a split lacks labels.
        """
        genus, species = self._contexts(Store(self.cache("check")))
        evaluator.check(["genus-probe"], [], species)
        evaluator.check(["genus-probe", *([CLUSTERING] if can_cluster() else [])], [], genus)

    def digests(self) -> dict[str, str]:
        """SHA-256 of each split's nucleotides: figures compare where these agree."""
        splits = self.barcodes.table["split"].unique()
        return {split: self.barcodes.get(split).digest for split in splits}

    def embeddings(self, key: str) -> Path:
        return self.folder / "embeddings" / f"{key}.npz"

    def cache(self, key: str) -> Path:
        return self.folder / "cache" / key

    def judge(self, work: Work) -> Iterator[Callable[[], dict]]:
        """Yield the tasks, but for the clustering; what was found before is not redone.

        Yields:
            functions that give parts of the run's line in the results, a list to be joined to what
            stands there; they raise BarcodeMAEError where a task cannot be done.

        Raises:
            BarcodeMAEError: the model cannot be had, or a program is missing.
        """
        run = work.run
        genus, species = self._contexts(Store(self.cache(work.key)))
        rows, _ = evaluator.load_rows(
            [f"{run.name}={work.model}"],
            parse_variants(run.variants),
            device=self.device,
            batch_size=512 if self._on_gpu else 64,
            seed=work.seed,
            threads=os.cpu_count() or 1,
            trust_remote_code=False,
        )
        yield lambda: {"model": rows[0].settings, "device": self._device_name}
        if rows[0].encoder:
            yield lambda: {"embedding_barcodes_per_second": self._speed(rows[0], genus)}
        if "genus-probe" in run.tasks:
            # With what is right, runs can be compared query by query.
            yield lambda: {**self._run("genus-probe", rows, genus), "right": genus.right}
        if SPECIES in run.tasks:
            yield lambda: self._run("genus-probe", rows[:1], species)
        if CLUSTERING in run.tasks:
            yield lambda: self._save_embeddings(work.key, rows[0], genus)
        if "robustness" in run.tasks:
            yield lambda: self._run("robustness", rows[:1], genus)

    def cluster(self, key: str, row: dict) -> list[dict]:
        """The clustering and the harmonic mean of a run from the embeddings that were saved.

        Args:
            key, row: the run's line in the results.
        """
        context = self._contexts(Store(self.cache(key)))[0]
        encoder = SavedEmbeddings(self.embeddings(key), context.clustering, row["model"]["encoder"])
        found = self._run(CLUSTERING, [Row(row["name"], encoder)], context)["records"]
        return found + harmonic_means(row["records"] + found)

    def _contexts(self, store: Store) -> tuple[Context, Context]:
        """For the protocol as it is, and for naming the species of the split `seen`."""
        species = dataclasses.replace(self.settings, query=self.settings.seen, rank="species")
        return tuple(
            Context(self.barcodes, settings, store, progress=False)
            for settings in (self.settings, species)
        )

    def _run(self, task: str, rows: list[Row], context: Context) -> dict:
        records, left_out = evaluator.run_tasks(rows, [task], context)
        for skipped in left_out:
            raise BarcodeMAEError(f"{task}: {skipped['reason']}")
        return {"records": records}

    def _save_embeddings(self, key: str, row: Row, context: Context) -> dict:
        vectors = context.embed(row, context.clustering).vectors
        save_embeddings(self.embeddings(key), vectors, context.clustering)
        return {}

    def _speed(self, row: Row, context: Context) -> float:
        """Barcodes of the reference embedded in a second, in fp32."""
        row.encoder.embed(context.reference.sequences[:_WARM_UP])
        return len(context.reference) / context.embed(row, context.reference).wall_seconds

    @property
    def _on_gpu(self) -> bool:
        return self._torch_device.type == "cuda"

    @property
    def _torch_device(self) -> torch.device:
        return usable_device(self.device)

    @property
    def _device_name(self) -> str:
        return torch.cuda.get_device_name() if self._on_gpu else "cpu"


def needs_clustering(work: Work, row: dict) -> bool:
    """Whether the clustering of a run that was judged is still to be done."""
    done = any(record["task"] == CLUSTERING for record in row["records"])
    return CLUSTERING in work.run.tasks and not is_aligner(work.model) and not done
