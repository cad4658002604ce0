"""Fine-tuning as a user of transformers does it, with nothing of ours but the checkpoint."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    pipeline,
)

import coi
import modeling_barcodemae
from barcodemae import (
    BarcodeMAEForMaskedLM,
    BarcodeMAEForSequenceClassification,
)
from barcodemae.encoders.shipped_models import shipped_model
from barcodemae.presets import preset_config
from launcher import launcher

from ..barcodemae.hub.hub_server import TOKEN, Hub

PROJECT = Path(__file__).parent.parent.parent
EXAMPLE = PROJECT / "model_card" / "finetune.py"
PAGE = (PROJECT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
(LORA,) = re.findall(r"```python\n(from peft .*?)```", PAGE, flags=re.DOTALL)
WITHOUT_THE_PROJECT = """
import runpy, sys
for name in ("barcodemae", "train", "configuration_barcodemae", "modeling_barcodemae",
             "tokenization_barcodemae", "grid_barcodemae", "layers_barcodemae"):
    sys.modules[name] = None
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
CONFIG = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=1, kmer_size=3)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Weights in float16, as those that are shipped."""
    directory = tmp_path_factory.mktemp("pretrained")
    torch.manual_seed(0)
    model = BarcodeMAEForMaskedLM(preset_config("barcodemae-tiny", **CONFIG))
    model.half().save_pretrained(directory)
    return directory


def barcodes(count, seed=0, length=90):
    """Three species that differ by a word of their own, here and there."""
    draw = np.random.default_rng(seed)
    species = [f"Apis {'abc'[row % 3]}" for row in range(count)]
    words = {"Apis a": "AAATTT", "Apis b": "CCCGGG", "Apis c": "GTGTGT"}
    texts = [
        "".join(
            words[name] if draw.random() < 0.5 else "".join(draw.choice(list("ACGT"), 6))
            for _ in range(length // 6)
        )
        for name in species
    ]
    return pd.DataFrame({"nucleotides": texts, "species": species})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the example runs, with two CSV files. In both are rows that cannot be learned from."""
    folder = tmp_path_factory.mktemp("work")
    unnamed = barcodes(4, seed=2).assign(species=None)
    unseen = barcodes(3, seed=3).assign(species="Bombus a")
    pd.concat([barcodes(96), unnamed]).to_csv(folder / "train.csv", index=False)
    pd.concat([unseen, barcodes(30, seed=1)]).to_csv(folder / "validation.csv", index=False)
    return folder


def run_python(folder, *arguments, **environment):
    """Run Python in `folder`, offline unless `environment` says otherwise; returns its output."""
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "HF_HOME": str(folder / "home"),
            "OMP_NUM_THREADS": "1",
            **environment,
        },
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout


def run_example(folder, checkpoint, *options, processes=1, script=EXAMPLE, **environment):
    given = [checkpoint, "train.csv", "validation.csv", "--use_cpu=True", *options]
    starter = launcher(processes) if processes > 1 else ["-c", WITHOUT_THE_PROJECT]
    return run_python(folder, *starter, script, *given, **environment)


def test_readme_prints_the_example():
    assert f"```python\n{EXAMPLE.read_text()}```" in PAGE


LEARNS = ("--num_train_epochs=4", "--learning_rate=1e-2", "--per_device_train_batch_size=8")


def test_example_learns_saves_and_pushes(folder, checkpoint):
    with Hub() as hub:
        said = run_example(
            folder,
            checkpoint,
            "--output_dir=out",
            *LEARNS,
            "--push_to_hub=True",
            "--hub_model_id=someone/apis",
            f"--hub_token={TOKEN}",
            HF_ENDPOINT=hub.url,
            HF_HUB_OFFLINE="0",
            HF_HUB_DISABLE_XET="1",
        )
        pushed = hub.files("someone/apis")
    assert "'eval_accuracy': 1.0" in said
    left_out = "left out: {} without a species, {} of species that the training file lacks"
    assert f"train: 96 barcodes; {left_out.format(4, 0)}" in said
    assert f"val: 30 barcodes; {left_out.format(0, 3)}" in said
    for name in ("model.safetensors", "config.json", "modeling_barcodemae.py", "tokenizer.json"):
        assert pushed[name] == (folder / "out" / name).read_bytes()
    classify = pipeline("text-classification", str(folder / "out"), trust_remote_code=True)
    validation = barcodes(30, seed=1)
    named = [each["label"] for each in classify(validation["nucleotides"].tolist())]
    assert named == validation["species"].tolist()


