import re
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from barcodemae.presets import PRESETS, preset_config
from configuration_barcodemae import AUTO_MAP, HUB_FILES, BarcodeMAEConfig
from modeling_barcodemae import BarcodeMAEForMaskedLM
from train.loop.overrides import make_config
from train.loop.parsing import parse_arguments

CONFIGS = Path(__file__).parent.parent / "train" / "configs"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kmer_size", 0),
        ("kmer_size", 9),
        ("kmer_size", "6"),
        ("mask_ratio", 0.0),
        ("mask_ratio", 1.5),
        ("hidden_dropout_prob", 1.0),
        ("num_hidden_layers", 0),
        ("decoder_num_hidden_layers", -1),
        ("encoder_sees_mask", "False"),
        ("cls_token", 1),
        ("hidden_size", True),
    ],
)
def test_a_wrong_value_names_field_value_and_what_is_allowed(field, value):
    with pytest.raises(ValueError) as error:
        preset_config("barcodemae-k6", **{field: value})
    message = str(error.value)
    assert field in message and repr(value) in message and re.search(r"is (an?|the|True)", message)


@pytest.mark.parametrize("prefix", ["", "decoder_"])
def test_a_hidden_size_that_heads_do_not_divide_is_refused(prefix):
    with pytest.raises(ValueError, match=f"{prefix}hidden_size = 768.*{prefix}num_attention_heads"):
        BarcodeMAEConfig(**{f"{prefix}num_attention_heads": 5})


def test_an_encoder_that_sees_no_mask_needs_a_decoder():
    with pytest.raises(ValueError, match="encoder_sees_mask.*decoder"):
        BarcodeMAEConfig(decoder_num_hidden_layers=0)


@pytest.mark.parametrize("name", ["hiden_size", "kmer_sizes", "decoder_num_layers"])
def test_an_argument_like_a_field_is_taken_for_a_misspelling(name):
    with pytest.raises(ValueError, match=f"{name}.*Did you mean"):
        BarcodeMAEConfig(**{name: 4})


def test_arguments_of_transformers_are_not_taken_for_misspellings():
    config = BarcodeMAEConfig(num_labels=7, output_hidden_states=True, my_own_note="x")
    assert config.num_labels == 7 and config.output_hidden_states and config.my_own_note == "x"


def test_a_field_changed_later_is_checked_by_the_model():
    config = preset_config("barcodemae-tiny")
    config.encoder_sees_mask, config.decoder_num_hidden_layers = False, 0
    with pytest.raises(ValueError, match="encoder_sees_mask = False"):
        BarcodeMAEForMaskedLM(config)


@pytest.mark.parametrize(("before", "now"), [(4, 3), (3, 4), (4, 4)])
def test_a_model_saved_over_another_brings_its_own_tokenizer(before, now, tmp_path):
    for kmer_size in (before, now):
        preset_config("barcodemae-tiny", kmer_size=kmer_size).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.kmer_size == now and len(tokenizer("ACGT" * 6)["input_ids"]) == 24 // now


def test_the_vocabulary_follows_from_k():
    config = BarcodeMAEConfig(kmer_size=4)
    assert (config.vocab_size, config.unk_token_id, config.mask_token_id) == (258, 256, 257)
    assert config.pad_token_id == config.unk_token_id
    with pytest.raises(ValueError, match="vocab_size = 300 does not fit kmer_size = 4"):
        BarcodeMAEConfig(kmer_size=4, vocab_size=300)


def test_an_unknown_preset_lists_those_there_are():
    with pytest.raises(ValueError, match="Did you mean 'barcodemae-k6'"):
        preset_config("barcodemae_k6")


@pytest.mark.parametrize("name", PRESETS["barcodemae"])
def test_every_preset_is_valid_and_trained_by_its_own_file_or_the_papers(name):
    file = CONFIGS / f"{name}.yaml"
    given = [] if file.exists() else ["--preset", name]
    file = file if file.exists() else CONFIGS / "paper.yaml"
    where = ["--train_data", "barcodes.csv", "--output_dir", "run"]
    arguments = parse_arguments(["--config", str(file), *given, *where])
    assert arguments.preset == name
    make_config(arguments).check_fields()


@pytest.mark.parametrize(
    ("preset", "encoder", "total"),
    [
        # paper-facts: counted from the authors' code, less dead poolers and dead embeddings
        ("barcodemae-k6", 46.1, 92.7),
        ("barcodebert-6layer", 46.1, 49.2),
    ],
)
def test_parameter_counts_are_the_papers(preset, encoder, total):
    import torch

    with torch.device("meta"):
        model = BarcodeMAEForMaskedLM(preset_config(preset))
    millions = [
        sum(p.numel() for p in part.parameters()) / 1e6 for part in (model.barcodemae, model)
    ]
    assert [round(count, 1) for count in millions] == [encoder, total]


def test_a_saved_config_comes_back_and_carries_code_and_tokenizer(tmp_path):
    config = preset_config("barcodemae-k4", mask_ratio=0.3)
    config.auto_map = {"AutoModel": "someone/else--modeling_barcodemae.BarcodeMAEModel"}
    config.save_pretrained(tmp_path)
    again = BarcodeMAEConfig.from_pretrained(tmp_path)
    assert {k: getattr(again, k) for k in ("kmer_size", "mask_ratio")} == {
        "kmer_size": 4,
        "mask_ratio": 0.3,
    }
    assert again.auto_map == AUTO_MAP
    project = Path(__file__).parent.parent
    for name in HUB_FILES:
        assert (tmp_path / name).read_bytes() == (project / name).read_bytes()
    assert (tmp_path / "tokenizer.json").exists()
