"""What a training run over barcodes consists of, and what an objective has to say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence, Sized
from pathlib import Path

import datasets
import numpy as np
import torch
from accelerate.utils import set_seed
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from barcodemae import BarcodeMAEConfig
from barcodemae.data.reading import FIRST, MERGE, read_barcodes
from barcodemae.data.schemas import RANKS
from barcodemae.errors import BarcodeMAEError
from train.loop.arguments import LoopArguments
from train.loop.averaging import WeightAverage
from train.loop.barcodes import Draws, ShareOfDraws, hold_out
from train.loop.checkpoints import Checkpoints
from train.loop.deadline import Deadline
from train.loop.devices import make_accelerator, share_of_batch
from train.loop.optimization import make_optimizer, one_cycle
from train.loop.run_files import Progress, digest_of

Collator = Callable[[Sequence[tuple]], dict]


class RunSetup(ABC):
    """Everything that the loop over global steps needs, set up once.

    A subclass says which model learns, from which batches, by which loss, and how it is judged.

    Attributes:
        script: the name that messages go by.
        next_command: what to do with the model in `{best}`.
        measures: what `loss_of` sums up, by its name in the log, in groups that are summed over the
            same; the loss is the first.
        whole: barcodes are read as long as they are, since a grid finds their region; else they
            are cut at 660 nucleotides, as in the paper.
        fresh: barcodes of a step that an epoch is made of.
    """

    script: str
    next_command = "barcodemae embed QUERIES -o embeddings.parquet --model {best}"
    measures: tuple[tuple[str, ...], ...] = (("loss",),)
    whole = False

    def __init__(self, arguments: LoopArguments, config: BarcodeMAEConfig):
        self.arguments = arguments
        self.config = config
        self.deadline = Deadline(arguments.stop_after_minutes)
        self.accelerator = make_accelerator(arguments)
        self.output_dir = Path(arguments.output_dir)
        with self.accelerator.main_process_first():
            barcodes = self.read()
        self.content = self.digest(barcodes)
        self.global_batch = arguments.batch_size
        self.batch_size = share_of_batch(
            arguments.batch_size,
            arguments.gradient_accumulation_steps,
            self.accelerator.num_processes,
        )
        self.fresh = self.global_batch
        rows, held_out = self.hold_out(barcodes)
        self.training, self.validation = self.make_draws(barcodes, rows, held_out)
        self.steps_per_epoch = max(1, round(len(rows) / self.fresh))
        self.total_steps = arguments.max_steps or int(arguments.epochs * len(rows) / self.fresh)
        if self.total_steps < 1:
            raise BarcodeMAEError(
                f"{len(rows)} barcodes and {arguments.epochs} epochs do not fill one global batch "
                f"of {self.global_batch}: use a smaller --batch_size or more --epochs"
            )

        set_seed(arguments.seed)
        model = self.make_model()
        optimizer = self.make_optimizer(model)
        self.schedule = self.make_schedule(optimizer)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        # Dropout must differ between processes; the weights have been drawn alike.
        set_seed(arguments.seed, device_specific=True)
        self.progress = Progress()
        self.average = self.make_average()
        self.checkpoints = Checkpoints(
            self.output_dir / "checkpoints",
            self.accelerator,
            arguments.keep_checkpoints,
            plain={"schedule": self.schedule, "progress": self.progress},
            tensors={"average": self.average} if self.average else {},
        )

    def hold_out(self, barcodes: datasets.Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Rows for training and rows for validation."""
        return hold_out(len(barcodes), self.arguments.validation_share, self.arguments.seed)

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        """AdamW as in the paper."""
        arguments = self.arguments
        return make_optimizer(
            model.parameters(),
            arguments.base_learning_rate,
            self.global_batch,
            arguments.weight_decay,
        )

    def make_schedule(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        """OneCycle as in the paper."""
        return one_cycle(optimizer, self.total_steps)

    def make_average(self) -> WeightAverage | None:
        """The moving average of the weights that is judged and saved; None: they are themselves."""
        return None

    def read(self) -> Sized:
        """What `train_data` holds: barcodes, or what else draws are made of."""
        labelled = bool(getattr(self.arguments, "label_rank", ""))
        return read_barcodes(
            self.arguments.train_data,
            split=self.arguments.split or None,
            phylum=self.arguments.phylum or None,
            min_length=self.arguments.min_length or None,
            whole=self.whole,
            # Of equal barcodes the first may lack the label that another has.
            repeats=MERGE if labelled else FIRST,
            labels_matter=labelled,
            ids="keep",
            degap=self.arguments.degap,
            on_error=self.arguments.on_error,
            progress=self.accelerator.is_main_process,
        )

    def digest(self, barcodes) -> str:
        """Of what `read` gave: a run goes on with the same alone."""
        columns = ["nucleotides"]
        if getattr(self.arguments, "label_rank", ""):
            columns += RANKS
        return digest_of(barcodes.data.select(columns).table)

    def make_draws(
        self, barcodes: datasets.Dataset, rows: np.ndarray, held_out: np.ndarray
    ) -> tuple[Draws, Draws]:
        """What training and what validation draws from."""
        return Draws(barcodes, rows, self.arguments.seed), Draws(barcodes, held_out, seed=None)

    @abstractmethod
    def make_model(self) -> torch.nn.Module:
        """The model, not yet on its device; random weights follow from the seed."""

    @abstractmethod
    def training_collator(self) -> Collator: ...

    @abstractmethod
    def validation_collator(self) -> Collator:
        """Draws from `len(self.validation)` on only fill up a batch and must not count."""

    @abstractmethod
    def count(self, batch: dict) -> torch.Tensor:
        """(groups,) what the measures of a batch are summed over."""

    @abstractmethod
    def loss_of(
        self, batch: dict, shares: torch.Tensor
    ) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        """The loss to descend, each group's sum divided by its share; the sum of each measure."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """How well the held-out barcodes do, `loss` among it, of every process together."""

    @abstractmethod
    def record_start(self) -> None:
        """Note in the metrics what the training is to be compared with."""

    def training_batches(self, first_step: int) -> DataLoader:
        accumulation = self.arguments.gradient_accumulation_steps
        batches = range(first_step * accumulation, self.total_steps * accumulation)
        accelerator, collator = self.accelerator, self.training_collator()
        share = accelerator.process_index, accelerator.num_processes
        return self._loader(self.training, batches, collator, *share)

    def validation_batches(self) -> DataLoader:
        """This process's share of the held-out barcodes."""
        return self._held_out(self.accelerator.process_index, self.accelerator.num_processes)

    def all_validation_batches(self) -> DataLoader:
        """All held-out barcodes, for what one process works out alone."""
        return self._held_out(0, 1)

    def _held_out(self, process: int, processes: int) -> DataLoader:
        batches = range(-(-len(self.validation) // (self.batch_size * processes)))
        collator = self.validation_collator()
        return self._loader(self.validation, batches, collator, process, processes)

    def _loader(
        self, draws: Draws, batches: range, collator: Collator, process: int, processes: int
    ) -> DataLoader:
        return DataLoader(
            draws,
            batch_sampler=ShareOfDraws(batches, self.batch_size, process, processes),
            collate_fn=collator,
            num_workers=self.arguments.num_workers,
            pin_memory=self.accelerator.device.type == "cuda",
            # Workers seed themselves from this; unset, it would advance the generator of dropout.
            generator=torch.Generator().manual_seed(self.arguments.seed),
        )
