"""Reading finished checkpoints, and refusing what is not one."""

from pathlib import Path

import torch
from transformers import PreTrainedModel

from barcodemae.errors import BarcodeMAEError
from barcodemae.families import FAMILIES, Family
from barcodemae.loading import load_whole, read_json

TRAINING_RECORD = "training.json"


def read_checkpoint(
    directory: str | Path, encoder_only: bool = False, dtype: torch.dtype | None = None
) -> tuple[PreTrainedModel, dict]:
    """A finished checkpoint: its model, of the class that saved it or its encoder alone, and what
    the training left on itself.

    Raises:
        BarcodeMAEError: the directory is not a finished checkpoint of a family of ours.
    """
    path = Path(directory)
    family, architecture = check_finished(path)
    training = read_training(path)  # before the weights, which take longer
    kind = family.encoder_class if encoder_only else family.model_class(architecture)
    model = load_whole(kind, path, dtype=dtype or "auto", local_files_only=True)
    return model.eval(), training


def read_training(directory: Path) -> dict:
    """What a training left on itself in a directory; {} where there is nothing.

    Raises:
        BarcodeMAEError: a part of it is not what a training writes.
    """
    record = read_json(path := directory / TRAINING_RECORD)
    for names, kind, allowed in (
        (("arguments", "data", "validation", "versions", "original"), dict, "an object"),
        (("license", "hardware", "converted_from", "notes"), str, "a text"),
        (("steps", "barcodes_seen"), int, "a whole number"),
        (("epochs", "seconds"), (int, float), "a number"),
    ):
        for name in names:
            if name in record and not isinstance(record[name], kind):
                raise BarcodeMAEError(
                    f"{path}: {name} is {record[name]!r} and must be {allowed}. Correct or remove "
                    "the file"
                )
    return record


def check_finished(path: Path) -> tuple[Family, str]:
    """The family of the checkpoint in `path`, and the name of the class that saved it.

    Raises:
        BarcodeMAEError: the directory is not a finished checkpoint of a family of ours.
    """

    def refuse(fault: str) -> BarcodeMAEError:
        return BarcodeMAEError(
            f"{path}: not a finished checkpoint: {fault}. Give the directory that pretraining "
            "wrote last, for example OUTPUT_DIR/best."
        )

    if not path.is_dir():
        raise refuse("there is no such directory")
    if unfinished := [p for p in (path.resolve(), *path.iterdir()) if p.suffix == ".tmp"]:
        raise refuse(f"{unfinished[0].name} was being written when the run ended")
    if not (path / "config.json").is_file():
        raise refuse("it has no config.json")
    if not any((path / f"model.safetensors{end}").is_file() for end in ("", ".index.json")):
        raise refuse("it has no model.safetensors")
    config = read_json(path / "config.json")
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise refuse(f"config.json says model_type = {model_type!r}, not {' or '.join(FAMILIES)}")
    family = FAMILIES[model_type]
    saved_by = config.get("architectures")
    architecture = saved_by[0] if saved_by and isinstance(saved_by, list) else None
    if architecture not in family.architectures:
        raise refuse(f"config.json names no architecture of ours ({architecture!r})")
    return family, architecture
