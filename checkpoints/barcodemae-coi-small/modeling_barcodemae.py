"""BarcodeMAE (arXiv 2502.18405): two BERTs and a mask.

The encoder reads the visible k-mers alone and never meets a [MASK] (Eq. 1). The decoder gets the
encoder's output at the visible positions and the [MASK] embedding at the masked ones (Eq. 2), and
names the masked k-mers. After pretraining the decoder is thrown away: a barcode's embedding is the
mean of the encoder's last layer over its real k-mers.

Masked positions are those whose `input_ids` is [MASK]; drawing them is the collator's work.

A model meant for use on barcodes that all lie on one grid keeps the k-mers' states apart by place
(`config.pooling = "sites"`): see `SitePooling` in `layers_barcodemae.py`, which holds the parts.

With `config.cls_token` (BarcodeMAE+) a learned vector, [CLS], stands in front of the k-mers in both
stacks. It is returned apart, as `cls_state`; all else has the shapes and the meaning that it has
without.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput
from transformers.utils import ModelOutput, logging
from transformers.utils.generic import can_return_tuple

try:  # next to the weights
    from .configuration_barcodemae import BarcodeMAEConfig
    from .layers_barcodemae import (
        BarcodeMAEDecoder,
        SitePooling,
        VisibleBlock,
        after_cls,
        at_labels,
        attend_to_something,
        bert_stack,
        both,
        draw_by_nucleotides,
        is_loaded,
        mean_of_kmers,
    )
except ImportError:  # installed
    from configuration_barcodemae import BarcodeMAEConfig
    from layers_barcodemae import (
        BarcodeMAEDecoder,
        SitePooling,
        VisibleBlock,
        after_cls,
        at_labels,
        attend_to_something,
        bert_stack,
        both,
        draw_by_nucleotides,
        is_loaded,
        mean_of_kmers,
    )

logger = logging.get_logger(__name__)


@dataclass
class BarcodeMAEModelOutput(BaseModelOutputWithPooling):
    """What `BarcodeMAEModel` returns.

    Attributes:
        last_hidden_state: (batch, length, hidden) a vector for each k-mer.
        pooler_output: (batch, hidden) their mean over real k-mers, or what else `config.pooling`
            says, (batch, config.pooled_size): the barcode's embedding.
        hidden_states, attentions: of each layer, on request; [CLS] comes first where there is one.
        cls_state: (batch, hidden) the last layer's vector for [CLS]; None without `cls_token`.
    """

    cls_state: torch.FloatTensor | None = None


@dataclass
class BarcodeMAEMaskedLMOutput(ModelOutput):
    """What `BarcodeMAEForMaskedLM` returns.

    Attributes:
        loss: () mean cross-entropy over the labelled positions; 0 where there are none.
        logits: (batch, length, 4^k), indexed by token id. In training, and where the number of
            predicted k-mers is given: (batch, predicted, 4^k), at the labelled positions alone.
        predicted_positions: (batch, predicted) the positions that such `logits` stand for, else
            None. Rows with fewer labels than others are filled with unlabelled positions.
        hidden_states, attentions: the encoder's, over the tokens that it saw.
        decoder_hidden_states, decoder_attentions: the decoder's, over all positions.
        cls_state: (batch, hidden) the encoder's vector for [CLS]; None without `cls_token`.
        pooler_output: (batch, embedding_size) the embedding of what the encoder saw; None unless
            `config.pooling` is "sites".
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    predicted_positions: torch.LongTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None
    attentions: tuple[torch.FloatTensor, ...] | None = None
    decoder_hidden_states: tuple[torch.FloatTensor, ...] | None = None
    decoder_attentions: tuple[torch.FloatTensor, ...] | None = None
    cls_state: torch.FloatTensor | None = None
    pooler_output: torch.FloatTensor | None = None


