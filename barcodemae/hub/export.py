"""Checkpoint -> complete Hub repository."""

import json
import re
import shutil
from collections.abc import Callable
from importlib.metadata import requires
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import metadata_load
from transformers import PreTrainedModel
from yaml import YAMLError

from barcodemae.directories import whole_directory
from barcodemae.errors import BarcodeMAEError, first_line
from barcodemae.families import family_of
from barcodemae.hub.card import EMBED_WITH_ONNXRUNTIME, FOLDER, render_card
from barcodemae.hub.results import RESULTS, read_results, write_eval_results
from barcodemae.hub.sentence_transformers import write_sentence_transformers
from barcodemae.hub.source import TRAINING_RECORD, check_finished, read_checkpoint

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# What the repository's own Python files import.
_NEEDED = ("torch", "transformers", "safetensors")
_GRID = "grid.safetensors"
# Arguments of a training run.
_FOLDERS = ("output_dir", "cache_dir")
_MODELS = ("model",)


def export(
    checkpoint: str | Path,
    output: str | Path,
    *,
    encoder_only: bool = False,
    dtype: str | None = None,
    onnx: bool = False,
    last_map: tuple[np.ndarray, np.ndarray] | None = None,
    results: str | Path | None = None,
    results_model: str | None = None,
    results_data: str | None = None,
    data: dict | None = None,
    license: str | None = None,
    repo_id: str | None = None,
    draw: Callable[[dict, Path], object] | None = None,
) -> Path:
    """Write a repository that loads through every Auto class, with its card; whole or not at all.

    Args:
        checkpoint: directory of a finished checkpoint.
        output: directory to write; must not exist, or be empty.
        encoder_only: leave the decoder (and any head) out, as the paper does after pretraining.
        dtype: of the weights, a key of `DTYPES`; None: as saved.
        onnx: add `onnx/model.onnx` and an example that needs ONNX Runtime alone.
        last_map: weight (size, sites) and bias (size,) that take the place of those of a model that
            pools by site (`identification.folding.joined_map`).
        results: results.json of an evaluation.
        results_model: the name of this model in `results`, if it cannot be told.
        results_data: Hub id of the data that it was evaluated on.
        data: more on the training data for the card: name, id (on the Hub), license.
        license: of the weights, as the Hub abbreviates it; None: what the checkpoint's training
            record or card says, else the data's, or "unknown".
        repo_id: what the card's snippets load; default: the name of `output`.
        draw: draws the figures of `results` in a folder (`evaluation.figures.draw_all`); None:
            the card has none.

    Raises:
        BarcodeMAEError: the checkpoint is not finished, `output` is not empty, or an argument is
            not allowed. Nothing is left behind.
    """
    output, path = Path(output), Path(checkpoint)
    _check_options(path, dtype, onnx, bool(results), last_map is not None)
    name = repo_id or output.absolute().name
    if results:
        found = _found_results(Path(results), path, name, results_model, results_data)
    with whole_directory(output) as directory:
        model, training = read_checkpoint(path, encoder_only, DTYPES.get(dtype))
        _replace_last_map(model, last_map)
        _write_model(directory, model, path)
        _write_requirements(directory / "requirements.txt")
        said = license or _license_of(path, training)
        _write_json(directory / TRAINING_RECORD, _public_record(training, data or {}, said))
        if results:
            _write_results(directory, found, draw)
        if onnx:
            _write_onnx(directory, path, encoder_only, last_map)
        (directory / "README.md").write_text(render_card(directory, name), encoding="utf-8")
    return output


def _check_options(
    checkpoint: Path, dtype: str | None, onnx: bool, with_results: bool, folds: bool
) -> None:
    if dtype is not None and dtype not in DTYPES:
        raise BarcodeMAEError(f"--dtype {dtype} is not allowed: give one of {', '.join(DTYPES)}")
    if onnx and (family := check_finished(checkpoint)[0]).model_type != "barcodemae":
        raise BarcodeMAEError(f"--onnx: {family.name} models have no ONNX graph; leave it out")
    if with_results and folds:
        raise BarcodeMAEError(
            "--results were measured before --fold-metric changes the weights: export without "
            "them, evaluate what was exported, and export that with --results"
        )


