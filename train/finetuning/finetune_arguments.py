"""Arguments of `train.finetune`."""

from __future__ import annotations

from dataclasses import dataclass, field

from barcodemae.data import RANKS
from barcodemae.errors import BarcodeMAEError
from train.loop.arguments import RunArguments


@dataclass
class FinetuneArguments(RunArguments):
    """Fine-tune a BarcodeMAE to name taxa. Defaults are the paper's recipe (AdamW, OneCycle)."""

    objective: str = field(
        default="lineage",
        metadata={"help": "lineage: a head that names taxa (contrastive: see train.pretrain)"},
    )

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

    patience: int = field(
        default=0, metadata={"help": "stop after so many epochs without a gain; 0: never"}
    )
    cache_dir: str = field(
        default="", metadata={"help": "where embeddings are kept; default: OUTPUT_DIR/embeddings"}
    )

    confident_accuracy: float = field(
        default=0.99, metadata={"help": "accuracy that confident calls have on validation"}
    )

    def check(self) -> None:
        super().check()
        if not self.model and not self.from_scratch:
            raise BarcodeMAEError(
                "--model is missing: give a pretrained checkpoint, or --from_scratch True"
            )
        if self.linear_probe and self.from_scratch:
            raise BarcodeMAEError("--linear_probe needs a pretrained --model, not --from_scratch")
        probes = ("", "sgd", "logistic_regression")
        self.check_values(
            objective=(self.objective == "lineage", "lineage or contrastive"),
            ranks=(self.ranks and set(self.ranks) <= set(RANKS), f"of {', '.join(RANKS)}"),
            encoder=(self.encoder in ("frozen", "unfrozen", "gradual"), "one of those named"),
            linear_probe=(self.linear_probe in probes, "sgd or logistic_regression"),
            validation_share=(0 < self.validation_share < 1, "in (0, 1)"),
            min_per_class=(self.min_per_class > 0, "positive"),
            unfreeze_every=(self.unfreeze_every > 0, "positive"),
            layer_decay=(0 < self.layer_decay <= 1, "in (0, 1]"),
            label_smoothing=(0 <= self.label_smoothing < 1, "in [0, 1)"),
            patience=(self.patience >= 0, "0 or more"),
            confident_accuracy=(0 < self.confident_accuracy <= 1, "in (0, 1]"),
        )
        self.ranks = sorted(set(self.ranks), key=RANKS.index)  # coarse to fine

    def may_change(self) -> set[str]:
        return super().may_change() | {"cache_dir"}
