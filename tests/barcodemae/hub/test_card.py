import json
import os
import re
import shutil

import pytest
import yaml
from huggingface_hub import ModelCard

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.figures import draw_all
from barcodemae.hub.card import FOLDER, render_card
from barcodemae.hub.export import export
from barcodemae.hub.results import read_results

from .conftest import run_without_project

SETTINGS = {"reference": "train", "query": "test_unseen", "supervised": False}


def record(model, metric, value, **more):
    fields = {"model": model, "task": "genus-probe", "metric": metric, "value": value}
    return {**fields, "interval": None, "n": 3401, "settings": SETTINGS, "seed": 0, **more}


@pytest.fixture(scope="module")
def run(checkpoint, tmp_path_factory):
    """An evaluation's folder: two models, one metric over two seeds."""
    folder = tmp_path_factory.mktemp("evaluation")
    ours = str(checkpoint)
    records = [
        record(ours, "accuracy", 0.6904, interval=[0.6748, 0.7059]),
        record(ours, "ami", 0.8, task="bin-clustering", settings={"umap_neighbours": 5}, seed=0),
        record(ours, "ami", 0.9, task="bin-clustering", settings={"umap_neighbours": 5}, seed=1),
        record(ours, "ami", 0.1, task="bin-clustering", settings={"headline": False}),
        record(ours, "wall_seconds", 12.5),
        record(ours, "kl_divergence", 0.5, task="t-sne", settings={"seed": 0}),
        record("kmer:6", "accuracy", 0.625, interval=[0.61, 0.64]),
    ]
    data = {"sources": ["/home/someone/BIOSCAN_5M.csv"], "barcodes": {"train": 118051}}
    protocol = {"reference": "train", "query": "test_unseen", "rank": "genus"}
    content = {"records": records, "models": {ours: {}}, "data": data}
    content |= {"settings": protocol, "points": {}}
    (folder / "results.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def repository(checkpoint, run, tmp_path_factory):
    return export(
        checkpoint,
        tmp_path_factory.mktemp("hub") / "barcodes-k4",
        results=run / "results.json",
        draw=draw_all,
        results_data="bioscan-ml/BIOSCAN-5M",
        data={"name": "BIOSCAN-5M", "id": "bioscan-ml/BIOSCAN-5M", "license": "cc-by-3.0"},
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": "high"}, "value is 'high' and no number"),
        ({"value": float("nan")}, "value is nan and no number"),
        ({"value": True}, "value is True"),
        ({"interval": [0.1]}, "interval is .* and not two numbers"),
        ({"interval": [0.1, float("inf")]}, "interval is"),
        ({"model": 5}, "model is 5 and no text"),
        ({"settings": ["x"]}, "settings is .* and no object"),
    ],
)
def test_what_is_no_figure_reaches_no_card(tmp_path, changes, said):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"records": [record("a", "accuracy", 0.5) | changes]}))
    with pytest.raises(BarcodeMAEError, match=f"results.json, record 1: {said}"):
        read_results(path, None, ("a",), "new")
    path.write_text(json.dumps({"records": [5]}))
    with pytest.raises(BarcodeMAEError, match="record 1: is 5 and no object"):
        read_results(path, None, ("a",), "new")


def test_names_of_models_and_data_do_not_become_markup(repository, tmp_path):
    shutil.copytree(repository, tmp_path / "r")
    path = tmp_path / "r" / "results.json"
    path.write_text(path.read_text().replace("kmer:6", "<script>x|y</script>"))
    path = tmp_path / "r" / "training.json"
    training = json.loads(path.read_text())
    training["data"] = {"name": "# <img src=x>"}
    path.write_text(json.dumps(training))
    card = render_card(tmp_path / "r", "tester/barcodes")
    assert r"| \<script\>x\|y\</script\> | 3,401 |" in card
    assert r"\# \<img src=x\>." in card and "<img" not in card.replace(r"\<img", "")


def read(directory):
    return (directory / "README.md").read_text()


def test_metadata(repository):
    data = ModelCard.load(repository / "README.md").data
    assert data.license == "cc-by-3.0"  # the data's
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "feature-extraction"
    assert {"biology", "dna", "sentence-transformers", "custom_code"} <= set(data.tags)
    assert data.datasets == ["bioscan-ml/BIOSCAN-5M"]
    assert data.metrics == ["accuracy", "ami"]


