#!/bin/sh
# Install the wheels of wheels.sh into the folder SITE, without network and beside what is there.
#
#   sh experiments/offline.sh WHEELS SITE && export PYTHONPATH=SITE
set -eu
python3 -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --upgrade \
    --target "$2" "$1"/*.whl
PYTHONPATH="$2" python3 - <<'CHECK'
from importlib.metadata import version

import accelerate, datasets, dnaio, evaluate, pyarrow, scipy, sklearn, torch, transformers

for package in (torch, transformers, accelerate, datasets, evaluate, pyarrow, sklearn):
    print(f"{package.__name__} {package.__version__}", end="  ")
print("umap", version("umap-learn"), end="  ")  # takes long to import, and not every run needs it
print("GPU:", torch.cuda.get_device_name() if torch.cuda.is_available() else "none")
CHECK
