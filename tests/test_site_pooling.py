"""Pooling by site, and the starts and the contracts that come with it."""

import pytest
import torch
from test_modeling_barcodemae import MASK, SIZES, UNK, draw_barcodes, pad

from barcodemae.presets import preset_config
from configuration_barcodemae import BarcodeMAEConfig
from layers_barcodemae import draw_by_nucleotides
from modeling_barcodemae import (
    BarcodeMAEForMaskedLM,
    BarcodeMAEForSequenceClassification,
    BarcodeMAEModel,
)

PLACES = 12
SITES = {
    **SIZES,
    "max_position_embeddings": PLACES,
    "pooling": "sites",
    "site_size": 5,
    "embedding_size": 20,
    "nucleotide_init": True,
}


def encoder(**changes):
    torch.manual_seed(0)
    model = BarcodeMAEModel(BarcodeMAEConfig(**{**SITES, **changes})).eval()
    if model.site_pooling is not None:
        torch.nn.init.normal_(model.site_pooling.centre)
        torch.nn.init.normal_(model.site_pooling.projection.bias)
    return model


def barcodes(rows=4, length=PLACES):
    """(rows, length) ids of whole barcodes."""
    return torch.randint(0, UNK, (rows, length), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def model():
    return encoder()


# --- what the embedding is ------------------------------------------------------------------------


def test_the_embedding_is_what_its_definition_says(model):
    ids = barcodes()
    ids[1, 3], ids[2, 5:] = UNK, UNK
    output = model(ids)
    pooling = model.site_pooling
    for row, tokens in enumerate(ids):
        features = torch.zeros(PLACES, 5)
        for place, token in enumerate(tokens):
            if token != UNK:
                state = output.last_hidden_state[row, place]
                features[place] = pooling.site.weight @ state - pooling.centre[place]
        expected = pooling.projection.weight @ features.flatten() + pooling.projection.bias
        torch.testing.assert_close(output.pooler_output[row], expected)
    assert output.pooler_output.shape == (4, 20)


@pytest.mark.parametrize("cls_token", [False, True])
def test_unknown_masked_padded_dropped_and_absent_are_one_and_the_same(cls_token):
    model = encoder(cls_token=cls_token)
    ids, kept = barcodes(), torch.tensor([0, 1, 4, 5, 6, 8])
    gone = torch.ones(PLACES, dtype=torch.bool)
    gone[kept] = False
    embeddings = [
        model(ids.masked_fill(gone, UNK)).pooler_output,
        model(ids.masked_fill(gone, MASK)).pooler_output,
        model(ids, (~gone).long().expand_as(ids)).pooler_output,
        model(ids[:, kept], position_ids=kept[None]).pooler_output,
        model(ids[:, :9].masked_fill(gone[:9], UNK)).pooler_output,
    ]
    # Gathered to the front, the slots after them bearing a place that is taken.
    slots = torch.cat([kept, torch.zeros(3, dtype=torch.long)])
    mask = torch.tensor([1] * len(kept) + [0] * 3).expand(4, -1)
    embeddings.append(model(ids[:, slots], mask, slots.expand(4, -1)).pooler_output)
    for other in embeddings[1:]:
        torch.testing.assert_close(other, embeddings[0], atol=1e-5, rtol=1e-5)


def test_a_barcode_without_a_kmer_counts_as_the_mean_at_every_place(model):
    nothing = torch.full((2, PLACES), UNK)
    bias = model.site_pooling.projection.bias
    torch.testing.assert_close(model(nothing).pooler_output, bias.expand(2, -1))


def test_the_same_kmers_elsewhere_are_another_embedding(model):
    ids = barcodes()
    assert (model(ids).pooler_output - model(ids.roll(1, 1)).pooler_output).abs().max() > 0.1


def test_the_centre_makes_zero_of_the_mean_state(model):
    ids = barcodes(rows=9)
    ids[:4, 2], ids[:, 7] = UNK, UNK
    before = model.site_pooling.centre[7].clone()
    model.site_pooling.set_centre(model(ids).last_hidden_state, ids < UNK)
    centred = model.site_pooling.site(model(ids).last_hidden_state) - model.site_pooling.centre
    assert centred[:, :7].mean(dim=0)[[0, 1, 3, 4, 5, 6]].abs().max() < 1e-5
    assert centred[4:, 2].mean(dim=0).abs().max() < 1e-5
    assert torch.equal(model.site_pooling.centre[7], before)


# --- the start ------------------------------------------------------------------------------------


def test_rows_are_sums_of_one_vector_for_each_nucleotide_at_its_place():
    torch.manual_seed(0)
    rows = torch.zeros(4**4 + 2, 3000)
    draw_by_nucleotides(rows, 4, std=0.5)
    grid = rows[:256].view(4, 4, 4, 4, -1)
    # Whatever the other nucleotides are, changing one adds the same difference.
    for place in range(4):
        steps = grid.transpose(0, place)
        differences = steps[1] - steps[0]
        torch.testing.assert_close(differences, differences[:1, :1, :1].expand_as(differences))
    assert rows[:256].std().item() == pytest.approx(0.5, rel=0.05)
    assert not rows[256:].any()


def test_nucleotide_init_draws_embeddings_and_head():
    model = BarcodeMAEForMaskedLM(BarcodeMAEConfig(**SITES))
    for rows in (model.barcodemae.get_input_embeddings().weight[:64], model.head.weight):
        assert torch.linalg.matrix_rank(rows.detach()) <= 3 * 3 + 1
    plain = BarcodeMAEForMaskedLM(BarcodeMAEConfig(**SITES | {"nucleotide_init": False}))
    assert torch.linalg.matrix_rank(plain.head.weight.detach()) == 32


def test_a_head_that_a_checkpoint_lacks_is_drawn_by_nucleotides(tmp_path):
    encoder(initializer_range=0.3).save_pretrained(tmp_path)
    model = BarcodeMAEForMaskedLM.from_pretrained(tmp_path)
    assert torch.linalg.matrix_rank(model.head.weight.detach()) <= 10
    assert model.head.weight.std().item() == pytest.approx(0.3, rel=0.3)
    kmers = model.barcodemae.get_input_embeddings().weight
    assert torch.equal(
        kmers, BarcodeMAEModel.from_pretrained(tmp_path).get_input_embeddings().weight
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pooling_that_a_checkpoint_lacks_is_drawn(tmp_path, dtype):
    kind = BarcodeMAEConfig(**SIZES | {"max_position_embeddings": PLACES, "initializer_range": 0.3})
    BarcodeMAEModel(kind).save_pretrained(tmp_path)
    options = {"pooling": "sites", "site_size": 5, "embedding_size": 20, "dtype": dtype}
    model = BarcodeMAEModel.from_pretrained(tmp_path, **options)
    pooling = model.site_pooling
    for weight in (pooling.site.weight, pooling.projection.weight):
        torch.testing.assert_close(
            (weight @ weight.T).float(), torch.eye(len(weight)), atol=0.02, rtol=0
        )
    assert not pooling.centre.any() and not pooling.projection.bias.any()


# --- pooling = "cls", and what is refused ---------------------------------------------------------


def test_cls_pooling_is_the_state_of_cls():
    model = BarcodeMAEModel(BarcodeMAEConfig(**SIZES, cls_token=True, pooling="cls")).eval()
    output = model(barcodes())
    assert torch.equal(output.pooler_output, output.cls_state)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pooling": "max"}, "pooling = 'max'.*'mean', 'cls', 'sites'"),
        ({"pooling": ["sites"]}, r"pooling = \['sites'\]"),
        ({"pooling": "cls"}, "Set cls_token = True"),
        ({"pooling": "sites", "site_size": 5}, "needs embedding_size"),
        ({"pooling": "sites", "embedding_size": 5}, "needs site_size"),
        ({"site_size": 5}, "site_size = 5 is not allowed with pooling = 'mean'"),
        ({"embedding_size": 5}, "belongs to pooling = 'sites'"),
        ({"poolings": "sites"}, "Did you mean 'pooling'"),
    ],
)
def test_combinations_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        BarcodeMAEConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"site_size": 0}, "site_size = 0.*from 1 to 65,536"),
        ({"embedding_size": 2.5}, "embedding_size = 2.5"),
        ({"nucleotide_init": 1}, "nucleotide_init = 1"),
    ],
)
def test_values_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        preset_config("barcodemae-coi-small", **fields)


