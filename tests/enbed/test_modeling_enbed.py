"""ENBED's attention against its definition, and what every model of the family promises."""

from types import SimpleNamespace

import pytest
import torch

from enbed import (
    EnbedConfig,
    EnbedForConditionalGeneration,
    EnbedForSequenceClassification,
    EnbedForTokenClassification,
    EnbedModel,
)
from enbed.modeling_enbed import enbed_attention

SMALL = {
    "hidden_size": 32,
    "num_layers": 4,
    "num_decoder_layers": 2,
    "num_heads": 2,
    "intermediate_size": 64,
    "radii": [8, 8, 8, 16],
    "decoder_radius": 16,
    "summary_block": 4,
    "dropout_rate": 0.0,
}


def make(kind, **fields):
    torch.manual_seed(0)
    return kind(EnbedConfig(**{**SMALL, **fields})).eval()


def nucleotides(length, batch=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.tensor([68, 70, 74, 87])[torch.randint(4, (batch, length), generator=generator)]


def attend_by_definition(query, key, value, is_real, radius, causal, block, scale):
    """One query at a time: the keys in its window, and the means of whole older blocks."""
    output = torch.zeros_like(query)
    batch, _, queries, _ = query.shape
    keys = key.shape[2]
    for b in range(batch):
        for i in range(queries):
            at = keys - queries + i
            near = range(max(at - radius, 0), min(at + (0 if causal else radius), keys - 1) + 1)
            seen = [j for j in near if is_real[b, j] or j == at]
            pairs = [(key[b, :, j], value[b, :, j]) for j in seen]
            for start in range(0, keys - block + 1, block) if block else ():
                part = slice(start, start + block)
                if start < at - radius and is_real[b, part].all():
                    pairs.append((key[b, :, part].mean(1), value[b, :, part].mean(1)))
            some_keys, some_values = (torch.stack(x, 1) for x in zip(*pairs, strict=True))
            weights = (scale * some_keys @ query[b, :, i, :, None]).softmax(1)
            output[b, :, i] = (weights * some_values).sum(1)
    return output.transpose(1, 2)


WHOLE = [(1, 1), (7, 7), (16, 16), (17, 17), (40, 40), (99, 99)]
CACHED = [(1, 60), (5, 60)]  # only a decoder has a cache


@pytest.mark.parametrize(
    ("queries", "keys", "causal", "block"),
    [
        *((*lengths, False, 0) for lengths in WHOLE),
        *((*lengths, True, block) for lengths in WHOLE + CACHED for block in (0, 4)),
    ],
)
def test_attention_is_its_definition(queries, keys, causal, block):
    torch.manual_seed(0)
    query, key, value = (
        torch.randn(2, 2, length, 8, dtype=torch.float64) for length in (queries, keys, keys)
    )
    is_real = torch.ones(2, keys, dtype=torch.bool)
    is_real[1, keys - keys // 4 :] = False
    module = SimpleNamespace(is_causal=causal, summary_block=block)
    found, _ = enbed_attention(module, query, key, value, is_real, scaling=0.3, sliding_window=9)
    expected = attend_by_definition(query, key, value, is_real, 8, causal, block, 0.3)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_the_encoder_sees_as_far_as_its_radii_and_no_further():
    model = make(EnbedModel)
    given = nucleotides(200, batch=1)
    changed = given.clone()
    changed[0, 100] = 81
    states, others = (model(ids).last_hidden_state[0] for ids in (given, changed))
    moved = ((states - others).abs().amax(-1) > 0).nonzero()
    assert moved.min() == 100 - 40 and moved.max() == 100 + 40  # 8 + 8 + 8 + 16


@pytest.mark.parametrize("aligned", [False, True])
def test_padding_changes_nothing(aligned):
    model = make(EnbedForConditionalGeneration, aligned_output=aligned)
    ids, labels = nucleotides(100), nucleotides(90)
    mask = torch.ones_like(ids)
    mask[1, 70:] = ids[1, 70:] = 0
    labels[1, 80:] = -100
    padded = model(ids, attention_mask=mask, labels=labels).logits[1:, :80]
    alone = model(ids[1:, :70], labels=labels[1:, :80]).logits
    torch.testing.assert_close(padded, alone, atol=2e-6, rtol=0)


def test_the_embedding_is_the_mean_over_nucleotides():
    model = make(EnbedModel)
    ids = torch.cat([nucleotides(50, 1), torch.tensor([[1, 0, 0]])], 1)
    output = model(ids)
    expected = output.last_hidden_state[:, :50].mean(1)
    torch.testing.assert_close(output.pooler_output, expected)
    nothing = model(torch.tensor([[1, 0, 0]])).pooler_output
    assert torch.equal(nothing, torch.zeros_like(nothing))


def test_learned_positions_tell_places_apart():
    plain, placed = make(EnbedModel), make(EnbedModel, learned_positions=50)
    ids = torch.full((1, 120), 68)
    middle = plain(ids).last_hidden_state[0, 45:75]
    torch.testing.assert_close(middle, middle[:1].expand_as(middle), atol=1e-5, rtol=0)
    states = placed(ids).last_hidden_state[0]
    assert (states[20] - states[30]).abs().max() > 1e-3
    assert placed.encoder.embed_tokens.places.weight.requires_grad


def test_ngrams_around_a_nucleotide_add_their_vectors():
    embedding = make(EnbedModel, ngram_sizes=[2, 3]).encoder.embed_tokens
    ids = torch.tensor([[ord(letter) + 3 for letter in "ACGNTA"] + [1, 0]])
    of_token = torch.nn.functional.embedding(ids, embedding.weight)
    added = (embedding(ids) - of_token)[0]
    twos, threes = embedding.ngrams["2"].weight, embedding.ngrams["3"].weight
    none = twos[16] + threes[64]
    expected = {0: twos[1] + threes[64], 1: twos[6] + threes[6], 2: none, 4: twos[12] + threes[64]}
    for place in range(8):
        torch.testing.assert_close(added[place], expected.get(place, none), atol=1e-6, rtol=0)


def test_sites_have_weights_of_their_own_in_the_class_of_a_sequence():
    fields = {"learned_positions": 40, "classifier_pooling": "sites", "num_labels": 2}
    model = make(EnbedForSequenceClassification, **fields)
    ids, mask = nucleotides(40), torch.ones(2, 40, dtype=torch.long)
    ids[1, 30], ids[1, 31:] = 1, 0
    mask[1, 31:] = 0
    encoded = model.model(ids, attention_mask=mask)
    states = encoded.last_hidden_state.clone()
    states[1, 30:] = 0
    weight = model.score_sites.weight.view(2, 40, -1)
    expected = model.score(encoded.pooler_output) + torch.einsum("blh,clh->bc", states, weight)
    torch.testing.assert_close(model(ids, attention_mask=mask).logits, expected)
    short, longer = model(ids[1:, :31]).logits, model(torch.nn.functional.pad(ids[1:], (0, 20)))
    torch.testing.assert_close(short, expected[1:], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(longer.logits, expected[1:], atol=1e-6, rtol=1e-5)


def test_aligned_output_reads_the_state_at_the_same_place():
    plain, model = (make(EnbedForConditionalGeneration, aligned_output=x) for x in (False, True))
    model.load_state_dict(plain.state_dict(), strict=False)
    ids, labels = nucleotides(30), nucleotides(40, seed=2)
    states = plain(ids, labels=labels)
    read = torch.nn.functional.pad(states.encoder_last_hidden_state, (0, 0, 0, 10))
    expected = states.logits + plain.lm_head(model.model.aligned(read))
    torch.testing.assert_close(model(ids, labels=labels).logits, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("aligned", [False, True])
def test_generating_with_a_cache_writes_what_it_writes_without(aligned):
    model = make(EnbedForConditionalGeneration, aligned_output=aligned)
    ids = nucleotides(40)
    wanted = {"max_new_tokens": 50, "min_new_tokens": 50}
    with_cache = model.generate(ids, do_sample=False, **wanted)
    assert torch.equal(with_cache, model.generate(ids, do_sample=False, use_cache=False, **wanted))
    beams = model.generate(ids, num_beams=3, num_return_sequences=2, **wanted)
    assert torch.equal(
        beams, model.generate(ids, num_beams=3, num_return_sequences=2, use_cache=False, **wanted)
    )
    torch.manual_seed(0)
    sampled = model.generate(ids, do_sample=True, **wanted)
    torch.manual_seed(0)
    again = model.generate(ids, do_sample=True, use_cache=False, **wanted)
    assert torch.equal(sampled, again) and not torch.equal(sampled, with_cache)


def test_a_cache_of_fixed_size_is_refused():
    model = make(EnbedForConditionalGeneration)
    with pytest.raises(ValueError, match="needs a cache that grows"):
        model.generate(nucleotides(10), cache_implementation="static", max_new_tokens=3)
    model.generation_config.cache_implementation = "static"
    with pytest.raises(ValueError, match="needs a cache that grows"):
        model.generate(nucleotides(10), max_new_tokens=3)


def test_a_row_of_padding_gives_numbers_and_gradients():
    model = make(EnbedForTokenClassification).train()
    ids = nucleotides(100)
    ids[1] = 0
    loss = model(ids).logits.pow(2).mean()
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert loss.isfinite() and all(gradient.isfinite().all() for gradient in gradients)


def test_gradient_checkpointing_and_lower_precision():
    model = make(EnbedForConditionalGeneration).train()
    ids, labels = nucleotides(100), nucleotides(90)
    model(ids, labels=labels).loss.backward()
    expected = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    model.gradient_checkpointing_enable()
    loss = model(ids, labels=labels).loss
    loss.backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-6, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert abs(model(ids, labels=labels).loss - loss) < 0.02
    assert abs(model.bfloat16()(ids, labels=labels).loss - loss) < 0.05


@pytest.mark.parametrize("kind", [EnbedModel, EnbedForTokenClassification])
def test_the_graph_is_captured_whole(kind):
    model = make(kind)
    compiled = torch.compile(model, fullgraph=True, backend="eager", dynamic=False)
    inputs = {"input_ids": nucleotides(64), "attention_mask": torch.ones(2, 64, dtype=torch.long)}
    torch.testing.assert_close(compiled(**inputs)[0], model(**inputs)[0])


def test_the_losses_of_the_heads():
    ids = nucleotides(30)
    labels = torch.full_like(ids, -100)
    tokens = make(EnbedForTokenClassification, num_labels=10)
    assert tokens(ids, labels=labels).loss == 0
    labels[0, :4] = 3
    output = tokens(ids, labels=labels)
    expected = -output.logits[0, :4].log_softmax(-1)[:, 3].mean()
    torch.testing.assert_close(output.loss, expected)
    sequences = make(EnbedForSequenceClassification, num_labels=3)
    output = sequences(ids, labels=torch.tensor([0, 2]))
    expected = -output.logits.log_softmax(-1)[[0, 1], [0, 2]].mean()
    torch.testing.assert_close(output.loss, expected)


def test_adapters_train_and_leave_the_rest_alone():
    peft = pytest.importorskip("peft")
    settings = peft.LoraConfig(
        r=2, target_modules=["q_proj", "v_proj"], modules_to_save=["score"], task_type="SEQ_CLS"
    )
    model = peft.get_peft_model(make(EnbedForSequenceClassification, num_labels=3), settings)
    model(input_ids=nucleotides(30), labels=torch.tensor([0, 2])).loss.backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert trained and all("lora" in name or "score" in name for name in trained)


def test_more_tokens_than_positions_are_refused():
    with pytest.raises(ValueError, match="50 tokens, but the model has 40 positions"):
        make(EnbedModel, max_position_embeddings=40)(nucleotides(50))


def test_padding_is_padding_with_and_without_a_mask():
    model = make(EnbedForConditionalGeneration, initializer_range=0.3)
    ids = nucleotides(40)
    ids[1, 20:] = 0
    mask, begun = (ids != 0).long(), nucleotides(5, seed=2)
    with torch.no_grad():
        given = model(ids, mask, decoder_input_ids=begun).logits
        assert torch.equal(model(input_ids=ids, decoder_input_ids=begun).logits, given)
        alone = model(ids[1:, :20], decoder_input_ids=begun[1:]).logits
        torch.testing.assert_close(given[1:], alone)
        written = model.generate(ids, attention_mask=mask, max_new_tokens=9, min_new_tokens=9)
        for named in ({"inputs": ids}, {"input_ids": ids}):
            again = model.generate(**named, max_new_tokens=9, min_new_tokens=9)
            assert torch.equal(again, written)


def test_windows_are_as_long_as_the_model_reads():
    from barcodemae.encoders.embedder import Embedder

    model = make(EnbedModel, max_position_embeddings=21)
    sequence = "ACGGTCATTGCA" * 3
    found = Embedder(model, "cpu").embed([sequence, sequence[:20]])
    windows = [[ord(x) + 3 for x in sequence[start : start + 20]] + [1] for start in (0, 8, 16)]
    with torch.no_grad():
        expected = model(torch.tensor(windows)).pooler_output
    torch.testing.assert_close(torch.from_numpy(found[0]), expected.mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.from_numpy(found[1]), expected[0], atol=1e-5, rtol=0)
