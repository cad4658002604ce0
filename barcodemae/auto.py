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

__all__ = [
    "BarcodeMAEConfig",
    "BarcodeMAEForMaskedLM",
    "BarcodeMAEForSequenceClassification",
    "BarcodeMAEModel",
    "BarcodeMAETokenizer",
]
