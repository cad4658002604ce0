import contextlib

import pytest
import torch
from plain_masked_lm import masked_lm_loss
from transformers import BertConfig, BertModel, DataCollatorForLanguageModeling

from configuration_barcodemae import BarcodeMAEConfig
from modeling_barcodemae import (
    BarcodeMAEForMaskedLM,
    BarcodeMAEForSequenceClassification,
    BarcodeMAEModel,
)
from tokenization_barcodemae import BarcodeMAETokenizer

SIZES = {
    "kmer_size": 3,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "decoder_hidden_size": 32,
    "decoder_intermediate_size": 64,
    "decoder_num_hidden_layers": 2,
    "decoder_num_attention_heads": 2,
    "max_position_embeddings": 24,
}
VARIANTS = {
    "barcodemae": {},
    "narrow decoder": {"decoder_hidden_size": 16, "decoder_num_hidden_layers": 1},
    "with mask": {"encoder_sees_mask": True},
    "encoder only": {"encoder_sees_mask": True, "decoder_num_hidden_layers": 0},
    "[CLS]": {"cls_token": True, "decoder_hidden_size": 16},
    "[CLS] with mask": {"cls_token": True, "encoder_sees_mask": True},
    "[CLS] encoder only": {
        "cls_token": True,
        "encoder_sees_mask": True,
        "decoder_num_hidden_layers": 0,
    },
}
UNK, MASK = 64, 65


@pytest.fixture(params=VARIANTS)
def config(request):
    return BarcodeMAEConfig(**{**SIZES, **VARIANTS[request.param]})


def masked_lm(config, **changes):
    torch.manual_seed(0)
    return BarcodeMAEForMaskedLM(BarcodeMAEConfig(**{**config.to_dict(), **changes})).eval()


def draw_barcodes(lengths, seed=0, share=0.5):
    """(input_ids, labels) lists with a share masked; one ambiguous k-mer in each second barcode."""
    generator = torch.Generator().manual_seed(seed)
    barcodes = []
    for number, length in enumerate(lengths):
        tokens = torch.randint(0, UNK, (length,), generator=generator)
        order = torch.randperm(length, generator=generator)
        if number % 2:
            tokens[order[-1]] = UNK
        masked = order[: round(share * length)]
        labels = torch.full((length,), -100)
        labels[masked] = tokens[masked]
        tokens[masked] = MASK
        barcodes.append((tokens.tolist(), labels.tolist()))
    return barcodes


def pad(barcodes):
    width = max(len(input_ids) for input_ids, _ in barcodes)
    return {
        "input_ids": torch.tensor([ids + [UNK] * (width - len(ids)) for ids, _ in barcodes]),
        "attention_mask": torch.tensor(
            [[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in barcodes]
        ),
        "labels": torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in barcodes]),
    }


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


# --- the encoder --------------------------------------------------------------------------------


@pytest.fixture
def bert_and_encoder():
    """transformers' own BertModel, and our encoder with its weights."""
    config = BarcodeMAEConfig(**SIZES)
    torch.manual_seed(1)
    bert = BertModel(
        BertConfig(
            vocab_size=66,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=24,
            attn_implementation="eager",
        ),
        add_pooling_layer=False,
    ).eval()

    def encoder(attention):
        model = BarcodeMAEModel(config).eval()
        model.set_attn_implementation(attention)
        model.bert.load_state_dict(bert.state_dict())
        return model

    return bert, encoder


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_encoder_states_equal_those_of_bert(bert_and_encoder, attention):
    bert, encoder = bert_and_encoder
    model = encoder(attention)
    batch = pad(draw_barcodes([12, 7, 1], share=0))
    positions = torch.stack([torch.randperm(24)[:12] for _ in range(3)])
    together = model(batch["input_ids"], batch["attention_mask"], positions).last_hidden_state
    for row, length in enumerate([12, 7, 1]):
        ids, place = batch["input_ids"][row : row + 1, :length], positions[row : row + 1, :length]
        expected = bert(input_ids=ids, position_ids=place).last_hidden_state
        torch.testing.assert_close(
            together[row : row + 1, :length], expected, atol=1e-5, rtol=0
        )  # padded, in a batch
        alone = model(ids, position_ids=place).last_hidden_state
        torch.testing.assert_close(alone, expected, atol=1e-5, rtol=0)


