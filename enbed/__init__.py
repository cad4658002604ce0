"""ENBED (arXiv 2311.02333), the second family: byte precision, long DNA, encoder and decoder."""

from .configuration_enbed import EnbedConfig
from .modeling_enbed import (
    EnbedForConditionalGeneration,
    EnbedForSequenceClassification,
    EnbedForTokenClassification,
    EnbedModel,
)
from .tokenization_enbed import EnbedTokenizer

__all__ = [
    "EnbedConfig",
    "EnbedForConditionalGeneration",
    "EnbedForSequenceClassification",
    "EnbedForTokenClassification",
    "EnbedModel",
    "EnbedTokenizer",
]