class BarcodeMAEPreTrainedModel(PreTrainedModel):
    config_class = BarcodeMAEConfig
    base_model_prefix = "barcodemae"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _no_split_modules = ["BertEmbeddings", "BertLayer"]

    # What a class adds to the encoder, and what that has to be trained for.
    _own_weights: tuple[str, ...] = ()
    _own_purpose = ""

    def __init__(self, config: BarcodeMAEConfig):
        config.check_fields()
        super().__init__(config)
        # A checkpoint says which class saved it. What another class never had is not missing.
        if config.architectures and type(self).__name__ not in config.architectures:
            self._keys_to_ignore_on_load_missing = [rf"^{part}\." for part in self._own_weights]

    @classmethod
    def from_pretrained(cls, *args, **kwargs):
        """As in transformers; names in plain words what the checkpoint's class did not have."""
        loaded = super().from_pretrained(*args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        saved_by = model.config.architectures or [cls.__name__]
        new = [part for part in cls._own_weights if getattr(model, part) is not None]
        if new and cls.__name__ not in saved_by:
            logger.warning(
                f"{model.config._name_or_path} was saved by {saved_by[0]}, so these parts of "
                f"{cls.__name__} start from random weights: {', '.join(new)}. Train the model "
                f"before you {cls._own_purpose}, or load a checkpoint that {cls.__name__} saved."
            )
        return loaded

    def train(self, mode: bool = True):
        """As in PyTorch; warns of weights that an optimizer would turn into NaN."""
        if mode and any(p.requires_grad and p.dtype == torch.float16 for p in self.parameters()):
            logger.warning_once(
                "These weights are float16, which optimizers turn into NaN: to train the model, "
                'load it with dtype="float32".'
            )
        return super().train(mode)

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, SitePooling):
            module.reset_parameters()

    def _recorded(self, hidden_states: bool | None, attentions: bool | None) -> dict[str, bool]:
        """What the stacks shall return beside their output; None: as the config says."""
        given = {"output_hidden_states": hidden_states, "output_attentions": attentions}
        return {
            name: getattr(self.config, name) if asked is None else asked
            for name, asked in given.items()
        }

    def resize_token_embeddings(self, *args, **kwargs):
        raise NotImplementedError(
            "the vocabulary of a BarcodeMAE cannot be resized: it is the 4^k k-mers, [UNK] and "
            f"[MASK], and follows from kmer_size = {self.config.kmer_size}. For another vocabulary "
            "pretrain a model with another kmer_size."
        )