def test_the_embedding_is_the_mean_over_real_kmers():
    model = BarcodeMAEModel(BarcodeMAEConfig(**SIZES)).eval()
    input_ids = torch.tensor([[1, UNK, 5, MASK, 7, UNK, UNK]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0]])
    output = model(input_ids, mask)
    expected = output.last_hidden_state[0, [0, 2, 4]].mean(dim=0)
    torch.testing.assert_close(output.pooler_output[0], expected)


def test_a_barcode_without_a_real_kmer_is_embedded_as_zeros():
    model = BarcodeMAEModel(BarcodeMAEConfig(**SIZES)).eval()
    input_ids = torch.tensor([[1, 2], [UNK, UNK], [UNK, UNK]])
    output = model(input_ids, torch.tensor([[1, 1], [1, 1], [0, 0]]))
    assert output.last_hidden_state.isfinite().all()
    assert output.pooler_output[0].any() and not output.pooler_output[1:].any()


@pytest.mark.parametrize(
    "kind", [BarcodeMAEModel, BarcodeMAEForMaskedLM, BarcodeMAEForSequenceClassification]
)
def test_too_many_and_too_few_tokens_are_refused(kind):
    model = kind(BarcodeMAEConfig(**SIZES))
    with pytest.raises(ValueError, match="25 tokens.*24 positions.*truncation=True"):
        model(torch.zeros(1, 25, dtype=torch.long))
    with pytest.raises(ValueError, match="shorter than k = 3"):
        model(torch.zeros(2, 0, dtype=torch.long))


# --- [CLS] --------------------------------------------------------------------------------------


@pytest.fixture
def encoder_with_cls():
    torch.manual_seed(0)
    return BarcodeMAEModel(BarcodeMAEConfig(**SIZES, cls_token=True)).eval()


def test_cls_is_one_more_vector_and_no_word(encoder_with_cls):
    plain = BarcodeMAEModel(BarcodeMAEConfig(**SIZES))
    assert plain(torch.tensor([[1, 2]])).cls_state is None
    more = set(encoder_with_cls.state_dict()) - set(plain.state_dict())
    assert more == {"cls_embedding.weight"}
    assert set(plain.state_dict()) < set(encoder_with_cls.state_dict())
    assert encoder_with_cls.cls_embedding.weight.shape == (1, 32)
    assert len(encoder_with_cls.get_input_embeddings().weight) == 66


def test_cls_stands_in_front_and_kmers_keep_their_positions(encoder_with_cls):
    model = encoder_with_cls
    batch = pad(draw_barcodes([12, 7], share=0))
    output = model(batch["input_ids"], batch["attention_mask"])
    assert output.last_hidden_state.shape == (2, 12, 32) and output.cls_state.shape == (2, 32)
    for row, length in enumerate([12, 7]):
        ids = batch["input_ids"][row, :length]
        kmers = model.get_input_embeddings()(ids)
        states = model.bert(
            inputs_embeds=torch.cat([model.cls_embedding.weight, kmers])[None],
            position_ids=torch.tensor([[0, *range(length)]]),
        ).last_hidden_state[0]
        torch.testing.assert_close(output.cls_state[row], states[0], atol=1e-5, rtol=0)
        found = output.last_hidden_state[row, :length]
        torch.testing.assert_close(found, states[1:], atol=1e-5, rtol=0)
        mean = states[1:][ids < UNK].mean(dim=0)
        torch.testing.assert_close(output.pooler_output[row], mean, atol=1e-5, rtol=0)


