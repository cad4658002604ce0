"""Arguments of a script: a YAML file, and any of them on the command line."""

from __future__ import annotations

import argparse
import difflib
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import NoReturn, TypeVar, get_args, get_type_hints

import yaml
from transformers import HfArgumentParser

from barcodemae.data.schemas import RANKS
from barcodemae.errors import BarcodeMAEError

Arguments = TypeVar("Arguments")
_CONFIGS = Path(__file__).parents[1] / "configs"
# What transformers' TrainingArguments and its example scripts call it -> what it is here.
_HABITS = {
    "num_train_epochs": "--epochs",
    "per_device_train_batch_size": "--batch_size, the barcodes of all processes together,",
    "train_batch_size": "--batch_size",
    "learning_rate": "--base_learning_rate, the highest rate at a global batch of 64,",
    "lr": "--base_learning_rate",
    "warmup_steps": "--warm_up_steps",
    "save_steps": "--checkpoint_every",
    "save_total_limit": "--keep_checkpoints",
    "eval_steps": "--validate_every",
    "logging_steps": "--log_every",
    "dataloader_num_workers": "--num_workers",
    "bf16": "--mixed_precision bf16",
    "use_cpu": "--cpu",
    "hub_model_id": "--push_to_hub",
    "model_name_or_path": "--model",
    "train_file": "--train_data",
    "dataset_name": "--train_data",
    "resume_from_checkpoint": "no argument: the same command goes on where the run was stopped;",
}


@dataclass
class RunArguments:
    """What every training run is asked; defaults are the paper's (Appendix B)."""

    train_data: list[str] = field(
        default_factory=list, metadata={"help": "files, globs, saved data sets or Hub ids"}
    )
    output_dir: str = field(default="", metadata={"help": "where models and records go"})
    on_error: str = field(default="raise", metadata={"help": "raise or skip faulty records"})
    degap: bool = field(default=False, metadata={"help": "take gaps (- and .) out of the barcodes"})
    epochs: float = field(default=35.0, metadata={"help": "passes over the barcodes"})
    batch_size: int = field(
        default=32, metadata={"help": "barcodes in a step, of all processes together"}
    )
    gradient_accumulation_steps: int = field(
        default=1, metadata={"help": "parts that a process computes its share of a step in"}
    )
    base_learning_rate: float = field(
        default=1e-4, metadata={"help": "highest rate of OneCycle at a global batch of 64"}
    )
    weight_decay: float = field(default=1e-5, metadata={"help": "of AdamW"})
    max_grad_norm: float = field(default=0.0, metadata={"help": "clip gradients; 0: do not"})
    seed: int = field(default=0, metadata={"help": "of everything random"})
    mixed_precision: str = field(
        default="", metadata={"help": "no or bf16; default: what the launcher says"}
    )
    cpu: bool = field(default=False, metadata={"help": "train on the CPU"})
    num_workers: int = field(default=0, metadata={"help": "processes that prepare batches"})
    report_to: list[str] = field(
        default_factory=list, metadata={"help": "trackers: tensorboard, wandb"}
    )
    checkpoint_every: int = field(default=0, metadata={"help": "steps; 0: once an epoch"})
    checkpoint_minutes: float = field(
        default=5.0, metadata={"help": "most minutes between checkpoints; 0: any number"}
    )
    stop_after_minutes: float = field(
        default=0.0, metadata={"help": "save and stop by then; the same command goes on; 0: never"}
    )

    def __post_init__(self) -> None:
        # What the run computes in is part of what it is, and has to be known to whoever resumes it.
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
        self.check_values(
            epochs=(self.epochs > 0, "positive"),
            batch_size=(self.batch_size > 0, "positive"),
            gradient_accumulation_steps=(self.gradient_accumulation_steps > 0, "positive"),
            base_learning_rate=(self.base_learning_rate > 0, "positive"),
            weight_decay=(self.weight_decay >= 0, "0 or more"),
            max_grad_norm=(self.max_grad_norm >= 0, "0 or more"),
            seed=(0 <= self.seed < 2**32, "in 0 to 4294967295"),
            num_workers=(self.num_workers >= 0, "0 or more"),
            checkpoint_every=(self.checkpoint_every >= 0, "0 or more"),
            checkpoint_minutes=(self.checkpoint_minutes >= 0, "0 or more"),
            stop_after_minutes=(self.stop_after_minutes >= 0, "0 or more"),
            on_error=(self.on_error in ("raise", "skip"), "raise or skip"),
            mixed_precision=(self.mixed_precision in ("no", "bf16"), "no or bf16"),
        )

    @property
    def defines_the_run(self) -> dict:
        """What must not change when a run is resumed: all that the weights depend on."""
        free = self.may_change()
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in free}

    def may_change(self) -> set[str]:
        """The arguments that may differ from one start to the next."""
        free = {"output_dir", "cpu", "num_workers", "report_to", "stop_after_minutes"}
        return free | {"gradient_accumulation_steps", "checkpoint_every", "checkpoint_minutes"}

    def check_values(self, **tests: tuple[bool, str]) -> None:
        """Raise BarcodeMAEError for the first argument whose (is_allowed, allowed) fails."""
        for name, (is_allowed, allowed) in tests.items():
            if not is_allowed:
                raise BarcodeMAEError(f"--{name} {getattr(self, name)}: must be {allowed}")


