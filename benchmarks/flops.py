"""Arithmetic of a BarcodeMAE: what it has to compute, whatever a program computes in fact."""

from __future__ import annotations

from barcodemae import BarcodeMAEConfig


def forward_flops(
    config: BarcodeMAEConfig, length: int, visible: int, predicted: int, slots: int | None = None
) -> float:
    """Floating-point operations of one barcode's forward pass, in matrix products alone.

    A multiplication and the addition after it count as two. A BERT layer of width h and inner
    width f costs, for each of n tokens, 8 h^2 (query, key, value, output) + 4 h f (the two inner
    products) + 4 n h (scores, and values weighted by them). Then

        encoder layers x visible tokens, decoder layers x all tokens,
        2 h d x visible (the projection between them), 2 d 4^k x predicted (the head).

    Embeddings, norms, softmax and GELU are left out, as is usual for model FLOP utilisation. A
    training step is three times this: backward costs two products for each one of forward.

    Args:
        length, visible, predicted: tokens of the barcode, those not masked, those with a label.
        slots: the encoder's tokens for each barcode where it computes padding too.
    """
    slots = length if config.encoder_sees_mask else slots or visible
    total = config.num_hidden_layers * _layer(slots, config.hidden_size, config.intermediate_size)
    width = config.hidden_size
    if config.decoder_num_hidden_layers:
        width = config.decoder_hidden_size
        total += 2 * config.hidden_size * width * slots
        total += config.decoder_num_hidden_layers * _layer(
            length, width, config.decoder_intermediate_size
        )
    return total + 2.0 * width * config.num_kmers * predicted


def encoder_flops(config: BarcodeMAEConfig, length: int) -> float:
    """Floating-point operations of embedding one barcode of `length` tokens."""
    return config.num_hidden_layers * _layer(length, config.hidden_size, config.intermediate_size)


def _layer(tokens: int, width: int, inner: int) -> float:
    return tokens * (8.0 * width**2 + 4 * width * inner + 4 * tokens * width)