def test_a_barcode_of_full_length_leaves_room_for_cls(config):
    model = masked_lm(config)
    (barcode,) = draw_barcodes([24])
    assert model(**pad([barcode])).loss.isfinite()


def test_the_masked_lm_returns_the_encoders_cls(config):
    model = masked_lm(config)
    batch = pad(draw_barcodes([12, 12]))
    output = model(**batch, output_hidden_states=True)
    if not config.cls_token:
        assert output.cls_state is None
        return
    torch.testing.assert_close(output.cls_state, output.hidden_states[-1][:, 0])
    # It is not told what was masked.
    batch["labels"] = torch.where(batch["labels"] == -100, -100, 63 - batch["labels"])
    assert torch.equal(model(**batch).cls_state, output.cls_state)


# --- masked-LM ------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("dense", [True, False])
def test_loss_and_gradients_equal_the_plain_reference(config, attention, dense):
    model = masked_lm(config)
    model.set_attn_implementation(attention)
    barcodes = draw_barcodes([12, 12, 12, 12] if dense else [12, 5, 9, 2])
    batch = pad(barcodes)
    if dense:
        del batch["attention_mask"]
        batch |= {"num_visible": 6, "num_predicted": 6}
    ours = model(**batch).loss
    weights = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    plain = masked_lm_loss(weights, model.config, barcodes)
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=0)
    plain.backward()
    for name, gradient in gradients(model, ours).items():
        torch.testing.assert_close(gradient, weights[name].grad, atol=1e-5, rtol=0, msg=name)


def test_every_parameter_gets_a_gradient_and_so_does_the_mask_embedding(config):
    model = masked_lm(config)
    found = gradients(model, model(**pad(draw_barcodes([12, 5]))).loss)
    assert [name for name, gradient in found.items() if gradient is None] == []
    assert found["barcodemae.bert.embeddings.word_embeddings.weight"][MASK].any()


def test_a_masked_kmer_leaks_nowhere(config):
    # Its nucleotides are in the labels alone: other labels, same states and logits.
    model = masked_lm(config)
    batch = pad(draw_barcodes([12, 5]))
    other = dict(batch, labels=torch.where(batch["labels"] == -100, -100, 63 - batch["labels"]))
    outputs = [model(**given, output_hidden_states=True) for given in (batch, other)]
    assert torch.equal(outputs[0].logits, outputs[1].logits)
    assert torch.equal(outputs[0].hidden_states[-1], outputs[1].hidden_states[-1])
    assert outputs[0].loss != outputs[1].loss


def test_the_encoder_never_sees_a_mask():
    model = masked_lm(BarcodeMAEConfig(**SIZES))
    seen = []
    model.barcodemae.bert.embeddings.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True
    )
    model(**pad(draw_barcodes([12, 5])))
    assert len(seen) == 1 and not (seen[0] == MASK).any()
    with torch.no_grad():
        model.barcodemae.get_input_embeddings().weight[MASK] = 100.0
    before = model(**pad(draw_barcodes([12, 5])), output_hidden_states=True).hidden_states[0]
    assert before.abs().max() < 50


def test_padding_changes_nothing(config):
    model = masked_lm(config)
    (barcode,) = draw_barcodes([9])
    alone = model(**pad([barcode])).logits
    padded = model(**pad([barcode, *draw_barcodes([20], seed=5)])).logits
    torch.testing.assert_close(padded[:1, :9], alone)


def test_the_counts_of_the_collator_change_nothing(config):
    model = masked_lm(config)
    batch = pad(draw_barcodes([12, 5, 9]))
    counted = model(**batch)
    given = model(**batch, num_visible=8, num_predicted=6)
    torch.testing.assert_close(counted.loss, given.loss)
    assert counted.logits.shape == (3, 12, 64) and counted.predicted_positions is None
    assert given.logits.shape == (3, 6, 64)
    at_labels = counted.logits[torch.arange(3)[:, None], given.predicted_positions]
    torch.testing.assert_close(at_labels, given.logits)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nothing_masked_and_nothing_visible_are_finite(config, share):
    model = masked_lm(config)
    output = model(**pad(draw_barcodes([6, 4], share=share)))
    assert output.loss.isfinite() and output.logits.isfinite().all()
    for gradient in gradients(model, output.loss).values():
        assert gradient is None or gradient.isfinite().all()
    if share == 0:
        assert output.loss == 0


