"""Fine-tune an ENBED to name sequences: regulatory elements, splice sites, gene families, ...

    python -m train.finetune --family enbed --model enbed-tiny --train_data splice.parquet \\
        --label label --folds 5 --output_dir runs/splice

Reads a table (CSV, TSV, Parquet) with the columns `nucleotides` and LABEL, or FASTA with
`--labels TABLE`, whose first column is the record's id. Layers are freed from the last to the first
(the paper's gradual unfreezing) where the model is a checkpoint; a preset is trained whole. Writes
OUTPUT_DIR/metrics.json, predictions.tsv and, of the last fold, best/. The same command, given
again, goes on with the fold at which the run was stopped.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import set_seed
from Bio.Seq import reverse_complement
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from sklearn.model_selection import StratifiedKFold

from barcodemae.directories import whole_directory
from barcodemae.errors import BarcodeMAEError
from barcodemae.loading import config_at, load_model
from barcodemae.outputs import whole_tsv, write_whole_text
from barcodemae.presets import PRESETS, preset_config
from enbed import EnbedConfig, EnbedForSequenceClassification, EnbedTokenizer
from enbed.tokenization_enbed import ID_OF_CODE, OFFSET
from grid_barcodemae import UNKNOWN
from train.enbed.labelled_sequences import read_table
from train.loop.arguments import BELOW_ONE, NOT_NEGATIVE, POSITIVE, RunArguments, argument, at_least
from train.loop.averaging import WeightAverage
from train.loop.devices import make_accelerator
from train.loop.optimization import one_cycle
from train.loop.overrides import read_overrides
from train.loop.parsing import parse_arguments
from train.loop.run_files import CONTENT, claimed, digest_of

_ALIKE = 20  # batches among which sequences are sorted by length
_POOLING = "classifier_pooling"


@dataclass
class ElementArguments(RunArguments):
    """Fine-tune an ENBED to name sequences."""

    family: str = argument("enbed", "enbed")
    model: str = argument(
        "",
        "checkpoint directory, Hub id or preset",
        (bool, "a checkpoint directory, a Hub id or a preset"),
    )
    label: str = argument("label", "column with the labels")
    labels: str = argument("", "table of ids and labels, for FASTA")
    held_out: str = argument("", "COLUMN=VALUE: judge on these rows, train on the others")
    folds: int = argument(5, "of stratified cross-validation", at_least(2))
    max_length: int = argument(16383, "nucleotides; the rest is cut off", at_least(8))
    model_overrides: str = argument(
        "",
        "fields over a preset, as {learned_positions: 60, classifier_pooling: sites} for sequences "
        "that begin at a known place; over a checkpoint: the pooling alone",
    )
    both_strands: bool = argument(
        False, "learn from either strand, judge by the mean of both: for enhancers"
    )
    masked_share: float = argument(
        0.0, "of the nucleotides that training reads as N, drawn anew", BELOW_ONE
    )
    average_decay: float = argument(
        0.0, "of the moving average of the weights that is judged; 0: none", BELOW_ONE
    )
    unfreeze_every: float = argument(
        1.0, "epochs after which one more layer is freed; 0: all at once"
    )
    epochs: float = argument(10.0, "passes over the sequences", POSITIVE)
    base_learning_rate: float = argument(1e-3, "highest rate of OneCycle", POSITIVE)
    weight_decay: float = argument(0.01, "of AdamW", NOT_NEGATIVE)


class Classification:
    """One model for each fold, and how well they name what they have not seen."""

    def __init__(self, arguments: ElementArguments):
        self.arguments = arguments
        self.table = read_table(arguments.train_data, arguments.label, arguments.labels)
        labels = self.table[arguments.label].astype(str)
        self.names = sorted(labels.unique())
        if len(self.names) < 2:
            raise BarcodeMAEError(f"--label {arguments.label}: one class alone; nothing to learn")
        self.targets = labels.map(self.names.index).to_numpy()
        self.sequences = self.table["nucleotides"].str.slice(0, arguments.max_length).tolist()
        self.tokenizer = EnbedTokenizer()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if arguments.cpu:
            self.device = torch.device("cpu")

    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows to train on and rows to judge."""
        if not self.arguments.held_out:
            folds = StratifiedKFold(self.arguments.folds, shuffle=True, random_state=0)
            return list(folds.split(self.sequences, self.targets))
        column, _, value = self.arguments.held_out.partition("=")
        if column not in self.table or not (self.table[column].astype(str) == value).any():
            raise BarcodeMAEError(f"--held_out {self.arguments.held_out}: there are no such rows")
        is_out = (self.table[column].astype(str) == value).to_numpy()
        return [(np.flatnonzero(~is_out), np.flatnonzero(is_out))]

    def make_model(self) -> EnbedForSequenceClassification:
        options = {"id2label": dict(enumerate(self.names))}
        options["label2id"] = {name: number for number, name in enumerate(self.names)}
        name, overrides = self.arguments.model, read_overrides(self.arguments)
        try:
            if name in PRESETS["enbed"]:
                return EnbedForSequenceClassification(preset_config(name, **overrides, **options))
            if set(overrides) - {_POOLING}:
                raise ValueError(f"over a checkpoint only {_POOLING} may be given")
            if overrides:
                # By the constructor, which looks at what is given.
                config = EnbedConfig(**{**config_at(name).to_dict(), **overrides, **options})
                options = {"config": config}
        except ValueError as error:
            raise BarcodeMAEError(f"--model, --model_overrides: {error}") from error
        # Pretraining on masked nucleotides leaves a head for four of them, another task its own.
        options["ignore_mismatched_sizes"] = True
        return load_model(EnbedForSequenceClassification, name, "score", dtype="float32", **options)

    def run(self) -> dict:
        """Train and judge every fold; write the figures.

        A fold that was judged before the run was stopped is not trained again.

        Returns:
            accuracy, macro_f1 and mcc over all that was judged, accuracy_by_fold, n, and the
            processor seconds that training took.
        """
        output_dir, folds = Path(self.arguments.output_dir), self.folds()
        accelerator = make_accelerator(self.arguments)
        identity = {**self.arguments.defines_the_run, CONTENT: digest_of(self.table)}
        with claimed(output_dir, identity, accelerator):
            return self._run(output_dir, folds)

    def _run(self, output_dir: Path, folds: list[tuple[np.ndarray, np.ndarray]]) -> dict:
        predicted = np.full(len(self.targets), -1)
        by_fold, seconds = [], 0.0
        for number, (training, judged) in enumerate(folds):
            fold = self._fold(output_dir, number, training, judged)
            predicted[judged] = fold["predicted"]
            seconds += fold["seconds"]
            by_fold.append(float((predicted[judged] == self.targets[judged]).mean()))
            print(f"fold {number + 1}: accuracy {by_fold[-1]:.4f}", flush=True)
        seen = predicted >= 0
        right, found = self.targets[seen], predicted[seen]
        metrics = {
            "accuracy": float(accuracy_score(right, found)),
            "macro_f1": float(f1_score(right, found, average="macro")),
            "mcc": float(matthews_corrcoef(right, found)),
            "accuracy_by_fold": by_fold,
            "n": int(seen.sum()),
            "processor_seconds": round(seconds),
        }
        write_whole_text(output_dir / "metrics.json", json.dumps(metrics, indent=2) + "\n")
        with whole_tsv(output_dir / "predictions.tsv", ("row", "label", "predicted")) as add:
            rows = np.flatnonzero(seen).tolist()
            add((r + 1, self.names[self.targets[r]], self.names[predicted[r]]) for r in rows)
        return metrics

    def _fold(self, output_dir: Path, number: int, training, judged) -> dict:
        """The classes that a model of its own finds for a fold's rows; best/ is the last one's."""
        path = output_dir / "folds" / f"{number + 1}.json"
        if fold := self._finished(path, judged):
            return fold
        start = time.process_time()
        set_seed(self.arguments.seed + number)
        model = self.make_model().to(self.device)
        self._fit(model, training)
        fold = {"predicted": self._predict(model, judged).tolist()}
        fold["seconds"] = time.process_time() - start
        with whole_directory(output_dir / "best", replace=True) as temporary:
            model.save_pretrained(temporary)
        path.parent.mkdir(exist_ok=True)
        write_whole_text(path, json.dumps(fold) + "\n")
        return fold

    def _finished(self, path: Path, judged: np.ndarray) -> dict:
        """A fold that an earlier start finished; {}: there is none, or it is damaged."""
        try:
            fold = json.loads(path.read_text(encoding="utf-8"))
            named = np.array(fold["predicted"])
            fold["seconds"] = float(fold["seconds"])
            whole = named.shape == judged.shape and named.dtype.kind == "i"
            if whole and (named >= 0).all() and (named < len(self.names)).all():
                return fold
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError):
            pass
        print(f"{path}: is damaged; the fold is trained again")
        return {}

    def _fit(self, model: EnbedForSequenceClassification, rows: np.ndarray) -> None:
        arguments = self.arguments
        rng = np.random.default_rng(arguments.seed)
        per_epoch = -(-len(rows) // arguments.batch_size)
        total = max(1, int(arguments.epochs * per_epoch))
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=arguments.base_learning_rate, weight_decay=arguments.weight_decay
        )
        schedule = one_cycle(optimizer, total)
        gradual = arguments.unfreeze_every and arguments.model not in PRESETS["enbed"]
        average = WeightAverage(model, arguments.average_decay) if arguments.average_decay else None
        model.train()
        for step in range(total):
            epoch, place = divmod(step, per_epoch)
            if place == 0:
                batches = self._batches(rng.permutation(rows), rng)
                if gradual:
                    unfreeze(model, int(epoch / arguments.unfreeze_every))
            turned = arguments.both_strands and rng.random() < 0.5
            labels = torch.from_numpy(self.targets[batches[place]]).to(self.device)
            with torch.autocast(
                self.device.type, torch.bfloat16, enabled=arguments.mixed_precision == "bf16"
            ):
                loss = model(**self._masked(batches[place], turned, rng), labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), arguments.max_grad_norm or 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            if average:
                average.update()
        if average:
            average.keep()

    def _batches(self, order: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """Rows in batches of like lengths, so that little of a batch is padding."""
        size = self.arguments.batch_size
        lengths = np.array([len(self.sequences[row]) for row in order])
        if lengths.min() < lengths.max():
            shuffled = np.arange(len(order)) // (_ALIKE * size)
            order = order[np.lexsort((lengths, shuffled))]
        batches = [order[first : first + size] for first in range(0, len(order), size)]
        return [batches[i] for i in rng.permutation(len(batches))]

    @torch.inference_mode()
    def _predict(self, model: EnbedForSequenceClassification, rows: np.ndarray) -> np.ndarray:
        model.eval()
        order = rows[np.argsort([len(self.sequences[row]) for row in rows], kind="stable")]
        found = {}
        for first in range(0, len(order), self.arguments.batch_size):
            some = order[first : first + self.arguments.batch_size]
            shares = model(**self._batch(some)).logits.softmax(1)
            if self.arguments.both_strands:
                shares += model(**self._batch(some, turned=True)).logits.softmax(1)
            found |= dict(zip(some.tolist(), shares.argmax(1).tolist(), strict=True))
        return np.array([found[row] for row in rows.tolist()])

    def _masked(self, rows: np.ndarray, turned: bool, rng: np.random.Generator):
        """A batch to learn from."""
        batch = self._batch(rows, turned)
        if self.arguments.masked_share:
            ids = batch["input_ids"]
            drawn = torch.from_numpy(rng.random(ids.shape) < self.arguments.masked_share)
            ids[drawn.to(ids.device) & (ids > OFFSET)] = int(ID_OF_CODE[UNKNOWN])
        return batch

    def _batch(self, rows: np.ndarray, turned: bool = False) -> dict[str, torch.Tensor]:
        sequences = [self.sequences[row] for row in rows]
        if turned:
            sequences = [reverse_complement(sequence) for sequence in sequences]
        arrays = self.tokenizer.batch(sequences)
        return {name: torch.from_numpy(array).to(self.device) for name, array in arrays.items()}


def unfreeze(model: EnbedForSequenceClassification, layers: int) -> None:
    """Let the head and the last `layers` encoder layers learn; with all of them the embeddings."""
    encoder = model.model.encoder
    encoder.requires_grad_(False)
    if layers >= len(encoder.layers):
        encoder.requires_grad_(True)
    elif layers:
        encoder.norm.requires_grad_(True)
        for layer in encoder.layers[-layers:]:
            layer.requires_grad_(True)


def main() -> None:
    metrics = Classification(parse_arguments(kind=ElementArguments)).run()
    print(json.dumps(metrics, indent=2))