@pytest.mark.parametrize("name", ["barcodemae-coi-small", "barcodemae-coi"])
def test_the_presets_for_use_pool_by_site(name):
    config = preset_config(name)
    assert config.pooling == "sites" and config.max_position_embeddings == 109
    assert config.pooled_size == config.embedding_size
    assert preset_config("barcodemae-k6").pooled_size == 768


# --- machinery ------------------------------------------------------------------------------------


def test_the_masked_lm_embeds_what_its_encoder_saw():
    torch.manual_seed(0)
    model = BarcodeMAEForMaskedLM(BarcodeMAEConfig(**SITES)).eval()
    batch = pad(draw_barcodes([12, 5]))
    output = model(**batch)
    visible = model.barcodemae(batch["input_ids"], batch["attention_mask"]).pooler_output
    torch.testing.assert_close(output.pooler_output, visible, atol=1e-5, rtol=1e-5)


def test_unknown_kmers_change_nothing_in_the_masked_lm():
    torch.manual_seed(0)
    model = BarcodeMAEForMaskedLM(BarcodeMAEConfig(**SITES)).eval()
    batch = pad(draw_barcodes([12, 12]))
    batch["input_ids"][:, 9:], batch["labels"][:, 9:] = UNK, -100
    short = {name: value[:, :9] for name, value in batch.items()}
    torch.testing.assert_close(model(**batch).loss, model(**short).loss)