@dataclass
class LoopArguments(RunArguments):
    """What `train.loop.run` is asked: the model, its barcodes, and when to log, judge and save."""

    preset: str = field(default="barcodemae-k6", metadata={"help": "variant to train"})
    model_overrides: str = field(
        default="", metadata={"help": 'YAML fields over the preset: "{mask_ratio: 0.65}"'}
    )
    split: list[str] = field(default_factory=list, metadata={"help": "only these splits"})
    phylum: list[str] = field(default_factory=list, metadata={"help": "only these phyla"})
    min_length: int = field(default=0, metadata={"help": "shortest barcode, nucleotides"})
    validation_share: float = field(
        default=0.01, metadata={"help": "share of the barcodes held out to choose the best model"}
    )

    max_steps: int = field(
        default=0, metadata={"help": "global steps; 0: as many as the epochs take"}
    )
    random_offset: bool = field(default=True, metadata={"help": "random frame offset"})

    log_every: int = field(default=20, metadata={"help": "steps between training metrics"})
    validate_every: int = field(default=0, metadata={"help": "steps; 0: once an epoch"})
    keep_checkpoints: int = field(default=2, metadata={"help": "newest to keep; 0: all"})
    push_to_hub: str = field(default="", metadata={"help": "repository to push the best model to"})

    def check(self) -> None:
        super().check()
        self.check_values(
            validation_share=(0 < self.validation_share < 1, "in (0, 1)"),
            min_length=(self.min_length >= 0, "0 or more"),
            max_steps=(self.max_steps >= 0, "0 or more"),
            log_every=(self.log_every > 0, "positive"),
            validate_every=(self.validate_every >= 0, "0 or more"),
            keep_checkpoints=(self.keep_checkpoints >= 0, "0 or more"),
        )

    def may_change(self) -> set[str]:
        free = {"log_every", "keep_checkpoints", "push_to_hub"}
        return super().may_change() | free


