"""EPA-ng and APPLES: what places barcodes on a tree where one of them is installed.

Both get the references of the backbone and the queries as they lie on the grid, which is an
alignment, under names of our own (ids may hold what Newick or the programs do not take), and the
tree with its lengths. Their edges come back with the taxon below each.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import bits
from barcodemae.identification.vectors import texts

EPA_NG, APPLES = "epa-ng", "apples"
EXECUTABLES = {EPA_NG: "epa-ng", APPLES: "run_apples.py"}  # in the order of preference
_HINTS = {EPA_NG: "conda install -c bioconda epa-ng", APPLES: "pip install apples 'setuptools<81'"}
_SHAPE = 0.5  # of the gamma distribution of rates among sites; a choice, usual for COI
_BEFORE = 10.0  # differences that are counted before any was seen, all rates alike; chosen
_NEAR = 0.85  # identity of pairs of references from which rates of exchange are counted; chosen
_QUOTED_OR_NUMBER = re.compile(r"'(?:[^']|'')*'|\{\d+\}")
_TIP = re.compile(r"(?<=[(,])'?t(\d+)'?(?=:)")


def chosen(method: str, least_squares: str) -> str:
    """The method that is meant: one that is installed for "", else the one that is named.

    Raises:
        BarcodeMAEError: there is no such method, or its program is not installed.
    """
    if method == least_squares:
        return method
    if not method:
        found = [name for name, program in EXECUTABLES.items() if shutil.which(program)]
        return found[0] if found else least_squares
    if method not in EXECUTABLES:
        known = ", ".join([*EXECUTABLES, least_squares])
        raise BarcodeMAEError(f"--method {method}: there is no such method; methods: {known}")
    if not shutil.which(EXECUTABLES[method]):
        raise BarcodeMAEError(
            f"--method {method}: {EXECUTABLES[method]} is not on the path ({_HINTS[method]})"
        )
    return method


def place(
    method: str, newick: str, tips: np.ndarray, planes: np.ndarray
) -> tuple[str, list[str], dict[int, list[list]]]:
    """Place n queries by a program.

    Args:
        method: of `EXECUTABLES`.
        newick: the backbone, as `Backbone.newick`: t tips in quotes, edges numbered in braces.
        tips: (t, 3, words) sites of the references, in the order in which `newick` names them.
        planes: (n, 3, words) of the queries.

    Returns:
        The tree as the program numbers its edges, tips called t0, t1, ...; the names of the fields;
        query -> its placements, best first. A query that the program leaves out is missing.

    Raises:
        BarcodeMAEError: the program fails; the message holds what it said.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tree.nwk").write_text(_plain(newick))
        _write_alignment(folder / "reference.fasta", "t", tips)
        _write_alignment(folder / "query.fasta", "q", planes)
        command, output = _COMMANDS[method](folder, tips)
        done = subprocess.run(command, capture_output=True, text=True)
        try:
            document = json.loads((folder / output).read_text())
        except (OSError, ValueError) as error:
            said = " ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-3:])
            raise BarcodeMAEError(
                f"{command[0]} failed ({said or error}); --method least-squares needs no program"
            ) from error
    placed = {}
    for each in document["placements"]:
        names = each.get("n") or [pair[0] for pair in each["nm"]]
        placed.update({int(name.removeprefix("q")): each["p"] for name in names})
    return document["tree"], list(document["fields"]), placed


def tips_below(tree: str, count: int) -> dict[int, np.ndarray]:
    """Edge number -> (count,) whether a tip t0, t1, ... lies below it, of a tree from `place`."""
    below: dict[int, np.ndarray] = {}
    open_groups: list[np.ndarray] = [np.zeros(count, dtype=bool)]
    closed = np.zeros(count, dtype=bool)
    for token in re.finditer(r"\(|\)|,|'?t(\d+)'?(?=:)|:[^,(){}:;]*\{(\d+)\}", tree):
        if token[0] == "(":
            open_groups.append(np.zeros(count, dtype=bool))
        elif token[0] == ")":
            closed = open_groups.pop()
        elif token[1] is not None:
            closed = np.zeros(count, dtype=bool)
            closed[int(token[1])] = True
        elif token[2] is not None:
            below[int(token[2])] = closed
            open_groups[-1] |= closed
    return below


def named(tree: str, ids: Sequence[str]) -> str:
    """A tree from `place` with the references' ids, quoted, at its tips."""
    return _TIP.sub(lambda tip: "'" + str(ids[int(tip[1])]).replace("'", "''") + "'", tree)


def _plain(newick: str) -> str:
    """Without the edges' numbers, tips called t0, t1, ... as they come."""
    count = iter(range(newick.count("'")))
    return _QUOTED_OR_NUMBER.sub(lambda m: f"t{next(count)}" if m[0][0] == "'" else "", newick)


def _write_alignment(path: Path, letter: str, planes: np.ndarray) -> None:
    rows = texts(bits.unpack(planes))
    path.write_text(
        "".join(f">{letter}{row}\n{text.replace('N', '-')}\n" for row, text in enumerate(rows))
    )


def _apples(folder: Path, tips: np.ndarray) -> tuple[list[str], str]:
    # -D: the lengths are those of distances already, and FastTree need not estimate them anew.
    files = ["-t", str(folder / "tree.nwk"), "-s", str(folder / "reference.fasta")]
    files += ["-q", str(folder / "query.fasta"), "-o", str(folder / "out.jplace")]
    return [EXECUTABLES[APPLES], *files, "-D", "-T", "1"], "out.jplace"


def _epa_ng(folder: Path, tips: np.ndarray) -> tuple[list[str], str]:
    files = ["--tree", str(folder / "tree.nwk"), "--ref-msa", str(folder / "reference.fasta")]
    files += ["--query", str(folder / "query.fasta"), "--outdir", str(folder)]
    return [EXECUTABLES[EPA_NG], *files, "--model", model(tips)], "epa_result.jplace"


def model(planes: np.ndarray) -> str:
    """A general time-reversible model, counted from aligned barcodes (t, 3, words).

    Frequencies are those of the letters; rates of exchange, in units of that of G and T, the
    differences between pairs of `_NEAR` and more, where few sites have changed twice.
    """
    codes = bits.unpack(planes)
    letters = np.bincount(codes[codes < 4].ravel(), minlength=4) + 1.0
    frequencies = letters / letters.sum()
    equal, common = bits.compare(planes[:, None], planes[None])
    near = np.triu(equal >= _NEAR * np.maximum(common, 1), 1)
    counts = _BEFORE * np.outer(frequencies, frequencies)  # so that no rate is zero
    for first, second in zip(*np.nonzero(near), strict=True):
        both = (codes[first] < 4) & (codes[second] < 4) & (codes[first] != codes[second])
        np.add.at(counts, (codes[first][both], codes[second][both]), 1)
    rates = (counts + counts.T) / np.outer(frequencies, frequencies)
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    exchange = "/".join(f"{rates[pair] / rates[2, 3]:.4f}" for pair in pairs)
    shares = "/".join(f"{share:.4f}" for share in frequencies)
    return f"GTR{{{exchange}}}+FU{{{shares}}}+G4{{{_SHAPE}}}"


_COMMANDS: dict[str, Callable[[Path, np.ndarray], tuple[list[str], str]]] = {
    EPA_NG: _epa_ng,
    APPLES: _apples,
}
