"""A run over laid barcodes: masked k-mers, contrast between taxa, or both at once."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import numpy as np
import torch
from accelerate.utils import DistributedType
from torch.optim.lr_scheduler import LRScheduler

from barcodemae import BarcodeMAEConfig, BarcodeMAEForMaskedLM, BarcodeMAEModel
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED
from barcodemae.loading import config_at, load_whole
from train.contrast.collator import ContrastCollator, LaidMasking
from train.contrast.laid import LaidBarcodes, LaidDraws, grid_of
from train.contrast.model import Contrasted
from train.contrast.nearest import NearestNeighbours
from train.contrast.start import (
    begin_at_means,
    centre,
    quieten,
    read_discriminants,
    read_nucleotides,
)
from train.contrast.substitutions import Substitutions
from train.contrast.taxa import ContrastDraws, hold_out_species
from train.contrast.views import Views
from train.loop.arguments import PretrainArguments
from train.loop.averaging import WeightAverage
from train.loop.held_out import loss_and_accuracy
from train.loop.optimization import cosine, make_optimizer, matrices_apart
from train.loop.overrides import make_config
from train.loop.setup import Collator
from train.loop.training_run import TrainingRun
from train.masked_lm.labelled import taxa_of_rows
from train.masked_lm.taxon_head import warmed_up
from train.masked_lm.validation import correct_masked_tokens

VALIDATION_SEED = 20_250_218  # fixed: the same masks in every validation of every run
_FOR_CENTRE = 2_000  # barcodes


class Contrasting(TrainingRun):
    """Learns from laid barcodes to name masked k-mers, to bring taxa together, or both."""

    script = "train.pretrain"
    whole = True

    def __init__(self, arguments: PretrainArguments):
        self.masked, self.contrasts = arguments.masked_weight > 0, bool(arguments.label_rank)
        rank = f"{arguments.label_rank}_" if self.masked else ""
        measures = [("loss", "accuracy")] if self.masked else []
        if arguments.start == "discriminants" and not self.contrasts:
            raise BarcodeMAEError("--start discriminants needs labels: give --label_rank, too")
        if self.contrasts:
            measures.append((f"{rank}loss", f"{rank}accuracy"))
            also = ["species"] * bool(arguments.species_weight)
            also += [f"{name}_proxy" for name in arguments.proxy_weights]
            measures += [(f"{name}_loss", f"{name}_accuracy") for name in also]
        self.measures = tuple(measures)
        super().__init__(arguments, config_of(arguments))

    def hold_out(self, barcodes: datasets.Dataset) -> tuple[np.ndarray, np.ndarray]:
        arguments = self.arguments
        self.grid = grid_of(arguments.grid) if self.config.pooling == "sites" else None
        self.laid = self.lay(barcodes)
        self.laid.tell(self.accelerator.print)
        rows = np.flatnonzero(self.laid.fits)
        rank = arguments.label_rank or "genus"
        return hold_out_species(barcodes, rows, rank, arguments.validation_share, arguments.seed)

    def lay(self, barcodes: datasets.Dataset) -> LaidBarcodes:
        return LaidBarcodes(barcodes, self.grid, self.config.kmer_size)

    def make_draws(
        self, barcodes: datasets.Dataset, rows: np.ndarray, held_out: np.ndarray
    ) -> tuple[LaidDraws, LaidDraws]:
        arguments = self.arguments
        validation = LaidDraws(barcodes, self.laid, held_out, seed=None)
        if not self.contrasts:
            return LaidDraws(barcodes, self.laid, rows, arguments.seed), validation
        training = ContrastDraws(barcodes, self.laid, rows, arguments, self.batch_size)
        self.fresh = training.fresh or self.global_batch
        taxa = taxa_of_rows(barcodes, np.arange(len(barcodes)), arguments.label_rank)
        self.neighbours = NearestNeighbours(
            self.laid.codes, taxa, rows, held_out, self.config.kmer_size, arguments.seed
        )
        self.neighbours.tell(self.accelerator.print, arguments.label_rank)
        return training, validation

    def make_model(self) -> Contrasted:
        kind = BarcodeMAEForMaskedLM if self.masked else BarcodeMAEModel
        arguments = self.arguments
        if arguments.model:
            inner = load_whole(kind, arguments.model, config=self.config, dtype=torch.float32)
        else:
            inner = kind(self.config)
        named = self.training.named if self.contrasts else {}
        model = Contrasted(
            inner,
            arguments.temperature,
            self.grid,
            with_species=arguments.species_weight > 0,
            proxies={rank: int(taxa.max(initial=0)) + 1 for rank, taxa in named.items()},
        )
        if model.encoder.site_pooling is not None:
            if not arguments.model:
                self._start(model)
            # Without contrast nothing is learned from embeddings.
            model.encoder.site_pooling.requires_grad_(self.contrasts)
        half = arguments.mixed_precision == "bf16"
        if half and self.accelerator.device.type == "cpu":
            # There the gradient of the fused attention takes three times as long.
            inner.set_attn_implementation("eager")
        return model

    def make_optimizer(self, model: Contrasted) -> torch.optim.Optimizer:
        """AdamW that follows the gradients' size sooner, and lets biases and centres be."""
        arguments = self.arguments
        return make_optimizer(
            matrices_apart(model, arguments.weight_decay),
            arguments.base_learning_rate,
            self.global_batch,
            arguments.weight_decay,
            betas=(0.9, 0.98),
        )

    def make_schedule(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        return cosine(optimizer, self.total_steps, self.arguments.warm_up_steps)

    def make_average(self) -> WeightAverage | None:
        if not self.arguments.average:
            return None
        if self.accelerator.distributed_type == DistributedType.FSDP:
            raise BarcodeMAEError("--average: not with FSDP, where a process has parts of weights")
        return WeightAverage(self.model, self.arguments.average)

    def _start(self, model: Contrasted) -> None:
        """Weights to begin with that follow from the barcodes."""
        encoder, rows, some = model.encoder, self.training.rows, self._some_codes()
        if self.arguments.start == "random":
            centre(encoder, some)
        else:
            quieten(encoder)
            read_nucleotides(encoder, some)
            rows = rows[self.training.taxa[rows] != IGNORED]
            taxa, codes = self.training.taxa[rows], self.laid.codes[rows]
            embeddings = read_discriminants(encoder, codes, taxa)
            for rank, proxies in model.proxies.items():
                begin_at_means(proxies, embeddings, self.training.named[rank][rows])

    def _some_codes(self) -> np.ndarray:
        """Barcodes for training, enough of them to tell what is usual at each place."""
        rows = self.training.rows
        return self.laid.codes[rows[:: -(-len(rows) // _FOR_CENTRE)]]

    def training_collator(self) -> Collator:
        arguments, k = self.arguments, self.config.kmer_size
        windows = {
            "window_share": arguments.window_share,
            "window_between": tuple(arguments.window_between),
        }
        masking = LaidMasking(
            k,
            arguments.mask_ratio_between or self.config.mask_ratio,
            arguments.seed,
            replace=arguments.replace,
            global_batch=self.global_batch,
            views=Views(k, arguments.seed, **windows),
        )
        if not self.contrasts:
            return _Masked(masking)
        changes = {"drop": arguments.drop, "noise": arguments.noise}
        if arguments.evolve:
            draws = self.training
            found = Substitutions.between_species(
                self.laid.codes, draws.members, draws.species, arguments.seed
            )
            changes |= {"evolve": arguments.evolve, "substitutions": found}
        views = Views(k, arguments.seed, **windows, **changes)
        return ContrastCollator(views, masking if self.masked else None)

    def validation_collator(self) -> Collator:
        k, end = self.config.kmer_size, len(self.validation)
        masking = LaidMasking(
            k, self.config.mask_ratio, VALIDATION_SEED, end=end, views=Views(k, VALIDATION_SEED)
        )
        return _Masked(masking)

    def count(self, batch: dict) -> torch.Tensor:
        """Masked k-mers, and what `ContrastCollator` calls anchors of each term."""
        counts = []
        if self.masked:
            counts.append((batch["masked"]["labels"] != -100).sum())
        if self.contrasts:
            taxa, species, *named = batch["anchors"]
            counts += [taxa, *([species] * bool(self.arguments.species_weight)), *named]
        return torch.stack(counts)

    def loss_of(
        self, batch: dict, shares: torch.Tensor
    ) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        loss, sums = 0.0, []
        if self.masked:
            batch = {**batch, "masked": {**batch["masked"], "num_items_in_batch": shares[0]}}
        output = self.model(**batch)
        if self.masked:
            loss = self.arguments.masked_weight * output.masked.loss
            correct = correct_masked_tokens(output.masked, batch["masked"]["labels"])
            sums += [output.masked.loss * shares[0], correct]
        if self.contrasts:
            terms = zip(output.terms, self._label_weights(), shares[self.masked :], strict=True)
            for (term, right), weight, share in terms:
                loss = loss + weight * term / share
                sums += [term, right]
        return loss, sums

    def _label_weights(self) -> list[float]:
        """Of each term."""
        arguments = self.arguments
        warm_up_steps = arguments.label_warm_up_epochs * len(self.training) / self.fresh
        step = self.schedule.last_epoch
        weights = [arguments.label_weight, arguments.species_weight]
        weights = [weight for weight in weights if weight] + [*arguments.proxy_weights.values()]
        return [warmed_up(weight, step, warm_up_steps) for weight in weights]

    def validate(self) -> dict[str, float]:
        """`loss`: of the masked k-mers; with contrast the share of wrong nearest neighbours."""
        found = {}
        if self.masked:
            found = self._masked_kmers()
        if self.contrasts:
            model = self.accelerator.unwrap_model(self.model)
            with self.accelerator.autocast():
                accuracy = self.neighbours.accuracy(model.encoder)
            found = {f"masked_{name}": value for name, value in found.items()}
            found |= {"loss": 1 - accuracy, f"{self.arguments.label_rank}_accuracy": accuracy}
        return found

    def _masked_kmers(self) -> dict[str, float]:
        def judged(batch: dict) -> tuple[torch.Tensor, ...]:
            given = batch["masked"]
            output = self.model(masked={**given, "num_items_in_batch": 1}).masked
            return output.loss, correct_masked_tokens(output, given["labels"]), given["labels"]

        return loss_and_accuracy(self.model, self.validation_batches(), self.accelerator, judged)

    def _identity(self) -> dict:
        # Barcodes are contrasted with those of their own process's batch.
        contrasted = {"contrasted_together": self.batch_size} if self.contrasts else {}
        return {**super()._identity(), **contrasted}

    def _save(self, name: str, step: int) -> None:
        encoder = self.accelerator.unwrap_model(self.model).encoder
        if encoder.site_pooling is not None and not self.contrasts:
            # Nothing has learned the centre, and the states have moved away from it.
            centre(encoder, self._some_codes())
        super()._save(name, step)

    def record_start(self) -> None:
        """The validation of the model that has learned nothing yet."""
        start = self.validate()
        self.metrics.write(0, **{f"validation_{name}": value for name, value in start.items()})


def config_of(arguments: PretrainArguments) -> BarcodeMAEConfig:
    """That of the checkpoint to begin with, or else of the preset."""
    if not arguments.model:
        return make_config(arguments)
    if arguments.model_overrides:
        raise BarcodeMAEError(
            "--model_overrides are for a new model, not for --model; where a configuration file "
            'has them, give --model_overrides ""'
        )
    return config_at(arguments.model)


class _Masked:
    """What `masking` makes of draws, where `Contrasted` looks for it."""

    def __init__(self, masking: LaidMasking):
        self.masking = masking

    def __call__(self, items: Sequence[tuple]) -> dict:
        return {"masked": self.masking([item[:2] for item in items])}