@dataclass
class PretrainArguments(LoopArguments):
    """Pretrain a BarcodeMAE. Defaults are the paper's (section 2, Appendix B)."""

    replace: bool = field(
        default=False, metadata={"help": "show 10 %% of the chosen k-mers, replace 10 %%"}
    )
    mask_ratio_between: list[float] = field(
        default_factory=list,
        metadata={"help": "LOW HIGH: draw each global batch's mask ratio between the two"},
    )

    model: str = field(
        default="", metadata={"help": "checkpoint to begin with, in place of random weights"}
    )
    grid: str = field(
        default="", metadata={"help": "grid.safetensors of the region; default: COI's"}
    )
    start: str = field(
        default="random",
        metadata={
            "help": "of the pooling by site: random, or discriminants of the labelled barcodes"
        },
    )
    masked_weight: float = field(
        default=1.0, metadata={"help": "of the loss of masked k-mers; 0: none are masked"}
    )
    label_rank: str = field(
        default="",
        metadata={
            "help": "learn from taxa of this rank, too: to bring their barcodes together or, with "
            "cls_token, to name them (BarcodeMAE+); empty: do not"
        },
    )
    label_weight: float = field(default=0.1, metadata={"help": "of the loss of taxa"})
    label_warm_up_epochs: float = field(
        default=5.0, metadata={"help": "over which label_weight is reached"}
    )
    label_taxa: int = field(default=16, metadata={"help": "taxa sure to be in a global batch"})
    label_barcodes: int = field(default=4, metadata={"help": "barcodes of each of them"})
    label_species: int = field(
        default=2, metadata={"help": "species of each of them in contrast, where it has so many"}
    )
    label_power: float = field(
        default=0.5,
        metadata={"help": "contrast draws taxa by their number of barcodes to this power"},
    )
    relatives_share: float = field(
        default=0.0,
        metadata={"help": "share of batches whose taxa are drawn family by family in contrast"},
    )
    temperature: float = field(default=0.1, metadata={"help": "that contrast divides cosines by"})
    species_weight: float = field(
        default=0.0, metadata={"help": "of the contrast of species, beside that of label_rank"}
    )
    proxy_ranks: list[str] = field(
        default_factory=list,
        metadata={
            "help": "RANK=WEIGHT ...: in contrast, name taxa of these ranks, too, each by a vector"
        },
    )
    average: float = field(
        default=0.0,
        metadata={
            "help": "decay of the moving average of the weights that is judged and saved on laid "
            "barcodes, such as 0.999; 0: the weights themselves are"
        },
    )
    window_share: float = field(
        default=0.0, metadata={"help": "share of laid barcodes of which a window alone is shown"}
    )
    window_between: list[float] = field(
        default_factory=lambda: [130, 560],
        metadata={"help": "shortest and longest window, nucleotides"},
    )
    drop: float = field(
        default=0.0, metadata={"help": "most k-mers left out of a contrasted barcode, a share"}
    )
    noise: float = field(
        default=0.0, metadata={"help": "mean share of misread nucleotides in contrast"}
    )
    evolve: float = field(
        default=0.0,
        metadata={
            "help": "most substitutions in contrast, where 1 is what sets two species of a taxon "
            "apart at each place"
        },
    )
    warm_up_steps: int = field(default=100, metadata={"help": "of the rate, on laid barcodes"})

    compile: bool = field(default=False, metadata={"help": "torch.compile the model"})

    def check(self) -> None:
        super().check()
        self.check_values(
            mask_ratio_between=(
                not self.mask_ratio_between or _is_range_of_shares(self.mask_ratio_between),
                "two numbers with 0 < LOW < HIGH < 1",
            ),
            label_rank=(self.label_rank in ("", *RANKS), f"empty or one of {', '.join(RANKS)}"),
            start=(self.start in ("random", "discriminants"), "random or discriminants"),
            masked_weight=(self.masked_weight >= 0, "0 or more"),
            label_weight=(self.label_weight > 0, "positive"),
            label_warm_up_epochs=(self.label_warm_up_epochs >= 0, "0 or more"),
            label_taxa=(self.label_taxa > 0, "positive"),
            label_barcodes=(self.label_barcodes > 0, "positive"),
            label_species=(self.label_species > 0, "positive"),
            temperature=(self.temperature > 0, "positive"),
            relatives_share=(0 <= self.relatives_share <= 1, "in [0, 1]"),
            species_weight=(self.species_weight >= 0, "0 or more"),
            average=(0 <= self.average < 1, "in [0, 1)"),
            evolve=(0 <= self.evolve <= 1, "in [0, 1]"),
            proxy_ranks=(
                all(_is_weighted_rank(each) for each in self.proxy_ranks),
                f"RANK=WEIGHT ..., the weights positive, of {', '.join(RANKS)}",
            ),
            window_share=(0 <= self.window_share <= 1, "in [0, 1]"),
            window_between=(
                len(self.window_between) == 2
                and 0 < self.window_between[0] <= self.window_between[1],
                "two numbers of nucleotides, the shorter first",
            ),
            drop=(0 <= self.drop < 1, "in [0, 1)"),
            noise=(0 <= self.noise < 0.5, "in [0, 0.5)"),
            warm_up_steps=(self.warm_up_steps >= 0, "0 or more"),
        )

    @property
    def proxy_weights(self) -> dict[str, float]:
        """What `proxy_ranks` says, by rank."""
        pairs = (each.split("=") for each in self.proxy_ranks)
        return {rank: float(weight) for rank, weight in pairs}


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
    except (TypeError, ValueError):  # other than two, or a YAML file's text
        return False