class BarcodeMAEModel(BarcodeMAEPreTrainedModel):
    """The encoder: k-mer ids -> one vector for each k-mer, and their mean for the barcode."""

    # A pretraining checkpoint also holds what the encoder is used without.
    _keys_to_ignore_on_load_unexpected = [r"^decoder\.", r"^head\.", r"^classifier\."]

    def __init__(self, config: BarcodeMAEConfig):
        super().__init__(config)
        self.bert = bert_stack(config)
        self.cls_embedding = nn.Embedding(1, config.hidden_size) if config.cls_token else None
        self.site_pooling = SitePooling(config) if config.pooling == "sites" else None
        self.post_init()
        if config.nucleotide_init:
            kmers = self.get_input_embeddings().weight
            draw_by_nucleotides(kmers, config.kmer_size, config.initializer_range)

    @property
    def stages(self) -> list[nn.Module]:
        """What a barcode passes through, first to last: the embeddings, then each layer.

        Fine-tuning frees and slows down layers by them. What pools the last states is none.
        """
        embeddings = [self.bert.embeddings, self.cls_embedding]
        return [nn.ModuleList(filter(None, embeddings)), *self.bert.encoder.layer]

    def get_input_embeddings(self) -> nn.Embedding:
        return self.bert.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.bert.embeddings.word_embeddings = value

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        **kwargs,
    ) -> BarcodeMAEModelOutput:
        """Embed barcodes.

        Args:
            input_ids: (batch, length) k-mer ids, any integer type.
            attention_mask: (batch, length), 0 at padding; None: no padding.
            position_ids: (batch, length) or (1, length); default 0, 1, 2, ...
            token_type_ids: (batch, length), as BERT's; default: zeros.
            inputs_embeds: (batch, length, hidden) in place of `input_ids`; each of these vectors
                counts as a real k-mer unless `attention_mask` says that it is padding.
            output_hidden_states, output_attentions: default: as the config says.

        Returns:
            last_hidden_state (batch, length, hidden) and pooler_output, the embedding, as
            `config.pooling` says. "mean": (batch, hidden) over the real k-mers: padding, [UNK],
            [MASK] and [CLS] left out, zeros where none remains. "cls": cls_state. "sites":
            (batch, embedding_size), see `SitePooling`; [UNK] is as good as absent then, and so is
            [MASK] unless `encoder_sees_mask`. With `cls_token` cls_state (batch, hidden).

        Raises:
            ValueError: no tokens, more tokens than the model has positions, or not one of
                `input_ids` and `inputs_embeds`.
        """
        tokens = _given(input_ids, inputs_embeds)
        _check_length(tokens, self.config)
        if input_ids is not None:
            input_ids = input_ids.long()
        is_kmer = self._real_kmers(input_ids, tokens, attention_mask)
        attention_mask = self._attended(input_ids, attention_mask, is_kmer)
        inputs = self._bert_inputs(
            input_ids, inputs_embeds, attention_mask, position_ids, token_type_ids
        )
        recorded = self._recorded(output_hidden_states, output_attentions)
        output = self.bert(**inputs, **recorded, **kwargs)
        states, cls_state = output.last_hidden_state, None
        if self.cls_embedding is not None:
            cls_state, states = states[:, 0], states[:, 1:]
        return BarcodeMAEModelOutput(
            last_hidden_state=states,
            pooler_output=self._pooled(states, cls_state, is_kmer, position_ids),
            hidden_states=output.hidden_states,
            attentions=output.attentions,
            cls_state=cls_state,
        )

    def _bert_inputs(
        self,
        input_ids: torch.Tensor | None,
        inputs_embeds: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        position_ids: torch.Tensor | None,
        token_type_ids: torch.Tensor | None,
    ) -> dict[str, torch.Tensor | None]:
        """What the stack is called with: the k-mers, after [CLS] in models that have one."""
        if self.cls_embedding is None:
            return {
                "input_ids": input_ids,
                "inputs_embeds": inputs_embeds,
                "attention_mask": attend_to_something(attention_mask),
                "position_ids": position_ids,
                "token_type_ids": token_type_ids,
            }
        kmers = self.get_input_embeddings()(input_ids) if inputs_embeds is None else inputs_embeds
        cls = self.cls_embedding.weight.expand(kmers.shape[0], -1)
        return after_cls(cls, kmers, attention_mask, position_ids, token_type_ids)

    def _pooled(
        self,
        states: torch.Tensor,
        cls_state: torch.Tensor | None,
        is_kmer: torch.Tensor,
        position_ids: torch.Tensor | None,
    ) -> torch.Tensor | None:
        """The embedding of each barcode, as `config.pooling` says."""
        if self.site_pooling is not None:
            return self.site_pooling(states, is_kmer, position_ids)
        return cls_state if self.config.pooling == "cls" else mean_of_kmers(states, is_kmer)

    def _real_kmers(
        self,
        input_ids: torch.Tensor | None,
        tokens: torch.Tensor,
        attention_mask: torch.Tensor | None,
    ) -> torch.Tensor:
        """(batch, length) flags: no padding, no [UNK], no [MASK]."""
        if input_ids is None:
            is_kmer = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        else:
            is_kmer = input_ids < self.config.num_kmers
        return both(is_kmer, attention_mask)

    def _attended(
        self,
        input_ids: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        is_kmer: torch.Tensor,
    ) -> torch.Tensor | None:
        """The mask of attention (batch, length). On a grid unknown k-mers are as good as absent."""
        if self.site_pooling is None:
            return attention_mask
        if input_ids is None or not self.config.encoder_sees_mask:
            return is_kmer
        return both(input_ids != self.config.unk_token_id, attention_mask)


def _given(input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None) -> torch.Tensor:
    if (input_ids is None) == (inputs_embeds is None):
        raise ValueError(
            "give either input_ids, the k-mer ids that the tokenizer returns, or inputs_embeds, "
            f"their embeddings: {'neither was' if input_ids is None else 'both were'} given"
        )
    return inputs_embeds if input_ids is None else input_ids


