"""ENBED (arXiv 2311.02333): T5Gemma's blocks over nucleotides, with attention linear in length.

Encoder: each layer looks `config.radii[layer]` tokens to either side. Decoder: each layer sees
`config.decoder_radius` earlier tokens one by one, and what lies further back as the means of
`config.summary_block` keys and values; such means need no parameters and are the same with a cache
as without. The decoder looks at the whole of the encoder's output.

Queries are taken in blocks as wide as the radius, with the two or three blocks of keys that they
can reach: one call of `scaled_dot_product_attention`, time and memory linear in length.
"""

from dataclasses import dataclass
from functools import wraps

import torch
from torch import nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    T5GemmaForConditionalGeneration,
    T5GemmaModel,
)
from transformers.modeling_outputs import (
    BaseModelOutputWithPooling,
    Seq2SeqModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)
from transformers.models.t5gemma.modeling_t5gemma import T5GemmaEncoder, T5GemmaPreTrainedModel
from transformers.utils import logging
from transformers.utils.generic import can_return_tuple

from .configuration_enbed import EnbedConfig

logger = logging.get_logger(__name__)

FIRST_BYTE, LAST_BYTE = 3, 258  # ids between special tokens and sentinels


@dataclass
class _Window:
    """What a query may see.

    Attributes:
        radius: how far to either side; with `causal` to the earlier side alone.
        block: tokens in a summary of what lies before the window; 0: no summaries.
    """

    radius: int
    causal: bool
    block: int

    def reaches(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Places (..., q) and (..., k) -> (..., q, k): whether the query sees the key."""
        distance = queries[..., :, None] - keys[..., None, :]
        nearest = 0 if self.causal else -self.radius
        return (distance <= self.radius) & (distance >= nearest)

    def summarise(self, key, value, is_real):
        """Means of whole blocks of keys and values (batch, heads, length, width).

        Returns the means of keys and of values (batch, heads, blocks, width), where each block
        starts (blocks,), and whether it holds no padding (1 or batch, blocks); None where the
        sequence is no longer than the window.
        """
        length = key.shape[2]
        blocks = length // self.block if self.block and length > self.radius else 0
        if not blocks:
            return None
        kept = blocks * self.block
        means = [x[:, :, :kept].unflatten(2, (blocks, self.block)).mean(3) for x in (key, value)]
        starts = torch.arange(0, kept, self.block, device=key.device)
        return *means, starts, is_real[:, :kept].unflatten(1, (blocks, self.block)).all(2)


def enbed_attention(
    module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **kwargs,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers calls it: (batch, heads, length, width) -> (batch, length, ...).

    `attention_mask` (batch, keys) is False at padding, None: no padding. A query always sees
    itself, so a row of padding alone gives numbers and not NaN. Without `sliding_window` (the
    decoder's look at the encoder) every key is seen.
    """
    options = {"dropout_p": dropout, "scale": scaling}
    queries, keys = query.shape[2], key.shape[2]
    if sliding_window is None:
        mask = None if attention_mask is None else attention_mask[:, None, None]
        output = scaled_dot_product_attention(query, key, value, attn_mask=mask, **options)
        return output.transpose(1, 2), None
    window = _Window(sliding_window - 1, module.is_causal, getattr(module, "summary_block", 0))
    if attention_mask is None:
        attention_mask = torch.ones(1, keys, dtype=torch.bool, device=query.device)
    summaries = window.summarise(key, value, attention_mask)
    # With a cache there are few queries; hardly longer than the window, blocks save nothing.
    whole = queries < keys or queries <= 2 * window.radius
    attend = _attend_at_once if whole else _attend_in_blocks
    return attend(query, key, value, attention_mask, window, summaries, options), None


def _attend_at_once(query, key, value, is_real, window, summaries, options):
    queries, keys = query.shape[2], key.shape[2]
    places = torch.arange(keys, device=query.device)
    at = places[keys - queries :]
    # (batch, queries, keys)
    mask = window.reaches(at, places) & is_real[:, None] | (at[:, None] == places)
    if summaries is not None:
        far_key, far_value, starts, is_whole = summaries
        older = (starts < at[:, None] - window.radius) & is_whole[:, None]
        mask = torch.cat([mask, older.expand(len(mask), -1, -1)], 2)
        key, value = torch.cat([key, far_key], 2), torch.cat([value, far_value], 2)
    output = scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None], **options)
    return output.transpose(1, 2)


