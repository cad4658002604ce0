"""What the models of BarcodeMAE are made of: BERT stacks, decoder, pooling, the visible tokens.

`modeling_barcodemae.py` puts them together.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import pad
from transformers import BertConfig, BertModel

try:  # next to the weights
    from .configuration_barcodemae import BarcodeMAEConfig
except ImportError:  # installed
    from configuration_barcodemae import BarcodeMAEConfig


def bert_stack(config: BarcodeMAEConfig, prefix: str = "") -> BertModel:
    """The stack whose sizes are the config's fields that begin with `prefix`."""
    sizes = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    bert_config = BertConfig(
        **{size: getattr(config, prefix + size) for size in sizes},
        vocab_size=config.vocab_size,
        hidden_act=config.hidden_act,
        hidden_dropout_prob=config.hidden_dropout_prob,
        attention_probs_dropout_prob=config.attention_probs_dropout_prob,
        max_position_embeddings=config.max_position_embeddings,
        initializer_range=config.initializer_range,
        layer_norm_eps=config.layer_norm_eps,
        use_cache=False,
        # [UNK] also stands for ambiguous k-mers inside a barcode: its embedding must be trainable.
        pad_token_id=None,
    )
    bert_config._attn_implementation = config._attn_implementation
    return BertModel(bert_config, add_pooling_layer=False)


def after_cls(
    cls: torch.Tensor,
    states: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    token_type_ids: torch.Tensor | None = None,
) -> dict[str, torch.Tensor | None]:
    """Inputs of a BertModel: [CLS] (batch, hidden), then states (batch, length, hidden).

    [CLS] is told apart by its vector and stands at position 0, too: k-mers keep their positions.
    """
    if position_ids is None:
        position_ids = torch.arange(states.shape[1], device=states.device).unsqueeze(0)
    if attention_mask is not None:
        attention_mask = pad(attention_mask.bool(), (1, 0), value=True)
    position_ids = pad(position_ids, (1, 0))
    if token_type_ids is None:
        # BERT's own default is a token short where a barcode fills every position.
        token_type_ids = torch.zeros_like(position_ids)
    else:
        token_type_ids = pad(token_type_ids, (1, 0))
    return {
        "inputs_embeds": torch.cat([cls.unsqueeze(1), states], dim=1),
        "attention_mask": attention_mask,
        "position_ids": position_ids,
        "token_type_ids": token_type_ids,
    }


def attend_to_something(attention_mask: torch.Tensor | None) -> torch.Tensor | None:
    """A row of padding alone would attend to nothing, which is NaN in some attention kernels."""
    if attention_mask is None or attention_mask.dim() != 2:
        return attention_mask
    attention_mask = attention_mask.bool()
    return attention_mask | ~attention_mask.any(dim=1, keepdim=True)


