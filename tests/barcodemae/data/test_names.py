import pyarrow as pa
import pytest

from barcodemae.data.names import is_missing, is_placeholder, open_name, open_names, plain_name

PLACEHOLDERS = (
    "unclassified|Unknown|undef|Insecta incertae sedis|Incertae_sedis_X|s__|g:|not applicable|"
    "Unidentified|unclassified Insecta|Insecta_unclassified|uncultured eukaryote|not_assigned|"
    "order_Insecta_50557|Insecta_XX|no hit|missing|?|--|environmental samples"
)
NAMES = (
    "Musca domestica|Apis|Notonecta glauca|Nomada|Unio|Aus incerta|Nonagria typhae|Insecta|X-us|"
    "Pieris sp.|Missulena|Tbdus|Aus ignotus|Notiophilus|Unaspis euonymi|果蝇|Ёж обычный"
)


@pytest.mark.parametrize("name", PLACEHOLDERS.split("|"))
def test_placeholders_name_nothing(name):
    assert is_placeholder(pa.array([name, "Apis"])).to_pylist() == [True, False]


@pytest.mark.parametrize("name", NAMES.split("|"))
def test_names_that_look_a_little_like_placeholders(name):
    assert is_placeholder(pa.array([name, "unclassified"])).to_pylist() == [False, True]


def test_missing_values_in_any_case():
    values = pa.array(["NA", "nan", "NONE", "Null", "-1", "", None, "Nana"])
    assert is_missing(values).to_pylist() == [True] * 7 + [False]
    assert is_missing(pa.array(["NAN", "NA"]), any_case=False).to_pylist() == [False, True]


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("Musca domestica", ""),
        ("Musca domestica calleva", ""),
        ("Musca (Musca) domestica", ""),
        ("Spilogona sponsa", ""),
        ("Pieris sp.", "sp."),
        ("Pieris sp", "sp."),
        ("Pieris sp. 3", "sp."),
        ("Pieris spp.", "sp."),
        ("Pieris n. sp.", "sp."),
        ("Pieris cf. rapae", "cf."),
        ("Pieris cf rapae", "cf."),
        ("Pieris aff. rapae", "aff."),
        ("Pieris nr. rapae", "nr."),
        ("Pieris near rapae", "nr."),
        ("Gammarus sp. BOLD:AAA1234", "BOLD"),
        ("Anopheles gambiae complex", "complex"),
        ("Pieris rapae?", "?"),
        ("Apanteles Rodriguez01", "interim"),
        ("Malaise5892", "interim"),
        ("Musca domestica Linnaeus, 1758", ""),
        ("Musca (Musca) domestica (de Geer 1773)", ""),
        ("Pieris rapae JCR 1834", "interim"),
    ],
)
def test_open_names(name, mark):
    assert open_name(name) == mark
    assert open_names(pa.array([None, name])).tolist() == ["", mark]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("k__Animalia", "Animalia"),
        (" d__Eukaryota", "Eukaryota"),
        ("g:Musca", "Musca"),
        ("Musca domestica_7370", "Musca domestica"),
        ("Insecta(100)", "Insecta"),
        ("Insecta (taxid 50557)", "Insecta"),
        ("s__", ""),
        ("Gammarus", "Gammarus"),
        ("Pieris sp. 2", "Pieris sp. 2"),
        ("s__Pieris_sp_2", "Pieris_sp_2"),
        ("f:Family_1", "Family_1"),
        ("root_1", "root"),
        ('s__"Musca domestica"', "Musca domestica"),
        ('s__Musca "minor"', 'Musca "minor"'),
    ],
)
def test_prefixes_and_tax_ids_come_off(text, name):
    assert plain_name(text) == name