@pytest.mark.slow
def test_example_trains_the_shipped_model(folder):
    """On barcodes of its own kind; the loss is finite and falls."""
    draw = np.random.default_rng(0)
    texts = [coi.mutated(draw, text, 0.01) for text in coi.draw(3) * 12]
    table = pd.DataFrame({"nucleotides": texts, "species": ["Apis a", "Apis b", "Apis c"] * 12})
    table.to_csv(folder / "coi.csv", index=False)
    options = ["--output_dir=shipped", "--num_train_epochs=4", "--learning_rate=1e-3"]
    options += ["--logging_steps=1", "--per_device_train_batch_size=12", "--use_cpu=True"]
    given = [shipped_model(), "coi.csv", "coi.csv", *options]
    said = run_python(folder, "-c", WITHOUT_THE_PROJECT, EXAMPLE, *given)
    losses = [float(loss) for loss in re.findall(r"'loss': '?([\d.e-]+|nan)", said)]
    assert len(losses) == 12 and np.isfinite(losses).all()
    assert losses[-1] < losses[0] / 2


def test_float16_weights_are_told_of_where_they_are_to_be_trained(
    checkpoint, monkeypatch, tmp_path
):
    classifier = BarcodeMAEForSequenceClassification.from_pretrained(checkpoint)
    classifier.save_pretrained(tmp_path / "saved")  # with a head, that is not new any more
    said = []
    monkeypatch.setattr(modeling_barcodemae.logger, "warning_once", said.append)
    for folder in (checkpoint, tmp_path / "saved"):
        for dtype, told in (("auto", True), ("float32", False)):
            said.clear()
            model = BarcodeMAEForSequenceClassification.from_pretrained(folder, dtype=dtype)
            assert not said  # whoever only asks it has nothing to fear
            model.train()
            assert ('load it with dtype="float32"' in " ".join(said)) == told


@pytest.mark.slow
def test_example_with_lora(folder, checkpoint):
    before, made, after = EXAMPLE.read_text().partition("trainer = Trainer(")
    (folder / "lora.py").write_text(f"{before}{LORA}{made}{after}")
    said = run_example(folder, checkpoint, "--output_dir=lora", *LEARNS, script="lora.py")
    assert "'eval_accuracy': " in said
    assert (folder / "lora" / "adapter_config.json").is_file()
    assert not (folder / "lora" / "model.safetensors").exists()


@pytest.mark.slow
def test_example_on_two_processes(folder, checkpoint):
    run_example(
        folder,
        checkpoint,
        "--output_dir=two",
        "--ddp_backend=gloo",
        "--num_train_epochs=1",
        "--per_device_train_batch_size=8",
        processes=2,
    )
    state = json.loads((folder / "two" / "checkpoint-6" / "trainer_state.json").read_text())
    assert state["global_step"] == 6  # 96 barcodes, 8 for each of two processes
    AutoModelForSequenceClassification.from_pretrained(folder / "two")


def rows(num_labels=3, count=16, kind="single"):
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 64, (count, 20), generator=draw)
    labels = {
        "single": torch.randint(0, num_labels, (count,), generator=draw),
        "multi": torch.randint(0, 2, (count, num_labels), generator=draw).float(),
        "regression": torch.randn(count, num_labels, generator=draw).squeeze(1),
    }[kind]
    return [{"input_ids": x, "labels": y} for x, y in zip(ids, labels, strict=True)]


def tiny_model(kind="single", num_labels=3, dropout=0.0, **fields):
    torch.manual_seed(0)
    problem = {"single": "single_label_classification", "multi": "multi_label_classification"}
    return BarcodeMAEForSequenceClassification(
        preset_config(
            "barcodemae-tiny",
            num_labels=num_labels,
            problem_type=problem.get(kind, "regression"),
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            **CONFIG,
            **fields,
        )
    )


