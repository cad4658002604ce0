"""The config of the model that a run trains: a preset, and what is asked for over it."""

from __future__ import annotations

import yaml

from barcodemae import BarcodeMAEConfig
from barcodemae.errors import BarcodeMAEError
from barcodemae.presets import preset_config
from train.loop.arguments import LoopArguments


def make_config(arguments: LoopArguments) -> BarcodeMAEConfig:
    """The preset with `model_overrides` on top.

    Raises:
        BarcodeMAEError: there is no such preset, the overrides are not YAML fields, or a value is
            not allowed.
    """
    overrides = read_overrides(arguments)
    try:
        return preset_config(arguments.preset, **overrides)
    except ValueError as error:
        raise BarcodeMAEError(f"--preset, --model_overrides: {error}") from error


def read_overrides(arguments) -> dict:
    """The fields that `--model_overrides` names.

    Raises:
        BarcodeMAEError: it is not YAML, or holds no fields.
    """
    try:
        overrides = yaml.safe_load(arguments.model_overrides) or {}
    except yaml.YAMLError as error:
        raise BarcodeMAEError(f"--model_overrides: not YAML: {error}") from error
    if not isinstance(overrides, dict):
        raise BarcodeMAEError(
            f"--model_overrides {arguments.model_overrides!r}: must hold fields, for example "
            '"{mask_ratio: 0.65}"'
        )
    return overrides