def _check_length(tokens: torch.Tensor, config: BarcodeMAEConfig) -> None:
    length = tokens.shape[1]
    if length == 0:
        raise ValueError(
            f"no tokens: every barcode of the batch is shorter than k = {config.kmer_size} "
            "nucleotides. Leave such barcodes out."
        )
    if length > config.max_position_embeddings:
        raise ValueError(
            f"{length} tokens, but the model has {config.max_position_embeddings} positions. "
            "Tokenize with truncation=True, or cut the sequences to the barcode region."
        )


class BarcodeMAEForMaskedLM(BarcodeMAEPreTrainedModel):
    """Encoder, decoder and head, for pretraining and for filling in masked k-mers."""

    _keys_to_ignore_on_load_unexpected = [r"^classifier\."]
    _own_weights = ("decoder", "head")
    _own_purpose = "predict k-mers"

    def __init__(self, config: BarcodeMAEConfig):
        super().__init__(config)
        self.loss_type = "ForMaskedLM"
        self.barcodemae = BarcodeMAEModel(config)
        has_decoder = config.decoder_num_hidden_layers > 0
        self.decoder = BarcodeMAEDecoder(config) if has_decoder else None
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        width = config.decoder_hidden_size if has_decoder else config.hidden_size
        self.head = nn.Linear(width, config.num_kmers)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        is_head = module is getattr(self, "head", None)
        if is_head and self.config.nucleotide_init and not is_loaded(module.weight):
            draw_by_nucleotides(module.weight, self.config.kmer_size, self.config.initializer_range)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_visible: int | None = None,
        num_predicted: int | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs,
    ) -> BarcodeMAEMaskedLMOutput:
        """Predict masked k-mers.

        Args:
            input_ids: (batch, length), [MASK] at masked positions, any integer type.
            attention_mask: (batch, length), 0 at padding; None: no padding.
            labels: (batch, length) k-mer ids at the positions to predict, -100 elsewhere.
                [UNK] and [MASK] are never predicted, whatever the labels say.
            num_visible: most visible tokens in a row of the batch. Without `attention_mask` it is
                a promise that every row has exactly so many, and attention runs without a mask.
            num_predicted: most labelled positions in a row. With it there are logits at the
                labelled positions alone, as in training. The collator gives both numbers: without
                them each is counted on the device, which stalls a GPU.
            inputs_embeds: not taken: which k-mers are masked is told by `input_ids`.
            kwargs: reach the loss (`num_items_in_batch`).

        Raises:
            ValueError: no tokens, more tokens than the model has positions, or `inputs_embeds`.
        """
        if inputs_embeds is not None or input_ids is None:
            raise ValueError(
                "BarcodeMAEForMaskedLM takes input_ids and no inputs_embeds: which k-mers are "
                "masked is told by the id of [MASK]. BarcodeMAEModel takes inputs_embeds."
            )
        _check_length(input_ids, self.config)
        input_ids = input_ids.long()
        record = self._recorded(output_hidden_states, output_attentions)
        if self.config.pooling == "sites":  # unknown k-mers are as good as absent
            attention_mask = both(input_ids != self.config.unk_token_id, attention_mask)
        encoded, states = self._encode(input_ids, attention_mask, num_visible, record)
        decoded, states = self._decode(states, attention_mask, encoded.cls_state, record)
        positions = None
        if labels is not None:
            labels = labels.long().masked_fill(labels >= self.config.num_kmers, -100)
            if self.training or num_predicted is not None:
                states, labels, positions = at_labels(states, labels, num_predicted)
        logits = self.head(self.dropout(states))
        loss = None if labels is None else self._loss(logits, labels, **kwargs)
        return BarcodeMAEMaskedLMOutput(
            loss=loss,
            logits=logits,
            predicted_positions=positions,
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
            decoder_hidden_states=decoded.hidden_states if decoded is not None else None,
            decoder_attentions=decoded.attentions if decoded is not None else None,
            cls_state=encoded.cls_state,
            pooler_output=encoded.pooler_output if self.config.pooling == "sites" else None,
        )

    def _encode(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        num_visible: int | None,
        record: dict[str, bool],
    ) -> tuple[BarcodeMAEModelOutput, torch.Tensor]:
        """The encoder's output, and the states of all positions that decoder or head read.

        They are (batch, length, decoder_hidden) for a decoder, (batch, length, hidden) without.
        """
        if not self.config.encoder_sees_mask:
            visible = VisibleBlock.gather(input_ids, attention_mask, num_visible, self.config)
            encoded = self.barcodemae(
                visible.input_ids, visible.attention_mask, visible.positions, **record
            )
            # The vocabulary's own [MASK], so that it is trained in every variant.
            mask = self.barcodemae.get_input_embeddings().weight[self.config.mask_token_id]
            return encoded, self.decoder.put_in_place(encoded.last_hidden_state, mask, visible)
        encoded = self.barcodemae(input_ids, attention_mask, **record)
        states = encoded.last_hidden_state
        return encoded, states if self.decoder is None else self.decoder.decoder_embed(states)

    def _decode(
        self,
        states: torch.Tensor,
        attention_mask: torch.Tensor | None,
        cls_state: torch.Tensor | None,
        record: dict[str, bool],
    ):
        """The decoder's output, None where there is no decoder, and the states to predict from."""
        if self.decoder is None:
            return None, states
        decoded = self.decoder(states, attention_mask, cls_state, **record)
        return decoded, decoded.last_hidden_state[:, -states.shape[1] :]  # without [CLS]

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor, **kwargs) -> torch.Tensor:
        """Mean cross-entropy over the labelled positions, or what `num_items_in_batch` makes it."""
        # A batch without a label has no mean: its loss is 0 and not 0 / 0.
        if kwargs.get("num_items_in_batch") is None:
            kwargs["num_items_in_batch"] = (labels != -100).sum().clamp(min=1)
        return self.loss_function(
            logits=logits, labels=labels, vocab_size=self.config.num_kmers, **kwargs
        )