class KeepGradients(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.gradients = {
            name: parameter.grad.clone()
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        }


def trainer(model, data, output_dir, cls=Trainer, callbacks=(), **options):
    options = {"max_steps": 1, "save_strategy": "no", "max_grad_norm": 0, **options}
    arguments = TrainingArguments(
        str(output_dir), use_cpu=True, report_to="none", disable_tqdm=True, **options
    )
    return cls(model, arguments, train_dataset=data, callbacks=list(callbacks))


@pytest.mark.parametrize(
    "kind, num_labels", [("single", 3), ("multi", 3), ("regression", 1), ("regression", 2)]
)
def test_accumulated_gradients_are_those_of_the_big_batch(kind, num_labels, tmp_path):
    data = rows(num_labels, kind=kind)
    found = []
    for batch, accumulation in ((16, 1), (4, 4)):
        keep = KeepGradients()
        trainer(
            tiny_model(kind, num_labels),
            data,
            tmp_path,
            callbacks=[keep],
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulation,
        ).train()
        found.append(keep.gradients)
    whole, accumulated = found
    assert whole.keys() == accumulated.keys() and len(whole) > 10
    for name in whole:
        torch.testing.assert_close(accumulated[name], whole[name], atol=1e-6, rtol=0)
    assert max(gradient.abs().max() for gradient in whole.values()) > 1e-3


def test_resuming_gives_the_weights_of_the_whole_run(tmp_path):
    options = dict(
        max_steps=6, save_strategy="steps", save_steps=3, per_device_train_batch_size=4, seed=5
    )
    data = rows(count=20)
    whole = trainer(tiny_model(dropout=0.1), data, tmp_path, **options)
    whole.train()
    resumed = trainer(tiny_model(dropout=0.1), data, tmp_path, **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    for (name, expected), found in zip(
        whole.model.named_parameters(), resumed.model.parameters(), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5, msg=name)


class WeightedTrainer(Trainer):
    """What a user writes to weigh classes."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = nn.functional.cross_entropy(
            outputs.logits, labels, weight=torch.tensor([0.0, 1.0, 1.0])
        )
        return (loss, outputs) if return_outputs else loss


def test_class_weights_through_a_custom_loss(tmp_path):
    """A class of weight 0 leaves no trace: its bias gets the gradient of the others alone."""
    data = [row for row in rows(count=30) if row["labels"] == 0][:4]
    keep = KeepGradients()
    data[0]["labels"] = torch.tensor(1)
    weighted = trainer(
        tiny_model(),
        data,
        tmp_path,
        WeightedTrainer,
        [keep],
        per_device_train_batch_size=4,
    )
    weighted.train()
    with torch.no_grad():
        share = tiny_model()(data[0]["input_ids"][None]).logits.softmax(dim=1)[0]
    expected = share - torch.tensor([0.0, 1.0, 0.0])  # of the one barcode that counts
    torch.testing.assert_close(keep.gradients["classifier.bias"], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind, num_labels", [("multi", 3), ("regression", 1)])
def test_other_heads_learn_and_are_served(kind, num_labels, tmp_path):
    data = rows(num_labels, count=8, kind=kind)
    fitted = trainer(tiny_model(kind, num_labels), data, tmp_path, max_steps=60, learning_rate=1e-2)
    fitted.train()
    fitted.save_model(str(tmp_path / "model"))
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    with torch.no_grad():
        logits = loaded(torch.stack([row["input_ids"] for row in data])).logits
    labels = torch.stack([row["labels"] for row in data])
    if kind == "multi":
        assert ((logits > 0) == labels.bool()).all()
    else:
        torch.testing.assert_close(logits.squeeze(1), labels, atol=0.2, rtol=0)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    served = pipeline("text-classification", loaded, tokenizer=tokenizer)("ACGTTT" * 5, top_k=None)
    assert len(served) == num_labels


def test_lora_trains_little_and_merges(tmp_path):
    """As the page prints it: `target_modules` are the names of BERT's own layers."""
    base = tiny_model()
    exec(LORA, names := {"model": tiny_model()})
    adapted = names["model"]
    before = {name: weight.clone() for name, weight in adapted.named_parameters()}
    trainer(adapted, rows(), tmp_path, max_steps=3, learning_rate=1e-2).train()
    changed = {
        name for name, weight in adapted.named_parameters() if not torch.equal(weight, before[name])
    }
    assert any("lora_B" in name and "query" in name for name in changed)
    assert any("classifier.modules_to_save" in name for name in changed)
    assert all("lora" in name or "modules_to_save" in name for name in changed)

    adapted.save_pretrained(tmp_path / "adapter")
    assert "modeling_barcodemae" not in json.dumps(
        list(load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    )
    ids = torch.stack([row["input_ids"] for row in rows()])
    with torch.no_grad():
        expected = adapted.eval()(ids).logits
        merged = PeftModel.from_pretrained(base, tmp_path / "adapter").merge_and_unload().eval()
        torch.testing.assert_close(merged(ids).logits, expected, atol=1e-5, rtol=1e-5)
    merged.save_pretrained(tmp_path / "merged")
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged")
