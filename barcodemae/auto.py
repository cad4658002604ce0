"""The model classes, registered with transformers' Auto classes."""

from barcodemae.families import FAMILIES
from configuration_barcodemae import BarcodeMAEConfig
from modeling_barcodemae import (
    BarcodeMAEForMaskedLM,
    BarcodeMAEForSequenceClassification,
    BarcodeMAEModel,
)
from tokenization_barcodemae import BarcodeMAETokenizer

for _family in FAMILIES.values():
    _family.register()


def _usual_grid():
    from barcodemae.data.grid import coi_grid  # no sooner: reading data takes long to import

    return coi_grid()


BarcodeMAETokenizer.usual_grid = staticmethod(_usual_grid)

__all__ = [
    "BarcodeMAEConfig",
    "BarcodeMAEForMaskedLM",
    "BarcodeMAEForSequenceClassification",
    "BarcodeMAEModel",
    "BarcodeMAETokenizer",
]
