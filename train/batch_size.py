"""The largest batch that fits in memory, found by trying."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate import Accelerator
from accelerate.utils import find_executable_batch_size

from barcodemae.errors import BarcodeMAEError
from tokenization_barcodemae import MAX_NUCLEOTIDES


def largest_batch_size(
    model: torch.nn.Module,
    batch_size: int,
    accelerator: Accelerator,
    mask_ratios: Sequence[float] = (),
) -> int:
    """Barcodes in a batch: the largest divisor of `batch_size` that fits in memory, or near it.

    Sizes are about halved from try to try; the rest of the global batch is left to gradient
    accumulation. Every process gets the same answer,
    that of the process with the least memory. No random number of the run is used up, and no
    gradient is left behind.

    Args:
        model: on its device, before its optimizer has made a step.
        mask_ratios: the lowest and the highest that training will meet; default: the config's.

    Raises:
        BarcodeMAEError: a single barcode does not fit.
    """
    config = model.config
    parameters = [p for p in model.parameters() if p.requires_grad]
    length = MAX_NUCLEOTIDES // config.kmer_size
    lowest, highest = mask_ratios or (config.mask_ratio, config.mask_ratio)
    # The most that the encoder will see and the most that the head will name.
    hidden, predicted = round(lowest * length), round(highest * length)

    def attempt(size: int) -> int:
        # AdamW's two moments, which will be there when the training steps are made.
        moments = [torch.empty_like(p) for p in parameters for _ in range(2)]
        labels = torch.zeros(size, length, dtype=torch.long, device=accelerator.device)
        labels[:, predicted:] = -100
        input_ids = torch.zeros_like(labels)
        input_ids[:, :hidden] = config.mask_token_id
        with accelerator.autocast():
            output = model(
                input_ids,
                # Of the barcodes of a batch some are shorter, so there is a mask.
                attention_mask=torch.ones_like(input_ids),
                labels=labels,
                num_visible=length - hidden,
                num_predicted=predicted,
            )
        output.loss.backward()
        del moments
        return size

    size = batch_size

    def halve() -> int:
        nonlocal size
        model.zero_grad()
        size = next((n for n in range(size // 2, 0, -1) if batch_size % n == 0), 0)
        return size

    try:
        with torch.random.fork_rng():
            find_executable_batch_size(
                attempt, starting_batch_size=batch_size, reduce_batch_size_fn=halve
            )()
    except RuntimeError as error:
        if "No executable batch size" not in str(error):
            raise
        raise BarcodeMAEError(
            "not even one barcode fits in memory: choose a smaller --preset"
        ) from error
    finally:
        model.zero_grad()
    smallest = accelerator.gather(torch.tensor([size], device=accelerator.device)).min()
    return int(smallest)