def test_model_index_holds_our_figures_and_no_others(repository):
    data = ModelCard.load(repository / "README.md").data
    assert data.model_name == "barcodes-k4"
    found = {result.metric_type: result for result in data.eval_results}
    assert set(found) == {"accuracy", "ami"}
    assert found["accuracy"].metric_value == 0.6904
    assert found["ami"].metric_value == pytest.approx(0.85)
    assert found["accuracy"].task_name == "genus-probe"
    assert found["accuracy"].dataset_name == "BIOSCAN-5M"


def test_eval_results_file(repository):
    entries = yaml.safe_load((repository / ".eval_results" / "results.yaml").read_text())
    assert entries[0] == {
        "dataset": {"id": "bioscan-ml/BIOSCAN-5M", "task_id": "genus-probe/accuracy"},
        "value": 0.6904,
        "notes": "query test_unseen, reference train",
    }
    assert len(entries) == 2


def test_text_says_what_the_records_say(repository):
    card = read(repository)
    for words in (
        "| variant | BarcodeMAE, k = 4 |",
        "| encoder | 2 layers, 4 heads, width 32 |",
        "| decoder | 2 layers, 4 heads, width 128 |",
        "74,568 different barcodes, without their labels.",
        "Licence of the data: cc-by-3.0.",
        "2 epochs, 1,000 steps, 149,136 barcodes seen, in 1.5 hours on 1 x Imaginary GPU.",
        "| base_learning_rate | 0.0001 |",
        "\n\nOn held-out pretraining barcodes: loss 4.125, accuracy 0.2125.\n\n",
        "torch 2.13.0, transformers 5.23.0.",
        "**genus-probe** (query test_unseen, reference train)",
        "\n\n| model | barcodes | accuracy |\n|---|---|---|\n",
        "| **this model** | 3,401 | 0.6904 (0.6748 to 0.7059) |",
        "| kmer:6 | 3,401 | 0.6250 (0.6100 to 0.6400) |",
        "**bin-clustering** (umap_neighbours 5)",
        "| **this model** | 3,401 | 0.8500 (0.8000 to 0.9000) |",
        "![accuracy](figures/accuracy.png)",
        "## Intended use",
        "Barcodes only",
        "Partial sequences",
        "Orientation",
        "eprint={2502.18405}",
    ):
        assert words in card, words
    assert (repository / "figures" / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    drawn = (repository / "figures" / "accuracy.svg").read_text()
    assert "barcodes-k4" in drawn and "6-mer frequencies" in drawn


def test_results_name_the_model_and_no_folder(repository, checkpoint):
    text = (repository / "results.json").read_text()
    assert "/home" not in text and str(checkpoint) not in text
    results = json.loads(text)
    assert results["model"] == "barcodes-k4" and "barcodes-k4" in results["models"]
    assert results["records"][0]["model"] == "barcodes-k4"
    assert len(results["records"]) == 7


def test_evaluation_data_that_are_not_on_the_hub(checkpoint, run, tmp_path):
    directory = export(checkpoint, tmp_path / "repository", results=run / "results.json")
    assert not (directory / ".eval_results").exists()
    found = ModelCard.load(directory / "README.md").data.eval_results
    assert {result.dataset_name for result in found} == {"BIOSCAN_5M.csv"}


def test_parameters_are_counted(repository, checkpoint):
    from barcodemae import BarcodeMAEForMaskedLM

    count = sum(p.numel() for p in BarcodeMAEForMaskedLM.from_pretrained(checkpoint).parameters())
    assert f"| parameters in this repository | {count:,} |" in read(repository)


def test_what_is_not_known_is_left_out(checkpoint, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(checkpoint, bare)
    (bare / "training.json").unlink()
    directory = export(bare, tmp_path / "repository", encoder_only=True)
    card = read(directory)
    assert card.count("Not recorded.") == 2
    assert "No evaluation is recorded" in card
    assert "| decoder | not included |" in card
    for absent in ("## Evaluation", "figures/", "model-index", "None", "null", "fill-mask", "onnx"):
        assert absent not in re.sub(r"```python.*?```", "", card, flags=re.DOTALL)
    assert not (directory / ".eval_results").exists()


def test_unlicensed_data_are_said_to_be_so(checkpoint, tmp_path):
    card = read(export(checkpoint, tmp_path / "repository"))
    assert "barcodes.csv." in card and "The licence of the data was not recorded" in card
    assert "license: unknown" in card


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mit", "license: mit"),
        ("CC BY 4.0", "license: cc-by-4.0"),
        ("House rules", "license_name: house-rules"),
    ],
)
def test_a_licence_may_be_given(checkpoint, tmp_path, given, said):
    options = {"license": given, "data": {"license": "cc0-1.0"}}
    assert said in read(export(checkpoint, tmp_path / "repository", **options))


