"""Tiny random models of the baselines' families, made and saved here."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertModel,
    EsmConfig,
    EsmForMaskedLM,
    EsmTokenizer,
    MambaConfig,
    MambaModel,
    PreTrainedTokenizerFast,
)

from barcodemae.encoders import load_encoder
from barcodemae.encoders.corruption import Corruption
from barcodemae.encoders.huggingface import Entry, HuggingFaceEncoder, known_entries
from barcodemae.errors import BarcodeMAEError

SPECIAL = {"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}

LONG_CONVOLUTION = """
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class LongConvolutionConfig(PretrainedConfig):
    model_type = "long_convolution"

    def __init__(self, vocab_size=10, hidden_size=16, **kwargs):
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        super().__init__(**kwargs)


class LongConvolutionModel(PreTrainedModel):
    config_class = LongConvolutionConfig

    def __init__(self, config):
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.filter = nn.Conv1d(config.hidden_size, config.hidden_size, 31, padding=30)
        self.post_init()

    def forward(self, input_ids, output_hidden_states=None, return_dict=None):
        states = self.embedding(input_ids)  # (batch, length, hidden)
        mixed = self.filter(states.transpose(1, 2))[..., : input_ids.shape[1]]
        return BaseModelOutput(last_hidden_state=states + mixed.transpose(1, 2))
