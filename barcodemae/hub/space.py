"""A Hugging Face Space that serves a library: everything it needs in one folder, and its upload."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from huggingface_hub import HfApi

import space
from barcodemae.errors import BarcodeMAEError
from barcodemae.families import FAMILIES
from barcodemae.hub.push import Retrying, check_ready
from barcodemae.identification.library import CARD, read_card

# What the page imports of this project.
_PACKAGES = ("barcodemae", "checkpoints", "enbed", "model_card", "space")
_LIBRARY, _MODEL = "library", "model"


def assemble(library: Path, output: Path) -> None:
    """Write the files of a Space that serves `library` into the folder `output`, to be made.

    A model that lies in a folder of this machine comes along; one of the Hub is fetched there.

    Raises:
        BarcodeMAEError: `library` is none.
    """
    card = read_card(library)
    root = Path(space.__file__).parent
    output.mkdir(parents=True)
    for name in ("app.py", "README.md"):
        shutil.copy(root / name, output / name)
    (output / "requirements.txt").write_text(_requirements(root), encoding="utf-8")
    passed_over = shutil.ignore_patterns("__pycache__", ".*", "*.tmp")
    for name in _PACKAGES:
        package = Path(importlib.import_module(name).__file__).parent
        shutil.copytree(package, output / name, ignore=passed_over)
    for path in FAMILIES["barcodemae"].hub_files:
        shutil.copy(path, output)
    shutil.copytree(library, output / _LIBRARY, ignore=passed_over)
    model = Path(str(card["encoder"]))
    if model.is_dir():
        shutil.copytree(model, output / _MODEL, ignore=passed_over)
        card["encoder"] = _MODEL
        (output / _LIBRARY / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")


def push_space(
    library: Path, repo_id: str, private: bool = True, say: Callable[[str], None] = print
) -> str:
    """Upload a Space that serves `library`; its address.

    Raises:
        BarcodeMAEError: as `assemble`, or the Hub does not take it.
    """
    check_ready(repo_id)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "space"
        assemble(library, output)
        api, hub = HfApi(), Retrying(f"pushing a Space with {library} to {repo_id}", say)
        url = hub(
            lambda: api.create_repo(
                repo_id, repo_type="space", space_sdk="gradio", private=private, exist_ok=True
            )
        )
        hub(
            lambda: api.upload_folder(
                repo_id=repo_id,
                repo_type="space",
                folder_path=output,
                commit_message=f"Serve {library.absolute().name}",
            )
        )
    return str(url)


def _requirements(root: Path) -> str:
    """Ours without the extras; Spaces bring Gradio themselves."""
    declared = metadata.requires("barcodemae") or []
    if not declared:
        raise BarcodeMAEError("barcodemae is not installed; install it with pip and push again")
    needed = [line for line in declared if not re.search(r";.*\bextra\b", line)]
    head = (root / "requirements.txt").read_text(encoding="utf-8")
    return head + "".join(f"{line}\n" for line in needed)
