"""Loading models that a user names: a directory or a Hub id."""

from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedModel

from barcodemae import BarcodeMAEConfig
from barcodemae.errors import BarcodeMAEError

Model = TypeVar("Model", bound=PreTrainedModel)


def load_model(model_class: type[Model], name: str | Path, **options) -> Model:
    """`model_class.from_pretrained(name)`, after a look at what `name` is.

    Raises:
        BarcodeMAEError: there is nothing at `name`, or no BarcodeMAE.
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
        config, _ = BarcodeMAEConfig.get_config_dict(name)
        if config.get("model_type") != BarcodeMAEConfig.model_type:
            raise BarcodeMAEError(
                f"{name}: holds a model of type {config.get('model_type')!r}, not a BarcodeMAE"
            )
        return model_class.from_pretrained(name, **options)
    except OSError as error:
        raise BarcodeMAEError(f"{name}: cannot be loaded. {error}") from error
