"""What becomes of the labels of a library."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barcodemae.data.cache import read_report
from barcodemae.data.reading import read_barcodes
from barcodemae.data.references import read_references
from barcodemae.errors import BarcodeMAEError


@pytest.fixture
def merged(tmp_path, write):
    """Read a CSV, given as text, with one record for each barcode."""

    def merged(text, **options):
        how = {"repeats": "merge", "cache_dir": tmp_path / "cache", "progress": False}
        return read_barcodes(write("merged.csv", text), **how, **options)

    return merged


@pytest.fixture
def library(tmp_path, write):
    """Read a CSV, given as text, as a library."""

    def library(text, name="library.csv", **options):
        cache = tmp_path / "cache"
        return read_references(write(name, text), cache_dir=cache, progress=False, **options)

    return library


def table(*rows, columns="id,genus,species,nucleotides"):
    return "\n".join([columns, *rows, ""])


FAMILIES = "id,family,genus,species,nucleotides"


def test_one_barcode_of_two_species_keeps_both(library, caplog):
    references = library(table("a,Aus,Aus unus,ACGT", "b,Aus,Aus duo,ACGT", "c,Bus,Bus x,GGG"))
    assert references.ids == ["a", "b", "c"]
    assert references.groups[0] == references.groups[1] != references.groups[2]
    assert references.lineages["species"].tolist() == ["Aus unus", "Aus duo", "Bus x"]
    assert references.report.conflicts == 1 and "conflicting labels" in caplog.text


def test_labels_of_copies_are_joined(library):
    references = library(table("a,,,ACGT", "b,Aus,Aus duo,ACGTN", "c,Aus,,ACGT", "d,Bus,,GGG"))
    assert references.ids == ["b", "d"] and references.copies.tolist() == [3, 1]
    assert references.report.repeats == 2 and references.report.conflicts == 0


def test_a_rank_that_one_copy_lacks_comes_from_another(library):
    rows = ("a,Aidae,,,ACGT", "b,,Aus,Aus duo,ACGT")
    (lineage,) = library(table(*rows, columns=FAMILIES)).lineages.to_dict("records")
    assert (lineage["family"], lineage["species"], lineage["order"]) == ("Aidae", "Aus duo", "")


def test_one_record_for_each_barcode_has_the_labels_of_its_copies(merged, caplog):
    columns = "id,split,family,genus,species,nucleotides"
    rows = (
        *("a,pretrain,Aidae,,,ACGT", "b,train,,Aus,Aus duo,ACGT", "c,val,,Aus,Aus sp.,ACGT"),
        *("d,train,Bidae,Bus,Bus x,GGG", "e,val,Bidae,Bus,Bus y,GGG", "f,val,Cidae,Cus,,GGGN"),
        *("g,train,Didae,Dus,Dus x,CC", "h,val,Didae,Dus,Dus x,CC", "i,val,,,,TT"),
    )
    found = merged(table(*rows, columns=columns), labels_matter=True).to_pandas().fillna("")
    kept = ["processid", "split", "family", "genus", "species"]
    assert found[kept].to_numpy().tolist() == [
        ["a", "pretrain", "Aidae", "Aus", "Aus duo"],
        ["d", "train", "", "", ""],  # of two families, so that nothing below is known
        ["g", "train", "Didae", "Dus", "Dus x"],
        ["i", "val", "", "", ""],
    ]
    assert "1 barcodes stand under conflicting labels" in caplog.text


def test_ranks_above_a_contradiction_stay(merged):
    found = merged(table("a,Aus,Aus unus,ACGT", "b,Aus,Aus duo,ACGT"))
    assert found["genus"][:] == ["Aus"] and found["species"][:] == [None]
    report = read_report(found)
    assert (report.records, report.kept, report.repeats, report.conflicts) == (2, 1, 1, 1)


def test_within_a_split_the_named_copy_is_found(library):
    columns = "id,split,genus,species,nucleotides"
    text = table("a,pretrain,,,ACGT", "b,train,Aus,Aus duo,ACGT", columns=columns)
    assert library(text, split="train").ids == ["b"]


def test_an_open_name_gives_way_to_a_species(library):
    references = library(
        table("a,Aus,Aus sp.,ACGT", "b,Aus,Aus duo,ACGT", "c,Bus,Bus cf. x,GGG", "d,Bus,,CC")
    )
    assert references.lineages["species"].tolist() == ["Aus duo", "Bus cf. x", ""]
    assert references.open_names.tolist() == ["", "cf.", ""]
    assert references.report.open_names == {"cf.": 1}


def test_placeholders_are_missing_and_counted(library, caplog):
    references = library(table("a,unclassified,undef,ACGT", "b,Aus,s__,ACG", "c,Aus,None,AC"))
    assert references.lineages["species"].tolist() == [""] * 3
    assert references.report.placeholders == {"unclassified": 1, "undef": 1, "s__": 1}
    assert "3 labels name no taxon" in caplog.text


def test_other_markers_are_left_out_and_counted(library, caplog):
    rows = [
        f"a{n},Aus,Aus duo,{'ACGT' * (n + 1)},{marker}"
        for n, marker in enumerate(
            ("COI-5P", "ITS2", "rbcL", "COI-3P", "COI-5PNMT1", "", "CO1", "COII")
        )
    ]
    references = library(table(*rows, columns="processid,genus,species,nuc,marker_code"))
    assert references.ids == ["a0", "a3", "a5", "a6"]
    markers = {"ITS2": 1, "rbcL": 1, "COI-5PNMT1": 1, "COII": 1}
    assert references.report.other_markers == markers
    assert references.report.records == 8
    assert "left out 4 records of another marker" in caplog.text


def test_nothing_but_other_markers_is_an_error(library):
    with pytest.raises(BarcodeMAEError, match=r"no barcode left.*another marker.*\(ITS2\)"):
        library(table("a,ACGT,ITS2", columns="id,nuc,marker_code"))


@pytest.mark.parametrize(
    "columns",
    [
        "processid,genus_reg,species_reg,nucraw",
        "Process ID,Genus,Species,Sequence",
        "seqID,GENUS,SPECIES,nuc",
        "Feature ID,genus_name,species_name,dna_barcode",
    ],
)
def test_columns_as_people_call_them(library, columns):
    references = library(table("a,Aus,Aus duo,ACGT", columns=columns))
    assert references.ids == ["a"] and references.lineages["species"].tolist() == ["Aus duo"]


def test_repeated_ids_are_told_apart(library, caplog):
    references = library(table("a,Aus,,ACGT", "a,Bus,,GGG"))
    assert references.ids == ["a", "a:2"] and "told apart as ID:RECORD" in caplog.text


ROWS = st.tuples(
    st.sampled_from(["ACGT", "GGGG", "TTTA"]),
    st.sampled_from(["", "Aus", "Bus"]),
    st.sampled_from(["", "Aus unus", "Aus duo", "Aus sp."]),
)


@settings(max_examples=40)
@given(st.lists(ROWS, min_size=1, max_size=12))
def test_no_label_is_lost_and_none_is_made_up(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("library")
    frame = pd.DataFrame(rows, columns=["nucleotides", "genus", "species"])
    frame.to_csv(folder / "library.csv", index=False)
    references = read_references(folder / "library.csv", cache_dir=folder, progress=False)
    assert references.copies.sum() == len(rows)
    frame.loc[(frame.genus == "") & frame.species.isin(["Aus unus", "Aus duo"]), "genus"] = "Aus"
    lineages = references.lineages.assign(barcode=references.barcodes)
    for barcode, before in frame.groupby("nucleotides"):
        after = lineages[lineages["barcode"] == barcode]
        for rank in ("genus", "species"):
            named, kept = set(before[rank]) - {""}, set(after[rank]) - {""}
            assert kept <= named and (kept == named or named - kept == {"Aus sp."})
        assert not after[["genus", "species"]].duplicated().any()
        for one in before.itertuples():
            agreeing = after[after["genus"].isin([one.genus] if one.genus else after["genus"])]
            assert len(agreeing)


def test_copies_are_equal_as_a_whole_and_cut_afterwards(merged):
    begin = "ACGTAC" * 110
    found = merged(table(f"a,Aus,Aus unus,{begin}AAA", f"b,Bus,Bus duo,{begin}CCC"))
    assert found["genus"][:] == ["Aus", "Bus"]
    assert set(found["nucleotides"][:]) == {begin}


def test_a_number_after_an_id_makes_it_no_other_record_s(library):
    found = library("id,nucleotides,genus\nA,ACGTA,Aus\nA,ACGTC,Aus\nA:2,ACGTG,Aus\n")
    assert found.ids == ["A", "A:2:2", "A:2"]


@pytest.mark.parametrize("column", ["Sample ID", "sampleid", "processid", "catalog_number", "name"])
def test_a_repeated_id_costs_no_other_its_own(library, caplog, column):
    found = library(f"{column},nucleotides,genus\nL1,ACGTA,Aus\nL2,ACGTC,Aus\nL1,ACGTG,Aus\n")
    assert found.ids == ["L1", "L2", "L1:3"]
    assert "1 ids of library repeat; they are told apart as ID:RECORD" in caplog.text


def test_columns_that_give_no_names_are_told(library, caplog):
    rows = "L1,ACGTA,Aus,Aus unus,X\nL2,ACGTC,Aus,Aus duo,X\n"
    library(f"id,nucleotides,Gattung,Art,Land\n{rows}")
    assert "library.csv: no record got a genus or a species" in caplog.text
    assert "not used: Gattung, Art, Land" in caplog.text and "genus, species" in caplog.text
    caplog.clear()
    library(f"id,nucleotides,genus,Art,Land\n{rows}", "named.csv")
    assert not caplog.text


def test_a_species_name_gives_a_record_its_genus(library, caplog):
    told = {"Aedes aegypti": "Aedes", "Argynnis c-album": "Argynnis"}
    silent = ["Aedes sp.", "Aedes sp", "Aedes cf. aegypti", "Aedes", "Aedes BOLD:AAA1234"]
    silent += ["Aedes indet", "aegypti", "Aedes aegypti formosus", "Culicidae minor"]
    names = [*told, *silent]
    rows = [f"{n},,,{name},{'ACGT' * (n + 2)}" for n, name in enumerate(names)]
    rows += ["x,,Stegomyia,Aedes aegypti,TTTT", "y,Aedes,,Aedes minor,CCCC"]
    found = library(table(*rows, columns=FAMILIES))
    genera = [told.get(name, "") for name in names]
    assert found.lineages["genus"].tolist() == [*genera, "Stegomyia", ""]
    assert found.lineages["species"].tolist() == [*names, "Aedes aegypti", "Aedes minor"]
    assert list(found.report.genera_of_species.values()) == [2]
    assert "2 records of" in caplog.text and "taken from their species' names" in caplog.text


def test_a_genus_of_a_name_joins_no_copies_that_disagree(library):
    rows = ("a,,,Aedes aegypti,ACGT", "b,,Stegomyia,,ACGT", "c,,Aedes,,ACGT")
    found = library(table(*rows, columns=FAMILIES))
    assert set(found.lineages["genus"]) == {"Aedes", "Stegomyia"} and found.report.conflicts == 1


def test_an_epithet_alone_gets_its_genus(library):
    rows = "A,ACGTA,Aus,minor\nB,ACGTC,Bus,minor\nC,ACGTG,,minor\nD,ACGTT,Aus,Aus minor\n"
    found = library(f"id,nucleotides,genus,species\n{rows}").lineages["species"].tolist()
    assert found == ["Aus minor", "Bus minor", "minor", "Aus minor"]


def test_a_reference_is_not_cut_before_its_region_is_found(library):
    long = "T" * 900 + "ACGTACGT"
    assert library(f"id,nucleotides,genus\nA,{long},Aus\n").barcodes == [long]