def _found_results(
    results: Path, checkpoint: Path, name: str, model: str | None, data: str | None
) -> dict:
    """What `results` says of the checkpoint; `model`, `data`: as for `export`."""
    names = (str(checkpoint), str(checkpoint.resolve()), checkpoint.name)
    found = read_results(results, model, names, name.rsplit("/", 1)[-1])
    if data:
        found["data"] |= {"id": data, "name": data.rsplit("/", 1)[-1]}
    return found


def _write_model(directory: Path, model: PreTrainedModel, checkpoint: Path) -> None:
    """Weights, tokenizer and what sentence-transformers reads."""
    model.save_pretrained(directory)
    if (checkpoint / _GRID).is_file():  # its own, which may not be the usual one
        tokenizer_class = family_of(model.config).tokenizer_class
        tokenizer_class.from_pretrained(checkpoint).save_pretrained(directory)
    write_sentence_transformers(directory)


def _write_requirements(path: Path) -> None:
    lines = [line for line in requires("barcodemae") or [] if re.split(r"\W", line)[0] in _NEEDED]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _license_of(checkpoint: Path, training: dict) -> str | None:
    """The licence of the weights by their training record, or else by their card's front matter."""
    said, card = training.get("license"), checkpoint / "README.md"
    if said in (None, "unknown") and card.is_file():
        try:
            front = metadata_load(card) or {}
        except (ValueError, YAMLError) as error:
            raise BarcodeMAEError(
                f"{card}: its front matter cannot be read ({first_line(error)}). Correct it, or "
                "give --license"
            ) from error
        said = front.get("license_name") or front.get("license")
    return said if isinstance(said, str) and said != "unknown" else None


def _public_record(training: dict, data: dict, license: str | None) -> dict:
    """The training record without what is of one machine only: the command and the folders."""
    record = {key: value for key, value in training.items() if key != "command"}
    if "data" in record or data:
        record["data"] = {**record.get("data", {}), **data}
    if "arguments" in record:
        record["arguments"] = {
            name: _without_home(value) if name in _MODELS else value
            for name, value in record["arguments"].items()
            if name not in _FOLDERS
        }
    for place in (record.get("data", {}), record.get("arguments", {})):
        if isinstance(sources := place.get("train_data"), list):
            place["train_data"] = [_without_folders(source) for source in sources]
    data_license = record.get("data", {}).get("license")
    return {**record, "license": license or data_license or "unknown"}


def _without_home(model: str) -> str:
    """The last two parts of a local directory (RUN/best); a Hub id stays as it is."""
    path = Path(model)
    return "/".join(path.parts[-2:]) if path.is_absolute() or path.exists() else model


def _without_folders(source: str) -> str:
    """The file name of a local path; a Hub id stays as it is."""
    path = Path(source)
    return path.name if path.is_absolute() or path.exists() or path.suffix else source


def _write_results(
    directory: Path, results: dict, draw: Callable[[dict, Path], object] | None
) -> None:
    _write_json(directory / RESULTS, results)
    write_eval_results(directory, results)
    if draw is not None and {"settings", "points"} <= results.keys():
        # Drawn anew: the evaluation's own figures call the model by the folder it lay in.
        draw(results, directory / "figures")


def _replace_last_map(
    model: PreTrainedModel, last_map: tuple[np.ndarray, np.ndarray] | None
) -> None:
    if last_map is None:
        return
    projection = model.base_model.site_pooling.projection
    with torch.no_grad():
        for parameter, values in zip((projection.weight, projection.bias), last_map, strict=True):
            parameter.copy_(torch.from_numpy(values))


def _write_onnx(
    directory: Path,
    checkpoint: Path,
    encoder_only: bool,
    last_map: tuple[np.ndarray, np.ndarray] | None,
) -> None:
    from barcodemae.hub.onnx_export import write_onnx

    is_classifier = check_finished(checkpoint)[1].endswith("ForSequenceClassification")
    without_head = encoder_only or not is_classifier
    model, _ = read_checkpoint(checkpoint, encoder_only=without_head, dtype=torch.float32)
    _replace_last_map(model, last_map)
    write_onnx(model, directory / "onnx" / "model.onnx")
    shutil.copyfile(FOLDER / EMBED_WITH_ONNXRUNTIME, directory / EMBED_WITH_ONNXRUNTIME)


def _write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
