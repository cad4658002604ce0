import json
from functools import partial

import pytest
from typer.testing import CliRunner

from barcodemae.cli import app
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import tree_placement
from barcodemae.identification.tree_placement import FIELDS, LEAST_SQUARES

place = partial(tree_placement.place, method=LEAST_SQUARES)


def _placed(document: dict) -> list[dict]:
    return [dict(zip(FIELDS, each["p"][0], strict=True)) for each in document["placements"]]


def test_queries_of_known_genera_lie_below_them(library, specimens):
    queries = specimens[specimens["split"] == "query"].reset_index(drop=True)[:20]
    document = place(library, queries.processid.tolist(), queries.nucleotides.tolist())
    assert [each["n"][0] for each in document["placements"]] == queries.processid.tolist()
    found = _placed(document)
    # Of a species that the library lacks, the edge of the nearest one: its genus is right.
    right = [
        each["taxon"] == row.family or each["taxon"].split(" ")[0] == row.genus
        for each, row in zip(found, queries.itertuples(), strict=True)
    ]
    assert sum(right) >= 18
    assert all(each["pendant_length"] >= 0 and each["distal_length"] >= 0 for each in found)
    assert document["tree"].count("{") == document["tree"].count(":")


def test_a_reference_itself_lies_on_its_own_tip(library, specimens):
    row = specimens[specimens["split"] == "train"].iloc[3]
    document = place(library, ["q"], [row.nucleotides])
    placed = _placed(document)[0]
    assert placed["taxon"] == row.species
    assert placed["pendant_length"] < 2e-3
    assert f"'{row.processid}':" in document["tree"]


def test_a_tree_that_is_given_is_used_and_a_foreign_one_refused(library, specimens, tmp_path):
    train = specimens[specimens["split"] == "train"]
    tips = [train[train.species.str.endswith("unus")].processid.iloc[at] for at in (0, 8, 16)]
    tree = tmp_path / "tree.nwk"
    tree.write_text(f"({tips[0]}:0.1,({tips[1]}:0.1,{tips[2]}:0.1):0.05);")
    query = train[train.processid == tips[1]].nucleotides.iloc[0]
    document = place(library, ["q"], [query], tree)
    edge = _placed(document)[0]["edge_num"]
    assert f"'{tips[1]}':0.1{{{edge}}}" in document["tree"]
    tree.write_text("(one:1,two:1,three:1);")
    with pytest.raises(BarcodeMAEError, match="no ids of the library"):
        place(library, ["q"], [query], tree)


def test_the_command_writes_jplace(library_folder, specimens, tmp_path):
    fasta, out = tmp_path / "q.fasta", tmp_path / "out.jplace"
    fasta.write_text(f">a\n{specimens.nucleotides[0]}\n")
    arguments = ["place", str(fasta), "-l", str(library_folder), "-o"]
    result = CliRunner().invoke(app, [*arguments, str(out)], catch_exceptions=False)
    assert result.exit_code == 0 and "1 barcodes placed" in result.output
    assert json.loads(out.read_text())["version"] == 3
    with pytest.raises(BarcodeMAEError, match="jplace"):
        CliRunner().invoke(app, [*arguments, str(tmp_path / "out.txt")], catch_exceptions=False)