def test_a_licence_is_taken_over(checkpoint, tmp_path):
    first = export(checkpoint, tmp_path / "first", license="mit", data={"license": "cc0-1.0"})
    again = export(first, tmp_path / "again")  # by its record
    assert "license: mit" in read(again)
    (again / "training.json").unlink()
    assert "license: mit" in read(export(again, tmp_path / "by-card"))
    (again / "README.md").write_text("---\nlicense: [\n---\n")
    with pytest.raises(BarcodeMAEError, match="README.md: its front matter.*--license"):
        export(again, tmp_path / "none")
    assert "license: gpl-3.0" in read(export(again, tmp_path / "told", license="gpl-3.0"))


def with_record(checkpoint, folder, data=None, **arguments):
    """A copy of a checkpoint whose run had these arguments too."""
    shutil.copytree(checkpoint, folder)
    training = json.loads((folder / "training.json").read_text())
    training["arguments"] |= arguments
    training["data"] |= data or {}
    (folder / "training.json").write_text(json.dumps(training))
    return folder


def test_how_much_was_masked(repository, checkpoint, tmp_path):
    assert "\n50.0% of the k-mers of a barcode were masked; the encoder" in read(repository)
    drawn = with_record(checkpoint, tmp_path / "drawn", mask_ratio_between=[0.2, 0.8])
    card = read(export(drawn, tmp_path / "repository"))
    assert "20.0% to 80.0% of the k-mers of a barcode were masked, a share drawn for each" in card
    assert "| mask_ratio_between | 0.2, 0.8 |" in card


def test_labels_that_were_used_are_said(checkpoint, tmp_path):
    off = {"label_rank": "", "label_weight": 0.1, "label_taxa": 16}
    unlabelled = read(export(with_record(checkpoint, tmp_path / "off", **off), tmp_path / "a"))
    assert "pretrained without labels" in unlabelled and "label_weight" not in unlabelled
    data = {"label_rank": "genus", "n_labelled": 60123, "n_taxa": 812}
    arguments = off | {"label_rank": "genus"}
    labelled = with_record(checkpoint, tmp_path / "on", data, **arguments)
    config = json.loads((labelled / "config.json").read_text())
    (labelled / "config.json").write_text(json.dumps({**config, "cls_token": True}))
    card = render_card(labelled, "someone/plus")
    assert "semi-supervised (BarcodeMAE+)" in card and "naming the genus" in card
    assert "without labels" not in card and "without their labels" not in card
    assert "60,123 of them with a label: 812 taxa of the rank genus" in card
    assert "| label_weight | 0.1 |" in card
    assert "| variant | BarcodeMAE with [CLS], k = 4 |" in card


def test_classifier(classifier, tmp_path):
    card = read(export(classifier, tmp_path / "repository"))
    assert "pipeline_tag: text-classification" in card
    assert "one of 2 taxa" in card
    assert 'pipeline("text-classification"' in card and "AutoModelForSeq" not in card


def card_of(checkpoint, arguments, tmp_path):
    """The card of an encoder that was trained with these arguments."""
    shutil.copytree(checkpoint, tmp_path / "checkpoint")
    path = tmp_path / "checkpoint" / "training.json"
    record = json.loads(path.read_text())
    record["arguments"] |= arguments
    path.write_text(json.dumps(record))
    return read(export(tmp_path / "checkpoint", tmp_path / "out", encoder_only=True))


def test_an_encoder_that_learned_from_labels_says_so(checkpoint, tmp_path):
    arguments = {"label_rank": "genus", "temperature": 0.1, "masked_weight": 0.0}
    arguments |= {"label_barcodes": 4, "model": "/home/x/large/best"}
    card = card_of(checkpoint, arguments, tmp_path)
    assert "It has learned from labels (genus): barcodes of the same taxon" in card
    assert "at temperature 0.1, in batches with 4 barcodes of each genus." in card
    assert "without their labels" not in card and "masked" not in card.split("## Training")[2]
    assert "| model | large/best |" in card and "| temperature | 0.1 |" in card


