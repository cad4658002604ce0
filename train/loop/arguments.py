"""What training scripts are asked, and what they allow."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from barcodemae.data.schemas import RANKS
from barcodemae.errors import BarcodeMAEError

Allowed = tuple[Callable[[Any], bool], str]  # whether a value is allowed; what is, in words
POSITIVE: Allowed = (lambda value: value > 0, "positive")
NOT_NEGATIVE: Allowed = (lambda value: value >= 0, "0 or more")
SHARE: Allowed = (lambda value: 0 <= value <= 1, "in [0, 1]")
BELOW_ONE: Allowed = (lambda value: 0 <= value < 1, "in [0, 1)")
INSIDE: Allowed = (lambda value: 0 < value < 1, "in (0, 1)")


def one_of(*names: str) -> Allowed:
    said = " or ".join(names) if len(names) < 3 else f"one of {', '.join(names)}"
    return (lambda value: value in names), said


def at_least(least: float) -> Allowed:
    return (lambda value: value >= least), f"at least {least}"


def argument(default: Any, help: str, allowed: Allowed | None = None, free: bool = False) -> Any:
    """A field of a dataclass of arguments.

    Args:
        allowed: what `check` accepts, from the command line and from files; None: anything.
        free: it may differ between the starts of one run: weights do not depend on it.
    """
    told = {"help": help, "allowed": allowed, "free": free}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=told)
    return field(default=default, metadata=told)


def _is_weighted_rank(text: str) -> bool:
    rank, _, weight = text.partition("=")
    try:
        return rank in RANKS and float(weight) > 0
    except ValueError:
        return False


def _is_range_of_shares(values: object) -> bool:
    try:
        low, high = values
        return 0 < low < high < 1
    except (TypeError, ValueError):  # not two values, or text in a YAML file
        return False


@dataclass
class RunArguments:
    """What every training run is asked; defaults are the paper's (Appendix B)."""

    train_data: list[str] = argument([], "files, globs, saved data sets or Hub ids")
    output_dir: str = argument("", "where models and records go", free=True)
    on_error: str = argument("raise", "raise or skip faulty records", one_of("raise", "skip"))
    degap: bool = argument(False, "take gaps (- and .) out of the barcodes")
    epochs: float = argument(35.0, "passes over the barcodes", POSITIVE)
    batch_size: int = argument(32, "barcodes in a step, of all processes together", POSITIVE)
    gradient_accumulation_steps: int = argument(
        1, "parts that a process computes its share of a step in", POSITIVE, free=True
    )
    base_learning_rate: float = argument(
        1e-4, "highest rate of OneCycle at a global batch of 64", POSITIVE
    )
    weight_decay: float = argument(1e-5, "of AdamW", NOT_NEGATIVE)
    max_grad_norm: float = argument(0.0, "clip gradients; 0: do not", NOT_NEGATIVE)
    seed: int = argument(
        0, "of everything random", (lambda value: 0 <= value < 2**32, "in 0 to 4294967295")
    )
    mixed_precision: str = argument(
        "", "no or bf16; default: what the launcher says", one_of("no", "bf16")
    )
    cpu: bool = argument(False, "train on the CPU", free=True)
    num_workers: int = argument(0, "processes that prepare batches", NOT_NEGATIVE, free=True)
    report_to: list[str] = argument([], "trackers: tensorboard, wandb", free=True)
    checkpoint_every: int = argument(0, "steps; 0: once an epoch", NOT_NEGATIVE, free=True)
    checkpoint_minutes: float = argument(
        5.0, "most minutes between checkpoints; 0: any number", NOT_NEGATIVE, free=True
    )
    stop_after_minutes: float = argument(
        0.0, "save and stop by then; the same command goes on; 0: never", NOT_NEGATIVE, free=True
    )

    def __post_init__(self) -> None:
        # A run is resumed in the precision that it began in, so what the launcher says is noted.
        self.mixed_precision = self.mixed_precision or os.environ.get(
            "ACCELERATE_MIXED_PRECISION", "no"
        )

    def check(self) -> None:
        """Raise BarcodeMAEError, naming the argument, where a value is not allowed."""
        for name, what in (("train_data", "the files with barcodes"), ("output_dir", "a folder")):
            if not getattr(self, name):
                raise BarcodeMAEError(f"--{name} is missing: give {what}")
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise BarcodeMAEError(f"--{each.name} {value}: must be a finite number")
            if allowed := each.metadata.get("allowed"):
                self.check_values(**{each.name: (allowed[0](value), allowed[1])})

    @property
    def defines_the_run(self) -> dict:
        """What must not change when a run is resumed: all that the weights depend on."""
        kept = [each.name for each in fields(self) if not each.metadata.get("free")]
        return {name: getattr(self, name) for name in kept}

    def check_values(self, **tests: tuple[bool, str]) -> None:
        """Raise BarcodeMAEError for the first argument whose (is_allowed, allowed) fails."""
        for name, (is_allowed, allowed) in tests.items():
            if not is_allowed:
                raise BarcodeMAEError(f"--{name} {getattr(self, name)}: must be {allowed}")


