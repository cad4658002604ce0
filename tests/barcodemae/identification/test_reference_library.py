import csv

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from typer.testing import CliRunner

from barcodemae import BarcodeMAEModel
from barcodemae.cli import app
from barcodemae.data import read_barcodes, write_simulated
from barcodemae.encoders import load_encoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.reference_library import ReferenceLibrary
from barcodemae.presets import preset_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Simulated barcodes, b.csv, and a model with random weights, model/."""
    folder = tmp_path_factory.mktemp("library")
    sizes = {"orders": 2, "families": 4, "genera": 12, "species": 120, "barcodes": 1500}
    write_simulated(folder / "b.csv", 0, unlabelled=0.2, progress=False, **sizes)
    torch.manual_seed(0)
    BarcodeMAEModel(preset_config("barcodemae-tiny")).save_pretrained(folder / "model")
    return folder


def read(folder, split, **options):
    return read_barcodes(folder / "b.csv", split=split, cache_dir=folder, **options)


@pytest.mark.parametrize("spec", ["kmer:4", "kmer:7", "model"])
@pytest.mark.parametrize("neighbours", [1, 3])
def test_names_are_those_of_scikit_learn(folder, spec, neighbours):
    encoder = load_encoder(str(folder / spec) if spec == "model" else spec, "cpu")
    reference, query = read(folder, "train"), read(folder, "val_unseen")
    library = ReferenceLibrary(encoder, reference, ["family", "genus"], progress=False)
    found = library.name(query["nucleotides"][:], neighbours)
    vectors, queries = (encoder.embed(part["nucleotides"][:]) for part in (reference, query))
    for rank in ("family", "genus"):
        weighted = KNeighborsClassifier(neighbours, metric="cosine", weights=lambda d: 1 - d)
        weighted.fit(vectors, reference[rank][:])
        assert (found[rank].taxa == weighted.predict(queries)).mean() > 0.98  # ties
        distances, places = weighted.kneighbors(queries)
        np.testing.assert_allclose(found[rank].similarities, 1 - distances[:, 0], atol=1e-5)
        same = found[rank].nearest == np.array(reference["processid"][:])[places[:, 0]]
        assert same.mean() > 0.98
        assert (found[rank].votes <= 1 + 1e-6).all() and found[rank].votes.max() > 0.99


def test_a_barcode_of_the_library_is_named_as_it_is_labelled(folder):
    reference = read(folder, "train")
    encoder = load_encoder(str(folder / "model"), "cpu")
    options = ("aligned", "offsets", "centre")
    library = ReferenceLibrary(encoder, reference, ["species"], options, progress=False)
    cut = [barcode[5:] for barcode in reference["nucleotides"][:50]]
    found = library.name([*cut, "NNNNNNNN"])["species"]
    assert (found.taxa[:50] == np.array(reference["species"][:50])).mean() > 0.9
    assert found.taxa[50] == found.nearest[50] == "" and found.similarities[50] == 0


def test_a_reference_counts_where_it_is_labelled(folder):
    reference = read(folder, "train")
    species = [None if row % 2 else name for row, name in enumerate(reference["species"][:])]
    half = reference.remove_columns("species").add_column("species", species)
    encoder = load_encoder("kmer:4")
    library = ReferenceLibrary(encoder, half, ["genus", "species"], progress=False)
    found = library.name([reference["nucleotides"][1]])
    assert found["genus"].nearest == [reference["processid"][1]]
    assert found["species"].nearest != [reference["processid"][1]]
    assert found["species"].taxa[0] in species


def identify(folder, *options):
    given = ["identify", folder / "q.fasta", "--reference", folder / "b.csv", *options]
    return CliRunner().invoke(app, list(map(str, given)), catch_exceptions=False)


def test_the_command_writes_a_row_for_each_barcode_and_rank(folder):
    query = read(folder, "val_unseen")
    rows = zip(query["processid"][:], query["nucleotides"][:], strict=True)
    (folder / "q.fasta").write_text("".join(f">{name}\n{barcode}\n" for name, barcode in rows))
    output = folder / "names.tsv"
    options = ["--model", "kmer:6", "--reference-split", "train", "-o", output]
    result = identify(folder, *options, "--inference", "centre")
    assert result.exit_code == 0 and f"{len(query)} barcodes named" in result.output
    found = list(csv.DictReader(output.open(), delimiter="\t"))
    assert [(row["id"], row["rank"]) for row in found[:2]] == [
        (query["processid"][0], "genus"),
        (query["processid"][0], "species"),
    ]
    right = [
        row["taxon"] == genus for row, genus in zip(found[::2], query["genus"][:], strict=True)
    ]
    assert np.mean(right) > 0.9
    assert {row["nearest"] for row in found} <= set(read(folder, "train")["processid"][:])


def test_bad_input_is_told_with_the_remedy(folder):
    (folder / "q.fasta").write_text(">q\nACGTACGTACGT\n")

    def refused(*options):
        with pytest.raises(BarcodeMAEError) as error:
            identify(folder, *options, "-o", folder / "x.tsv")
        assert not (folder / "x.tsv").exists()
        return str(error.value)

    kmers = ["--model", "kmer:4"]
    assert "tribe: no such rank; ranks: " in refused(*kmers, "--ranks", "tribe")
    assert "no inference option 'white'" in refused(*kmers, "--inference", "white")
    assert "cannot be aligned for this model" in refused(*kmers, "--inference", "aligned")
    assert "at most that many" in refused(*kmers, "--neighbours", "1000")
    fasta = ["identify", str(folder / "q.fasta"), "--reference", str(folder / "q.fasta"), *kmers]
    with pytest.raises(BarcodeMAEError, match="no barcode has a genus. Give a table"):
        CliRunner().invoke(app, [*fasta, "-o", str(folder / "x.tsv")], catch_exceptions=False)
