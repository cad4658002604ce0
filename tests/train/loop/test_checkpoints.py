import pytest
import torch
from accelerate import Accelerator

from train.loop.checkpoints import Checkpoints, recover_directory, replace_directory


@pytest.fixture
def accelerator():
    accelerator = Accelerator(cpu=True)
    accelerator.prepare(torch.nn.Linear(2, 2))
    return accelerator


def test_only_the_newest_complete_states_are_kept(tmp_path, accelerator):
    checkpoints = Checkpoints(tmp_path, accelerator, keep=2)
    for step in (5, 10, 100):
        checkpoints.save(step)
    assert checkpoints.steps() == [10, 100]
    assert checkpoints.resume() == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-10", "step-100"]


def test_all_states_are_kept_when_asked(tmp_path, accelerator):
    checkpoints = Checkpoints(tmp_path, accelerator, keep=0)
    for step in (1, 2, 3):
        checkpoints.save(step)
    assert checkpoints.steps() == [1, 2, 3]


def test_a_torn_state_is_passed_over_and_replaced(tmp_path, accelerator):
    checkpoints = Checkpoints(tmp_path, accelerator)
    checkpoints.save(5)
    (tmp_path / "step-10.tmp").mkdir()
    (tmp_path / "step-10.tmp" / "model.safetensors").write_bytes(b"torn")
    assert checkpoints.resume() == 5
    checkpoints.save(10)
    assert checkpoints.steps() == [5, 10]
    assert checkpoints.resume() == 10


def test_without_a_state_training_begins_at_step_0(tmp_path, accelerator):
    assert Checkpoints(tmp_path / "nothing", accelerator).resume() == 0


def write(folder, text):
    folder.mkdir()
    (folder / "file").write_text(text)


def test_a_directory_is_replaced_as_a_whole(tmp_path):
    write(tmp_path / "best", "old")
    write(tmp_path / "best.tmp", "new")
    replace_directory(tmp_path / "best.tmp", tmp_path / "best")
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
    assert (tmp_path / "best" / "file").read_text() == "new"


def test_a_replacement_killed_half_way_is_undone(tmp_path):
    write(tmp_path / "best.old", "old")
    write(tmp_path / "best.tmp", "new")
    recover_directory(tmp_path / "best")
    assert (tmp_path / "best" / "file").read_text() == "old"
    write(tmp_path / "best.old", "older")
    recover_directory(tmp_path / "best")
    assert (tmp_path / "best" / "file").read_text() == "old"
    assert not (tmp_path / "best.old").exists()
