"""BarcodeMAE: embeddings of DNA barcodes by a masked autoencoder (arXiv 2502.18405).

Importing the package registers its classes with transformers, so that
`AutoModel.from_pretrained(DIR)` needs no `trust_remote_code`.
"""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from configuration_barcodemae import BarcodeMAEConfig
from modeling_barcodemae import (
    BarcodeMAEForMaskedLM,
    BarcodeMAEForSequenceClassification,
    BarcodeMAEModel,
)
from tokenization_barcodemae import BarcodeMAETokenizer

__version__ = "0.1.0"

AutoConfig.register("barcodemae", BarcodeMAEConfig)
AutoTokenizer.register(BarcodeMAEConfig, fast_tokenizer_class=BarcodeMAETokenizer)
AutoModel.register(BarcodeMAEConfig, BarcodeMAEModel)
AutoModelForMaskedLM.register(BarcodeMAEConfig, BarcodeMAEForMaskedLM)
AutoModelForSequenceClassification.register(BarcodeMAEConfig, BarcodeMAEForSequenceClassification)

__all__ = [
    "BarcodeMAEConfig",
    "BarcodeMAEForMaskedLM",
    "BarcodeMAEForSequenceClassification",
    "BarcodeMAEModel",
    "BarcodeMAETokenizer",
]
