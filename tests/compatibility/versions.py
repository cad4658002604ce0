"""One exported repository under several versions of transformers: same output, no warnings.

    python tests/compatibility/versions.py               # 4.57, 5.0, 5.17 and the newest
    python tests/compatibility/versions.py 4.57.* newest # the oldest and the newest

Builds an environment for each version in --folder (kept, and used again), beside the installed
torch, and prints a table. Exits 1 if an environment cannot load everything, says something that a
user would have to interpret, or differs by more than 1e-5 from the first one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.hub.export import export
from barcodemae.presets import preset_config
from enbed import EnbedForConditionalGeneration

TOLERANCE = 1e-5
WARNINGS = ("MISSING", "UNEXPECTED", "newly initialized", "were not used")
# A process started with this on its path sees transformers and torch, and not the project.
HIDE = "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in str(f)]\n"


def build(version: str, folder: Path) -> Path | None:
    """A folder with that transformers and what it needs; None: the registry has no such one."""
    environment = folder / version.replace("*", "x")
    if not (environment / "transformers").is_dir():
        wanted = "transformers" if version == "newest" else f"transformers=={version}"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", environment]
        done = subprocess.run([*command, wanted], capture_output=True, text=True)
        if done.returncode:
            print(done.stderr.strip().splitlines()[-1], file=sys.stderr)
            return None
    return environment


def run(environment: Path, repositories: list[Path], folder: Path) -> tuple[dict | None, str]:
    """What load.py found in the environment, and what it said."""
    output = folder / "found.json"
    output.unlink(missing_ok=True)
    load = Path(__file__).with_name("load.py")
    code = f"{HIDE}import runpy\nrunpy.run_path({str(load)!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, repositories), output],
        capture_output=True,
        text=True,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(environment),
            "HF_HUB_OFFLINE": "1",
            "HF_MODULES_CACHE": str(folder / f"modules-{environment.name}"),
        },
    )
    return (json.loads(output.read_text()) if done.returncode == 0 else None), done.stderr


def largest_difference(found: dict, expected: dict) -> float:
    worst = 0.0
    for directory, outputs in expected.items():
        if outputs.keys() != found[directory].keys():
            return float("inf")
        for name, values in outputs.items():
            difference = np.subtract(found[directory][name], values)
            worst = max(worst, float(np.abs(difference).max()))
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", default=["4.57.*", "5.0.*", "5.17.*", "newest"])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "versions")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    failed, first = False, None
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        torch.manual_seed(0)
        BarcodeMAEForMaskedLM(preset_config("barcodemae-tiny")).save_pretrained(
            folder / "checkpoint"
        )
        EnbedForConditionalGeneration(preset_config("enbed-tiny")).save_pretrained(folder / "enbed")
        on_grid = preset_config("barcodemae-coi-small", num_hidden_layers=1)
        BarcodeMAEForMaskedLM(on_grid).save_pretrained(folder / "checkpoint-on-grid")
        repositories = [
            export(folder / "checkpoint-on-grid", folder / "on-grid"),
            export(folder / "checkpoint", folder / "complete"),
            export(folder / "checkpoint", folder / "encoder", encoder_only=True),
            export(folder / "enbed", folder / "enbed-complete"),
            export(folder / "enbed", folder / "enbed-encoder", encoder_only=True),
        ]
        print(f"torch {torch.__version__}\n")
        print("| transformers | loads | warnings | largest difference |\n|---|---|---|---|")
        for version in arguments.versions:
            environment = build(version, arguments.folder)
            if environment is None:
                print(f"| {version} | not in the registry | | |")
                failed = True
                continue
            found, said = run(environment, repositories, folder)
            if found is None:
                print(f"| {version} | no: {said.strip().splitlines()[-1]} | | |")
                failed = True
                continue
            first = first or found
            warnings = [word for word in WARNINGS if word in said]
            difference = largest_difference(found["found"], first["found"])
            failed |= bool(warnings) or not difference <= TOLERANCE
            words = ", ".join(warnings) or "none"
            print(f"| {found['transformers']} | yes | {words} | {difference:.1e} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
