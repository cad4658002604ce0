"""Fine-tune an ENBED to name sequences: regulatory elements, splice sites, gene families, ...

    python -m train.finetune --family enbed --model enbed-tiny --train_data splice.parquet \\
        --label label --folds 5 --output_dir runs/splice

Reads a table (CSV, TSV, Parquet) with the columns `nucleotides` and LABEL, or FASTA with
`--labels TABLE`, whose first column is the record's id. Layers are freed from the last to the first
(the paper's gradual unfreezing) where the model is a checkpoint; a preset is trained whole. Writes
OUTPUT_DIR/metrics.json, predictions.tsv and, of the last fold, best/.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

import dnaio
import numpy as np
import pandas as pd
import torch
from accelerate.utils import set_seed
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from sklearn.model_selection import StratifiedKFold

from barcodemae.errors import BarcodeMAEError
from barcodemae.loading import load_whole
from barcodemae.outputs import whole_tsv, write_whole_text
from barcodemae.presets import PRESETS, preset_config
from enbed import EnbedForSequenceClassification, EnbedTokenizer
from train.loop.arguments import RunArguments, parse_arguments
from train.loop.optimization import one_cycle

logger = logging.getLogger(__name__)

_LETTERS = "ACGTUNRYKMSWBDHVI"


@dataclass
class ElementArguments(RunArguments):
    """Fine-tune an ENBED to name sequences."""

    family: str = field(default="enbed", metadata={"help": "enbed"})
    model: str = field(default="", metadata={"help": "checkpoint directory, Hub id or preset"})
    label: str = field(default="label", metadata={"help": "column with the labels"})
    labels: str = field(default="", metadata={"help": "table of ids and labels, for FASTA"})
    held_out: str = field(
        default="", metadata={"help": "COLUMN=VALUE: judge on these rows, train on the others"}
    )
    folds: int = field(default=5, metadata={"help": "of stratified cross-validation"})
    max_length: int = field(default=16383, metadata={"help": "nucleotides; the rest is cut off"})
    learned_positions: int = field(
        default=0, metadata={"help": "of a preset, for sequences that are aligned"}
    )
    unfreeze_every: float = field(
        default=1.0, metadata={"help": "epochs after which one more layer is freed; 0: all at once"}
    )
    epochs: float = field(default=10.0, metadata={"help": "passes over the sequences"})
    base_learning_rate: float = field(default=1e-3, metadata={"help": "highest rate of OneCycle"})
    weight_decay: float = field(default=0.01, metadata={"help": "of AdamW"})

    def check(self) -> None:
        super().check()
        self.check_values(
            model=(bool(self.model), "a checkpoint directory, a Hub id or a preset"),
            folds=(self.folds >= 2, "at least 2"),
            max_length=(self.max_length >= 8, "at least 8"),
        )


def read_table(arguments: ElementArguments) -> pd.DataFrame:
    """Sequences and their labels, all columns kept.

    Raises:
        BarcodeMAEError: a file or column is missing, a record has no label, or is no DNA.
    """
    tables = [_read(Path(file), arguments) for file in arguments.train_data]
    table = pd.concat(tables, ignore_index=True)
    for column in ("nucleotides", arguments.label):
        if column not in table:
            raise BarcodeMAEError(
                f"{arguments.train_data[0]}: there is no column {column!r}; there are "
                f"{', '.join(table.columns)}"
            )
    unlabelled = table.index[table[arguments.label].isna()]
    if len(unlabelled):
        raise BarcodeMAEError(f"record {unlabelled[0] + 1} has no {arguments.label}; leave it out")
    table["nucleotides"] = (
        table["nucleotides"].fillna("").str.upper().str.replace(r"\s", "", regex=True)
    )
    faulty = table.index[~table["nucleotides"].str.fullmatch(f"[{_LETTERS}]+")]
    if len(faulty):
        raise BarcodeMAEError(f"record {faulty[0] + 1}: empty, or not DNA; leave it out")
    return table


def _read(path: Path, arguments: ElementArguments) -> pd.DataFrame:
    if not path.is_file():
        raise BarcodeMAEError(f"{path}: there is no such file")
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix in (".csv", ".tsv"):
        return pd.read_csv(path, sep="," if path.suffix == ".csv" else "\t")
    if not arguments.labels:
        raise BarcodeMAEError(f"{path}: FASTA holds no labels; give --labels TABLE")
    labels = _read(Path(arguments.labels), arguments)
    by_id = labels.set_index(labels.columns[0].strip())[arguments.label]
    with dnaio.open(path) as records:
        rows = [(record.id, record.sequence) for record in records]
    table = pd.DataFrame(rows, columns=["id", "nucleotides"])
    return table.assign(**{arguments.label: table["id"].map(by_id)})


class Classification:
    """One model for each fold, and how well they name what they have not seen."""

    def __init__(self, arguments: ElementArguments):
        self.arguments = arguments
        self.table = read_table(arguments)
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
        names = {"id2label": dict(enumerate(self.names))}
        names["label2id"] = {name: number for number, name in enumerate(self.names)}
        name = self.arguments.model
        if name in PRESETS["enbed"]:
            config = preset_config(
                name, learned_positions=self.arguments.learned_positions, **names
            )
            return EnbedForSequenceClassification(config)
        return load_whole(EnbedForSequenceClassification, name, "score.", **names)

    def run(self) -> dict:
        """Train and judge every fold; write the figures.

        Returns:
            accuracy, macro_f1 and mcc over all that was judged, accuracy_by_fold, and n.
        """
        output_dir = Path(self.arguments.output_dir)
        output_dir.mkdir(parents=True, exist_ok=True)
        predicted = np.full(len(self.targets), -1)
        by_fold = []
        for number, (training, judged) in enumerate(self.folds()):
            set_seed(self.arguments.seed + number)
            model = self.make_model().to(self.device)
            self._fit(model, training)
            predicted[judged] = self._predict(model, judged)
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
        }
        write_whole_text(output_dir / "metrics.json", json.dumps(metrics, indent=2) + "\n")
        with whole_tsv(output_dir / "predictions.tsv", ("row", "label", "predicted")) as add:
            rows = np.flatnonzero(seen).tolist()
            add((r + 1, self.names[self.targets[r]], self.names[predicted[r]]) for r in rows)
        model.save_pretrained(output_dir / "best")
        return metrics

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
        model.train()
        for step in range(total):
            epoch, place = divmod(step, per_epoch)
            if place == 0:
                order = rng.permutation(rows)
                if gradual:
                    unfreeze(model, int(epoch / arguments.unfreeze_every))
            chosen = order[place * arguments.batch_size : (place + 1) * arguments.batch_size]
            with torch.autocast(
                self.device.type, torch.bfloat16, enabled=arguments.mixed_precision == "bf16"
            ):
                labels = torch.from_numpy(self.targets[chosen]).to(self.device)
                loss = model(**self._batch(chosen), labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), arguments.max_grad_norm or 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()

    @torch.inference_mode()
    def _predict(self, model: EnbedForSequenceClassification, rows: np.ndarray) -> np.ndarray:
        model.eval()
        order = rows[np.argsort([len(self.sequences[row]) for row in rows], kind="stable")]
        found = {}
        for first in range(0, len(order), self.arguments.batch_size):
            some = order[first : first + self.arguments.batch_size]
            classes = model(**self._batch(some)).logits.argmax(1).tolist()
            found |= dict(zip(some.tolist(), classes, strict=True))
        return np.array([found[row] for row in rows.tolist()])

    def _batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        arrays = self.tokenizer.batch([self.sequences[row] for row in rows])
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
