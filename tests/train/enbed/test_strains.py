"""Parents and children among strains: common columns, seasons, trees."""

import numpy as np
import pandas as pd
import pytest

from barcodemae.errors import BarcodeMAEError
from grid_barcodemae import UNKNOWN
from train.enbed.strains import lay, read_pairs

LETTERS = "ACGT"


def text(codes):
    return "".join("ACGTN"[code] for code in codes)


def strain(seed=0, length=300):
    return np.random.default_rng(seed).integers(0, 4, length).astype(np.uint8)


def changed(codes, *places):
    codes = codes.copy()
    for place in places:
        codes[place] = (codes[place] + 1) % 4
    return codes


@pytest.fixture
def seasons(tmp_path):
    """In each of two subtypes two old strains, and a young one from the second of them."""
    rows = []
    for subtype in (1, 2):
        first = strain(subtype)
        second = changed(first, 10, 20, 30)
        young = changed(second, 50)
        for codes, season in ((first, "2001-2002"), (second, "2001-2002"), (young, "2002-2003")):
            rows.append((text(codes), f"H{subtype}", season))
    pd.DataFrame(rows, columns=["nucleotides", "subtype", "season"]).to_parquet(tmp_path / "a.pq")
    (tmp_path / "a.pq").rename(tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def test_strains_are_laid_where_they_belong_and_strangers_left_out():
    whole = strain()
    codes, rows = lay([text(whole), text(whole[40:]), text(strain(9)), "TT" + text(whole[:250])])
    assert rows.tolist() == [0, 1, 3]
    assert (codes[1, :40] == UNKNOWN).all() and (codes[1, 40:] == whole[40:]).all()
    assert (codes[2, :250] == whole[:250]).all() and (codes[2, 250:] == UNKNOWN).all()


def test_the_parent_is_the_nearest_of_the_season_before_and_the_subtype(seasons):
    pairs = read_pairs([str(seasons)], "season")
    assert len(pairs) == 2 and pairs.times.tolist() == ["2002-2003"] * 2
    assert [np.flatnonzero(row).tolist() for row in pairs.mutated] == [[50], [50]]


def test_inner_nodes_of_a_tree_are_restored_by_parsimony(tmp_path):
    root = strain()
    strains = {"a": root, "b": changed(root, 5), "c": changed(root, 5, 9), "d": changed(root, 70)}
    rows = [(name, text(codes), 2000 + i) for i, (name, codes) in enumerate(strains.items())]
    data, tree = tmp_path / "a.csv", tmp_path / "a.nwk"
    pd.DataFrame(rows, columns=["name", "nucleotides", "date"]).to_csv(data, index=False)
    tree.write_text("((a:1,(b:1,c:1):1):1,d:1);")
    pairs = read_pairs([str(data)], "tree", str(tree))
    # Place 5 changes once, on the way to the ancestor of b and c; 9 and 70 on the way to a leaf.
    found = sorted(
        (np.flatnonzero(row).tolist(), t) for row, t in zip(pairs.mutated, pairs.times, strict=True)
    )
    assert found == [([5], 2001.0), ([9], 2002.0), ([70], 2003.0)]
    tree.write_text("(a:1,x:1);")
    with pytest.raises(BarcodeMAEError, match="x: in the tree, and no such name"):
        read_pairs([str(data)], "tree", str(tree))
    tree.write_text("(a:1,b:1);")
    pd.DataFrame([*rows, rows[1]], columns=["name", "nucleotides", "date"]).to_csv(data)
    with pytest.raises(BarcodeMAEError, match="b: two strains have this name"):
        read_pairs([str(data)], "tree", str(tree))
    with pytest.raises(BarcodeMAEError, match="no such file"):
        read_pairs([str(data)], "tree", str(tmp_path / "none.nwk"))


def test_what_is_missing_is_named(seasons, tmp_path):
    with pytest.raises(BarcodeMAEError, match="no column 'name'"):
        read_pairs([str(seasons)], "tree")
    table = pd.read_parquet(seasons)
    unnamed = table.assign(subtype=table["subtype"].replace("H2", None))
    unnamed.to_parquet(tmp_path / "b.parquet")
    assert len(read_pairs([str(tmp_path / "b.parquet")], "season")) == 2
    table["season"] = "2001-2002"
    table.to_parquet(tmp_path / "b.parquet")
    with pytest.raises(BarcodeMAEError, match="no two strains are parent and child"):
        read_pairs([str(tmp_path / "b.parquet")], "season")