def test_every_weight_learns_from_both_outputs():
    model = BarcodeMAEForMaskedLM(BarcodeMAEConfig(**SITES))
    output = model(**pad(draw_barcodes([12, 12])))
    (output.loss + output.pooler_output.square().sum()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_a_checkpointed_gradient_is_the_same():
    model = encoder(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train()
    model(barcodes()).pooler_output.square().sum().backward()
    plain = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    model.gradient_checkpointing_enable()
    model(barcodes()).pooler_output.square().sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, plain[name], msg=name)


def test_one_dynamic_graph_serves_every_length(model):
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="eager")
    with torch.no_grad():
        for rows, length in ((4, 12), (3, 7), (2, 9)):
            ids = barcodes(rows, length)
            ids[0, 1] = UNK
            expected = model(ids).pooler_output
            torch.testing.assert_close(compiled(ids).pooler_output, expected)


def test_half_precision_is_near(model):
    expected = model(barcodes()).pooler_output
    with torch.autocast("cpu", torch.bfloat16):
        near = model(barcodes()).pooler_output
    assert torch.cosine_similarity(near.float(), expected).min() > 0.999
    half = model.to(torch.bfloat16)(barcodes()).pooler_output
    assert half.dtype == torch.bfloat16
    assert torch.cosine_similarity(half.float(), expected).min() > 0.999


def test_the_classifier_stands_on_the_embedding():
    torch.manual_seed(0)
    model = BarcodeMAEForSequenceClassification(BarcodeMAEConfig(**SITES, num_labels=3)).eval()
    assert model.classifier.in_features == 20
    expected = model.classifier(model.barcodemae(barcodes()).pooler_output)
    torch.testing.assert_close(model(barcodes()).logits, expected)


# --- contracts of every model class ---------------------------------------------------------------


@pytest.mark.parametrize("fields", [{}, {"cls_token": True}, {k: SITES[k] for k in SITES}])
def test_the_encoder_returns_what_the_config_asks_for(fields):
    config = BarcodeMAEConfig(**SIZES | fields, output_hidden_states=True, output_attentions=True)
    model = BarcodeMAEModel(config).eval()
    model.set_attn_implementation("eager")
    output = model(barcodes())
    assert len(output.hidden_states) == 3 and len(output.attentions) == 2
    quiet = model(barcodes(), output_hidden_states=False, output_attentions=False)
    assert quiet.hidden_states is None and quiet.attentions is None


@pytest.mark.parametrize("fields", [{}, {"cls_token": True}, {k: SITES[k] for k in SITES}])
@pytest.mark.parametrize("kind", [BarcodeMAEModel, BarcodeMAEForSequenceClassification])
def test_embeddings_of_kmers_are_taken_for_kmers(fields, kind):
    torch.manual_seed(0)
    model = kind(BarcodeMAEConfig(**SIZES | fields)).eval()
    ids, types = barcodes(), torch.zeros(4, PLACES, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[0, 7:] = 0
    embedded = model.get_input_embeddings()(ids)
    given = model(inputs_embeds=embedded, attention_mask=mask, token_type_ids=types)[0]
    expected = model(ids, mask)[0]
    torch.testing.assert_close(given, expected, atol=1e-5, rtol=1e-5)
    other = model(ids, mask, token_type_ids=types + 1)[0]
    assert (other - expected).abs().max() > 1e-4
    for neither_or_both in ({}, {"input_ids": ids, "inputs_embeds": embedded}):
        with pytest.raises(ValueError, match="either input_ids.*or inputs_embeds"):
            model(**neither_or_both)


def test_the_masked_lm_says_that_it_takes_no_embeddings():
    model = BarcodeMAEForMaskedLM(BarcodeMAEConfig(**SIZES))
    with pytest.raises(ValueError, match="takes input_ids and no inputs_embeds"):
        model(inputs_embeds=torch.zeros(1, 3, 32))


def test_logits_are_at_every_position_outside_training_alone():
    model = BarcodeMAEForMaskedLM(BarcodeMAEConfig(**SIZES))
    batch = pad(draw_barcodes([12, 5]))
    assert model.train()(**batch).logits.shape == (2, 6, 64)
    output = model.eval()(**batch)
    assert output.logits.shape == (2, 12, 64)
    named = output.logits.argmax(-1)[batch["labels"] != -100]
    assert len(named) == (batch["labels"] != -100).sum()
