import json
import pickle

import pytest
import torch
from accelerate import Accelerator

from barcodemae.errors import BarcodeMAEError
from runs import Hostile
from train.loop.checkpoints import Checkpoints
from train.loop.manifests import seal
from train.loop.optimization import one_cycle
from train.loop.run_files import Progress


class Small:
    """A model, its optimizer and schedule after a step, and the states of them."""

    def __init__(self, folder, keep=2):
        torch.manual_seed(0)
        accelerator = Accelerator(cpu=True)
        model = torch.nn.Linear(2, 2)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        self.schedule = one_cycle(self.optimizer, 200)
        self.model, _ = accelerator.prepare(model, self.optimizer)
        self.progress = Progress()
        plain = {"schedule": self.schedule, "progress": self.progress}
        self.checkpoints = Checkpoints(folder, accelerator, keep, plain)

    def step(self):
        self.model(torch.randn(4, 2)).sum().backward()
        self.optimizer.step()
        self.schedule.step()
        self.progress.seconds += 1

    def save(self, *steps):
        for step in steps:
            self.step()
            self.checkpoints.save(step)
        return self

    def what(self):
        """All that a state holds, and the next random number."""
        tensors = [
            *self.model.state_dict().values(),
            *self.optimizer.state_dict()["state"].values(),
        ]
        return repr((tensors, self.schedule.state_dict(), self.progress, torch.randn(2)))


def test_only_the_newest_whole_states_are_kept(tmp_path):
    checkpoints = Small(tmp_path).save(5, 10, 100).checkpoints
    assert checkpoints.states.steps() == [10, 100]
    assert checkpoints.resume() == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-10", "step-100"]


def test_all_states_are_kept_when_asked(tmp_path):
    assert Small(tmp_path, keep=0).save(1, 2, 3).checkpoints.states.steps() == [1, 2, 3]


def test_a_state_holds_all_that_a_run_goes_on_with(tmp_path):
    before = Small(tmp_path).save(5).what()
    after = Small(tmp_path)
    assert after.checkpoints.resume() == 5
    assert after.what() == before


def test_a_torn_state_is_removed(tmp_path):
    small = Small(tmp_path).save(5)
    (tmp_path / "step-10.tmp").mkdir()
    (tmp_path / "step-10.tmp" / "model.safetensors").write_bytes(b"torn")
    assert small.checkpoints.resume() == 5
    assert [path.name for path in tmp_path.iterdir()] == ["step-5"]
    assert small.save(10).checkpoints.resume() == 10


def test_without_a_state_training_begins_at_step_0(tmp_path):
    assert Small(tmp_path / "nothing").checkpoints.resume() == 0


FILES = (
    *("manifest.json", "model.safetensors", "optimizer.bin"),
    *("random_states_0.pkl", "state.json"),
)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


DAMAGES = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_and_the_state_before_it_taken(tmp_path, damage, capsys):
    at_ten = Small(tmp_path).save(5, 10).what()
    at_five = Small(tmp_path)
    assert sorted(path.name for path in (tmp_path / "step-10").iterdir()) == sorted(FILES)
    for name in FILES:
        path = tmp_path / "step-10" / name
        whole = path.read_bytes()
        DAMAGES[damage](path)
        assert at_five.checkpoints.resume() == 5
        (said,) = capsys.readouterr().out.splitlines()
        assert said.startswith(f"{path}: ") and "step 10 is passed over" in said
        path.write_bytes(whole)
    assert at_five.checkpoints.resume() == 10
    assert at_five.what() == at_ten


@pytest.mark.parametrize("stray", ["empty", "file", "other"])
def test_a_stray_state_is_named_and_does_not_push_out_the_others(tmp_path, stray, capsys):
    small = Small(tmp_path, keep=1).save(5)
    path = tmp_path / "step-99"
    if stray == "file":
        path.write_text("notes")
    else:
        path.mkdir()
    if stray == "other":
        (path / "notes.txt").write_text("notes")
    assert small.checkpoints.resume() == 5
    assert capsys.readouterr().out.startswith(str(path))
    small.save(10)
    assert small.checkpoints.states.steps() == [10] and path.exists()
    small.save(99)
    assert small.checkpoints.resume() == 99


@pytest.mark.parametrize("name", [*FILES[1:], "custom_checkpoint_0.pkl", "pytorch_model.bin"])
@pytest.mark.parametrize("sealed", [True, False])
def test_nothing_in_a_state_is_run(tmp_path, name, sealed, capsys):
    """Checksums guard against damage alone: who writes a pickle can write them, too."""
    small = Small(tmp_path / "states").save(5)
    folder, trace = tmp_path / "states" / "step-5", tmp_path / "run"
    torch.save({"state": Hostile(trace)}, folder / name, _use_new_zipfile_serialization=sealed)
    if name == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    if sealed:
        seal(folder)
    try:
        assert small.checkpoints.resume() == 0
        assert "passed over" in capsys.readouterr().out
    except BarcodeMAEError as error:
        assert str(folder) in str(error) and "\n" not in str(error)
    else:
        assert not sealed
    finally:
        assert not trace.exists()
    pickle.loads(pickle.dumps(Hostile(trace)))  # it would have left a trace
    assert trace.exists()


def test_a_state_of_another_schedule_is_refused(tmp_path):
    small = Small(tmp_path).save(5)
    path = tmp_path / "step-5" / "state.json"
    state = json.loads(path.read_text())
    state["schedule"]["step"] = 1
    path.write_text(json.dumps(state))
    seal(path.parent)
    with pytest.raises(BarcodeMAEError, match=r"step-5: holds another thing.*\['step'\].*Remove"):
        small.checkpoints.resume()
