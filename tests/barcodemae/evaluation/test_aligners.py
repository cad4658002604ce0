import shutil

import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import aligners
from barcodemae.evaluation.aligners import Aligner

SPECS = ["vsearch", "vsearch:sintax", "blast", "blast:blastn"]


def test_ties_go_by_identity_length_and_place(tmp_path):
    # query, reference, score, identity, length
    (tmp_path / "hits.tsv").write_text(
        "0\t3\t500\t98.0\t600\n0\t1\t500\t99.0\t590\n0\t2\t500\t99.0\t600\n0\t0\t499\t100\t600\n"
        "1\t2\t10\t90\t50\n1\t1\t10\t90\t50\n"
    )
    hits = aligners._best_hits(tmp_path / "hits.tsv", ["a", "b", "c", "d"])
    assert list(hits) == [(0, "c", 0.99, 2), (1, "b", 0.9, 1)]


@pytest.mark.parametrize("spec", SPECS)
def test_the_nearest_reference_gives_the_name(spec, table):
    program = {"vsearch": "vsearch", "blast": "blastn"}[spec.partition(":")[0]]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    reference = table[table["split"] == "train"]
    query = table[table["split"] == "test"]
    random = "ACGTTGCATTCGGATCCAAT" * 3  # like no reference
    named = Aligner(spec, threads=1).name_queries(
        reference["nucleotides"].tolist(),
        reference["genus"].tolist(),
        [*query["nucleotides"].tolist(), random],
        seed=0,
    )
    assert named.labels[:-1] == query["genus"].tolist()
    if spec != "vsearch:sintax":
        assert named.labels[-1] == aligners.NO_HIT
    assert named.wall_seconds > 0 and named.cpu_seconds > 0


@pytest.mark.parametrize(("spec", "package"), [("vsearch", "vsearch"), ("blast", "ncbi-blast")])
def test_a_missing_program_is_named_with_its_package(monkeypatch, spec, package):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BarcodeMAEError, match=f"not installed .*{package}"):
        Aligner(spec, threads=1)


def test_what_a_failing_program_said_is_passed_on(tmp_path):
    with pytest.raises(BarcodeMAEError, match="No such file|cannot access"):
        aligners._run(["ls", str(tmp_path / "absent")])