def test_a_row_with_nothing_visible_does_not_read_its_masked_kmers():
    model = masked_lm(BarcodeMAEConfig(**SIZES))
    batch = pad([([MASK] * 4, [1, 2, 3, 4]), *draw_barcodes([6])])
    output = model(**batch, output_hidden_states=True)
    assert output.loss.isfinite() and output.hidden_states[-1].isfinite().all()


def test_labels_of_special_tokens_are_ignored(config):
    model = masked_lm(config)
    batch = pad(draw_barcodes([12, 5]))
    naive = torch.where(batch["labels"] == -100, UNK, batch["labels"])
    torch.testing.assert_close(
        model(**dict(batch, labels=naive)).loss, model(**batch).loss, atol=1e-6, rtol=0
    )


def test_num_items_in_batch_reaches_the_loss(config):
    model = masked_lm(config)
    batch = pad(draw_barcodes([12, 8]))
    masked = (batch["labels"] != -100).sum()
    mean = model(**batch).loss
    torch.testing.assert_close(model(**batch, num_items_in_batch=2 * masked).loss, mean / 2)


def test_without_labels_there_are_logits_for_every_position(config):
    output = masked_lm(config)(
        **{k: v for k, v in pad(draw_barcodes([12, 5])).items() if k != "labels"}
    )
    assert output.loss is None and output.logits.shape == (2, 12, 64)


def test_the_collator_of_transformers_works(config):
    tokenizer = BarcodeMAETokenizer(kmer_size=3)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.5, seed=3)
    batch = collator([tokenizer("ACGTTGCATTGACCA" * 4), tokenizer("ACGNNNTTGCACCAGGT")])
    assert masked_lm(config)(**batch).loss.isfinite()


@pytest.mark.parametrize("dtype", [torch.int16, torch.int32])
def test_small_integer_types_are_accepted(config, dtype):
    model = masked_lm(config)
    batch = pad(draw_barcodes([12, 5]))
    small = dict(batch, input_ids=batch["input_ids"].to(dtype), labels=batch["labels"].to(dtype))
    assert torch.equal(model(**small).loss, model(**batch).loss)


# --- training machinery ---------------------------------------------------------------------------


def test_gradient_checkpointing_gives_the_same_gradients(config):
    model = masked_lm(config)
    batch = pad(draw_barcodes([12, 5]))
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    plain = gradients(model, model(**batch).loss)
    model.gradient_checkpointing_enable()
    assert model.is_gradient_checkpointing
    for name, gradient in gradients(model, model(**batch).loss).items():
        torch.testing.assert_close(gradient, plain[name])


def test_bf16_autocast_is_near_fp32(config):
    model = masked_lm(config)
    batch = pad(draw_barcodes([12, 5]))
    with torch.autocast("cpu", torch.bfloat16):
        half = model(**batch)
    assert half.logits.dtype == torch.bfloat16
    torch.testing.assert_close(half.loss, model(**batch).loss, atol=0.05, rtol=0)


def test_hidden_states_and_attentions(config):
    model = masked_lm(config)
    model.set_attn_implementation("eager")
    barcodes = draw_barcodes([12, 12])
    output = model(**pad(barcodes), output_hidden_states=True, output_attentions=True)
    seen = (12 if config.encoder_sees_mask else 6) + config.cls_token
    assert [tuple(s.shape) for s in output.hidden_states] == [(2, seen, 32)] * 3
    assert [tuple(a.shape) for a in output.attentions] == [(2, 4, seen, seen)] * 2
    layers = config.decoder_num_hidden_layers
    assert len(output.decoder_hidden_states or ()) == (layers and layers + 1)
    assert len(output.decoder_attentions or ()) == layers
    quiet = model(**pad(barcodes))
    assert quiet.hidden_states is None and quiet.attentions is None


