"""A start that knows sites and genera: an encoder that does next to nothing, read linearly.

Blocks whose part in the residual stream is small leave each k-mer's state near its embedding, from
which the nucleotides are read by least squares. What makes an embedding of them is the linear map
that brings barcodes of a genus together. Training begins with an embedding that is good already.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from barcodemae import BarcodeMAEModel
from barcodemae.encoders.tokens import grid_ids
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED
from barcodemae.identification.metric import Scatter
from grid_barcodemae import UNKNOWN

_QUIET = 0.1  # times which the blocks' last weights begin
_AT_ONCE = 256


@torch.no_grad()
def states_of(encoder: BarcodeMAEModel, codes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """States (barcodes, k-mers, hidden) of codes (barcodes, places), and which k-mers are known."""
    ids = torch.from_numpy(grid_ids(codes, encoder.config.kmer_size))
    was_training = encoder.training
    encoder.eval()
    states = [encoder(part).last_hidden_state for part in ids.split(_AT_ONCE)]
    encoder.train(was_training)
    return torch.cat(states), ids < encoder.config.num_kmers


def centre(encoder: BarcodeMAEModel, codes: np.ndarray) -> None:
    """Make a zero of the mean state of each place, over barcodes (barcodes, places)."""
    encoder.site_pooling.set_centre(*states_of(encoder, codes))


@torch.no_grad()
def quieten(encoder: BarcodeMAEModel) -> None:
    """Let every block begin near the identity."""
    for layer in encoder.bert.encoder.layer:
        for dense in (layer.attention.output.dense, layer.output.dense):
            dense.weight.mul_(_QUIET)


@torch.no_grad()
def read_nucleotides(encoder: BarcodeMAEModel, codes: np.ndarray) -> None:
    """Make `site` read the nucleotides of a k-mer from its state, and centre what it reads.

    Args:
        encoder: pools by site, 4 numbers for each nucleotide of a k-mer.
        codes: (barcodes, places).

    Raises:
        BarcodeMAEError: `site_size` is another one.
    """
    k, size = encoder.config.kmer_size, encoder.config.site_size
    if size != 4 * k:
        raise BarcodeMAEError(
            f"--start discriminants reads 4 numbers a nucleotide: set site_size to {4 * k}, not "
            f"{size}"
        )
    states, is_kmer = states_of(encoder, codes)
    letters = torch.from_numpy(codes).long().clamp(max=3)
    wanted = F.one_hot(letters, 4).float().view(*is_kmer.shape, size)[is_kmer]
    seen = states[is_kmer]
    # `set_centre` takes care of the mean.
    seen, wanted = seen - seen.mean(dim=0), wanted - wanted.mean(dim=0)
    encoder.site_pooling.site.weight.copy_(torch.linalg.lstsq(seen, wanted).solution.T)
    encoder.site_pooling.set_centre(states, is_kmer)


@torch.no_grad()
def read_discriminants(
    encoder: BarcodeMAEModel, codes: np.ndarray, taxa: np.ndarray
) -> torch.Tensor:
    """Make `projection` the map that brings the sites of a taxon together.

    Args:
        encoder: `site` reads nucleotides.
        codes: (barcodes, places).
        taxa: (barcodes,) int.

    Returns:
        (barcodes, embedding_size) what the barcodes become by it.
    """
    pooling = encoder.site_pooling
    counts = np.stack([(codes == letter).sum(axis=0) for letter in range(4)], axis=1)
    mean = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (places, 4)
    sites = np.zeros((*codes.shape, 4), dtype=np.float32)
    for letter in range(4):
        sites[..., letter] = codes == letter
    sites -= mean.astype(np.float32)
    sites[codes == UNKNOWN] = 0
    flat = sites.reshape(len(codes), -1)
    directions = Scatter.of(flat, taxa.astype(str)).directions(encoder.config.embedding_size)
    pooling.projection.weight.copy_(torch.from_numpy(directions.T))
    pooling.projection.bias.zero_()
    return torch.from_numpy(flat @ directions)


@torch.no_grad()
def begin_at_means(proxies: torch.Tensor, embeddings: torch.Tensor, taxa: np.ndarray) -> None:
    """Make each of the proxies (taxa, size) the mean direction of its taxon's barcodes.

    Args:
        embeddings: (barcodes, size).
        taxa: (barcodes,), IGNORED without a label; a taxon without a barcode keeps its proxy.
    """
    labelled = torch.from_numpy(taxa != IGNORED)
    sums = torch.zeros_like(proxies)
    unit = F.normalize(embeddings[labelled], dim=1)
    sums.index_add_(0, torch.from_numpy(taxa)[labelled], unit)
    found = sums.any(dim=1, keepdim=True)
    proxies.copy_(torch.where(found, F.normalize(sums, dim=1), proxies))
