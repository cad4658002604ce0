"""The models that fine-tuning begins with."""

from __future__ import annotations

from barcodemae import BarcodeMAEForSequenceClassification, BarcodeMAEModel
from barcodemae.encoders.embedder import Embedder
from barcodemae.identification.classification import check_kmer_size
from barcodemae.identification.lineages import Lineages
from barcodemae.presets import preset_config
from train.finetuning.finetune_arguments import FinetuneArguments
from train.finetuning.heads import LineageHeads


def make_encoder(arguments: FinetuneArguments) -> BarcodeMAEModel:
    """The pretrained encoder, or one with random weights.

    Raises:
        BarcodeMAEError: the checkpoint cannot be loaded, or its tokenizer has another k.
    """
    if arguments.from_scratch and not arguments.model:
        return BarcodeMAEModel(preset_config(arguments.preset))
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
