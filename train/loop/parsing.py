"""Arguments of a script: a YAML file, and any of them on the command line."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn, TypeVar, get_args, get_type_hints

import yaml
from transformers import HfArgumentParser

from barcodemae.errors import BarcodeMAEError
from train.loop.arguments import PretrainArguments

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

    def add_argument(self, *names, allowed=None, free=False, **options):
        # The rest of a field's metadata is for the dataclass's `check`.
        return super().add_argument(*names, **options)


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
