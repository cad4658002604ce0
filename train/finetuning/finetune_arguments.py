"""Arguments of `train.finetune`."""

from __future__ import annotations

from dataclasses import dataclass, fields

from barcodemae.data import RANKS
from barcodemae.errors import BarcodeMAEError
from train.loop.arguments import (
    BELOW_ONE,
    INSIDE,
    NOT_NEGATIVE,
    POSITIVE,
    RunArguments,
    argument,
    one_of,
)

_NOT_OF_PROBES = (
    *("encoder", "layer_decay", "random_offset", "balanced_sampling", "label_smoothing"),
    "patience",
)


@dataclass
class FinetuneArguments(RunArguments):
    """Fine-tune a BarcodeMAE to name taxa. Defaults are the paper's recipe (AdamW, OneCycle)."""

    objective: str = argument(
        "lineage",
        "lineage: a head that names taxa (contrastive: see train.pretrain)",
        (lambda value: value == "lineage", "lineage or contrastive"),
    )

    model: str = argument("", "pretrained checkpoint directory or Hub id")
    from_scratch: bool = argument(False, "random weights: no pretraining (Appendix B.1)")
    preset: str = argument("barcodemae-k6", "architecture from scratch")
    ranks: list[str] = argument(
        ["species"],
        "one rank, or several at once",
        (lambda value: value and set(value) <= set(RANKS), f"of {', '.join(RANKS)}"),
    )
    train_split: str = argument("train", "split to learn from")
    validation_split: str = argument("val", "split to choose, stop and calibrate on")
    test_splits: list[str] = argument([], "more splits to report on, once at the end")
    validation_share: float = argument(
        0.1, "held out instead, where the data have no splits", INSIDE
    )
    min_per_class: int = argument(1, "leave out taxa with fewer training barcodes", POSITIVE)

    linear_probe: str = argument(
        "",
        "sgd or logistic_regression, on frozen embeddings",
        (lambda value: value in ("", "sgd", "logistic_regression"), "sgd or logistic_regression"),
    )
    encoder: str = argument(
        "unfrozen", "frozen, unfrozen or gradual", one_of("frozen", "unfrozen", "gradual")
    )
    unfreeze_every: float = argument(
        1.0, "epochs until gradual unfreezing frees one more layer", POSITIVE
    )
    layer_decay: float = argument(
        1.0,
        "learning rate of a layer over that of the one above it",
        (lambda value: 0 < value <= 1, "in (0, 1]"),
    )
    random_offset: bool = argument(False, "random frame offset")
    balanced_sampling: bool = argument(False, "draw every taxon of the finest rank equally often")
    label_smoothing: float = argument(0.0, "share given to other taxa", BELOW_ONE)

    patience: int = argument(0, "stop after so many epochs without a gain; 0: never", NOT_NEGATIVE)
    cache_dir: str = argument(
        "", "where embeddings are kept; default: OUTPUT_DIR/embeddings", free=True
    )

    confident_accuracy: float = argument(
        0.99,
        "accuracy that confident calls have on validation",
        (lambda value: 0 < value <= 1, "in (0, 1]"),
    )

    def check(self) -> None:
        super().check()
        if not self.model and not self.from_scratch:
            raise BarcodeMAEError(
                "--model is missing: give a pretrained checkpoint, or --from_scratch True"
            )
        if self.linear_probe and self.from_scratch:
            raise BarcodeMAEError("--linear_probe needs a pretrained --model, not --from_scratch")
        if self.linear_probe:
            for each in fields(self):
                if each.name in _NOT_OF_PROBES and getattr(self, each.name) != each.default:
                    raise BarcodeMAEError(
                        f"--{each.name}: a --linear_probe does not read it; leave it out"
                    )
        self.ranks = sorted(set(self.ranks), key=RANKS.index)  # coarse to fine