def _attend_in_blocks(query, key, value, is_real, window, summaries, options):
    batch, heads, length, width = query.shape
    radius, seen = window.radius, 2 if window.causal else 3
    count = -(-length // radius)
    spare = count * radius - length
    sides = (radius, spare if window.causal else radius + spare)

    def around(x):  # (batch, heads, length, width) -> (batch, count, heads, seen * radius, width)
        x = pad(x, (0, 0, *sides)).unflatten(2, (-1, radius)).transpose(1, 2)
        return torch.cat([x[:, i : i + count] for i in range(seen)], 3)

    at = torch.arange(count * radius, device=query.device).view(count, radius)
    near = at[:, :1] - radius + torch.arange(seen * radius, device=query.device)
    is_real_near = pad(is_real, sides).unfold(1, seen * radius, radius)  # (batch, count, keys)
    mask = window.reaches(at, near) & is_real_near[:, :, None] | (at[..., None] == near[:, None])
    key, value = around(key), around(value)
    if summaries is not None:
        far_key, far_value, starts, is_whole = summaries
        older = (starts < at[..., None] - radius) & is_whole[:, None, None]
        mask = torch.cat([mask, older.expand(len(mask), -1, -1, -1)], 3)
        key, value = (
            torch.cat([x, far[:, None].expand(-1, count, -1, -1, -1)], 3)
            for x, far in ((key, far_key), (value, far_value))
        )
    query = pad(query, (0, 0, 0, spare)).unflatten(2, (count, radius)).transpose(1, 2)
    mask = mask.expand(batch, -1, -1, -1).flatten(0, 1).unsqueeze(1)
    output = scaled_dot_product_attention(
        query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1), attn_mask=mask, **options
    )
    output = output.view(batch, count, heads, radius, width).transpose(2, 3)
    return output.reshape(batch, count * radius, heads, width)[:, :length]


def padding_mask(attention_mask: torch.Tensor | None = None, **kwargs) -> torch.Tensor | None:
    """Keep the mask of padding (batch, keys) as it is: who sees whom follows from the window."""
    return attention_mask


AttentionInterface.register("enbed", enbed_attention)
AttentionMaskInterface.register("enbed", padding_mask)


