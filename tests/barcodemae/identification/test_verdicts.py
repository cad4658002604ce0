import numpy as np
import pandas as pd
import pytest

from barcodemae.identification import building
from barcodemae.identification.answers import (
    COLUMNS,
    KNOWN,
    NEIGHBOUR_COLUMNS,
    NEW_GENUS,
    NO_CALL,
    NOT_COI,
    RANKS,
    VERDICTS,
)
from barcodemae.identification.library import Library
from barcodemae.identification.verdicts import identify
from coi import noise, turned


@pytest.fixture(scope="module")
def queries(specimens) -> pd.DataFrame:
    return specimens[specimens["split"] == "query"].reset_index(drop=True)


def _answers(library, barcodes, **options):
    return identify(library, [f"q{number}" for number in range(len(barcodes))], barcodes, **options)


def test_known_species_are_named_and_genera_of_new_ones(library, queries):
    table = _answers(library, queries.nucleotides.tolist()).table
    assert list(table.columns) == list(COLUMNS)
    assert set(table["verdict"]) <= set(VERDICTS)
    held_back = queries.species.str.endswith("tertius").to_numpy()
    named = table["species"] != ""
    assert named[~held_back].mean() > 0.8
    assert (table["species"] == queries.species)[named].all()
    called = table["genus"] != ""
    assert (table["genus"] == queries.genus)[called].mean() > 0.95


def test_ranks_come_from_one_lineage_down_to_the_rank_called(library, queries, specimens):
    table = _answers(library, queries.nucleotides.tolist()).table
    lineages = set(specimens[list(RANKS)].itertuples(index=False, name=None))
    for row in table.to_dict("records"):
        depth = RANKS.index(row["rank_called"]) + 1 if row["rank_called"] else 0
        taxa = tuple(row[rank] for rank in RANKS)
        assert all(taxa[:depth]) and not any(taxa[depth:])
        assert any(lineage[:depth] == taxa[:depth] for lineage in lineages)
        assert row["p_genus"] <= row["p_family"]


def test_a_higher_target_calls_no_deeper(library, queries):
    barcodes = queries.nucleotides.tolist()
    depth = [
        _answers(library, barcodes, target=target).table.rank_called.map(
            ["", "family", "genus", "species"].index
        )
        for target in (0.5, 0.9, 0.99)
    ]
    assert (depth[0] >= depth[1]).all() and (depth[1] >= depth[2]).all()


def test_either_strand_and_whatever_lies_around_give_the_same_answer(library, queries):
    barcode = queries.nucleotides[0]
    around = noise(400, 1) + barcode + noise(300, 2)
    table = _answers(library, [barcode, turned(barcode), around, barcode.lower()]).table
    assert table["strand"].tolist() == ["+", "-", "+", "+"]
    assert table["flags"][1].startswith("reversed")
    for column in ("verdict", "species", "nearest_id", "identity"):
        assert table[column].nunique() == 1


def test_a_lost_base_is_mended_and_flagged(library, queries):
    barcode = queries.nucleotides[0]
    whole, cut = _answers(library, [barcode, barcode[:300] + barcode[301:]]).table.to_dict(
        "records"
    )
    assert "deletion suspected" in cut["flags"] and cut["flags"] != whole["flags"]
    assert cut["nearest_species"] == whole["nearest_species"]
    assert cut["identity"] > whole["identity"] - 0.02


def test_fragments_are_compared_on_the_sites_that_they_have(library, queries):
    held_back = queries.species.str.endswith("tertius").to_numpy()
    known = queries[~held_back]
    answers = _answers(library, [text[-313:] for text in known.nucleotides])
    assert (answers.table["nearest_species"] == known.species.to_numpy()).mean() > 0.9
    assert (answers.table["length"] <= 313).all()
    assert answers.table["identity"].min() > 0.95


def test_an_answer_is_the_same_beside_any_others(library, queries):
    """Whole ones, fragments, copies of either, other DNA: in one batch, turned round, and alone."""
    whole = queries.nucleotides.tolist()[:5]
    some = [*whole, whole[0][200:], whole[1][:313], "", noise(300, 1), whole[2][200:]]
    some += [turned(whole[3]), whole[0], whole[0][200:], whole[1]]
    together = _answers(library, some).table.drop(columns=["id", "flags"])
    backwards = _answers(library, some[::-1]).table.drop(columns=["id", "flags"])
    pd.testing.assert_frame_equal(together, backwards[::-1].reset_index(drop=True), rtol=1e-5)
    for row, barcode in enumerate(some):
        alone = _answers(library, [barcode]).table.drop(columns=["id", "flags"])
        pd.testing.assert_frame_equal(
            alone, together.iloc[[row]].reset_index(drop=True), rtol=1e-5, check_dtype=False
        )


