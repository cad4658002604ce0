"""Loading models that a user names: a directory or a Hub id."""

import json
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from transformers import PretrainedConfig, PreTrainedModel

from barcodemae.errors import BarcodeMAEError
from barcodemae.families import Family, find_family

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
    path = Path(name)
    if path.exists() and not (path / "config.json").is_file():
        raise BarcodeMAEError(
            f"{name}: not a checkpoint directory (it has no config.json). Give the directory that "
            "training wrote, for example OUTPUT_DIR/best."
        )
    if not path.exists() and str(name).count("/") != 1:
        raise BarcodeMAEError(f"{name}: there is no such directory, and it is no Hub id (org/name)")
    try:
        config, _ = PretrainedConfig.get_config_dict(name)
    except OSError as error:
        raise BarcodeMAEError(f"{name}: cannot be loaded. {error}") from error
    return find_family(config.get("model_type"), name)


def load_whole(model_class: type[Model], name: str | Path, may_lack: str = "", **options) -> Model:
    """`model_class.from_pretrained(name)` that leaves no weight random, as transformers would.

    Args:
        model_class: of the model.
        name: a checkpoint directory or a Hub id.
        may_lack: weights whose names begin so may be absent; "": none.
        options: of `from_pretrained`.

    Raises:
        BarcodeMAEError: the weights cannot be read, or lack tensors of the model.
    """
    try:
        model, loading = model_class.from_pretrained(name, output_loading_info=True, **options)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise BarcodeMAEError(
            f"{name}: cannot be loaded ({error}). Is a file damaged, or was it not copied whole? "
            "Copy or save the checkpoint again."
        ) from error
    needed = [*loading["missing_keys"], *map(str, loading["mismatched_keys"])]
    absent = sorted(key for key in needed if not (may_lack and key.startswith(may_lack)))
    if absent:
        raise BarcodeMAEError(
            f"{name}: the weights lack {len(absent)} of the tensors that its config.json asks for, "
            f"the first being {absent[0]}. Give a checkpoint that was saved whole."
        )
    return model


def read_json(path: Path) -> dict:
    """The object in a JSON file; {} where there is no file.

    Raises:
        BarcodeMAEError: it is not JSON.
    """
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BarcodeMAEError(f"{path}: not JSON ({error}). Restore or remove the file.") from error
