import csv
import json

import numpy as np
import pytest
import torch
from transformers import pipeline
from typer.testing import CliRunner

from barcodemae import (
    BarcodeMAEConfig,
    BarcodeMAEForMaskedLM,
    BarcodeMAEForSequenceClassification,
    BarcodeMAETokenizer,
)
from barcodemae.cli import app
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.answers import COLUMNS
from barcodemae.identification.classification import Classifier, write_calls
from barcodemae.identification.classified import answer
from barcodemae.identification.lineages import Lineages
from barcodemae.presets import preset_config
from coi import draw

LINEAGES = Lineages.from_columns(
    {
        "genus": ["Apis", "Apis", "Vespa"],
        "species": ["Apis cerana", "Apis mellifera", "Vespa crabro"],
    }
)
CONFIG = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=1, kmer_size=3)


def random_barcodes(count, seed=0):
    draw = np.random.default_rng(seed)
    return ["".join(draw.choice(list("ACGT"), draw.integers(30, 200))) for _ in range(count)]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    config = preset_config("barcodemae-tiny", **CONFIG)
    LINEAGES.to_config(config)
    config.confidence_thresholds = {"genus": 0.6}
    torch.manual_seed(0)
    model = BarcodeMAEForSequenceClassification(config)
    model.classifier.weight.data *= 30  # so that probabilities differ, and the likeliest taxon too
    tokens = BarcodeMAETokenizer(kmer_size=3)(
        random_barcodes(50, seed=1), padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        model.classifier.bias -= model.eval()(**tokens).logits.mean(dim=0)
    directory = tmp_path_factory.mktemp("model")
    model.save_pretrained(directory)
    return directory


def test_calls_are_those_of_the_pipeline(model_dir):
    barcodes = random_barcodes(20)
    calls = Classifier.from_pretrained(model_dir, "cpu").classify(barcodes)
    served = pipeline("text-classification", str(model_dir))(barcodes)
    assert calls["species"].taxa.tolist() == [each["label"] for each in served]
    expected = [each["score"] for each in served]
    np.testing.assert_allclose(calls["species"].probabilities, expected, atol=1e-5)
    assert len(set(calls["species"].taxa)) > 1


def test_weights_of_half_precision_name_the_same_taxa(model_dir, tmp_path):
    half = BarcodeMAEForSequenceClassification.from_pretrained(model_dir, dtype=torch.bfloat16)
    half.save_pretrained(tmp_path)
    barcodes = random_barcodes(20)
    calls, expected = (
        Classifier.from_pretrained(directory, "cpu").classify(barcodes)["genus"]
        for directory in (tmp_path, model_dir)
    )
    agreeing = (calls.taxa == expected.taxa)[expected.probabilities > 0.6]
    assert agreeing.any() and agreeing.all()


def test_confidence_is_judged_rank_by_rank(model_dir):
    classifier, barcodes = Classifier.from_pretrained(model_dir, "cpu"), random_barcodes(60)
    assert classifier.thresholds == {"genus": 0.6}
    genus = classifier.classify(barcodes)["genus"]
    threshold = float(np.median(genus.probabilities))
    classifier.thresholds = {"genus": threshold}
    calls = classifier.classify(barcodes)
    assert (calls["genus"].confident == (genus.probabilities >= threshold)).all()
    assert calls["genus"].confident.sum() == 30
    assert (genus.probabilities >= calls["species"].probabilities - 1e-6)[
        [g in s for g, s in zip(genus.taxa, calls["species"].taxa, strict=True)]
    ].all()
    assert not calls["species"].confident.any()  # no threshold was calibrated there


def test_command_writes_a_row_for_each_barcode_and_rank(model_dir, tmp_path):
    barcodes = [*random_barcodes(4), "ACNNNNN"]
    fasta = "".join(f">q{row}\n{barcode}\n" for row, barcode in enumerate(barcodes))
    (tmp_path / "q.fasta").write_text(fasta)
    output = tmp_path / "calls.tsv"
    given = ["classify", tmp_path / "q.fasta", "--model", model_dir, "-o", output, "--long"]
    result = CliRunner().invoke(app, list(map(str, given)))
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(output.open(), delimiter="\t"))
    assert [(row["id"], row["rank"]) for row in rows[:3]] == [
        ("q0", "genus"),
        ("q0", "species"),
        ("q1", "genus"),
    ]
    calls = Classifier.from_pretrained(model_dir, "cpu").classify(barcodes)
    for row in rows:
        query, call = int(row["id"][1:]), calls[row["rank"]]
        assert row["taxon"] == call.taxa[query]
        assert float(row["probability"]) == pytest.approx(call.probabilities[query], abs=1e-4)
        said = "confident" if call.confident[query] else "not confident"
        assert row["confidence"] == said
    assert rows[-1]["taxon"] == "" and rows[-1]["probability"] == "0.0000"


