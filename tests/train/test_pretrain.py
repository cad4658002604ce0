"""`train.pretrain` as its users start it: whole runs, killed, resumed, on one process and two."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

import barcodemae  # noqa: F401  (registers the Auto classes)
from barcodemae.errors import BarcodeMAEError
from runs import OPTIONS, TINY, kill, start, train, train_here, wait_for
from train.loop.arguments import PretrainArguments
from train.loop.devices import bf16_is_slow
from train.loop.overrides import make_config
from train.pretrain import Pretraining

TWO = pytest.param(2, id="two", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=[pytest.param(1, id="one"), TWO])
def processes(request):
    return request.param


@pytest.fixture(scope="module")
def whole_run(data, processes, tmp_path_factory):
    """A run that nothing interrupted."""
    output_dir = tmp_path_factory.mktemp("whole") / "run"
    train(data, output_dir, processes=processes)
    return output_dir


def metrics(output_dir):
    return [json.loads(line) for line in (output_dir / "metrics.jsonl").read_text().splitlines()]


def steps(output_dir):
    return [line for line in metrics(output_dir) if "loss" in line]


def test_a_run_writes_complete_models_and_one_line_for_each_step(whole_run, processes):
    assert [line["step"] for line in steps(whole_run)] == list(range(1, 25))
    assert [line["barcodes"] for line in steps(whole_run)] == list(range(8, 200, 8))
    validations = [line for line in metrics(whole_run) if "validation_loss" in line]
    assert [line["step"] for line in validations] == [4, 8, 12, 16, 20, 24]
    assert validations[-1]["validation_loss"] < validations[0]["validation_loss"]
    for name in ("best", "last"):
        model = AutoModel.from_pretrained(whole_run / name)
        assert model.config.kmer_size == 3
        record = json.loads((whole_run / name / "training.json").read_text())
        assert record["barcodes_seen"] == 8 * record["steps"]
        assert record["hardware"].startswith(f"{processes} x ")
    assert not list(whole_run.rglob("*.tmp"))
    log = Path(f"{whole_run}.log").read_text()
    assert "\nstep 7 of 24: loss " in log and "\r" not in log.partition("step 1 of")[2]


@pytest.mark.parametrize(
    "moment",
    [
        "between checkpoints",
        pytest.param("while a checkpoint is written", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_ends_with_the_same_weights(data, processes, whole_run, moment, tmp_path):
    output_dir = tmp_path / "run"
    run = start(data, output_dir, processes=processes)
    if moment == "between checkpoints":
        wait_for(run, lambda: (output_dir / "checkpoints" / "step-6").exists())
    else:
        torn = [output_dir / "checkpoints" / f"step-{step}.tmp" for step in (4, 6, 8, 10, 12, 14)]
        wait_for(run, lambda: any(path.exists() for path in torn))
    kill(run)
    assert not (output_dir / "last").exists()
    # In a process of its own, as the whole one: this one has computed other things before.
    train(data, output_dir, processes=processes)
    assert "resumed at step" in Path(f"{output_dir}.log").read_text()
    for name in ("last", "best"):
        resumed = load_file(output_dir / name / "model.safetensors")
        for key, weight in load_file(whole_run / name / "model.safetensors").items():
            assert torch.equal(resumed[key], weight), key
    assert [line["loss"] for line in steps(output_dir)] == [
        line["loss"] for line in steps(whole_run)
    ]


@pytest.mark.parametrize(
    "how",
    [{"gradient_accumulation_steps": 2}, pytest.param({"processes": 2}, marks=pytest.mark.slow)],
)
def test_the_global_batch_is_what_is_asked_for_however_it_is_shared_out(how, data, tmp_path):
    # Without dropout, which draws other numbers in another batch.
    plain = TINY[:-1] + ", hidden_dropout_prob: 0, attention_probs_dropout_prob: 0}"
    options = {"model_overrides": plain, "max_steps": 12}
    train_here(data, tmp_path / "whole", **options)
    (train if "processes" in how else train_here)(data, tmp_path / "shared", **options, **how)
    runs = [tmp_path / "whole", tmp_path / "shared"]
    whole, shared = (torch.tensor([line["loss"] for line in steps(run)]) for run in runs)
    torch.testing.assert_close(shared, whole, atol=1e-4, rtol=0)
    for run in runs:
        assert steps(run)[-1]["barcodes"] == 96
    # What the training is compared with rests on all held-out barcodes, too.
    first = [json.loads((run / "metrics.jsonl").read_text().splitlines()[0]) for run in runs]
    assert first[1]["guess_loss"] == pytest.approx(first[0]["guess_loss"], rel=1e-5)


def test_a_run_stops_where_it_is_asked_to_and_the_folder_belongs_to_it(data, tmp_path):
    output_dir = tmp_path / "run"
    data = shutil.copy(data, tmp_path / "barcodes.csv")
    stops = {"stop_after_minutes": 1e-6, "log_every": 3, "report_to": "tensorboard"}
    train_here(data, output_dir, max_steps=6, **stops)
    assert list(output_dir.rglob("events.out.tfevents.*"))
    assert steps(output_dir)[-1]["step"] == 3
    said = r"holds a run with other arguments \(seed was 0 and is 1\)"
    with pytest.raises(BarcodeMAEError, match=said):
        train_here(data, output_dir, max_steps=6, seed=1)
    train_here(data, output_dir, max_steps=6)
    assert [line["step"] for line in steps(output_dir)][-3:] == [4, 5, 6]
    # With other barcodes, those held out would be learned from.
    data.write_text("".join(data.read_text().splitlines(keepends=True)[:-3]))
    with pytest.raises(BarcodeMAEError, match="what train_data holds was"):
        train_here(data, output_dir, max_steps=6)


def test_a_batch_that_cannot_be_shared_out_evenly_is_refused(data, tmp_path):
    with pytest.raises(BarcodeMAEError, match="--batch_size 9.*give a multiple of 2"):
        train_here(data, tmp_path / "run", batch_size=9, gradient_accumulation_steps=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"preset": "barcodemae-k7"}, "barcodemae-k6"),
        ({"model_overrides": "{mask_ration: 0.3}"}, "mask_ratio"),
        ({"model_overrides": "{mask_ratio: 1.5}"}, r"a number in \(0, 1\)"),
        ({"model_overrides": "mask_ratio"}, "must hold fields"),
        ({"model_overrides": "{"}, "not YAML"),
    ],
)
def test_a_model_that_cannot_be_is_refused_with_the_remedy(arguments, said):
    with pytest.raises(BarcodeMAEError, match=said):
        make_config(PretrainArguments(**arguments))


def test_bf16_is_slow_where_the_cpu_says_that_it_lacks_the_instructions():
    assert bf16_is_slow({"avx512_bf16": False, "amx_bf16": False})
    assert not bf16_is_slow({"avx512_bf16": False, "amx_bf16": True})
    assert not bf16_is_slow({})


def test_the_guess_is_made_on_all_held_out_barcodes_whatever_a_process_has(data, tmp_path):
    given = {**OPTIONS, "train_data": [str(data)], "output_dir": str(tmp_path / "run")}
    run = Pretraining(PretrainArguments(**given))

    def labelled(batches):
        return sum(int((batch["labels"] != -100).any(dim=1).sum()) for batch in batches)

    shares = [labelled(run._held_out(process, 2)) for process in (0, 1)]
    assert min(shares) > 0 and sum(shares) == len(run.validation)
    assert labelled(run.all_validation_batches()) == len(run.validation)
