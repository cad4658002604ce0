"""A saved directory, used by plain transformers in a process that has nothing of ours."""

import json
import os
import subprocess
import sys

import pytest
import torch

from barcodemae.presets import preset_config
from modeling_barcodemae import (
    BarcodeMAEForMaskedLM,
    BarcodeMAEForSequenceClassification,
    BarcodeMAEModel,
)

SCRIPT = """
import json, sys, warnings
import torch
from datasets.utils._dill import dumps  # by which `datasets.map` hashes
from transformers import (AutoConfig, AutoModel, AutoModelForMaskedLM,
                          AutoModelForSequenceClassification, AutoTokenizer, pipeline)

directory, remote = sys.argv[1], {"trust_remote_code": True}
sequence = "ACGTTGCATTGACCAGT" * 3
assert "barcodemae" not in sys.modules
found = {"k": AutoConfig.from_pretrained(directory, **remote).kmer_size}
tokenizer = AutoTokenizer.from_pretrained(directory, **remote)
assert len(dumps(tokenizer)) < 2**18  # the class by its name, and not whole
found["tokens"] = tokenizer(sequence)["input_ids"]
inputs = tokenizer([sequence, sequence[:20]], padding=True, return_tensors="pt")
model = AutoModel.from_pretrained(directory, **remote).eval()
with torch.no_grad():
    found["embedding"] = model(**inputs).pooler_output.tolist()
for auto in (AutoModelForMaskedLM, AutoModelForSequenceClassification):
    loaded = auto.from_pretrained(directory, **remote)
    found[auto.__name__] = list(loaded(**inputs).logits.shape)
    assert not any(tensor.is_meta for tensor in [*loaded.parameters(), *loaded.buffers()])
features = pipeline("feature-extraction", model=directory, **remote)(sequence)
found["features"] = [len(features[0]), len(features[0][0])]
fill = pipeline("fill-mask", model=directory, **remote)
filled = fill(sequence[:16] + "[MASK]" + sequence[16:32])
found["filled"] = [len(guess["token_str"]) for guess in filled]
model.save_pretrained(sys.argv[2])
found["again"] = AutoModel.from_pretrained(sys.argv[2], **remote)(**inputs).pooler_output.tolist()
print(json.dumps(found))
"""


@pytest.fixture(scope="module", params=[False, True], ids=["", "[CLS]"])
def model(request):
    torch.manual_seed(0)
    config = preset_config("barcodemae-tiny", cls_token=request.param)
    return BarcodeMAEForMaskedLM(config).eval()


def test_every_auto_class_and_pipeline_loads_a_saved_directory(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    # -I: neither the working directory nor PYTHONPATH is searched; -S would hide transformers.
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, "-I", script, tmp_path / "model", tmp_path / "again"],
        cwd=tmp_path,
        env={**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["k"] == 4
    assert found["AutoModelForMaskedLM"] == [2, 12, 256]
    assert found["AutoModelForSequenceClassification"] == [2, 2]
    assert found["features"] == [12, 128]
    assert found["filled"] == [4] * 5
    ids = torch.tensor([found["tokens"], [*found["tokens"][:5], *[256] * 7]])
    mask = torch.tensor([[1] * 12, [1] * 5 + [0] * 7])
    expected = model.barcodemae(ids, mask).pooler_output
    torch.testing.assert_close(torch.tensor(found["embedding"]), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.tensor(found["again"]), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "kind", [BarcodeMAEModel, BarcodeMAEForMaskedLM, BarcodeMAEForSequenceClassification]
)
def test_auto_map_is_whole_whichever_class_saved_it(kind, tmp_path):
    kind(preset_config("barcodemae-tiny")).save_pretrained(tmp_path)
    auto_map = json.loads((tmp_path / "config.json").read_text())["auto_map"]
    assert set(auto_map) == {
        "AutoConfig",
        "AutoModel",
        "AutoModelForMaskedLM",
        "AutoModelForSequenceClassification",
        "AutoTokenizer",
    }
    files = {path.name for path in tmp_path.iterdir()}
    assert {
        f"{reference.split('.')[0]}.py"
        for reference in auto_map.values()
        if isinstance(reference, str)
    } <= files
    assert {"model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= files