def both(flags: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """(batch, length) flags that are True where `attention_mask`, if there is one, is not 0."""
    return flags if attention_mask is None else flags & attention_mask.bool()


def most_in_a_row(flags: torch.Tensor, given: int | None) -> int:
    """Most True flags in a row; `given` by the collator, it spares a wait for the device."""
    if given is not None:
        return given
    if torch.compiler.is_compiling():
        return flags.shape[1]
    return int(flags.sum(dim=1).max())


def mean_of_kmers(states: torch.Tensor, is_kmer: torch.Tensor) -> torch.Tensor:
    """Mean of `states` (batch, length, hidden) over real k-mers -> (batch, hidden).

    Padding, [UNK] and [MASK] are left out; a barcode without a real k-mer gets zeros.
    """
    weights = is_kmer.to(states.dtype)
    total = torch.einsum("bl,blh->bh", weights, states)
    return total / weights.sum(dim=1, keepdim=True).clamp(min=1)


class SitePooling(nn.Module):
    """A barcode's embedding from its k-mers' states, kept apart by place.

    Each state becomes `site_size` numbers, and less the `centre` of its place what is left is how
    far the k-mer is from the usual one there. A place whose k-mer is unknown, masked or absent
    counts as the usual one: zeros. All places together go through one linear map, which can take
    in any other that follows it, and any centring.

    Weights: `site` (site_size, hidden), `centre` (places, site_size), `projection` from
    places x site_size to embedding_size, with a bias; places is max_position_embeddings.
    """

    def __init__(self, config: BarcodeMAEConfig):
        super().__init__()
        self.places = config.max_position_embeddings
        self.site = nn.Linear(config.hidden_size, config.site_size, bias=False)
        self.centre = nn.Parameter(torch.zeros(self.places, config.site_size))
        self.projection = nn.Linear(self.places * config.site_size, config.embedding_size)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        for weight in (self.site.weight, self.projection.weight):
            if not is_loaded(weight):
                # In float32: there is no orthogonalization in half precision.
                weight.copy_(nn.init.orthogonal_(torch.empty_like(weight, dtype=torch.float32)))
        for offset in (self.centre, self.projection.bias):
            if not is_loaded(offset):
                offset.zero_()

    def forward(
        self, states: torch.Tensor, is_kmer: torch.Tensor, position_ids: torch.Tensor | None
    ) -> torch.Tensor:
        """Embed barcodes.

        Args:
            states: (batch, length, hidden).
            is_kmer: (batch, length), False where there is no real k-mer.
            position_ids: (batch, length) or (1, length) the place of each; None: 0, 1, 2, ...

        Returns:
            (batch, embedding_size).
        """
        sites = self.site(states)  # (batch, length, site_size)
        length = sites.shape[1]
        centre = self.centre[:length] if position_ids is None else self.centre[position_ids]
        sites = (sites - centre) * is_kmer.unsqueeze(-1).to(sites.dtype)
        if position_ids is None:
            sites = pad(sites, (0, 0, 0, self.places - length))
        else:
            # Added, for slots without a k-mer may bear the number of a place that has one.
            index = position_ids.unsqueeze(-1).expand_as(sites)
            empty = sites.new_zeros(sites.shape[0], self.places, sites.shape[2])
            sites = empty.scatter_add(1, index, sites)
        return self.projection(sites.flatten(1))

    @torch.no_grad()
    def set_centre(self, states: torch.Tensor, is_kmer: torch.Tensor) -> None:
        """Set `centre` to the mean over barcodes, place by place, so that a zero is the mean.

        Args:
            states: (barcodes, places, hidden).
            is_kmer: (barcodes, places); the centre of a place that none has stays what it is.
        """
        weights = is_kmer.to(states.dtype)
        total = torch.einsum("bl,blh->lh", weights, states)
        count = weights.sum(dim=0).unsqueeze(1)
        mean = self.site(total / count.clamp(min=1))
        self.centre.copy_(torch.where(count > 0, mean, self.centre))


@torch.no_grad()
def draw_by_nucleotides(rows: torch.Tensor, kmer_size: int, std: float) -> None:
    """Fill `rows`, of which the first 4^k are those of k-mers, as sums over nucleotides.

    One vector is drawn for each nucleotide at each place in a k-mer; a k-mer's row is the sum of
    its k vectors, with a standard deviation of `std`.
    """
    vectors = torch.empty(kmer_size, 4, rows.shape[1], device=rows.device)
    vectors.normal_(std=std / kmer_size**0.5)
    total = vectors.new_zeros(1, rows.shape[1])
    for place in vectors:  # in ACGT order, the last nucleotide changes fastest
        total = (total.unsqueeze(1) + place).flatten(0, 1)
    rows[: 4**kmer_size] = total


def is_loaded(parameter: nn.Parameter) -> bool:
    """Whether transformers took it from a checkpoint, so that it must not be drawn anew."""
    return getattr(parameter, "_is_hf_initialized", False)


@dataclass
class VisibleBlock:
    """The visible tokens of a batch, gathered to the front of each row.

    Attributes:
        input_ids: (batch, visible); empty slots hold [UNK].
        positions: (batch, visible) where each token stands in its barcode.
        attention_mask: (batch, visible), False at empty slots; None: no slot is empty.
        length: tokens in a row before gathering.
    """

    input_ids: torch.Tensor
    positions: torch.Tensor
    attention_mask: torch.Tensor | None
    length: int

    @classmethod
    def gather(
        cls,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        num_visible: int | None,
        config: BarcodeMAEConfig,
    ) -> "VisibleBlock":
        """Bring the visible tokens of each row to the front: what the encoder reads (Eq. 1).

        The encoder's work then grows with the visible tokens alone. As its input has the tokens'
        own positions, order and place in the block mean nothing, and `positions` says later where
        the decoder finds each state.

        Args:
            input_ids: (batch, length), [MASK] at masked positions.
            attention_mask: (batch, length), False at padding; None: there is none.
            num_visible: most visible tokens in a row. None: counted, which waits for the device.
                Given without an attention mask, every row must have exactly so many.
            config: says which ids are [MASK] and [UNK].

        Returns:
            The block, as wide as the row with most visible tokens, and at least 1.
        """
        # (batch, length)
        is_visible = both(input_ids != config.mask_token_id, attention_mask)
        is_dense = attention_mask is None and num_visible is not None
        width = max(most_in_a_row(is_visible, num_visible), 1)
        # A stable sort brings the visible tokens to the front in their order.
        positions = (~is_visible).int().argsort(dim=1, stable=True)[:, :width]
        block = input_ids.gather(1, positions)
        if is_dense and num_visible:
            return cls(block, positions, None, input_ids.shape[1])
        filled = is_visible.gather(1, positions)
        # What lies in an empty slot must not be read, not even by a row with nothing visible.
        block = block.masked_fill(~filled, config.unk_token_id)
        return cls(block, positions, filled, input_ids.shape[1])


def at_labels(
    states: torch.Tensor, labels: torch.Tensor, num_predicted: int | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States (batch, predicted, size) and labels (batch, predicted) at the labelled positions.

    Third come the positions (batch, predicted), in their order. Short rows are filled up with
    positions that bear no label, -100.
    """
    is_labelled = labels != -100
    width = most_in_a_row(is_labelled, num_predicted)
    positions = (~is_labelled).int().argsort(dim=1, stable=True)[:, :width]
    at = positions.unsqueeze(-1).expand(-1, -1, states.shape[-1])
    return states.gather(1, at), labels.gather(1, positions), positions


class BarcodeMAEDecoder(nn.Module):
    """The encoder's output -> states of all positions (Eq. 2)."""

    def __init__(self, config: BarcodeMAEConfig):
        super().__init__()
        self.decoder_embed = nn.Linear(config.hidden_size, config.decoder_hidden_size)
        self.bert = bert_stack(config, prefix="decoder_")
        # The decoder reads vectors, so its own vocabulary would never get a gradient.
        self.bert.embeddings.word_embeddings = None

    def forward(
        self,
        states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        cls_state: torch.Tensor | None = None,
        **kwargs,
    ):
        """Decode states (batch, length, decoder_hidden), embedded and in their places.

        The encoder's [CLS] (batch, hidden), where there is one, comes in front of them.
        """
        if cls_state is None:
            mask = attend_to_something(attention_mask)
            return self.bert(inputs_embeds=states, attention_mask=mask, **kwargs)
        inputs = after_cls(self.decoder_embed(cls_state), states, attention_mask, None)
        return self.bert(**inputs, **kwargs)

    def put_in_place(
        self, states: torch.Tensor, mask_embedding: torch.Tensor, visible: VisibleBlock
    ) -> torch.Tensor:
        """Encoder output (batch, visible, hidden) -> decoder input (batch, length, decoder_hidden).

        The [MASK] embedding (hidden,) fills the positions that the encoder did not see.
        """
        states = self.decoder_embed(states)
        mask = self.decoder_embed(mask_embedding)
        if visible.attention_mask is not None:
            states = torch.where(visible.attention_mask.unsqueeze(-1), states, mask)
        index = visible.positions.unsqueeze(-1).expand_as(states)
        full = mask.expand(states.shape[0], visible.length, -1)
        return full.scatter(1, index, states)
