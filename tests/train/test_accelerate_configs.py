"""The ready-made configurations of Accelerate, as `accelerate launch` reads them."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file

FOLDER = Path(__file__).parent.parent.parent / "train" / "configs" / "accelerate"


@pytest.mark.parametrize(
    ("name", "kind", "machines", "processes"),
    [
        ("1gpu.yaml", "NO", 1, 1),
        ("4gpus.yaml", "MULTI_GPU", 1, 4),
        ("4gpus-fsdp.yaml", "FSDP", 1, 4),
        ("2nodes.yaml", "MULTI_GPU", 2, 8),
    ],
)
def test_accelerate_reads_each_configuration(name, kind, machines, processes):
    config = load_config_from_file(str(FOLDER / name))
    assert config.distributed_type == kind
    assert (config.num_machines, config.num_processes) == (machines, processes)
    assert config.mixed_precision == "bf16"


def test_the_sharded_layers_are_the_models():
    from barcodemae import BarcodeMAEForMaskedLM
    from barcodemae.presets import preset_config

    config = load_config_from_file(str(FOLDER / "4gpus-fsdp.yaml"))
    wrapped = config.fsdp_config["fsdp_transformer_layer_cls_to_wrap"]
    model = BarcodeMAEForMaskedLM(preset_config("barcodemae-tiny"))
    assert wrapped in model._no_split_modules
    assert sum(type(module).__name__ == wrapped for module in model.modules()) == 4


def test_the_slurm_script_starts_one_launcher_on_each_node(tmp_path):
    """With stand-ins for SLURM: what the launcher is called with."""
    for name, body in {
        "scontrol": "printf 'node7\\nnode8\\n'",
        "srun": 'shift; for SLURM_NODEID in 0 1; do export SLURM_NODEID; "$@"; done',
        "accelerate": 'echo "$@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    said = subprocess.run(
        [FOLDER / "slurm.sh", "--output_dir", "a run"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "x"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert len(said) == 2
    for rank, line in enumerate(said):
        assert f"2nodes.yaml --machine_rank {rank} --main_process_ip node7" in line
        assert "--main_process_port 29500 -m train.pretrain --stop_after_minutes 705" in line
        assert line.endswith(" --output_dir a run")
