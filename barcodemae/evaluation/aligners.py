"""VSEARCH and BLAST+ as rows beside the encoders: same reference, same queries."""

from __future__ import annotations

import csv
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from barcodemae.errors import BarcodeMAEError

TIE_RULE = (
    "the best hit has the highest {score}; of equals the one with the higher identity, then the "
    "longer alignment, then the one that stands first in the reference"
)
NO_HIT = ""
_Hit = tuple[int, str, float, int]  # query, taxon, score, reference


@dataclass(frozen=True)
class Named:
    """What an aligner calls the queries.

    Attributes:
        labels: (n,) taxa, "" where there is no hit.
        scores: (n,) identity of the best hit, 0 to 1 (SINTAX: support of the taxon); 0 without.
        places: (n,) the best hit among the references, -1 without (SINTAX: always).
        wall_seconds, cpu_seconds: of all its programs together, building the index included.
    """

    labels: list[str]
    scores: list[float]
    places: list[int]
    wall_seconds: float
    cpu_seconds: float


class Aligner:
    """An alignment program that names queries by their best hit in a reference.

    Args:
        spec: `vsearch` (usearch_global), `vsearch:sintax`, `blast` (megablast) or `blast:blastn`.
        threads: that the program may use.

    Raises:
        BarcodeMAEError: the program is not installed.
    """

    def __init__(self, spec: str, threads: int):
        self._method: Callable = _METHODS[spec]
        self.threads = threads
        program = spec.partition(":")[0]
        needed, package = _PROGRAMS[program]
        missing = [name for name in needed if shutil.which(name) is None]
        if missing:
            raise BarcodeMAEError(
                f"{spec}: {', '.join(missing)} is not installed (Debian: apt install {package})"
            )
        self.settings = {
            "encoder": None,
            "program": _version(needed[0]),
            "command": _COMMANDS[spec],
            "ties": _TIES[spec],
            "threads": threads,
        }
        self.fingerprint = f"{spec} {self.settings['program']} {_COMMANDS[spec]}"

    def name_queries(
        self, reference: Sequence[str], labels: Sequence[str], query: Sequence[str], seed: int
    ) -> Named:
        """Name n queries (nucleotides) after m labelled references.

        Raises:
            BarcodeMAEError: the program fails; the message holds what it said.
        """
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            hits = list(self._method(Path(folder), reference, labels, query, self.threads, seed))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        names, scores, places = ([NO_HIT] * len(query), [0.0] * len(query), [-1] * len(query))
        for row, label, score, place in hits:
            names[row], scores[row], places[row] = label, score, place
        return Named(names, scores, places, time.perf_counter() - start, cpu)


def is_aligner(spec: str) -> bool:
    return spec in _METHODS


_PROGRAMS = {
    "vsearch": (["vsearch"], "vsearch"),
    "blast": (["blastn", "makeblastdb"], "ncbi-blast+"),
}
_USEARCH = "--usearch_global --id 0.5 --maxaccepts 8 --maxrejects 256 --strand plus"
_SINTAX = "--sintax --strand plus"
_MEGABLAST, _BLASTN = "-task megablast", "-task blastn"
_COMMANDS = {
    "vsearch": f"vsearch {_USEARCH}",
    "vsearch:sintax": f"vsearch {_SINTAX}",
    "blast": f"blastn {_MEGABLAST}",
    "blast:megablast": f"blastn {_MEGABLAST}",
    "blast:blastn": f"blastn {_BLASTN}",
}


def _usearch_global(folder, reference, labels, query, threads, seed) -> Iterable[_Hit]:
    out = folder / "hits.tsv"
    _run(
        ["vsearch", *_USEARCH.split()[:1], _fasta(folder / "query.fasta", query)]
        + [*_USEARCH.split()[1:], "--db", _fasta(folder / "reference.fasta", reference)]
        + ["--threads", str(threads), "--userout", str(out)]
        + ["--userfields", "query+target+id+id+alnlen", "--maxhits", "0"]
    )
    return _best_hits(out, labels)


def _sintax(folder, reference, labels, query, threads, seed) -> Iterable[_Hit]:
    # Taxa go in as numbers: names may hold the characters that separate ranks.
    taxa = sorted(set(labels))
    number = {taxon: index for index, taxon in enumerate(taxa)}
    names = [f"{row};tax=g:{number[label]};" for row, label in enumerate(labels)]
    out = folder / "taxa.tsv"
    _run(
        ["vsearch", *_SINTAX.split()[:1], _fasta(folder / "query.fasta", query)]
        + [*_SINTAX.split()[1:], "--db", _fasta(folder / "reference.fasta", reference, names)]
        # One thread: with several, the program's random draws follow no seed.
        + ["--threads", "1", "--randseed", str(seed + 1), "--tabbedout", str(out)]
    )
    for row in _rows(out):
        if len(row) > 1 and row[1].startswith("g:"):
            number, _, support = row[1][2:].rstrip(")").partition("(")
            yield int(row[0]), taxa[int(number)], float(support), -1


def _blast(task: str) -> Callable:
    def search(folder, reference, labels, query, threads, seed) -> Iterable[_Hit]:
        library = _fasta(folder / "reference.fasta", reference)
        out = folder / "hits.tsv"
        _run(["makeblastdb", "-in", library, "-dbtype", "nucl"])
        _run(
            ["blastn", *task.split(), "-query", _fasta(folder / "query.fasta", query)]
            + ["-db", library, "-num_threads", str(threads), "-out", str(out)]
            + ["-outfmt", "6 qseqid sseqid bitscore pident length"]
        )
        return _best_hits(out, labels)

    return search


_METHODS = {
    "vsearch": _usearch_global,
    "vsearch:sintax": _sintax,
    "blast": _blast(_MEGABLAST),
    "blast:megablast": _blast(_MEGABLAST),
    "blast:blastn": _blast(_BLASTN),
}
_TIES = {
    "vsearch": TIE_RULE.format(score="identity"),
    "vsearch:sintax": "the taxon with the most bootstrap votes, whatever their share",
    **{
        spec: TIE_RULE.format(score="bit score")
        for spec in ("blast", "blast:megablast", "blast:blastn")
    },
}


def _best_hits(path: Path, labels: Sequence[str]) -> Iterable[_Hit]:
    """Read hits (query, reference, score, identity, length); yield each query's best."""
    best: dict[int, tuple] = {}
    for query, target, score, identity, length in _rows(path):
        rank = (float(score), float(identity), int(length), -int(target))
        if int(query) not in best or rank > best[int(query)]:
            best[int(query)] = rank
    for query, rank in best.items():
        yield query, labels[-rank[-1]], rank[1] / 100, -rank[-1]


def _rows(path: Path) -> Iterable[list[str]]:
    with open(path, newline="") as file:
        yield from csv.reader(file, delimiter="\t")


def _fasta(path: Path, sequences: Sequence[str], names: Sequence[str] | None = None) -> str:
    names = range(len(sequences)) if names is None else names
    path.write_text("".join(f">{n}\n{s}\n" for n, s in zip(names, sequences, strict=True)))
    return str(path)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BarcodeMAEError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-500:]}")


def _version(program: str) -> str:
    flag = "-version" if program == "blastn" else "--version"
    done = subprocess.run([program, flag], capture_output=True, text=True)
    # VSEARCH says its version on stderr, and whom to cite on stdout.
    return (done.stderr + done.stdout).strip().splitlines()[0]
