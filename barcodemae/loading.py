"""Loading models that a user names: a directory or a Hub id."""

import json
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from transformers import PretrainedConfig, PreTrainedModel

from barcodemae.errors import BarcodeMAEError, first_line
from barcodemae.families import Family, find_family
from barcodemae.presets import check_values

Model = TypeVar("Model", bound=PreTrainedModel)
_NEW_HEAD = "classifier."  # the weights that fine-tuning may begin without


def load_model(
    model_class: type[Model], name: str | Path, may_lack: str = _NEW_HEAD, **options
) -> Model:
    """`model_class.from_pretrained(name)`, after a look at what `name` is.

    A head for classification may be new, unless `may_lack` is ""; everything else has to be in the
    weights.

    Raises:
        BarcodeMAEError: there is nothing at `name`, or a model of another family, or its weights
            are damaged or not those that its configuration asks for.
    """
    found = family_at(name)
    if found.model_type != model_class.config_class.model_type:
        raise BarcodeMAEError(f"{name}: holds a {found.name}, which this cannot work with")
    return load_whole(model_class, name, may_lack, **options)


def family_at(name: str | Path) -> Family:
    """The family of the model in a directory or at a Hub id.

    Raises:
        BarcodeMAEError: there is nothing at `name`, or nothing of a family of ours.
    """
    return find_family(_fields_at(name).get("model_type"), name)


def config_at(name: str | Path) -> PretrainedConfig:
    """The config of the model in a directory or at a Hub id.

    Raises:
        BarcodeMAEError: as `family_at`, or a field holds what is not allowed, or is misspelt.
    """
    fields = _fields_at(name)
    family = find_family(fields.get("model_type"), name)
    try:
        check_values(fields, family.model_type)
        return family.config_class.from_dict(fields)
    except Exception as error:  # transformers' own fields fail in many ways
        raise BarcodeMAEError(
            f"{name}: its config.json is not one of a {family.name}: {first_line(error)}. Restore "
            "the file from where the model comes from"
        ) from error


def _fields_at(name: str | Path) -> dict:
    path = Path(name)
    if path.exists() and not (path / "config.json").is_file():
        raise BarcodeMAEError(
            f"{name}: not a checkpoint directory (it has no config.json). Give the directory that "
            "training wrote, for example OUTPUT_DIR/best."
        )
    if not path.exists() and str(name).count("/") != 1:
        raise BarcodeMAEError(f"{name}: there is no such directory, and it is no Hub id (org/name)")
    if path.exists():
        return read_json(path / "config.json")
    try:
        return PretrainedConfig.get_config_dict(name)[0]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BarcodeMAEError(f"{name}: cannot be loaded. {first_line(error)}") from error


def load_whole(model_class: type[Model], name: str | Path, may_lack: str = "", **options) -> Model:
    """`model_class.from_pretrained(name)` that leaves no weight random, as transformers would.

    Args:
        model_class: of the model.
        name: a checkpoint directory or a Hub id.
        may_lack: weights whose names begin so may be absent or, with the option
            `ignore_mismatched_sizes`, of another size; "": none.
        options: of `from_pretrained`.

    Raises:
        BarcodeMAEError: the config is not one of the model, or the weights are a pickle, cannot be
            read, lack tensors of the model or are not finite.
    """
    if "config" not in options:
        config_at(name)
    path = Path(name)
    if path.is_dir() and not any(path.glob("*.safetensors")) and any(path.glob("*.bin")):
        raise BarcodeMAEError(
            f"{name}: its weights are a pickle ({next(path.glob('*.bin')).name}), which could run "
            "code, and are not read. Save the model again in its own program, with "
            "save_pretrained(DIR, safe_serialization=True), which writes model.safetensors"
        )
    try:
        model, loading = model_class.from_pretrained(
            name, output_loading_info=True, use_safetensors=True, **options
        )
    except (SafetensorError, OSError, RuntimeError) as error:
        raise BarcodeMAEError(
            f"{name}: cannot be loaded ({error}). Is a file damaged, or was it not copied whole? "
            "Copy or save the checkpoint again."
        ) from error
    mismatched = (key if isinstance(key, str) else key[0] for key in loading["mismatched_keys"])
    needed = [*loading["missing_keys"], *mismatched]
    absent = sorted(key for key in needed if not (may_lack and key.startswith(may_lack)))
    if absent:
        raise BarcodeMAEError(
            f"{name}: the weights lack {len(absent)} of the tensors that its config.json asks for, "
            f"the first being {absent[0]}. Give a checkpoint that was saved whole."
        )
    broken = (name for name, tensor in model.named_parameters() if not tensor.isfinite().all())
    if (first := next(broken, None)) is not None:
        raise BarcodeMAEError(
            f"{name}: its weights are NaN or infinite (the first is {first}): that training ran "
            "away. Give an earlier checkpoint"
        )
    return model


def read_json(path: Path) -> dict:
    """The object in a JSON file; {} where there is no file.

    Raises:
        BarcodeMAEError: it is not a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BarcodeMAEError(f"{path}: not JSON ({error}). Restore or remove the file.") from error
    if not isinstance(value, dict):
        raise BarcodeMAEError(
            f"{path}: holds a {type(value).__name__} and no object ({{...}}). Restore or remove "
            "the file."
        )
    return value
