"""`barcodemae doctor`: what is installed here, and what it finds."""

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

from barcodemae.cells import printable

# What the small installation, barcodemae-lite, does without.
_WHOLE = ("torch", "transformers", "tokenizers", "accelerate")
_NEEDED = (
    *("safetensors", "huggingface-hub"),
    *("datasets", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "scikit-bio", "openpyxl"),
)
# Of the extras: what is absent is said, and what it would be for.
_OPTIONAL = {
    "onnxruntime": "export --onnx, and to embed without torch",
    "sentence-transformers": "the models in sentence-transformers",
    "peft": "fine-tuning with LoRA",
    "gradio": "serve",
    "umap-learn": "pictures of embeddings",
}
_TOOLS = ("vsearch", "blastn", "mafft", "epa-ng", "run_apples.py")


def doctor() -> None:
    """Print versions, devices, shipped models, caches and other tools: for a report of a fault.

    The exit status is 1 where something needed is missing.
    """
    from barcodemae import __version__

    is_lite = _version("barcodemae") is None and _version("barcodemae-lite") is not None
    needed = _NEEDED if is_lite else (*_WHOLE, *_NEEDED)
    missing = [name for name in needed if _version(name) is None]
    _say("barcodemae", f"{__version__} in {Path(__file__).parents[1]}")
    _say("Python", f"{platform.python_version()} ({sys.executable})")
    _say("system", platform.platform())
    if is_lite:
        _say("installation", "barcodemae-lite: embed, identify and library, without torch")
    for name in needed:
        _say(name, _version(name) or "MISSING: install barcodemae again with pip")
    for name, use in _OPTIONAL.items():
        _say(name, _version(name) or f"not installed (for {use})")
    if _version("torch") is not None:
        _devices()
    _models()
    _caches()
    for name in _TOOLS:
        _say(name, shutil.which(name) or "not on the path (optional)")
    if missing:
        sys.exit(1)


def _say(name: str, value: object) -> None:
    print(printable(f"{name:<22} {value}"))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> None:
    import torch

    _say("threads", torch.get_num_threads())
    gpus = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        gpus.append("Apple (mps)")
    _say("accelerators", ", ".join(gpus) or "none: everything runs on the processor")


def _models() -> None:
    from barcodemae.encoders.shipped_models import shipped_model
    from barcodemae.errors import BarcodeMAEError

    try:
        _say("shipped model", shipped_model())
    except BarcodeMAEError as error:
        _say("shipped model", f"none: {error}")


def _caches() -> None:
    import datasets
    from huggingface_hub import constants, get_token

    for name, folder in (
        ("cache of barcodes", Path(datasets.config.HF_DATASETS_CACHE) / "barcodemae"),
        ("cache of the Hub", Path(constants.HF_HUB_CACHE)),
    ):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        writable = "" if os.access(existing, os.W_OK) else ", which may not be written"
        room = f"{shutil.disk_usage(existing).free / 1e9:.1f} GB free"
        _say(name, f"{folder} ({_size(folder)}; {room}{writable})")
    _say("Hub", "offline" if constants.HF_HUB_OFFLINE else constants.ENDPOINT)
    _say("token of the Hub", "there is one" if get_token() else "none (only `push` needs one)")


def _size(folder: Path) -> str:
    if not folder.is_dir():
        return "not made yet"
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{size / 1e6:,.0f} MB"
