"""Lineages as reference libraries write them, in headers and alone."""

import pytest

from barcodemae.data.headers import HEADER_FORMATS, recognise
from barcodemae.data.lineage_text import is_lineage, lineage_of

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
NAMES = ("Animalia", "Arthropoda", "Insecta", "Diptera", "Muscidae", "Musca", "Musca domestica")
LINEAGE = dict(zip(RANKS, NAMES, strict=True))
MIDORI = "root_1;Eukaryota_2759;Arthropoda_6656;Insecta_50557;Diptera_7147;Muscidae_7366;Musca_7369"


@pytest.mark.parametrize(
    ("text", "lineage"),
    [
        (";".join(NAMES), LINEAGE),
        (";".join(NAMES) + ";", LINEAGE),
        (";".join(NAMES[:6]), {rank: LINEAGE[rank] for rank in RANKS[:6]}),
        (";".join(NAMES[1:]), {rank: LINEAGE[rank] for rank in RANKS[1:]}),
        (";".join(NAMES[:3]), {rank: LINEAGE[rank] for rank in RANKS[:3]}),
        ("; ".join(f"{r[0]}__{n}" for r, n in LINEAGE.items()), LINEAGE),
        (",".join(f"{r[0]}:{n}" for r, n in LINEAGE.items()).replace(" ", "_"), LINEAGE),
        ("d__Eukaryota;p__Arthropoda;g__Musca", {"phylum": "Arthropoda", "genus": "Musca"}),
        (
            "k__Animalia;p__;g__Musca;s__domestica",
            {"kingdom": "Animalia", "genus": "Musca"} | {"species": "Musca domestica"},
        ),
        ("Animalia(100);Arthropoda(99);Insecta(80);", {r: LINEAGE[r] for r in RANKS[:3]}),
        (f"{MIDORI};Musca domestica_7370", {rank: LINEAGE[rank] for rank in RANKS[1:]}),
        ("Eukaryota;Animalia;Arthropoda;Insecta", {rank: LINEAGE[rank] for rank in RANKS[:3]}),
        ("", {}),
        (";;;", {}),
    ],
)
def test_lineages(text, lineage):
    assert lineage_of(text) == lineage


def test_what_is_no_lineage():
    assert not is_lineage("Musca domestica")
    assert not is_lineage("count=1; merged={}; taxid=9000;")
    assert is_lineage("k__Animalia") and is_lineage("a;b;c")


SPECIES = {"genus": "Musca", "species": "Musca domestica"}
HEADERS = {
    "sintax": ("A1;tax=k:Animalia,g:Musca,s:Musca_domestica;", SPECIES | {"kingdom": "Animalia"}),
    "midori2": (
        f"A1.1.<1.>658###{MIDORI};Musca domestica_7370",
        {rank: LINEAGE[rank] for rank in RANKS[1:]},
    ),
    "dada2": (";".join(NAMES) + ";", LINEAGE),
    "lineage": ("A1 k__Animalia;g__Musca;s__Musca domestica", SPECIES | {"kingdom": "Animalia"}),
    "bold": ("A1|Musca domestica|COI-5P|KJ123", SPECIES | {"marker": "COI-5P"}),
    "obitools": ("A1 count=2; taxid=7370; species_name=Musca domestica;", SPECIES),
    "genbank": ("KJ123456.1 Musca domestica voucher X cytochrome oxidase (COI) gene", SPECIES),
    "species": ("A1 Musca domestica", SPECIES),
    "plain": ("A1 some words 12", {}),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_are_recognised_and_taken_apart(name):
    header, columns = HEADERS[name]
    style = recognise([header] * 3)
    id, found = style.parts(header)
    assert (style.name, found) == (name, columns)
    expected = {"dada2": "", "midori2": "A1.1.<1.>658", "genbank": "KJ123456.1"}
    assert id == expected.get(name, "A1")


def test_every_format_is_tested_and_its_example_fits_it():
    assert set(HEADERS) == set(HEADER_FORMATS)
    for style in list(HEADER_FORMATS.values())[:-1]:
        assert style.matches(style.example[1:])


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (
            "A1|COI-5P|BOLD:AAA1234|Musca domestica",
            SPECIES | {"marker": "COI-5P"} | {"dna_bin": "BOLD:AAA1234"},
        ),
        ("A1|Muscidae|COI-5P", {"family": "Muscidae", "marker": "COI-5P"}),
        (
            "A1|Pieris cf. rapae|COI-5P",
            {"genus": "Pieris", "species": "Pieris cf. rapae"} | {"marker": "COI-5P"},
        ),
        (
            "A1|Animalia,Arthropoda,Insecta,Diptera,Muscidae,Musca,Musca domestica|COI-5P",
            LINEAGE | {"marker": "COI-5P"},
        ),
    ],
)
def test_fields_of_bold_in_any_order(header, columns):
    assert HEADER_FORMATS["bold"].parts(header) == ("A1", columns)


def test_a_lineage_of_two_names_is_one_too():
    top = {"kingdom": "Animalia", "phylum": "Arthropoda"}
    headers = {"dada2": "Animalia;Arthropoda", "lineage": "A1 Animalia;Arthropoda;"}
    for name, header in headers.items():
        assert recognise([header]).name == name
        assert HEADER_FORMATS[name].parts(header)[1] == top


def test_a_subgenus_is_not_taken_for_the_species():
    header = "KJ123456.1 Musca (Musca) domestica isolate 7"
    found = HEADER_FORMATS["genbank"].parts(header)[1]
    assert found == {"genus": "Musca", "species": "Musca (Musca) domestica"}


def test_plain_headers_stay_plain():
    for headers in (["Sample 1", "Sample 2"], ["ASV0;size=100;sample=S1"], ["seq0 {'count':1}"]):
        assert recognise(headers).name == "plain"
    assert recognise(["A1 Musca domestica", "A2 x", "A3"]).name == "plain"


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("odd", ["", "x", "x y", "x|y", "x;y"])
def test_a_header_that_is_in_no_format_among_others_keeps_its_id(read, write, name, odd):
    headers = [HEADERS[name][0].replace("A1", f"A{n}") for n in range(20)]
    fasta = "".join(f">{header}\nACG{'T' * n}\n" for n, header in enumerate([*headers, odd]))
    barcodes = read(write("a.fa", fasta), header_format=name, ids="keep")
    assert barcodes["processid"][-1] == (odd.split()[0] if odd else "a:21")