def test_return_dict_false_gives_a_tuple(config):
    model = masked_lm(config)
    batch = pad(draw_barcodes([12, 5]))
    assert torch.equal(model(**batch, return_dict=False)[0], model(**batch).loss)


@pytest.mark.parametrize(
    "kind", [BarcodeMAEModel, BarcodeMAEForMaskedLM, BarcodeMAEForSequenceClassification]
)
def test_the_vocabulary_cannot_be_resized(kind):
    with pytest.raises(NotImplementedError, match="cannot be resized.*kmer_size = 3"):
        kind(BarcodeMAEConfig(**SIZES)).resize_token_embeddings(100)


@pytest.mark.parametrize("dense", [True, False])
def test_the_loss_compiles_without_graph_breaks(config, dense):
    torch._dynamo.reset()
    model = masked_lm(config)
    batch = pad(draw_barcodes([12, 12] if dense else [12, 9]))
    if dense:
        del batch["attention_mask"]
        batch |= {"num_visible": 6, "num_predicted": 6}
    compiled = torch.compile(model, fullgraph=True, dynamic=False, backend="aot_eager")
    torch.testing.assert_close(compiled(**batch).loss, model(**batch).loss)
    compiled(**batch).loss.backward()


# --- classification, saving -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("num_labels", "labels", "problem"),
    [
        (3, torch.tensor([0, 2]), "single_label_classification"),
        (3, torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]), "multi_label_classification"),
        (1, torch.tensor([0.3, -1.2]), "regression"),
    ],
)
def test_classification_heads(num_labels, labels, problem):
    torch.manual_seed(0)
    config = BarcodeMAEConfig(**SIZES, num_labels=num_labels)
    model = BarcodeMAEForSequenceClassification(config).eval()
    batch = pad(draw_barcodes([12, 5], share=0))
    output = model(batch["input_ids"], batch["attention_mask"], labels=labels)
    assert output.logits.shape == (2, num_labels)
    expected = {
        "single_label_classification": torch.nn.functional.cross_entropy,
        "multi_label_classification": torch.nn.functional.binary_cross_entropy_with_logits,
        "regression": lambda x, y: torch.nn.functional.mse_loss(x.squeeze(), y),
    }[problem](output.logits, labels)
    torch.testing.assert_close(output.loss, expected)
    assert model.config.problem_type == problem
    pooled = model.barcodemae(batch["input_ids"], batch["attention_mask"]).pooler_output
    torch.testing.assert_close(output.logits, model.classifier(pooled))


def test_weights_survive_saving_and_the_encoder_loads_from_any_of_them(config, tmp_path):
    model = masked_lm(config)
    model.save_pretrained(tmp_path)
    again = BarcodeMAEForMaskedLM.from_pretrained(tmp_path).eval()
    batch = pad(draw_barcodes([12, 5]))
    assert torch.equal(again(**batch).logits, model(**batch).logits)
    encoder, info = BarcodeMAEModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    inputs = (batch["input_ids"], batch["attention_mask"])
    assert torch.equal(encoder(*inputs).pooler_output, model.barcodemae(*inputs).pooler_output)
    assert not any(buffer.is_meta for buffer in encoder.buffers())


def test_attention_follows_set_attn_implementation():
    model = masked_lm(BarcodeMAEConfig(**SIZES))
    for attention in ("eager", "sdpa"):
        model.set_attn_implementation(attention)
        stacks = (model.barcodemae.bert, model.decoder.bert)
        assert [stack.config._attn_implementation for stack in stacks] == [attention] * 2
    with contextlib.suppress(ValueError):
        model.set_attn_implementation("no such attention")
        pytest.fail("an unknown attention was accepted")
