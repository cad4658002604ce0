"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Callable


def markdown(result: dict) -> str:
    """The page of one run of `benchmarks.speed`."""
    machine = "; ".join(f"{name} {value}" for name, value in result["machine"].items())
    lines = [f"`{result['command']}`", "", machine, ""]
    lines += [*_training(result["training"]), "", *_embedding(result["embedding"]), ""]
    tokens = result["tokenization"]
    lines += [
        f"Tokenization in batches of {tokens['batch_size']} at random offsets: "
        f"{tokens['vectorised']['barcodes_per_second']:,.0f} barcodes/s, "
        f"{tokens['faster_than_plain']:.1f} times the loop over a dictionary.",
    ]
    return "\n".join(lines) + "\n"


def _training(training: dict) -> list[str]:
    def memory(row: dict) -> str:
        held = row["peak_memory_bytes"]
        return "" if held is None else f"{held / 2**30:.1f} GiB"

    return [
        f"{training['preset']}, {training['precision']}, batches of {training['batch_size']}. "
        f"On equal weights and masks the losses differ by {training['loss_difference']:.1e}, the "
        f"gradients by at most {training['largest_gradient_difference']:.1e}.",
        "",
        *_contestants(training, "training step", "peak memory", memory),
    ]


def _embedding(embedding: dict) -> list[str]:
    return [
        f"{embedding['barcodes']} barcodes; batches and single barcodes differ by at most "
        f"{embedding['largest_difference_from_plain']:.1e}.",
        "",
        *_contestants(
            embedding, "embedding", "times fp32", lambda row: f"{row['faster_than_fp32']:.2f}"
        ),
    ]


def _contestants(found: dict, title: str, head: str, cell: Callable[[dict], str]) -> list[str]:
    """A row for each contestant; the last column is called `head` and holds what `cell` says."""
    columns = [title, "barcodes/s", "times plain", "seconds (spread)", head]
    lines = ["| " + " | ".join(columns) + " |", "|---|---|---|---|---|"]
    for name, row in found["contestants"].items():
        lines.append(
            f"| {name} | {row['barcodes_per_second']:,.1f} | {row['faster_than_plain']:.2f} | "
            f"{row['seconds']:.3f} ({row['fastest']:.3f} to {row['slowest']:.3f}) | {cell(row)} |"
        )
    return lines
