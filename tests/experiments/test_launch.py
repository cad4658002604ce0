"""The driver as its users start it: processes, signals, the clock."""

import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from experiments.training import PROJECT
from tiny import MANIFEST, write_barcodes

pytestmark = pytest.mark.slow


@pytest.fixture
def command(tmp_path):
    """A run that would take days."""
    write_barcodes(tmp_path / "barcodes.csv")
    endless = MANIFEST.replace("epochs: 1", "epochs: 100000", 1)
    endless = endless.replace("validate_every: 6", "validate_every: 1000\n    checkpoint_every: 20")
    (tmp_path / "manifest.yaml").write_text(endless)
    given = ["--data", tmp_path / "barcodes.csv", "-o", tmp_path / "results", "--device", "cpu"]
    given += ["--manifest", tmp_path / "manifest.yaml", "--only", "large"]
    return [sys.executable, "-m", "experiments.run", *map(str, given)]


def start(command, minutes, log):
    return subprocess.Popen(
        [*command, "--minutes", str(minutes)],
        cwd=PROJECT,
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
    )


def wait_for_steps(folder, process, more_than=0):
    deadline = time.monotonic() + 600
    while True:
        states = (folder / "results/runs/large-seed0/checkpoints").glob("step-*")
        steps = [int(s.name[5:]) for s in states if s.suffix != ".tmp"]
        if max(steps, default=0) > more_than:
            return max(steps)
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_driver_goes_on_and_stops_by_the_clock(command, tmp_path):
    log = tmp_path / "log"
    killed = start(command, 9, log)
    step = wait_for_steps(tmp_path, killed)
    left_behind = psutil.Process(killed.pid).children(recursive=True)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    second = start(command, 9, log)
    assert second.wait(600) == 2
    assert "a training that one left behind" in log.read_text()
    for process in left_behind:
        process.kill()
    psutil.wait_procs(left_behind)

    begun = time.monotonic()
    third = start(command, 1.5, log)
    assert third.wait(600) == 0, log.read_text()
    assert 60 < time.monotonic() - begun < 240
    said = log.read_text()
    assert "large-seed0: training, " in said and "goes on from step" in said
    training = (tmp_path / "results/logs/large-seed0.log").read_text()
    resumed = int(re.search(r"resumed at step (\d+)", training)[1])
    assert resumed >= step


def test_a_driver_that_is_ended_ends_its_training(command, tmp_path):
    driver = start(command, 9, tmp_path / "log")
    wait_for_steps(tmp_path, driver)
    children = psutil.Process(driver.pid).children(recursive=True)
    assert len(children) >= 2  # the launcher and the script
    driver.send_signal(signal.SIGTERM)
    assert driver.wait(600) == 143
    _, alive = psutil.wait_procs(children, timeout=600)
    assert not alive
