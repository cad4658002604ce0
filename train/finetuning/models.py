"""The models that fine-tuning begins with."""

from __future__ import annotations

from barcodemae import BarcodeMAEConfig, BarcodeMAEForSequenceClassification, BarcodeMAEModel
from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.classification import check_kmer_size
from barcodemae.identification.lineages import Lineages
from barcodemae.loading import config_at
from barcodemae.presets import preset_config
from train.finetuning.finetune_arguments import FinetuneArguments
from train.finetuning.heads import LineageHeads


def make_encoder(arguments: FinetuneArguments) -> BarcodeMAEModel:
    """The pretrained encoder, or one with random weights.

    Raises:
        BarcodeMAEError: the checkpoint cannot be loaded, is of another family, or its tokenizer has
            another k.
    """
    is_preset = arguments.from_scratch and not arguments.model
    config = preset_config(arguments.preset) if is_preset else config_at(arguments.model)
    if not isinstance(config, BarcodeMAEConfig):
        raise BarcodeMAEError(
            f"{arguments.preset if is_preset else arguments.model}: holds no BarcodeMAE but "
            f"{config.model_type}; give --family {config.model_type}, or another model"
        )
    if is_preset:
        return BarcodeMAEModel(config)
    check_kmer_size(arguments.model)
    encoder = Embedder.from_pretrained(arguments.model, "cpu").model
    return BarcodeMAEModel(encoder.config) if arguments.from_scratch else encoder


def with_heads(encoder: BarcodeMAEModel, lineages: Lineages) -> BarcodeMAEForSequenceClassification:
    """The encoder under a new head for each rank."""
    lineages.to_config(encoder.config)
    encoder.config.problem_type = "single_label_classification"
    model = BarcodeMAEForSequenceClassification(encoder.config)
    model.barcodemae = encoder
    model.classifier = LineageHeads(
        encoder.config.pooled_size, lineages, encoder.config.initializer_range
    )
    return model
