"""How fast this machine multiplies large matrices: what training speed is a share of."""

from __future__ import annotations

import json
from pathlib import Path

from barcodemae.encoders.embedder import usable_device
from barcodemae.outputs import write_whole_text
from benchmarks.timing import summary, take_turns
from benchmarks.training import MatrixProduct


def matrix_rate(path: Path, hardware: str, precision: str, device: str | None) -> float:
    """Floating-point operations a second of a large product, measured once for each machine.

    Args:
        path: JSON file that keeps what was measured.
        hardware: the machine as training called it.
        precision: fp32 or bf16.
        device: cpu, cuda, ...; None: what there is.
    """
    known = json.loads(path.read_text()) if path.exists() else {}
    name = f"{hardware}, {precision}"
    if name not in known:
        product = MatrixProduct(precision, usable_device(device))
        times = take_turns({"product": product.multiply}, repeats=10, warm_up=3)["product"]
        known[name] = product.flops / summary(times, 1)["seconds"]
        text = json.dumps(known, indent=1) + "\n"
        write_whole_text(path, text)
    return known[name]
