"""BarcodeMAE: embeddings of DNA barcodes by a masked autoencoder (arXiv 2502.18405).

Importing the package registers its classes with transformers, so that
`AutoModel.from_pretrained(DIR)` needs no `trust_remote_code`. Where the process is the command line
`barcodemae`, that waits until a command asks for a class: torch and transformers take seconds to
import, and a word of help or on a wrong argument needs neither.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

__version__ = "0.1.0"
__all__ = [
    "BarcodeMAEConfig",
    "BarcodeMAEForMaskedLM",
    "BarcodeMAEForSequenceClassification",
    "BarcodeMAEModel",
    "BarcodeMAETokenizer",
]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("barcodemae.auto"), name)


def _is_command_line() -> bool:
    """Whether this is `barcodemae ...` or, where it has no name yet, `python -m barcodemae ...`."""
    program = Path(*sys.argv[:1]).stem  # an embedded interpreter may have none
    return program == "barcodemae" or (program == "-m" and "barcodemae" in sys.orig_argv)


def _has_classes() -> bool:
    """False in the small installation, which has neither torch nor transformers."""
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers"))


if not _is_command_line() and _has_classes():
    importlib.import_module("barcodemae.auto")
