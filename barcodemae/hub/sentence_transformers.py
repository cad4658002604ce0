"""The files that make a checkpoint a sentence-transformers model.

One module that hands on `pooler_output`, and the k-mers' states: the encoder pools already, leaving
out padding and ambiguous k-mers, which a `Pooling` module could not tell from the real ones.
"""

import json
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import model_card

FOLDER = Path(model_card.__file__).parent
MODULE = "sentence_barcodemae.py"
MODULES = [
    {
        "idx": 0,
        "name": "0",
        "path": "",
        "type": "sentence_barcodemae.BarcodeMAETransformer",
    }
]
TRANSFORMER = {
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "pooler_output"}},
    "module_output_name": "sentence_embedding",
}


def write_sentence_transformers(directory: Path) -> None:
    """Write the module's code, and the files that name and describe it."""
    model = {
        "__version__": _versions(),
        "model_type": "SentenceTransformer",
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }
    files = {
        "modules.json": MODULES,
        "sentence_bert_config.json": TRANSFORMER,
        "config_sentence_transformers.json": model,
    }
    for name, content in files.items():
        (directory / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(FOLDER / MODULE, directory / MODULE)


def _versions() -> dict[str, str]:
    versions = {}
    for key, package in (
        ("sentence_transformers", "sentence-transformers"),
        ("transformers", "transformers"),
        ("pytorch", "torch"),
    ):
        try:
            versions[key] = version(package)
        except PackageNotFoundError:
            continue
    return versions
