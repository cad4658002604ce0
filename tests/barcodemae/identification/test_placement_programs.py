"""Placing by EPA-ng and APPLES. EPA-ng is played by a script that reads what it is given as the
program does and refuses what that would; APPLES runs where it is installed."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import bits, placement_programs
from barcodemae.identification.tree_placement import FIELDS, LEAST_SQUARES, place

_FAKE = """#!{python}
import argparse, json, pathlib, re
options = argparse.ArgumentParser()
for name in ("tree", "ref-msa", "query", "outdir", "model"):
    options.add_argument("--" + name, required=True)
given = options.parse_args()
def fasta(path):
    lines = pathlib.Path(path).read_text().split()
    return dict(zip([line[1:] for line in lines[::2]], lines[1::2]))
references, queries = fasta(given.ref_msa), fasta(given.query)
assert {{len(row) for row in [*references.values(), *queries.values()]}} == {{658}}
assert not set("".join(references.values())) - set("ACGT-")
number = r"[0-9.]+"
assert re.fullmatch(
    rf"GTR\\{{{{{{number}}(/{{number}}){{{{5}}}}\\}}}}\\+FU\\{{{{{{number}}(/{{number}}){{{{3}}}}\\}}}}"
    rf"\\+G4\\{{{{{{number}}\\}}}}", given.model), given.model
tree = pathlib.Path(given.tree).read_text().strip()
assert sorted(re.findall(r"[(,](\\w+):", tree)) == sorted(references) and tree.endswith(";")
count = iter(range(10 ** 6))
numbered = re.sub(r":[^,();]+", lambda length: f"{{length[0]}}{{{{{{next(count)}}}}}}", tree)
edges = dict(re.findall(r"(\\w+):[^,();{{]+\\{{(\\d+)\\}}", numbered))
placements = []
for name, row in queries.items():
    near = max(references, key=lambda tip: sum(a == b for a, b in zip(row, references[tip])))
    placements.append({{"p": [[int(edges[near]), -1.0, 1.0, 0.0, 0.1]], "n": [name]}})
fields = ["edge_num", "likelihood", "like_weight_ratio", "distal_length", "pendant_length"]
document = {{"tree": numbered, "placements": placements, "fields": fields, "version": 3}}
(pathlib.Path(given.outdir) / "epa_result.jplace").write_text(json.dumps(document))
"""


@pytest.fixture
def programs(tmp_path, monkeypatch) -> Path:
    """A folder that is the whole path."""
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    (tmp_path / "programs").mkdir()
    return tmp_path / "programs"


def _install(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _queries(specimens):
    return specimens[specimens["split"] == "query"].reset_index(drop=True)[:12]


def _check(document: dict, fields: list[str], queries) -> None:
    """Every query below its genus or family, in a tree with the references' own ids."""
    assert document["fields"] == [*fields, "taxon"]
    assert "'R0000':" in document["tree"] and "t0:" not in document["tree"]
    assert [each["n"] for each in document["placements"]] == [[name] for name in queries.processid]
    taxa = [each["p"][0][-1] for each in document["placements"]]
    right = [
        taxon == row.family or taxon.split(" ")[0] == row.genus
        for taxon, row in zip(taxa, queries.itertuples(), strict=True)
    ]
    assert sum(right) >= 11
    edges = [each["p"][0][0] for each in document["placements"]]
    assert all(f"{{{edge}}}" in document["tree"] for edge in edges)


def test_epa_ng_is_preferred_and_gets_tree_alignment_and_model(library, specimens, programs):
    _install(programs / "epa-ng", _FAKE.format(python=sys.executable))
    queries = _queries(specimens)
    document = place(library, queries.processid.tolist(), queries.nucleotides.tolist())
    fields = ["edge_num", "likelihood", "like_weight_ratio", "distal_length", "pendant_length"]
    _check(document, fields, queries)
    assert document["metadata"]["method"].startswith("EPA-ng")


@pytest.mark.skipif(not shutil.which("run_apples.py"), reason="APPLES is not installed")
def test_apples_finds_the_edges_of_our_least_squares(library, specimens):
    queries = _queries(specimens)
    ids, barcodes = queries.processid.tolist(), queries.nucleotides.tolist()
    document = place(library, ids, barcodes, method="apples")
    own = place(library, ids, barcodes, method=LEAST_SQUARES)
    fields = ["edge_num", "likelihood", "like_weight_ratio", "distal_length", "pendant_length"]
    _check(document, fields, queries)
    pairs = zip(document["placements"], own["placements"], strict=True)
    same = [one["p"][0][-1] == two["p"][0][-1] for one, two in pairs]
    assert sum(same) >= 8  # made-up genera are stars, in which edges fit alike


def test_without_a_program_it_is_least_squares_and_a_missing_one_is_named(
    library, specimens, programs
):
    queries = _queries(specimens)[:1]
    arguments = library, queries.processid.tolist(), queries.nucleotides.tolist(), None
    assert place(*arguments)["fields"] == list(FIELDS)
    with pytest.raises(BarcodeMAEError, match="run_apples.py is not on the path"):
        place(*arguments, "apples")
    with pytest.raises(BarcodeMAEError, match="no such method; methods: epa-ng, apples, least"):
        place(*arguments, "parsimony")
    _install(programs / "epa-ng", f"#!{sys.executable}\nimport sys\nsys.exit('no such model')\n")
    with pytest.raises(BarcodeMAEError, match="epa-ng failed .no such model.*least-squares"):
        place(*arguments)


def test_tips_below_an_edge_are_counted_by_its_number():
    tree = "((t1:0.1{7},t0:0.2{0}):0.3{5},(t2:1e-05{2},t3:0{3}):0.1{4});"
    below = placement_programs.tips_below(tree, 4)
    assert {edge: np.flatnonzero(row).tolist() for edge, row in below.items()} == {
        **{7: [1], 0: [0], 5: [0, 1]},
        **{2: [2], 3: [3], 4: [2, 3]},
    }
    named = placement_programs.named(tree, ["a b", "it's", "c", "d"])
    assert named.startswith("(('it''s':0.1{7},'a b':0.2{0})")


def test_the_model_is_counted_from_near_pairs():
    rng = np.random.default_rng(0)
    codes = np.tile(rng.choice([0, 3], (1, bits.SITES), p=[0.25, 0.75]), (4, 1)).astype(np.uint8)
    codes[0, :60] = np.where(codes[1, :60] == 0, 2, 1)  # A to G, T to C: transitions alone
    text = placement_programs.model(bits.pack(codes))
    rates = [float(rate) for rate in text[4 : text.index("}")].split("/")]
    _, ag, _, _, ct, _ = rates
    assert min(ag, ct) > 5 * max(rates[0], rates[2], rates[3])
    shares = text[text.index("FU{") + 3 : text.rindex("}+G4")].split("/")
    assert float(shares[3]) > 0.6 and abs(sum(map(float, shares)) - 1) < 1e-3