@dataclass
class LoopArguments(RunArguments):
    """What `train.loop` is asked: the model, its barcodes, and when to log, judge and save."""

    preset: str = argument("barcodemae-k6", "variant to train")
    model_overrides: str = argument("", 'YAML fields over the preset: "{mask_ratio: 0.65}"')
    split: list[str] = argument([], "only these splits")
    phylum: list[str] = argument([], "only these phyla")
    min_length: int = argument(0, "shortest barcode, nucleotides", NOT_NEGATIVE)
    validation_share: float = argument(
        0.01, "share of the barcodes held out to choose the best model", INSIDE
    )

    max_steps: int = argument(0, "global steps; 0: as many as the epochs take", NOT_NEGATIVE)
    random_offset: bool = argument(True, "random frame offset")

    log_every: int = argument(20, "steps between training metrics", POSITIVE, free=True)
    validate_every: int = argument(0, "steps; 0: once an epoch", NOT_NEGATIVE)
    keep_checkpoints: int = argument(2, "newest to keep; 0: all", NOT_NEGATIVE, free=True)
    push_to_hub: str = argument("", "repository to push the best model to", free=True)


@dataclass
class PretrainArguments(LoopArguments):
    """Pretrain a BarcodeMAE. Defaults are the paper's (section 2, Appendix B)."""

    replace: bool = argument(False, "show 10 %% of the chosen k-mers, replace 10 %%")
    mask_ratio_between: list[float] = argument(
        [],
        "LOW HIGH: draw each global batch's mask ratio between the two",
        (
            lambda value: not value or _is_range_of_shares(value),
            "two numbers with 0 < LOW < HIGH < 1",
        ),
    )

    model: str = argument("", "checkpoint to begin with, in place of random weights")
    grid: str = argument("", "grid.safetensors of the region; default: COI's")
    start: str = argument(
        "random",
        "of the pooling by site: random, or discriminants of the labelled barcodes",
        one_of("random", "discriminants"),
    )
    masked_weight: float = argument(
        1.0, "of the loss of masked k-mers; 0: none are masked", NOT_NEGATIVE
    )
    label_rank: str = argument(
        "",
        "learn from taxa of this rank, too: to bring their barcodes together or, with cls_token, "
        "to name them (BarcodeMAE+); empty: do not",
        (lambda value: value in ("", *RANKS), f"empty or one of {', '.join(RANKS)}"),
    )
    label_weight: float = argument(0.1, "of the loss of taxa", POSITIVE)
    label_warm_up_epochs: float = argument(5.0, "over which label_weight is reached", NOT_NEGATIVE)
    label_taxa: int = argument(16, "taxa sure to be in a global batch", POSITIVE)
    label_barcodes: int = argument(4, "barcodes of each of them", POSITIVE)
    relatives_share: float = argument(
        0.0, "share of batches whose taxa are drawn family by family in contrast", SHARE
    )
    temperature: float = argument(0.1, "that contrast divides cosines by", POSITIVE)
    species_weight: float = argument(
        0.0, "of the contrast of species, beside that of label_rank", NOT_NEGATIVE
    )
    proxy_ranks: list[str] = argument(
        [],
        "RANK=WEIGHT ...: in contrast, name taxa of these ranks, too, each by a vector",
        (
            lambda value: all(map(_is_weighted_rank, value)),
            f"RANK=WEIGHT ..., the weights positive, of {', '.join(RANKS)}",
        ),
    )
    average: float = argument(
        0.0,
        "decay of the moving average of the weights that is judged and saved on laid barcodes, "
        "such as 0.999; 0: the weights themselves are",
        BELOW_ONE,
    )
    window_share: float = argument(
        0.0, "share of laid barcodes of which a window alone is shown", SHARE
    )
    window_between: list[float] = argument(
        [130, 560],
        "shortest and longest window, nucleotides",
        (
            lambda value: len(value) == 2 and 0 < value[0] <= value[1],
            "two numbers of nucleotides, the shorter first",
        ),
    )
    drop: float = argument(0.0, "most k-mers left out of a contrasted barcode, a share", BELOW_ONE)
    noise: float = argument(
        0.0,
        "mean share of misread nucleotides in contrast",
        (lambda value: 0 <= value < 0.5, "in [0, 0.5)"),
    )
    evolve: float = argument(
        0.0,
        "most substitutions in contrast, where 1 is what sets two species of a taxon apart at "
        "each place",
        SHARE,
    )
    warm_up_steps: int = argument(100, "of the rate, on laid barcodes", NOT_NEGATIVE)

    compile: bool = argument(False, "torch.compile the model")

    @property
    def proxy_weights(self) -> dict[str, float]:
        """What `proxy_ranks` says, by rank."""
        pairs = (each.split("=") for each in self.proxy_ranks)
        return {rank: float(weight) for rank, weight in pairs}
