"""The model classes, registered with transformers' Auto classes."""

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

AutoConfig.register("barcodemae", BarcodeMAEConfig)
AutoTokenizer.register(BarcodeMAEConfig, fast_tokenizer_class=BarcodeMAETokenizer)
AutoModel.register(BarcodeMAEConfig, BarcodeMAEModel)
AutoModelForMaskedLM.register(BarcodeMAEConfig, BarcodeMAEForMaskedLM)
AutoModelForSequenceClassification.register(BarcodeMAEConfig, BarcodeMAEForSequenceClassification)