def test_what_is_no_coi_or_too_short_is_not_called(library, queries):
    barcodes = [noise(600, 3), "A" * 500, queries.nucleotides[0][200:400], "N" * 658]
    table = _answers(library, barcodes, min_overlap=201).table
    assert table["verdict"].tolist() == [NOT_COI, NOT_COI, NO_CALL, NOT_COI]
    assert (table[list(RANKS)] == "").all(axis=None)
    assert table.loc[0, ["p_genus", "similarity"]].isna().all()


def test_species_that_share_a_barcode_are_both_named_and_none_is_called(
    specimens, references_of, tmp_path
):
    train = specimens[specimens["split"] == "train"]
    row = train.iloc[0]
    double = {**row, "processid": "double", "species": "Genusaa doppelganger"}
    references = references_of(pd.concat([train, pd.DataFrame([double])]))
    card = building.build(references, tmp_path / "lib", "kmer:4", progress=False)
    assert card["barcodes_of_several_species"] == 1
    found = _answers(Library(tmp_path / "lib"), [row.nucleotides]).table.iloc[0]
    assert set(found["ambiguous_with"].split("; ")) == {row.species, "Genusaa doppelganger"}
    assert found["verdict"] == KNOWN and found["species"] == ""
    assert found["rank_called"] in ("family", "genus")


def test_neighbours_and_queries_come_with_the_table(library, queries):
    answers = _answers(library, queries.nucleotides[:3].tolist())
    assert list(answers.neighbours.columns) == list(NEIGHBOUR_COLUMNS)
    assert answers.neighbours.groupby("id").size().tolist() == [10, 10, 10]
    assert answers.queries["barcode"].tolist() == queries.nucleotides[:3].tolist()
    nearest = answers.neighbours[answers.neighbours["position"] == 1].iloc[0]
    query = answers.queries["barcode"][0]
    equal = np.mean([a == b for a, b in zip(query, nearest["barcode"], strict=True)])
    assert nearest["identity"] == pytest.approx(equal)


def test_the_nearest_reference_is_one_record(references_of, specimens, queries, tmp_path):
    train = specimens[specimens["split"] == "train"].copy()
    unnamed = train.index[::3]
    train.loc[unnamed, "species"] = ""
    building.build(references_of(train), tmp_path / "lib", "kmer:4", progress=False)
    answers = _answers(Library(tmp_path / "lib"), queries.nucleotides.tolist())
    first, table = answers.neighbours[answers.neighbours["position"] == 1], answers.table
    assert first["species"].tolist() == table["nearest_species"].tolist()
    for name in ("nearest_id", "similarity", "identity"):
        assert first[name].tolist() == table[name].tolist()
    alike = (table["nearest_species"] == "") & (table["identity"] >= 0.98)
    said = table["flags"].str.contains("like a reference without a species")
    assert alike.any() and said.tolist() == alike.tolist()


def test_references_without_a_label_leave_the_others_as_probable(
    references_of, specimens, queries, tmp_path
):
    train = specimens[specimens["split"] == "train"].copy()
    train.loc[train.index[::8], "family"] = ""
    building.build(references_of(train), tmp_path / "lib", "kmer:4", progress=False)
    table = _answers(Library(tmp_path / "lib"), queries.nucleotides.tolist()).table
    assert (table["p_family"] >= 0.95).mean() > 0.8


def test_what_no_reference_is_named_by_is_no_ground_for_a_verdict(
    references_of, specimens, queries, tmp_path
):
    train = specimens[specimens["split"] == "train"].assign(genus="", species="")
    building.build(references_of(train), tmp_path / "lib", "kmer:4", progress=False)
    table = _answers(Library(tmp_path / "lib"), queries.nucleotides.tolist()).table
    assert set(table["verdict"]) == {NO_CALL}
    assert table["p_genus"].isna().all() and (table["rank_called"] == "family").any()


def test_long_answers_have_a_row_for_each_rank(library, queries):
    answers = _answers(library, queries.nucleotides[:2].tolist())
    rows = answers.long(("family", "genus"))
    assert rows["id"].tolist() == ["q0", "q0", "q1", "q1"]
    assert rows["rank"].tolist() == ["family", "genus"] * 2
    assert rows["taxon"].tolist()[1] == answers.table["genus"][0]


def test_the_verdict_is_what_is_more_probable_than_not(library, queries):
    barcodes = queries.nucleotides.tolist()
    table = pd.concat(
        [_answers(library, barcodes, target=at).table for at in (0.8, 0.95, 0.98)],
        ignore_index=True,
    )
    at_family = table[table["rank_called"] == "family"]
    new = at_family["verdict"] == NEW_GENUS
    assert (at_family["p_genus"][new] < 0.5).all()
    assert ((at_family["p_genus"] >= 0.5) | (at_family["p_species_known"] >= 0.5))[~new].all()
    assert (table["verdict"][table["rank_called"] == ""] == NO_CALL).all()
    low = _answers(library, barcodes, target=0.02).table
    assert (low["verdict"][low["species"] != ""] == KNOWN).all()
