"""`train.pretrain --push_to_hub`: at the end; a fault does not cost the run."""

import json

from runs import train

from ..barcodemae.hub.hub_server import TOKEN, Hub


def push_from(data, output_dir, hub, token):
    train(
        data,
        output_dir,
        max_steps=16,
        checkpoint_every=8,
        push_to_hub="someone/BarcodeMAE",
        environment={
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": token,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        },
    )


def test_the_best_model_is_pushed_at_the_end(data, tmp_path):
    output_dir = tmp_path / "run"
    with Hub() as hub:
        push_from(data, output_dir, hub, TOKEN)
        pushed = hub.files("someone/BarcodeMAE")
    assert {"model.safetensors", "README.md", "tokenizer.json"} <= set(pushed)
    assert "modeling_barcodemae.py" in pushed
    record = json.loads(pushed["training.json"])
    assert record["steps"] == json.loads((output_dir / "best/training.json").read_text())["steps"]


def test_a_refused_push_is_told_and_the_run_goes_on(data, tmp_path):
    output_dir = tmp_path / "run"
    with Hub() as hub:
        push_from(data, output_dir, hub, "hf_wrong")
    assert (output_dir / "last" / "model.safetensors").exists()
    said = (tmp_path / "run.log").read_text()
    assert "train.pretrain: not pushed:" in said and "hf_wrong" not in said
