"""Fine-tune a BarcodeMAE to name taxa, probe it linearly, or train one from scratch.

    accelerate launch -m train.finetune --config train/configs/finetune.yaml \
        --model runs/barcodemae-k6/best --train_data barcodes.csv --output_dir runs/species

The same command, given again, goes on where the run was stopped or killed. OUTPUT_DIR holds

    best/                 complete, calibrated model directory, for pipeline("text-classification")
                          and `barcodemae classify QUERIES --model OUTPUT_DIR/best -o calls.tsv`
    metrics.json          what it was learned from, and how well each split is named
    SPLIT/RANK/           per_class.csv, reliability.png and confusion.png
    learning_curves.png, history.json
    arguments.json        what the run was started with
    checkpoints/          states to resume from
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

from accelerate.utils import set_seed

from barcodemae import BarcodeMAEConfig, BarcodeMAEForSequenceClassification, BarcodeMAEModel
from barcodemae.classification import Classifier, check_kmer_size
from barcodemae.embedding import Embedder
from barcodemae.errors import BarcodeMAEError
from barcodemae.lineages import Lineages
from train.arguments import parse_arguments
from train.finetuning import figures
from train.finetuning.arguments import FinetuneArguments
from train.finetuning.calibration import best_temperature, confidence_thresholds, divide
from train.finetuning.heads import LineageHeads
from train.finetuning.labels import (
    LabelledBarcodes,
    grow_lineages,
    label,
    read_splits,
    tell_imbalance,
)
from train.finetuning.probe import cached_embeddings, fit_probe
from train.finetuning.reports import report_split
from train.finetuning.trainer import FinetuneTrainer
from train.pretrain import make_accelerator
from train.records import claim_output_dir, save_model


class Finetuning:
    """A run: its barcodes, their labels and a model with a head for each rank."""

    def __init__(self, arguments: FinetuneArguments):
        self.arguments = arguments
        self.output_dir = Path(arguments.output_dir)
        self.accelerator = make_accelerator(arguments)
        with self.accelerator.main_process_first():
            splits = read_splits(arguments)
        self.lineages = grow_lineages(splits[arguments.train_split], arguments)
        set_seed(arguments.seed)
        self.model = make_model(arguments, self.lineages)
        self.splits = {split: label(table, self.lineages, split) for split, table in splits.items()}
        self.training = self.splits.pop(arguments.train_split)
        self.training.seed = arguments.seed
        if arguments.random_offset:
            self.training.offset_below = self.model.config.kmer_size
        self.classes = tell_imbalance(self.training, self.lineages, arguments.balanced_sampling)

    @property
    def validation(self) -> LabelledBarcodes:
        return self.splits[self.arguments.validation_split]

    def run(self) -> None:
        """Fit, calibrate, save and report."""
        claim_output_dir(self.output_dir, self.arguments.as_record(), self.accelerator)
        start = time.perf_counter()
        if self.arguments.linear_probe:
            self._probe()
        else:
            self._train()
        seconds = round(time.perf_counter() - start, 1)
        record = self._calibrate_and_report(seconds) if self.accelerator.is_main_process else {}
        save_model(
            self.output_dir / "best",
            self.accelerator,
            self.model,
            arguments=self.arguments.as_record(),
            data={"train_data": self.arguments.train_data, "n_barcodes": len(self.training)},
            **record,
        )

    def _probe(self) -> None:
        if self.accelerator.is_main_process:
            embedder = Embedder(self.model.barcodemae, self.accelerator.device)
            self.model.classifier = fit_probe(
                self.arguments.linear_probe, embedder, self.training, self._cache
            )

    def _train(self) -> None:
        if self.arguments.encoder == "frozen":
            self.model.barcodemae.requires_grad_(False)
        trainer = FinetuneTrainer(
            self.model, self.arguments, self.lineages, self.training, self.validation
        )
        trainer.train(resume_from_checkpoint=newest_checkpoint(self.output_dir / "checkpoints"))
        self.model.classifier = self.model.classifier.merged()
        if self.accelerator.is_main_process:
            history = trainer.state.log_history
            _write_json(self.output_dir / "history.json", history)
            figures.learning_curves(self.output_dir / "learning_curves.png", history)

    def _calibrate_and_report(self, seconds: float) -> dict:
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
        record = {
            "seconds": seconds,
            "classes": self.classes,
            "temperature": temperature,
            "confidence_thresholds": model.config.confidence_thresholds,
            "metrics": metrics,
        }
        _write_json(self.output_dir / "metrics.json", record)
        return record

    @property
    def _cache(self) -> Path:
        return Path(self.arguments.cache_dir or self.output_dir / "embeddings")


def make_model(
    arguments: FinetuneArguments, lineages: Lineages
) -> BarcodeMAEForSequenceClassification:
    """The pretrained encoder, or one with random weights, under new heads.

    Raises:
        BarcodeMAEError: the checkpoint cannot be loaded, or its tokenizer has another k.
    """
    if arguments.from_scratch and not arguments.model:
        encoder = BarcodeMAEModel(BarcodeMAEConfig.preset(arguments.preset))
    else:
        check_kmer_size(arguments.model)
        encoder = Embedder.from_pretrained(arguments.model, "cpu").model
        if arguments.from_scratch:
            encoder = BarcodeMAEModel(encoder.config)
    lineages.to_config(encoder.config)
    encoder.config.problem_type = "single_label_classification"
    model = BarcodeMAEForSequenceClassification(encoder.config)
    model.barcodemae = encoder
    model.classifier = LineageHeads(
        encoder.config.hidden_size, lineages, encoder.config.initializer_range
    )
    return model


def newest_checkpoint(folder: Path) -> str | None:
    """The newest complete `checkpoint-N` in a folder; None where there is none.

    The Trainer writes the state of training last: without it a checkpoint was cut short.
    """
    complete = [
        (int(path.parent.name.removeprefix("checkpoint-")), str(path.parent))
        for path in folder.glob("checkpoint-*/trainer_state.json")
    ]
    return max(complete)[1] if complete else None


def _write_json(path: Path, value: object) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    try:
        Finetuning(parse_arguments(kind=FinetuneArguments)).run()
    except BarcodeMAEError as error:
        print(f"train.finetune: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
