"""What lies beside every checkpoint needs nothing that its user may lack."""

import ast
import sys
from pathlib import Path

import pytest

from barcodemae.families import FAMILIES

# `tokenizers` comes with transformers.
ALLOWED = {"torch", "transformers", "tokenizers", "numpy", "safetensors", *sys.stdlib_module_names}
FILES = [path for family in FAMILIES.values() for path in family.hub_files]


def imported(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_hub_files_import_torch_transformers_numpy_safetensors_and_one_another(path):
    siblings = {other.stem for other in path.parent.iterdir()}
    roots = {name.split(".")[0] for name in imported(path)}
    assert not roots - ALLOWED - siblings
