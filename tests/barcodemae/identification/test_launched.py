"""`accelerate launch -m barcodemae identify`: processes share the queries; a kill loses none."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from launcher import launcher

PATIENCE = 300  # seconds


def _start(processes: int, *arguments) -> subprocess.Popen:
    words = [*(launcher(processes) if processes > 1 else []), "-m", "barcodemae", "identify"]
    command = [sys.executable, *words, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    # A group of its own, so that the kill takes the launcher and its processes together.
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _finish(process: subprocess.Popen) -> None:
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said[-3000:]


def _answers(folder: Path) -> pd.DataFrame:
    return pd.concat(map(pd.read_parquet, sorted(folder.glob("*.parquet"))), ignore_index=True)


@pytest.mark.slow
def test_processes_that_are_killed_and_started_again_answer_as_one(
    library_folder, specimens, tmp_path
):
    held = specimens[specimens["split"] == "query"]
    rows = [
        f">{copy}-{row.processid}\n{row.nucleotides[copy * 4 :]}\n"
        for copy in range(16)
        for row in held.itertuples()
    ]
    (tmp_path / "queries.fasta").write_text("".join(rows))
    arguments = [tmp_path / "queries.fasta", "-l", library_folder, "--shard-size", 16, "-o"]
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    first = _start(2, *arguments, shared)
    deadline = time.monotonic() + PATIENCE
    while len(list(shared.glob("*.parquet"))) < 4 and time.monotonic() < deadline:
        assert first.poll() is None, first.communicate()[0][-3000:]
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = {path: path.stat().st_mtime_ns for path in shared.glob("*.parquet")}
    assert 4 <= len(done) < -(-len(rows) // 16)
    second = _start(2, *arguments, shared)
    one = _start(1, *arguments, alone)
    _finish(second)
    _finish(one)
    assert all(path.stat().st_mtime_ns == time_ for path, time_ in done.items())
    names = [sorted(path.name for path in folder.iterdir()) for folder in (shared, alone)]
    assert names[0] == names[1]
    pd.testing.assert_frame_equal(_answers(shared), _answers(alone))
    assert len(_answers(alone)) == len(rows)