"""


def nucleotide_tokenizer(**special) -> PreTrainedTokenizerFast:
    vocabulary = {token: i for i, token in enumerate([*SPECIAL.values(), *"ACGTN"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def save_bert(folder, sequences):
    """DNABERT-2 and DNABERT-S: attention over byte-pair tokens."""
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    trainer = trainers.BpeTrainer(vocab_size=90, special_tokens=list(SPECIAL.values()))
    tokenizer.train_from_iterator(sequences, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(tokenizer), intermediate_size=64, **sizes)).save_pretrained(
        folder
    )
    tokenizer.save_pretrained(folder)


def save_esm(folder, sequences):
    """Nucleotide Transformer: ESM under a masked-language head, special tokens around."""
    tokens = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", *"ACGTN"]
    vocabulary = folder / "vocabulary.txt"
    vocabulary.write_text("\n".join(tokens))
    tokenizer = EsmTokenizer(str(vocabulary))
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = EsmConfig(
        vocab_size=len(tokenizer),
        mask_token_id=2,
        pad_token_id=1,
        intermediate_size=64,
        position_embedding_type="rotary",
        token_dropout=True,
        **sizes,
    )
    EsmForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_mamba(folder, sequences):
    """Caduceus and BarcodeMamba: a state-space model over nucleotides, no [MASK]."""
    tokenizer = nucleotide_tokenizer(unk_token="[UNK]", pad_token="[PAD]")
    MambaModel(
        MambaConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, state_size=4)
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_long_convolution(folder, sequences):
    """HyenaDNA: code of its own, long convolutions, no attention mask."""
    (folder / "modeling_long_convolution.py").write_text(LONG_CONVOLUTION)
    scope = {"__name__": "modeling_long_convolution"}
    exec(compile(LONG_CONVOLUTION, "modeling_long_convolution.py", "exec"), scope)
    model = scope["LongConvolutionModel"](scope["LongConvolutionConfig"]())
    model.config.auto_map = {
        "AutoConfig": "modeling_long_convolution.LongConvolutionConfig",
        "AutoModel": "modeling_long_convolution.LongConvolutionModel",
    }
    model.save_pretrained(folder)
    nucleotide_tokenizer(**SPECIAL).save_pretrained(folder)


FAMILIES = {
    "bert": (save_bert, {}),
    "esm": (save_esm, {"auto_class": "AutoModelForMaskedLM", "special_tokens": True}),
    "mamba": (save_mamba, {"max_tokens": 1024}),
    "long convolution": (save_long_convolution, {"max_tokens": 1024, "remote_code": True}),
}


@pytest.fixture(scope="module", params=FAMILIES)
def encoder(request, tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param.replace(" ", "_"))
    save, options = FAMILIES[request.param]
    save(folder, ["".join(np.random.default_rng(0).choice(list("ACGT"), 2000))])
    return HuggingFaceEncoder(Entry(request.param, str(folder), **options), "cpu", batch_size=4)


def test_the_mean_of_the_tokens_alone_and_in_a_batch(encoder, sequences):
    sequences = [sequences[0], sequences[1][:90], sequences[2][:200]]
    found = encoder.embed(sequences)
    special = encoder.entry.special_tokens
    for row, sequence in enumerate(sequences):
        inputs = encoder.tokenizer(sequence, add_special_tokens=special, return_tensors="pt")
        with torch.inference_mode():
            output = encoder.model(input_ids=inputs["input_ids"], output_hidden_states=True)
        states = getattr(output, "last_hidden_state", None)
        states = output.hidden_states[-1] if states is None else states
        own = states[0, 1:-1] if special else states[0]
        np.testing.assert_allclose(found[row], own.mean(dim=0).numpy(), atol=1e-5)


def test_offset_and_limit_cut_the_barcode(encoder, sequences):
    long = "ACGGT" * 200
    np.testing.assert_allclose(encoder.embed([long]), encoder.embed([long[:660]]), atol=1e-6)
    np.testing.assert_allclose(
        encoder.embed(sequences[:2], offset=3),
        encoder.embed([s[3:] for s in sequences[:2]]),
        atol=1e-6,
    )


def test_dropped_tokens_are_left_out(encoder, sequences):
    corruption = Corruption("drop", 0.4, 0)
    drawn = corruption.masked(sequences[:1], [300])[0]
    whole, dropped = encoder.embed(sequences[:1]), encoder.embed(sequences[:1], 0, corruption)
    assert np.isfinite(dropped).all() and abs(whole - dropped).max() > 1e-4
    if "attention_mask" in encoder.accepts:
        return
    # Without a mask to take them out of, the others close ranks.
    left = "".join(n for n, masked in zip(sequences[0], drawn, strict=True) if not masked)
    np.testing.assert_allclose(dropped, encoder.embed([left]), atol=1e-5)


def test_masking_needs_a_mask_token(encoder, sequences):
    if encoder.entry.name == "mamba":
        assert encoder.corruptions == ("drop",)
        return
    masked = encoder.embed(sequences[:1], 0, Corruption("mask", 0.4, 0))
    assert abs(masked - encoder.embed(sequences[:1])).max() > 1e-4


def test_a_missing_package_is_named():
    entry = Entry("BarcodeMamba", "x/y", packages=["mamba_ssm_that_is_not_there"])
    with pytest.raises(BarcodeMAEError, match="pip install mamba-ssm-that-is-not-there"):
        HuggingFaceEncoder(entry)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(BarcodeMAEError, match=r"HyenaDNA-tiny .* cannot be loaded"):
        load_encoder("HyenaDNA-tiny", "cpu")
    with pytest.raises(BarcodeMAEError, match="takes DIR_OR_HUB_ID, kmer:K"):
        load_encoder("nothing", "cpu")
    with pytest.raises(BarcodeMAEError, match="cannot be loaded"):
        load_encoder("nobody/nothing", "cpu")


def test_code_of_an_unknown_repository_is_not_run(encoder):
    if encoder.entry.name != "long convolution":
        pytest.skip("no code of its own")
    with pytest.raises(BarcodeMAEError, match="cannot be loaded"):
        load_encoder(encoder.entry.id, "cpu")
    allowed = load_encoder(encoder.entry.id, "cpu", remote_code="any")
    assert allowed.settings["remote_code"]


@pytest.mark.parametrize(
    ("spec", "remote_code", "said"),
    [
        ("HyenaDNA-tiny", "none", "allow it with --trust-remote-code"),
        ("DNABERT-S", "known", "fixed commit.*--model zhihan1996/DNABERT-S@COMMIT"),
        ("someone/else", "any", "fixed commit.*someone/else@COMMIT"),
    ],
)
def test_code_is_run_at_a_pinned_commit_and_where_it_is_allowed(
    monkeypatch, spec, remote_code, said
):
    monkeypatch.setattr("barcodemae.encoders.model_type", lambda _: "other")
    with pytest.raises(BarcodeMAEError, match=said):
        load_encoder(spec, "cpu", remote_code=remote_code)


def test_a_commit_named_with_the_model_is_the_one_that_is_loaded(monkeypatch):
    monkeypatch.setattr("barcodemae.encoders.model_type", lambda _: "other")
    loaded = []
    monkeypatch.setattr(HuggingFaceEncoder, "__init__", lambda _, entry, *__: loaded.append(entry))
    for spec in ("someone/else", "DNABERT-S", "zhihan1996/DNABERT-2-117M"):
        load_encoder(f"{spec}@{'a1' * 20}", "cpu", remote_code="any")
    assert [entry.revision for entry in loaded] == ["a1" * 20] * 3
    assert [entry.remote_code for entry in loaded] == [True] * 3


def test_every_baseline_of_the_paper_has_an_entry():
    names = {entry.name for entry in known_entries().values()}
    assert {"DNABERT-2", "DNABERT-S", "HyenaDNA-tiny", "Caduceus-PS-1k", "BarcodeBERT"} <= names
    assert {"Nucleotide Transformer v2-50m", "BarcodeMamba"} <= names
    assert known_entries()["zhihan1996/DNABERT-2-117M"] is known_entries()["DNABERT-2"]