class BarcodeMAEForSequenceClassification(BarcodeMAEPreTrainedModel):
    """Encoder and a linear head on the barcode's embedding: taxa, several labels, or regression."""

    _keys_to_ignore_on_load_unexpected = [r"^decoder\.", r"^head\."]
    _own_weights = ("classifier",)
    _own_purpose = "classify barcodes"

    def __init__(self, config: BarcodeMAEConfig):
        super().__init__(config)
        self.loss_type = "ForSequenceClassification"
        self.num_labels = config.num_labels
        self.barcodemae = BarcodeMAEModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.pooled_size, config.num_labels)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        token_type_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs,
    ) -> SequenceClassifierOutput:
        """Classify barcodes: logits (batch, num_labels).

        The loss follows `config.problem_type`, or what `num_labels` and the type of `labels`
        imply, as in transformers: regression, single_label_classification (class ids), or
        multi_label_classification (0/1 floats). `kwargs` reach it. Everything else is as in
        `BarcodeMAEModel`.

        Raises:
            ValueError: as `BarcodeMAEModel`.
        """
        encoded = self.barcodemae(
            input_ids,
            attention_mask,
            position_ids,
            token_type_ids,
            inputs_embeds,
            **self._recorded(output_hidden_states, output_attentions),
        )
        logits = self.classifier(self.dropout(encoded.pooler_output))
        loss = None
        if labels is not None:
            loss = self.loss_function(labels, logits, self.config, **kwargs)
            items = kwargs.get("num_items_in_batch")
            if items is not None and self.config.problem_type != "single_label_classification":
                # These two losses stay means over this batch, where Trainer, which does not divide
                # by the accumulation steps then, counts on a share of the global batch.
                loss = loss * labels.numel() / items
        return SequenceClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )


BarcodeMAEModel.register_for_auto_class("AutoModel")
BarcodeMAEForMaskedLM.register_for_auto_class("AutoModelForMaskedLM")
BarcodeMAEForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")

__all__ = [
    "BarcodeMAEForMaskedLM",
    "BarcodeMAEForSequenceClassification",
    "BarcodeMAEMaskedLMOutput",
    "BarcodeMAEModel",
    "BarcodeMAEModelOutput",
    "BarcodeMAEPreTrainedModel",
]
