"""`identify` beside VSEARCH on the same references and queries, as whole commands that take turns.

    python -m benchmarks.identification_speed grow barcodes.parquet -o many.tsv --references 118000
    barcodemae library build many.tsv -o LIB
    python -m benchmarks.identification_speed compare LIB QUERIES -o identification-speed.json

VSEARCH gets the library's references as letters on the grid, and reports the best hit of each
query: once as `barcodemae evaluate` runs it, once as it runs by itself. Every command is run for
all queries and for one, since both programs take seconds to start; the difference is the searching.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from barcodemae.outputs import write_whole_text
from benchmarks.timing import machine

app = typer.Typer(add_completion=False, help=__doc__)

_VSEARCH = {
    "vsearch": ["--maxaccepts", "8", "--maxrejects", "256"],
    "vsearch, defaults": ["--maxaccepts", "1", "--maxrejects", "32"],
}
_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)


@app.command()
def grow(
    table: Annotated[Path, typer.Argument(help="Parquet or TSV with the column nucleotides.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="TSV file to write.")],
    references: Annotated[int, typer.Option()] = 118_000,
    split: Annotated[str, typer.Option(help="Of the table, comma-separated; all by default.")] = "",
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Fill a table up to so many references by copies with 1 to 5 % of their letters drawn anew."""
    rng = np.random.default_rng(seed)
    parquet = table.suffix == ".parquet"
    rows = pd.read_parquet(table) if parquet else pd.read_csv(table, sep="\t", dtype=str)
    if split:
        rows = rows[rows["split"].isin(split.split(","))]
    copies = rows.sample(max(references - len(rows), 0), replace=True, random_state=seed)
    copies = copies.assign(
        nucleotides=[_mutated(text, rng) for text in copies["nucleotides"]],
        processid=[f"{name}-copy{n}" for n, name in enumerate(copies["processid"])],
    )
    pd.concat([rows[:references], copies]).drop(columns="split", errors="ignore").to_csv(
        output, sep="\t", index=False
    )


def _mutated(text: str, rng: np.random.Generator) -> str:
    letters = np.frombuffer(text.encode("ascii"), dtype=np.uint8).copy()
    hit = rng.random(len(letters)) < rng.uniform(0.01, 0.05)
    letters[hit] = rng.choice(_LETTERS, hit.sum())
    return letters.tobytes().decode("ascii")


@app.command()
def compare(
    library: Annotated[Path, typer.Argument(help="Folder that `library build` wrote.")],
    queries: Annotated[str, typer.Argument(help="Barcodes, in any format that is read.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON file to write.")],
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    threads: Annotated[int, typer.Option(min=1, help="Of either program.")] = 1,
) -> None:
    """Processor seconds and time of day of both programs, in turns."""
    from barcodemae.identification import vectors
    from barcodemae.identification.batches import read_queries
    from barcodemae.identification.bits import unpack
    from barcodemae.identification.library import Library

    asked = read_queries([queries]).table
    references = vectors.texts(unpack(Library(library).planes))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_fasta(folder / "references.fasta", map(str, range(len(references))), references)
        barcodes = {len(asked): asked, 1: asked.slice(0, 1)}
        for count, some in barcodes.items():
            columns = (some[name].to_pylist() for name in ("processid", "nucleotides"))
            _write_fasta(folder / f"{count}.fasta", *columns)
        works = _commands(folder, library.resolve(), threads)
        times: dict[str, dict[int, list]] = {name: {n: [] for n in barcodes} for name in works}
        for _ in range(rounds):
            for name, command in works.items():
                for count in barcodes:
                    times[name][count].append(_run(command(count), threads, folder))
                    print(name, count, times[name][count][-1], flush=True)
    settings = {"references": len(references), "queries": len(asked), "threads": threads}
    found = {"machine": machine(), **settings, "rows": _summary(times, len(asked))}
    write_whole_text(output, json.dumps(found, indent=1) + "\n")


def _write_fasta(path: Path, ids, texts) -> None:
    path.write_text("".join(f">{name}\n{text}\n" for name, text in zip(ids, texts, strict=True)))


def _commands(folder: Path, library: Path, threads: int) -> dict:
    """Name -> what makes the command for so many queries."""
    identify = [sys.executable, "-m", "barcodemae", "identify"]
    vsearch = [shutil.which("vsearch") or "vsearch", "--usearch_global"]
    settings = ["--db", "references.fasta", "--id", "0.5", "--strand", "plus", "--quiet"]
    settings += ["--threads", str(threads), "--blast6out", "hits.tsv"]
    works = {"identify": lambda n: [*identify, f"{n}.fasta", "-l", str(library), "-o", "out.tsv"]}
    for name, accepted in _VSEARCH.items():
        works[name] = lambda n, accepted=accepted: [*vsearch, f"{n}.fasta", *settings, *accepted]
    return works


def _run(command: list[str], threads: int, folder: Path) -> dict:
    """Processor seconds and time of day of a command."""
    root = str(Path(__file__).parents[1])
    kept = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    start = time.perf_counter()
    done = subprocess.Popen(
        command, cwd=folder, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(done.pid, 0)
    done.returncode = os.waitstatus_to_exitcode(status)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with status {done.returncode}")
    return {"processor": used.ru_utime + used.ru_stime, "day": time.perf_counter() - start}


def _summary(times: dict, queries: int) -> dict:
    """By program: medians and spread, queries a second, and how many times quicker identify is."""
    ours = times["identify"]
    return {
        name: {
            clock: {
                "seconds": _spread([run[clock] for run in found[queries]]),
                "seconds_for_one": _spread([run[clock] for run in found[1]]),
                "queries_per_second": queries / _median(found[queries], clock),
                "queries_per_second_without_start": (queries - 1) / _searching(found, clock),
                "identify_is_quicker": _spread(
                    [
                        a[clock] / b[clock]
                        for a, b in zip(found[queries], ours[queries], strict=True)
                    ]
                ),
                "identify_is_quicker_without_start": _searching(found, clock)
                / _searching(ours, clock),
            }
            for clock in ("processor", "day")
        }
        for name, found in times.items()
    }


def _median(runs: list[dict], clock: str) -> float:
    return statistics.median(run[clock] for run in runs)


def _searching(found: dict[int, list[dict]], clock: str) -> float:
    """Median seconds of all queries but one, without what a command takes for one."""
    return _median(found[max(found)], clock) - _median(found[1], clock)


def _spread(values: list[float]) -> list[float]:
    """Median, lowest, highest."""
    return [round(value, 2) for value in (statistics.median(values), min(values), max(values))]


if __name__ == "__main__":
    app()
