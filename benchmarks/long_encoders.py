"""Encoders of long sequences side by side: seconds and memory of a forward and a backward pass.

    python -m benchmarks.long_encoders                     # ENBED, LongT5, LED and full attention

All have 4 layers, 4 heads and a width of 128, and look 64 tokens to either side, but for the one
with full attention. Each measurement is a process of its own, of one thread; seconds are of the
processor, the least of the repeats; memory is what the passes add at their peak. Results go to
benchmarks/results/long-encoders.json and .png.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import torch
import transformers
from matplotlib.figure import Figure
from transformers import T5Config, T5EncoderModel

from barcodemae.outputs import write_whole_text
from benchmarks.timing import machine
from enbed import EnbedConfig, EnbedModel

RESULTS = Path(__file__).parent / "results"
WIDTH, LAYERS, HEADS, INNER, RADIUS, LONGEST = 128, 4, 4, 512, 64, 16384
_FULL_UP_TO = 4096  # full attention beyond it would not fit
_PATIENCE = 4.0  # seconds of repeats


def enbed() -> torch.nn.Module:
    return EnbedModel(
        EnbedConfig(
            hidden_size=WIDTH,
            num_layers=LAYERS,
            num_decoder_layers=1,
            num_heads=HEADS,
            intermediate_size=INNER,
            radii=[RADIUS] * LAYERS,
            dropout_rate=0.0,
        )
    )


def longt5() -> torch.nn.Module:
    return transformers.LongT5EncoderModel(
        transformers.LongT5Config(**_t5(), local_radius=RADIUS, encoder_attention_type="local")
    )


def full() -> torch.nn.Module:
    return T5EncoderModel(T5Config(**_t5()))


def led() -> torch.nn.Module:
    config = transformers.LEDConfig(
        vocab_size=384,
        d_model=WIDTH,
        encoder_layers=LAYERS,
        decoder_layers=1,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=INNER,
        decoder_ffn_dim=INNER,
        attention_window=[2 * RADIUS] * LAYERS,
        max_encoder_position_embeddings=LONGEST,
        dropout=0.0,
        attention_dropout=0.0,
    )
    return transformers.LEDModel(config).get_encoder()


def _t5() -> dict:
    return {
        "vocab_size": 384,
        "d_model": WIDTH,
        "d_kv": WIDTH // HEADS,
        "d_ff": INNER,
        "num_layers": LAYERS,
        "num_heads": HEADS,
        "feed_forward_proj": "gated-gelu",
        "dropout_rate": 0.0,
    }


ENCODERS = {"ENBED": enbed, "LongT5 local": longt5, "LED": led, "full attention (T5)": full}


def measure_here(name: str, length: int) -> dict:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = ENCODERS[name]().train()
    tokens = torch.randint(68, 88, (1, length))
    mask = torch.ones_like(tokens)

    def step() -> float:
        start = time.process_time()
        states = model(input_ids=tokens, attention_mask=mask).last_hidden_state
        states.float().pow(2).mean().backward()
        return time.process_time() - start

    before = _peak()
    times = [step()]
    while sum(times) < _PATIENCE and len(times) < 8:
        times.append(step())
    return {
        "encoder": name,
        "length": length,
        "seconds": min(times),
        "repeats": len(times),
        "mebibytes": (_peak() - before) / 1024,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def _peak() -> int:
    """Most memory that this process has held, KiB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0])


def measure(name: str, length: int) -> dict:
    # Memory that is given back and asked for again costs more than the arithmetic at 16,384.
    keep = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 36), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "benchmarks.long_encoders", "--here", name, str(length)]
    said = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **keep})
    if said.returncode:
        raise SystemExit(said.stderr)
    return json.loads(said.stdout.splitlines()[-1])


def plot(rows: list[dict], path: Path) -> None:
    labels = {"seconds": "processor seconds", "mebibytes": "memory added at the peak, MiB"}
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axis, (name, label) in zip(figure.subplots(1, 2), labels.items(), strict=True):
        table = pd.DataFrame(rows).pivot(index="length", columns="encoder", values=name)
        table.plot(ax=axis, loglog=True, marker="o", xlabel="tokens", ylabel=label)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--here", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 4096, 16384])
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure_here(arguments.here[0], int(arguments.here[1]))))
        return
    rows = []
    print("| encoder | tokens | seconds | MiB |\n|---|---|---|---|")
    for length in sorted(arguments.lengths):
        for name in ENCODERS:
            if name.startswith("full") and length > _FULL_UP_TO:
                continue
            rows.append(measure(name, length))
            row = rows[-1]
            print(
                f"| {name} | {length:,} | {row['seconds']:.3f} | {row['mebibytes']:.0f} |",
                flush=True,
            )
    result = json.dumps({"machine": machine(), "rows": rows}, indent=1)
    write_whole_text(arguments.output / "long-encoders.json", result + "\n")
    plot(rows, arguments.output / "long-encoders.png")


if __name__ == "__main__":
    main()