def nucleotides_in(input_ids, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """(batch, length) where tokens are bytes: no padding, </s>, <unk> or sentinels."""
    is_byte = (input_ids >= FIRST_BYTE) & (input_ids <= LAST_BYTE)
    return is_byte if attention_mask is None else is_byte & attention_mask.bool()


class SituatedEmbedding(nn.Embedding):
    """Token embeddings, plus learned vectors of the place and of the n-grams around a nucleotide.

    Args:
        config: its `learned_positions` and `ngram_sizes`.
    """

    def __init__(self, config: EnbedConfig):
        width = config.hidden_size
        super().__init__(config.vocab_size, width, config.pad_token_id)
        if config.learned_positions:
            self.places = nn.Embedding(config.learned_positions, width)
        # The last row of a table is for n-grams with another letter, or past an end.
        self.ngrams = nn.ModuleDict(
            {str(size): nn.Embedding(4**size + 1, width) for size in config.ngram_sizes}
        )

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Ids (batch, length) -> (batch, length, hidden)."""
        length = input_ids.shape[1]
        embedded = super().forward(input_ids)
        if hasattr(self, "places"):
            places = self.places.weight[:length]
            embedded = embedded + pad(places, (0, 0, 0, length - len(places)))
        if self.ngrams:
            codes = sum(code * (input_ids == token) for token, code in _CODES)
            is_known = sum(input_ids == token for token, _ in _CODES).bool()
            for name, table in self.ngrams.items():
                embedded = embedded + table(_ngrams(codes, is_known, int(name)))
        return embedded


_CODES = [(ord(letter) + FIRST_BYTE, code) for code, letter in enumerate("ACGT")]


def _ngrams(codes: torch.Tensor, is_known: torch.Tensor, size: int) -> torch.Tensor:
    """Codes (batch, length) -> the number of the n-gram around each, 4^size where there is none."""
    length, before = codes.shape[1], (size - 1) // 2
    sides = (before, size - 1 - before)
    codes, is_known = pad(codes, sides), pad(is_known, sides)
    number, whole = torch.zeros_like(codes[:, :length]), torch.ones_like(is_known[:, :length])
    for place in range(size):
        number = 4 * number + codes[:, place : place + length]
        whole = whole & is_known[:, place : place + length]
    return torch.where(whole, number, 4**size)


def _prepare(model, encoder: T5GemmaEncoder, config: EnbedConfig) -> None:
    """Give each layer its reach, and the encoder its learned places and n-grams."""
    if config.learned_positions or config.ngram_sizes:
        encoder.embed_tokens = SituatedEmbedding(config)
        encoder.embed_tokens.apply(model._init_weights)
    for part in (config, config.encoder, config.decoder):
        part._attn_implementation = "enbed"
    for module in model.modules():
        attention = getattr(module, "self_attn", None)
        if attention is None:
            continue
        if attention.is_causal:
            attention.sliding_window = config.decoder_radius + 1
            attention.summary_block = config.summary_block
        else:
            attention.sliding_window = config.radii[attention.layer_idx] + 1


class _TellsWhatIsNew:
    """What another class never saved is not missing: it is named, in plain words."""

    _own_weights: tuple[str, ...] = ()  # names of weights that a class adds to the encoder
    _own_part = ""

    def _expect(self, config: EnbedConfig) -> None:
        if config.architectures and type(self).__name__ not in config.architectures:
            self._keys_to_ignore_on_load_missing = [rf"^{part}\." for part in self._own_weights]

    @classmethod
    def from_pretrained(cls, *args, **kwargs):
        """As in transformers; says in plain words what starts from random weights."""
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        saved_by = model.config.architectures or [cls.__name__]
        if cls.__name__ not in saved_by:
            logger.warning(
                f"{model.config._name_or_path} was saved by {saved_by[0]}, so the {cls._own_part} "
                f"of {cls.__name__} starts from random weights: train it before use."
            )
        return loaded


class _AlignedModel(T5GemmaModel):
    """The decoder's state at a place takes in the encoder's at the same place."""

    def __init__(self, config: EnbedConfig):
        super().__init__(config)
        self.aligned = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, *args, attention_mask=None, **kwargs) -> Seq2SeqModelOutput:
        """As T5GemmaModel's; `attention_mask` (batch, length) of what the encoder read."""
        output = super().forward(*args, attention_mask=attention_mask, **kwargs)
        read, written = output.encoder_last_hidden_state, output.last_hidden_state
        if attention_mask is not None:
            read = read * attention_mask[..., None]
        count, cache = written.shape[1], output.past_key_values
        start = 0 if cache is None else cache.get_seq_length() - count
        read = pad(read, (0, 0, 0, max(start + count - read.shape[1], 0)))
        output.last_hidden_state = written + self.aligned(read[:, start : start + count])
        return output


class EnbedForConditionalGeneration(_TellsWhatIsNew, T5GemmaForConditionalGeneration):
    """Encoder and decoder: pretraining by span corruption, and writing sequences."""

    config_class = EnbedConfig
    _own_weights = ("model.decoder", "model.aligned", "lm_head")
    _own_part = "decoder"
    _can_compile_fullgraph = False  # generate() would make itself a static cache
    _keys_to_ignore_on_load_unexpected = [r"^score"]

    def __init__(self, config: EnbedConfig):
        super().__init__(config)
        if config.aligned_output:
            self.model = _AlignedModel(config)
            self.post_init()
        self._expect(config)
        _prepare(self, self.model.encoder, config)

    @wraps(T5GemmaForConditionalGeneration.forward)
    def forward(self, input_ids=None, attention_mask=None, *args, **kwargs):
        # T5Gemma's decoder would look at the padding of a batch that comes without a mask.
        if attention_mask is None and input_ids is not None:
            attention_mask = input_ids != self.config.pad_token_id
        return super().forward(input_ids, attention_mask, *args, **kwargs)

    def generate(self, inputs=None, *args, cache_implementation: str | None = None, **kwargs):
        """As in transformers; without `attention_mask`, <pad> is padding.

        Raises:
            ValueError: a cache of fixed size is asked for: its empty slots cannot be told from
                tokens, so summaries would hold them.
        """
        settings = kwargs.get("generation_config") or self.generation_config
        chosen = cache_implementation or settings.cache_implementation
        if chosen not in (None, "dynamic", "offloaded"):
            raise ValueError(
                f"cache_implementation = {chosen!r} is not allowed: ENBED needs a cache that "
                "grows. Leave it out, or take 'dynamic' or 'offloaded'."
            )
        if cache_implementation is not None:
            kwargs["cache_implementation"] = cache_implementation
        ids = kwargs.get("input_ids") if inputs is None else inputs
        if kwargs.get("attention_mask") is None and ids is not None:
            kwargs["attention_mask"] = (ids != self.config.pad_token_id).long()
        return super().generate(inputs, *args, **kwargs)

    def resize_token_embeddings(self, *args, **kwargs):
        raise NotImplementedError("the vocabulary of an ENBED is bytes and sentinels: it is fixed")


class EnbedPreTrainedModel(T5GemmaPreTrainedModel):
    config_class = EnbedConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    _keys_to_ignore_on_load_unexpected = [r"(^|\.)(decoder|aligned)\.", r"^lm_head\.", r"^score"]

    def __init__(self, config: EnbedConfig):
        # Who is handed a model with a decoder may take its encoder alone, and miss the pooling.
        config.is_encoder_decoder = False
        super().__init__(config)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.base_model.encoder.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.base_model.encoder.embed_tokens = value

    def resize_token_embeddings(self, *args, **kwargs):
        raise NotImplementedError("the vocabulary of an ENBED is bytes and sentinels: it is fixed")


class EnbedModel(EnbedPreTrainedModel):
    """The encoder: ids -> one vector for each token, and their mean for the sequence."""

    def __init__(self, config: EnbedConfig):
        super().__init__(config)
        self.encoder = T5GemmaEncoder(config.encoder)
        self.post_init()
        _prepare(self, self.encoder, config)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPooling:
        """Embed sequences.

        Args:
            input_ids: (batch, length); attention_mask: (batch, length), 0 at padding; None:
                wherever the id is not <pad>.
            position_ids: (batch, length), of the rotary positions; default 0, 1, 2, ...

        Returns:
            last_hidden_state (batch, length, hidden) and pooler_output (batch, hidden), the mean
            over nucleotides: padding, </s>, <unk> and sentinels are left out, and a sequence
            without a nucleotide gets zeros.

        Raises:
            ValueError: more tokens than the model has positions.
        """
        longest = self.config.max_position_embeddings
        if input_ids.shape[1] > longest:
            raise ValueError(
                f"{input_ids.shape[1]} tokens, but the model has {longest} positions. Tokenize "
                "with truncation=True, or cut the sequences into windows."
            )
        if attention_mask is None:
            attention_mask = input_ids != self.config.pad_token_id
        places = {"position_ids": position_ids}
        output = self.encoder(input_ids, attention_mask=attention_mask, **places, **kwargs)
        states = output.last_hidden_state
        weights = nucleotides_in(input_ids, attention_mask).to(states.dtype)
        total = torch.einsum("bl,blh->bh", weights, states)
        return BaseModelOutputWithPooling(
            last_hidden_state=states,
            pooler_output=total / weights.sum(1, keepdim=True).clamp(min=1),
            hidden_states=output.hidden_states,
        )


class _EnbedWithHead(_TellsWhatIsNew, EnbedPreTrainedModel):
    _own_weights = ("score",)
    _own_part = "head"

    def __init__(self, config: EnbedConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.model = EnbedModel(config)
        self.dropout = nn.Dropout(config.dropout_rate)
        self.score = nn.Linear(config.hidden_size, config.num_labels)
        self._expect(config)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs,
    ) -> TokenClassifierOutput | SequenceClassifierOutput:
        """Logits and loss, as the class says; `kwargs` are of `EnbedModel`."""
        encoded = self.model(input_ids, attention_mask=attention_mask, **kwargs)
        logits = self._logits(encoded, nucleotides_in(input_ids, attention_mask))
        loss = None if labels is None else self._loss(logits, labels, num_items_in_batch)
        return self._output(loss=loss, logits=logits, hidden_states=encoded.hidden_states)


class EnbedForTokenClassification(_EnbedWithHead):
    """A label for each token, as edit tags or splice sites.

    Logits (batch, length, num_labels); labels (batch, length), -100 where none counts.
    """

    _output = TokenClassifierOutput

    def _logits(self, encoded: BaseModelOutputWithPooling, is_nucleotide) -> torch.Tensor:
        return self.score(self.dropout(encoded.last_hidden_state))

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor, items) -> torch.Tensor:
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), labels.flatten(), reduction="sum"
        )
        # A batch without a label has no mean: its loss is 0 and not 0 / 0.
        return loss / ((labels != -100).sum().clamp(min=1) if items is None else items)


