"""A saved directory, used by plain transformers in a process that has nothing of ours."""

import json
import os
import subprocess
import sys

import pytest
import torch

from barcodemae.presets import preset_config
from enbed import EnbedForConditionalGeneration, EnbedTokenizer

SCRIPT = """
import json, sys
import torch
from datasets.utils._dill import dumps  # by which `datasets.map` hashes
from transformers import (AutoModel, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification,
                          AutoModelForTokenClassification, AutoTokenizer, pipeline)
from transformers.pipelines import get_supported_tasks

directory, remote = sys.argv[1], {"trust_remote_code": True}
assert "enbed" not in sys.modules
text = "ACGTTGCATTGACCAGTN" * 8
tokenizer = AutoTokenizer.from_pretrained(directory, **remote)
assert len(dumps(tokenizer)) < 2**18  # the class by its name, and not whole
inputs = tokenizer([text, text[:20]], padding=True, return_tensors="pt")
found = {"tokens": inputs["input_ids"].tolist()}
with torch.no_grad():
    found["embedding"] = AutoModel.from_pretrained(directory, **remote)(**inputs)[1].tolist()
    writer = AutoModelForSeq2SeqLM.from_pretrained(directory, **remote)
    found["loss"] = float(writer(**inputs, labels=inputs["input_ids"]).loss)
    found["written"] = list(writer.generate(**inputs, max_new_tokens=5, min_new_tokens=5).shape)
    for auto in (AutoModelForTokenClassification, AutoModelForSequenceClassification):
        model = auto.from_pretrained(directory, num_labels=7, **remote)
        found[auto.__name__] = list(model(**inputs).logits.shape)
        assert not any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()])
        model.save_pretrained(f"{sys.argv[2]}/{auto.__name__}")
features = pipeline("feature-extraction", model=directory, **remote)(text)
found["features"] = [len(features[0]), len(features[0][0])]
classes = {name: f"{sys.argv[2]}/AutoModelFor{name}" for name in
           ("TokenClassification", "SequenceClassification")}
labels = pipeline("token-classification", model=classes["TokenClassification"], **remote)(text)
found["labels"] = len(labels)
label = pipeline("text-classification", model=classes["SequenceClassification"], **remote)(text)
found["label"] = label[0]["label"][:6]
if "text2text-generation" in get_supported_tasks():
    writer = pipeline("text2text-generation", model=directory, **remote)
    assert "generated_text" in writer(text, max_new_tokens=5)[0]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    fields = {"learned_positions": 30, "num_layers": 2, "radii": [16, 32]}
    fields |= {"ngram_sizes": [2], "classifier_pooling": "sites", "aligned_output": True}
    return EnbedForConditionalGeneration(preset_config("enbed-tiny", **fields)).eval()


def test_every_auto_class_and_pipeline_loads_a_saved_directory(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, "-I", script, tmp_path / "model", tmp_path / "heads"],
        cwd=tmp_path,
        env={**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    for warning in ("MISSING", "UNEXPECTED", "newly initialized", "were not used", "undefined"):
        assert warning not in run.stderr, run.stderr
    assert "the head of EnbedForTokenClassification starts from random weights" in run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["AutoModelForTokenClassification"] == [2, 145, 7]
    assert found["AutoModelForSequenceClassification"] == [2, 7]
    assert found["features"] == [145, 64] and found["label"] == "LABEL_"
    assert 0 < found["labels"] <= 145 and found["written"] == [2, 6]
    inputs = EnbedTokenizer().batch(["ACGTTGCATTGACCAGTN" * 8, "ACGTTGCATTGACCAGTNAC"])
    assert found["tokens"] == inputs["input_ids"].tolist()
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
    with torch.no_grad():
        loss = model(**tensors, labels=tensors["input_ids"]).loss
    assert found["loss"] == pytest.approx(float(loss), abs=1e-5)
