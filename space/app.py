"""A Hugging Face Space: the page of `barcodemae serve` on the library that lies beside it."""

import os
from pathlib import Path

from barcodemae.serve import run
from barcodemae.serve.queries import Limits

HERE = Path(__file__).parent

if __name__ == "__main__":
    os.chdir(HERE)  # where the library finds its model
    run([HERE / "library"], Limits(barcodes=500, megabytes=2, seconds=120), host="0.0.0.0")