class EnbedForSequenceClassification(_EnbedWithHead):
    """A label for each sequence, from the mean over its nucleotides.

    With `config.classifier_pooling` "sites" also from each of the first places. Logits
    (batch, num_labels); the loss follows `config.problem_type`.
    """

    _own_weights = ("score", "score_sites")
    _output = SequenceClassifierOutput

    def __init__(self, config: EnbedConfig):
        super().__init__(config)
        if config.classifier_pooling == "sites":
            inputs = config.learned_positions * config.hidden_size
            self.score_sites = nn.Linear(inputs, config.num_labels, bias=False)
            self.score_sites.apply(self._init_weights)

    def _logits(self, encoded: BaseModelOutputWithPooling, is_nucleotide) -> torch.Tensor:
        """(batch, num_labels); `is_nucleotide` (batch, length)."""
        logits = self.score(self.dropout(encoded.pooler_output))
        if self.config.classifier_pooling != "sites":
            return logits
        places = self.config.learned_positions
        states = encoded.last_hidden_state * is_nucleotide[..., None]
        states = pad(states, (0, 0, 0, max(places - states.shape[1], 0)))[:, :places]
        return logits + self.score_sites(self.dropout(states).flatten(1))

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor, items) -> torch.Tensor:
        counted = {} if items is None else {"num_items_in_batch": items}
        return self.loss_function(labels, logits, self.config, **counted)


EnbedModel.register_for_auto_class("AutoModel")
EnbedForConditionalGeneration.register_for_auto_class("AutoModelForSeq2SeqLM")
EnbedForTokenClassification.register_for_auto_class("AutoModelForTokenClassification")
EnbedForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")

__all__ = [
    "EnbedForConditionalGeneration",
    "EnbedForSequenceClassification",
    "EnbedForTokenClassification",
    "EnbedModel",
]