def parse_arguments(
    arguments: list[str] | None = None, kind: type[Arguments] = PretrainArguments
) -> Arguments:
    """Read `--config FILE.yaml` and what else the command line says, which takes precedence.

    Args:
        arguments: default: those of the command line.
        kind: dataclass of the script's arguments, with a method `check`.

    Raises:
        BarcodeMAEError: the file is missing, is not YAML, or names an argument that there is not.
    """
    first = _Parser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=Path)
    config, rest = first.parse_known_args(arguments)
    parser = _HfParser(kind, description=kind.__doc__, allow_abbrev=False)
    parser.add_argument("--config", help="YAML file with any of the arguments below")
    if config.config:
        parser.set_defaults(**_read_yaml(_found(config.config), kind))
    parsed, _, unknown = parser.parse_args_into_dataclasses(rest, return_remaining_strings=True)
    if unknown:
        name = unknown[0].partition("=")[0]
        hint = _hint(name.lstrip("-").replace("-", "_"), get_type_hints(kind), "--")
        raise BarcodeMAEError(f"there is no argument {name}.{hint} --help lists them all")
    parsed.check()
    return parsed


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in a line."""

    def error(self, message: str) -> NoReturn:
        raise BarcodeMAEError(f"{message}. --help lists the arguments")


class _HfParser(_Parser, HfArgumentParser):
    """HfArgumentParser that says what is wrong in a line."""


def _hint(name: str, known: Iterable[str], prefix: str = "") -> str:
    """What is meant by an argument that there is not: what others call so, or one of like name."""
    if name in _HABITS:
        return f" What transformers calls so is {_HABITS[name]} here."
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {prefix + close[0]!r}?" if close else ""


def named_argument(name: str, arguments: list[str] | None = None) -> str:
    """What the command line or its `--config` says for `name`; "" where neither does.

    For what decides which arguments there are. A faulty config is told of by `parse_arguments`.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=Path)
    first.add_argument(f"--{name}", dest="value", default="")
    found, _ = first.parse_known_args(arguments)
    config = found.config and _found(found.config)
    if found.value or not (config and config.is_file()):
        return found.value
    try:
        values = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return ""
    return str(values.get(name, "")) if isinstance(values, dict) else ""


def _found(path: Path) -> Path:
    """A file, or the ready-made one of the package that its name, or train/configs/NAME, means."""
    ready = _CONFIGS / path.name
    is_name = path.parent in (Path(), Path("train/configs"))
    return ready if is_name and not path.exists() and ready.is_file() else path


def _read_yaml(path: Path, kind: type) -> dict:
    if not path.is_file():
        names = ", ".join(sorted(ready.name for ready in _CONFIGS.glob("*.yaml")))
        raise BarcodeMAEError(f"{path}: no such file. Ready-made ones: {names}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except UnicodeDecodeError as error:
        raise BarcodeMAEError(f"{path}: is not UTF-8 text ({error}); save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise BarcodeMAEError(f"{path}: not YAML: {error}") from error
    if not isinstance(values, dict):
        raise BarcodeMAEError(f"{path}: must hold lines of the form 'argument: value'")
    known = get_type_hints(kind)
    for name, value in values.items():
        if name not in known:
            hint = _hint(str(name), known)
            raise BarcodeMAEError(f"{path}: there is no argument {name!r}.{hint}")
        try:
            values[name] = _as_type(value, known[name])
        except (TypeError, ValueError) as error:
            raise BarcodeMAEError(f"{path}: {name}: {error}") from None
    return values


def _as_type(value: object, kind: object) -> object:
    """What YAML made of a value, as the type of the argument.

    Raises:
        ValueError: it cannot be that; says so.
    """
    if kind in (list[str], list[float]):
        items = value if isinstance(value, list) else [value]
        return [_as_type(item, get_args(kind)[0]) for item in items]
    if value is None:
        raise ValueError("has no value; give one, or leave the line out")
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is neither true nor false")
        return value
    if kind is str:
        if isinstance(value, (list, dict)):
            raise ValueError(f"{value!r} is no text; put it in quotes")
        return "no" if value is False else str(value)  # YAML 1.1 reads no as false
    if isinstance(value, bool) or (kind is int and not isinstance(value, int)):
        raise ValueError(f"{value!r} is not a {'whole ' if kind is int else ''}number")
    try:
        return value if kind is int else float(value)  # YAML 1.1 reads 1e-4 as text
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a number") from None
