"""Fine-tune a BarcodeMAE: to name taxa, or to bring barcodes of a taxon together.

    accelerate launch --quiet -m train.finetune --config train/configs/finetune.yaml \
        --model runs/barcodemae-k6/best --train_data barcodes.csv --output_dir runs/species

The same command, given again, goes on where the run was stopped or killed. OUTPUT_DIR holds

    best/                 complete, calibrated model directory, for pipeline("text-classification")
                          and `barcodemae classify QUERIES --model OUTPUT_DIR/best -o calls.tsv`
    metrics.json          what it was learned from, and how well each split is named
    SPLIT/RANK/           per_class.csv, reliability.png and confusion.png (of a classifier)
    learning_curves.png, history.json (a logistic regression has none)
    arguments.json        what the run was started with
    checkpoints/          states to resume from

With --objective contrastive it trains an encoder as `train.pretrain` does, from labels alone: its
arguments, and what it writes, are those of that script.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from accelerate.utils import set_seed

from barcodemae import BarcodeMAEForSequenceClassification, BarcodeMAEModel
from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.calibration import best_temperature, confidence_thresholds, divide
from barcodemae.identification.classification import Classifier
from barcodemae.outputs import write_whole_text
from train.contrast.contrasting import Contrasting
from train.contrast.tuning import TuningArguments
from train.finetuning import curves as figures
from train.finetuning.finetune_arguments import FinetuneArguments
from train.finetuning.labels import (
    LabelledBarcodes,
    grow_lineages,
    label,
    read_splits,
    tell_imbalance,
)
from train.finetuning.models import make_encoder, with_heads
from train.finetuning.probe import cached_embeddings, fit_probe
from train.finetuning.split_reports import report_split
from train.finetuning.trainer import FinetuneTrainer
from train.loop.devices import make_accelerator
from train.loop.parsing import named_argument, parse_arguments
from train.loop.run_files import CONTENT, claimed, digest_of, save_model
from train.loop.script import errors_in_a_line


class Finetuning:
    """A run: its barcodes, their labels and a model with a head for each rank."""

    def __init__(self, arguments: FinetuneArguments):
        self.arguments = arguments
        self.output_dir = Path(arguments.output_dir)
        self.accelerator = make_accelerator(arguments)
        set_seed(arguments.seed)
        encoder = make_encoder(arguments)  # before the minutes that large tables take to be read
        with self.accelerator.main_process_first():
            splits = read_splits(arguments)
        self.content = digest_of(pd.concat(splits.values()))
        self.lineages = grow_lineages(splits[arguments.train_split], arguments)
        self.model = self.make_model(encoder)
        self.splits = {split: label(table, self.lineages, split) for split, table in splits.items()}
        self.training = self.splits.pop(arguments.train_split)
        self.training.seed = arguments.seed
        if arguments.random_offset and self.model.barcodemae.config.pooling == "sites":
            raise BarcodeMAEError(
                "--random_offset: a model on the grid has one frame; leave it out"
            )
        if arguments.random_offset:
            self.training.offset_below = self.model.config.kmer_size
        self.classes = tell_imbalance(self.training, self.lineages, arguments.balanced_sampling)

    def make_model(self, encoder: BarcodeMAEModel) -> BarcodeMAEForSequenceClassification:
        return with_heads(encoder, self.lineages)

    def make_trainer(self) -> FinetuneTrainer:
        return FinetuneTrainer(
            self.model, self.arguments, self.lineages, self.training, self.validation
        )

    def finish_model(self) -> None:
        """Make of the trained model the one to save."""
        self.model.classifier = self.model.classifier.merged()

    @property
    def validation(self) -> LabelledBarcodes:
        return self.splits[self.arguments.validation_split]

    def run(self) -> None:
        """Fit, report and save; or stop on the way, at `stop_after_minutes`."""
        identity = {**self.arguments.defines_the_run, CONTENT: self.content}
        with claimed(self.output_dir, identity, self.accelerator):
            self._run()

    def _run(self) -> None:
        start = time.perf_counter()
        if self.arguments.linear_probe:
            self._probe()
        elif not self._train():
            return
        seconds = round(time.perf_counter() - start, 1)
        record = {}
        if self.accelerator.is_main_process:
            record = {
                "seconds": seconds,
                "learning_curves": self.learning_curves,
                "classes": self.classes,
                **self.report(),
            }
            _write_json(self.output_dir / "metrics.json", record)
        save_model(
            self.output_dir / "best",
            self.accelerator,
            self.model,
            arguments=asdict(self.arguments),
            data={"train_data": self.arguments.train_data, "n_barcodes": len(self.training)},
            **record,
        )
        if self.accelerator.is_main_process:
            print(self._ending(record["metrics"]))

    def _ending(self, metrics: dict) -> str:
        """How well the validation split is named, where the model is, and what to run next."""
        split, best = self.arguments.validation_split, self.output_dir / "best"
        scores = ", ".join(
            f"{found['accuracy']:.1%} of {rank}"
            for rank, found in metrics[split].items()
            if "accuracy" in found
        )
        return (
            f"train.finetune: done. {scores} of {split} correctly classified by {best}. Next: "
            f"barcodemae classify QUERIES --model {best} -o calls.tsv"
        )

    def _probe(self) -> None:
        if self.accelerator.is_main_process:
            embedder = Embedder(self.model.barcodemae, self.accelerator.device)
            self.model.classifier, history = fit_probe(
                self.arguments.linear_probe,
                embedder,
                self.lineages,
                self.training,
                self.validation,
                self._cache,
            )
            self._write_history(history)

    def _train(self) -> bool:
        """Whether the end was reached."""
        if self.arguments.encoder == "frozen":
            self.model.barcodemae.requires_grad_(False)
        trainer = self.make_trainer()
        if not trainer.train_on():
            step = trainer.state.global_step
            reached = f"step {step} of {trainer.state.max_steps}, saved in "
            reached += str(trainer.states.path(step))
            trainer.stop_in_time.deadline.end(self.accelerator.print, reached)
            return False
        self.finish_model()
        if self.accelerator.is_main_process:
            self._write_history(trainer.state.log_history)
        return True

    def _write_history(self, history: list[dict]) -> None:
        if not history:
            self.learning_curves = "none: a logistic regression is solved as a whole, in no epochs"
            return
        self.learning_curves = "learning_curves.png"
        # The Trainer's states sort the entries' keys, and its last entry is of this start alone: a
        # resumed run writes the same file.
        history = [dict(sorted(each.items())) for each in history if "train_runtime" not in each]
        _write_json(self.output_dir / "history.json", history)
        figures.learning_curves(self.output_dir / self.learning_curves, history)

    def report(self) -> dict:
        """Calibrate the model, and tell how well it names each split."""
        model, arguments = self.model, self.arguments
        classifier = Classifier(model, self.accelerator.device)
        logits = {
            split: classifier.logits(
                cached_embeddings(classifier.embedder, barcodes.nucleotides, self._cache)
            )
            for split, barcodes in self.splits.items()
        }
        validation = logits[arguments.validation_split]
        temperature = best_temperature(validation, self.validation.labels[:, -1])
        divide(model.classifier, temperature)
        logits = {split: of_split / temperature for split, of_split in logits.items()}
        model.config.confidence_thresholds = confidence_thresholds(
            logits[arguments.validation_split],
            self.validation.labels,
            self.lineages,
            arguments.confident_accuracy,
        )
        metrics = {
            split: report_split(
                self.output_dir / split,
                logits[split],
                barcodes.labels,
                self.lineages,
                model.config.confidence_thresholds,
                self.training.labels,
            )
            for split, barcodes in self.splits.items()
        }
        return {
            "temperature": temperature,
            "confidence_thresholds": model.config.confidence_thresholds,
            "metrics": metrics,
        }

    @property
    def _cache(self) -> Path:
        return Path(self.arguments.cache_dir or self.output_dir / "embeddings")


def _write_json(path: Path, value: object) -> None:
    write_whole_text(path, json.dumps(value, indent=2) + "\n")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    logging.getLogger("accelerate").setLevel(logging.WARNING)  # it names each file of a state
    with errors_in_a_line("train.finetune"):
        if named_argument("family") == "enbed":
            from train.enbed import elements

            elements.main()
        elif named_argument("objective") == "contrastive":
            run = Contrasting(parse_arguments(kind=TuningArguments))
            run.script = "train.finetune"
            run.run()
        else:
            Finetuning(parse_arguments(kind=FinetuneArguments)).run()


if __name__ == "__main__":
    main()