def test_settings_of_another_objective_are_not_listed(checkpoint, tmp_path):
    card = card_of(checkpoint, {"objective": "lineage", "label_barcodes": 4}, tmp_path)
    assert "| objective | lineage |" in card and "label_barcodes" not in card


def test_which_model_is_ours_must_be_clear(checkpoint, run, tmp_path):
    results = json.loads((run / "results.json").read_text())
    for entry in results["records"]:
        entry["model"] = entry["model"].replace(str(checkpoint), "elsewhere")
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    with pytest.raises(BarcodeMAEError, match="elsewhere, kmer:6. Name one with --results-model"):
        export(checkpoint, tmp_path / "a", results=path)
    directory = export(checkpoint, tmp_path / "b", results=path, results_model="elsewhere")
    assert "| **this model** | 3,401 | 0.6904 (" in read(directory)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("{", "not JSON"),
        ('{"records": []}', "holds no records"),
        ('{"records": [{"model": "a", "task": "b", "metric": "c"}]}', "record 1: lacks value"),
    ],
)
def test_faulty_results(checkpoint, tmp_path, content, message):
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BarcodeMAEError, match=message):
        export(checkpoint, tmp_path / "out", results=path)
    assert not (tmp_path / "out").exists()


def snippets(card):
    return re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)


_RUN = """
import json
for number, code in enumerate(json.loads(CODE)):
    exec(compile(code, f"snippet {number}", "exec"), scope := {"__name__": "snippet"})
    if "embeddings" in scope:
        assert scope["embeddings"].shape[-1] == 32
    if "candidates" in scope:
        assert all(set(c["token_str"]) <= set("ACGT") for c in scope["candidates"])
    if "taxon" in scope:
        assert scope["taxon"][0]["label"] in ("A", "B")
"""


def test_every_snippet_runs(repository, classifier, tmp_path, monkeypatch):
    """Those that name no package of ours run where the project cannot be imported."""
    pytest.importorskip("sentence_transformers")
    shutil.copytree(repository, tmp_path / "barcodes-k4")
    found = snippets(read(repository))
    of_classifier = snippets(read(export(classifier, tmp_path / "taxa")))
    assert len(found) == 5
    extra = [code for code in of_classifier if "text-classification" in code]
    assert len(extra) == 1
    ours = [code for code in found if "barcodemae." in code]
    assert len(ours) == 1
    # A script with arguments: tests/train/test_finetune_plain.py runs it.
    finetune = (FOLDER / "finetune.py").read_text()
    assert finetune in found
    plain = [code for code in found if code not in (*ours, finetune)] + extra
    env = {"CUDA_VISIBLE_DEVICES": "", "TMPDIR": os.fspath(tmp_path)}
    run_without_project(f"CODE = {json.dumps(plain)!r}\n{_RUN}", cwd=tmp_path, env=env)
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(ours[0], scope)
    assert scope["embeddings"].shape == (1, 32)


def test_the_card_of_a_fine_tuned_model_states_no_preset(checkpoint, tmp_path):
    arguments = {"objective": "lineage", "model": "someone/BarcodeMAE", "preset": "barcodemae-k6"}
    card = card_of(checkpoint, arguments, tmp_path)
    assert "| model | someone/BarcodeMAE |" in card and "| preset |" not in card


def test_a_model_may_be_called_what_a_rank_or_a_task_is_called(checkpoint, tmp_path):
    settings = {"rank": "genus", "query": "genus", "against": "genus"}
    records = [
        record("genus", "accuracy", 0.5, settings=settings),
        record("other", "accuracy", 0.4, settings=settings),
    ]
    data = {"sources": ["b.csv"], "barcodes": {}}
    content = {"records": records, "models": {"genus": {"encoder": "genus", "rank": "genus"}}}
    (tmp_path / "results.json").write_text(json.dumps({**content, "data": data}))
    directory = export(
        checkpoint, tmp_path / "mine", results=tmp_path / "results.json", results_model="genus"
    )
    found = json.loads((directory / "results.json").read_text())
    assert [row["model"] for row in found["records"]] == ["mine", "other"]
    assert found["records"][0]["settings"] == {"rank": "genus", "query": "genus", "against": "mine"}
    assert found["models"] == {"mine": {"encoder": "mine", "rank": "genus"}}
    assert "query genus, rank genus" in read(directory)
