"""Results as Markdown."""

from __future__ import annotations


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


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _spread(row: dict) -> str:
    return f"{row['seconds']:.3f} ({row['fastest']:.3f} to {row['slowest']:.3f})"


def _training(training: dict) -> list[str]:
    rows = []
    for name, row in training["contestants"].items():
        memory = row["peak_memory_bytes"]
        rows.append(
            [
                name,
                f"{row['barcodes_per_second']:,.1f}",
                f"{row['faster_than_plain']:.2f}",
                _spread(row),
                "" if memory is None else f"{memory / 2**30:.1f} GiB",
            ]
        )
    head = ["training step", "barcodes/s", "times plain", "seconds (spread)", "peak memory"]
    return [
        f"{training['preset']}, {training['precision']}, batches of {training['batch_size']}. "
        f"On equal weights and masks the losses differ by {training['loss_difference']:.1e}, the "
        f"gradients by at most {training['largest_gradient_difference']:.1e}.",
        "",
        *_table(head, rows),
    ]


def _embedding(embedding: dict) -> list[str]:
    rows = [
        [
            name,
            f"{row['barcodes_per_second']:,.1f}",
            f"{row['faster_than_plain']:.2f}",
            f"{row['faster_than_fp32']:.2f}",
            _spread(row),
        ]
        for name, row in embedding["contestants"].items()
    ]
    head = ["embedding", "barcodes/s", "times plain", "times fp32", "seconds (spread)"]
    return [
        f"{embedding['barcodes']} barcodes; batches and single barcodes differ by at most "
        f"{embedding['largest_difference_from_plain']:.1e}.",
        "",
        *_table(head, rows),
    ]
