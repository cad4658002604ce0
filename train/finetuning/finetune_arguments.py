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
        metadata={"help": "lineage: a head that names taxa; contrastive: an encoder for 1-NN"},
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

    temperature: float = field(default=0.1, metadata={"help": "of the contrastive loss"})
    barcodes_per_taxon: int = field(
        default=4, metadata={"help": "of each taxon in a contrastive batch"}
    )
    sampled_rank: str = field(
        default="", metadata={"help": "of the taxa in a contrastive batch; default: the coarsest"}
    )

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
            objective=(self.objective in ("lineage", "contrastive"), "lineage or contrastive"),
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
        if self.objective == "contrastive":
            self._check_contrastive()

    def _check_contrastive(self) -> None:
        for name, given in (
            ("linear_probe", self.linear_probe),
            ("encoder", self.encoder != "unfrozen"),
            ("balanced_sampling", self.balanced_sampling),
            ("label_smoothing", self.label_smoothing),
        ):
            if given:
                raise BarcodeMAEError(
                    f"--{name} is for heads that name taxa: not with --objective contrastive"
                )
        self.sampled_rank = self.sampled_rank or self.ranks[0]
        self.check_values(
            temperature=(self.temperature > 0, "positive"),
            barcodes_per_taxon=(self.barcodes_per_taxon > 1, "2 or more: one has none to be near"),
            sampled_rank=(self.sampled_rank in self.ranks, f"of --ranks {' '.join(self.ranks)}"),
        )

    def may_change(self) -> set[str]:
        free = super().may_change() | {"cache_dir"}
        # A barcode is contrasted with those of its own part of the batch.
        return free - {"gradient_accumulation_steps"} if self.objective == "contrastive" else free
