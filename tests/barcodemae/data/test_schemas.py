import pytest

from barcodemae.data.schemas import COLUMNS, RANKS, delimiter_of, match_columns

BIOSCAN_5M = (
    "processid,sampleid,taxon,phylum,class,order,family,subfamily,genus,species,dna_bin,"
    "dna_barcode,country,province_state,coord-lat,coord-lon,image_measurement_value,area_fraction,"
    "scale_factor,inferred_ranks,split,index_bioscan_1M_insect,chunk"
)
CANADA_1_5M = (
    "processid,sampleid,dna_bin,phylum,class,order,family,genus,species,dna_barcode,"
    "sequence_len,split"
)
AUTHORS = (
    "nucleotides,order_name,family_name,subfamily_name,genus_name,species_name,bin_uri,"
    "genus_index,species_index"
)


@pytest.mark.parametrize(
    ("header", "absent"),
    [
        (BIOSCAN_5M, set()),
        (CANADA_1_5M, {"subfamily"}),
        (AUTHORS, {"processid", "split", "phylum", "class"}),
    ],
)
def test_published_schemas_are_recognised(header, absent):
    names = header.split(",")
    columns = match_columns(names)
    assert set(columns) == set(COLUMNS) - {"kingdom"} - absent
    for column, index in columns.items():
        if column in RANKS:
            assert names[index] in (column, f"{column}_name")
    assert names[columns["nucleotides"]] in ("dna_barcode", "nucleotides")


def test_of_two_aliases_the_preferred_one_wins():
    assert match_columns(["bin_uri", "dna_bin", "dna_barcode", "nucleotides"]) == {
        "dna_bin": 1,
        "nucleotides": 3,
    }


def test_case_and_space_do_not_matter():
    assert match_columns([" ProcessID", '"Genus_Name" ']) == {"processid": 0, "genus": 1}


@pytest.mark.parametrize("delimiter", ["\t", ",", ";"])
def test_delimiter(delimiter):
    assert delimiter_of(delimiter.join(["processid", "genus", "nucleotides"])) == delimiter