def test_an_output_that_cannot_be_written_is_refused_before_the_work(model_dir, tmp_path):
    (tmp_path / "q.fasta").write_text(">q\nACGTACGTACGT\n")
    given = ["classify", str(tmp_path / "q.fasta"), "--model", str(model_dir), "-o"]
    with pytest.raises(BarcodeMAEError, match="ending names the format"):
        CliRunner().invoke(app, [*given, str(tmp_path)], catch_exceptions=False)
    with pytest.raises(BarcodeMAEError, match="there is no folder"):
        CliRunner().invoke(app, [*given, str(tmp_path / "a" / "b.tsv")], catch_exceptions=False)


def test_a_failure_leaves_the_older_file(model_dir, tmp_path):
    output = tmp_path / "calls.tsv"
    output.write_text("older")
    classifier = Classifier.from_pretrained(model_dir, "cpu")
    with pytest.raises(AttributeError):
        write_calls(output, classifier, ["a"], [None], progress=False)
    assert output.read_text() == "older" and list(tmp_path.iterdir()) == [output]


def test_models_that_cannot_name_taxa_are_refused(tmp_path):
    pretrained, several = tmp_path / "pretrained", tmp_path / "several"
    BarcodeMAEForMaskedLM(preset_config("barcodemae-tiny", **CONFIG)).save_pretrained(pretrained)
    with pytest.raises(BarcodeMAEError, match="has no trained head. Fine-tune it first"):
        Classifier.from_pretrained(pretrained)
    config = preset_config(
        "barcodemae-tiny", **CONFIG, num_labels=3, problem_type="multi_label_classification"
    )
    BarcodeMAEForSequenceClassification(config).save_pretrained(several)
    with pytest.raises(BarcodeMAEError, match="its head is for multi_label_classification"):
        Classifier.from_pretrained(several)
    with pytest.raises(BarcodeMAEError, match="no such directory"):
        Classifier.from_pretrained(tmp_path / "nowhere")


def test_another_k_in_the_tokenizer_is_refused(model_dir, tmp_path):
    config = BarcodeMAEConfig.from_pretrained(model_dir)
    BarcodeMAEForSequenceClassification(config).save_pretrained(tmp_path)
    BarcodeMAETokenizer(kmer_size=4).save_pretrained(tmp_path)
    with pytest.raises(BarcodeMAEError, match="reads 3-mers, its tokenizer cuts 4-mers"):
        Classifier.from_pretrained(tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert saved["kmer_size"] == 4


def test_weights_without_the_head_are_refused(model_dir, tmp_path):
    model = BarcodeMAEForSequenceClassification.from_pretrained(model_dir)
    weights = {k: v for k, v in model.state_dict().items() if not k.startswith("classifier.")}
    model.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(BarcodeMAEError, match="the weights lack"):
        Classifier.from_pretrained(tmp_path)


def test_answers_have_the_columns_of_identify_and_one_lineage(model_dir):
    classifier = Classifier.from_pretrained(model_dir, "cpu")
    classifier.thresholds = dict.fromkeys(classifier.lineages.ranks, 0.0)
    barcodes = draw(3, seed=2)
    table = answer(classifier, list("abc"), barcodes).table
    calls = classifier.classify(barcodes)
    assert list(table.columns) == list(COLUMNS)
    assert table["species"].tolist() == calls["species"].taxa.tolist()
    columns = [classifier.lineages.names["species"], classifier.lineages.of_leaf["genus"].tolist()]
    genus_of = dict(zip(*columns, strict=True))
    names = classifier.lineages.names["genus"]
    assert table["genus"].tolist() == [names[genus_of[species]] for species in table["species"]]
    classifier.thresholds = {}
    assert set(answer(classifier, ["a"], barcodes[:1]).table["verdict"]) == {"no call"}


def test_a_genus_of_two_families_has_neither_and_what_has_no_family_is_not_called(model_dir):
    classifier = Classifier.from_pretrained(model_dir, "cpu")
    species = [f"Xus {letter}" for letter in "abc"]
    barcodes = draw(8, seed=2)

    def answered(families, **thresholds):
        columns = {"family": families, "genus": ["Xus"] * 3, "species": species}
        classifier.lineages, classifier.thresholds = Lineages.from_columns(columns), thresholds
        return answer(classifier, list("abcdefgh"), barcodes).table

    assert set(answered(["A", "A", "A"], genus=0.0)["family"]) == {"A"}
    assert set(answered(["A", "B", "A"], genus=0.0)["family"]) == {""}
    by_species = answered(["A", "B", "C"], species=0.0)
    assert [n[-1].upper() for n in by_species["species"]] == by_species["family"].tolist()
    assert set(answered([None, None, None], family=0.0)["rank_called"]) == {""}
