"""Arguments of `train.finetune`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from barcodemae.data import RANKS
from barcodemae.errors import BarcodeMAEError


@dataclass
class FinetuneArguments:
    """Fine-tune a BarcodeMAE to name taxa. Defaults are the paper's recipe (AdamW, OneCycle)."""

    train_data: list[str] = field(
        default_factory=list, metadata={"help": "files, globs, saved data sets or Hub ids"}
    )
    output_dir: str = field(default="", metadata={"help": "where models and reports go"})
    model: str = field(default="", metadata={"help": "pretrained checkpoint directory or Hub id"})
    from_scratch: bool = field(
        default=False, metadata={"help": "random weights: no pretraining (Appendix B.1)"}
    )
    preset: str = field(default="barcodemae-k6", metadata={"help": "architecture from scratch"})
    ranks: list[str] = field(
        default_factory=lambda: ["species"], metadata={"help": "one rank, or several at once"}
    )
    train_split: str = field(default="train", metadata={"help": "split to learn from"})
    validation_split: str = field(
        default="val", metadata={"help": "split to choose, stop and calibrate on"}
    )
    test_splits: list[str] = field(
        default_factory=list, metadata={"help": "more splits to report on, once at the end"}
    )
    validation_share: float = field(
        default=0.1, metadata={"help": "held out instead, where the data have no splits"}
    )
    min_per_class: int = field(
        default=1, metadata={"help": "leave out taxa with fewer training barcodes"}
    )
    on_error: str = field(default="raise", metadata={"help": "raise or skip faulty records"})

    linear_probe: str = field(
        default="", metadata={"help": "sgd or logistic_regression, on frozen embeddings"}
    )
    encoder: str = field(default="unfrozen", metadata={"help": "frozen, unfrozen or gradual"})
    unfreeze_every: float = field(
        default=1.0, metadata={"help": "epochs until gradual unfreezing frees one more layer"}
    )
    layer_decay: float = field(
        default=1.0, metadata={"help": "learning rate of a layer over that of the one above it"}
    )
    random_offset: bool = field(default=False, metadata={"help": "random frame offset"})
    balanced_sampling: bool = field(
        default=False, metadata={"help": "draw every taxon of the finest rank equally often"}
    )
    label_smoothing: float = field(default=0.0, metadata={"help": "share given to other taxa"})

    epochs: float = field(default=35.0, metadata={"help": "passes over the barcodes"})
    batch_size: int = field(default=32, metadata={"help": "barcodes in one process's batch"})
    gradient_accumulation_steps: int = field(default=1, metadata={"help": "batches in a step"})
    base_learning_rate: float = field(
        default=1e-4, metadata={"help": "highest rate of OneCycle at a global batch of 64"}
    )
    weight_decay: float = field(default=1e-5, metadata={"help": "of AdamW"})
    max_grad_norm: float = field(default=0.0, metadata={"help": "clip gradients; 0: do not"})
    patience: int = field(
        default=0, metadata={"help": "stop after so many epochs without a gain; 0: never"}
    )
    seed: int = field(default=0, metadata={"help": "of everything random"})
    mixed_precision: str = field(default="no", metadata={"help": "no or bf16"})
    cpu: bool = field(default=False, metadata={"help": "train on the CPU"})
    num_workers: int = field(default=0, metadata={"help": "processes that prepare batches"})
    cache_dir: str = field(
        default="", metadata={"help": "where embeddings are kept; default: OUTPUT_DIR/embeddings"}
    )
    report_to: list[str] = field(
        default_factory=list, metadata={"help": "trackers: tensorboard, wandb"}
    )

    confident_accuracy: float = field(
        default=0.99, metadata={"help": "accuracy that confident calls have on validation"}
    )

    def check(self) -> None:
        """Raise BarcodeMAEError, naming the argument, where a value is not allowed."""
        for name in ("train_data", "output_dir"):
            if not getattr(self, name):
                raise BarcodeMAEError(f"--{name} is missing")
        if not self.model and not self.from_scratch:
            raise BarcodeMAEError(
                "--model is missing: give a pretrained checkpoint, or --from_scratch True"
            )
        if self.linear_probe and self.from_scratch:
            raise BarcodeMAEError("--linear_probe needs a pretrained --model, not --from_scratch")
        for name, is_allowed, allowed in (
            ("ranks", self.ranks and set(self.ranks) <= set(RANKS), f"of {', '.join(RANKS)}"),
            ("on_error", self.on_error in ("raise", "skip"), "raise or skip"),
            ("encoder", self.encoder in ("frozen", "unfrozen", "gradual"), "one of those named"),
            (
                "linear_probe",
                self.linear_probe in ("", "sgd", "logistic_regression"),
                "sgd or logistic_regression",
            ),
            ("validation_share", 0 < self.validation_share < 1, "in (0, 1)"),
            ("min_per_class", self.min_per_class > 0, "positive"),
            ("unfreeze_every", self.unfreeze_every > 0, "positive"),
            ("layer_decay", 0 < self.layer_decay <= 1, "in (0, 1]"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "in [0, 1)"),
            ("epochs", self.epochs > 0, "positive"),
            ("batch_size", self.batch_size > 0, "positive"),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps > 0, "positive"),
            ("base_learning_rate", self.base_learning_rate > 0, "positive"),
            ("patience", self.patience >= 0, "0 or more"),
            ("mixed_precision", self.mixed_precision in ("no", "bf16"), "no or bf16"),
            ("confident_accuracy", 0 < self.confident_accuracy <= 1, "in (0, 1]"),
        ):
            if not is_allowed:
                raise BarcodeMAEError(f"--{name} {getattr(self, name)}: must be {allowed}")
        self.ranks = sorted(set(self.ranks), key=RANKS.index)  # coarse to fine

    def as_record(self) -> dict:
        return asdict(self)
