"""Edit tags at work: the shipped ENBED, and what its thresholds let it do."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from barcodemae.checking.checker import check
from barcodemae.checking.repair import repair
from barcodemae.checking.tagging import WIDTH, Tagger, tokenize
from barcodemae.checking.tags import DROP, INSERT, KEEP, LABELS, REPLACE
from barcodemae.encoders.shipped_models import EDITS, shipped_model

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tagger():
    return Tagger(shipped_model(EDITS))


class Sure:
    """A tagger that is sure of one tag at one place of every barcode."""

    least_to_flag, least_to_edit, least_to_mend = 0.9, 0.9, 0.9
    speaks_alone = True

    def __init__(self, at, tag):
        self.at, self.tag_there = at, tag

    def tag(self, barcodes, starts):
        found = []
        for codes in barcodes:
            tags = np.zeros((len(codes) + 1, len(LABELS)), dtype=np.float32)
            tags[:, KEEP] = 1
            tags[self.at] = np.eye(len(LABELS))[self.tag_there]
            found.append(tags)
        return found


def test_its_python_files_are_the_projects():
    for name in ("configuration_enbed", "modeling_enbed", "tokenization_enbed"):
        there = Path(shipped_model(EDITS)) / f"{name}.py"
        here = PROJECT / "enbed" / f"{name}.py"
        assert here.read_bytes() == there.read_bytes(), f"export the model anew: {name}.py differs"


def test_barcodes_stand_at_their_places_of_the_grid():
    codes = np.array([0, 1, 2, 3, 4], dtype=np.uint8)
    ids, kept = tokenize([codes, np.zeros(800, dtype=np.uint8)], [3, 0])
    assert ids.shape == (2, WIDTH) and kept.tolist() == [5, WIDTH - 1]
    assert ids[0, :10].tolist() == [81, 81, 81, 68, 70, 74, 87, 81, 1, 0]


def test_a_model_without_thresholds_says_that_its_tags_count_for_nothing(tmp_path, caplog):
    shutil.copytree(shipped_model(EDITS), tmp_path / "tags")
    path = tmp_path / "tags" / "config.json"
    config = json.loads(path.read_text())
    del config["least_to_mend"]
    path.write_text(json.dumps(config))
    Tagger(tmp_path / "tags")
    assert "none of its tags counts. Set it to the probability from" in caplog.text


def test_clean_barcodes_are_left_alone(tagger, barcodes):
    for item, barcode in zip(check(barcodes, tagger=tagger), barcodes, strict=True):
        assert item.verdict == "clean" and repair(item, tagger).barcode == barcode


def test_tags_say_which_nucleotide_was_lost(barcodes):
    whole = barcodes[0]
    # Where the profile alone leaves open which nucleotide it was.
    at = next(
        at for at in range(40, 600) if not repair(check([whole[:at] + whole[at + 1 :]])[0]).edits
    )
    broken = whole[:at] + whole[at + 1 :]
    sure = Sure(at, INSERT + "ACGT".index(whole[at]))
    sure.least_to_flag = sure.least_to_edit = 1.1
    sure.speaks_alone = False
    (item,) = check([broken], tagger=sure)
    assert repair(item, sure).barcode.upper() == whole
    sure.least_to_mend = 1.1
    assert repair(item, sure).barcode == broken
    assert check([whole], tagger=sure)[0].tags is None  # there is nothing to ask for


@pytest.mark.parametrize(
    ("tag", "verdict", "edit"),
    [
        (REPLACE + 2, "substitution suspected", "301{}>G"),
        (DROP, "insertion", "301del{}"),
        (INSERT + 1, "deletion", "301insC"),
    ],
)
def test_a_tag_that_is_sure_enough_counts_alone(tag, verdict, edit, barcodes):
    sure = Sure(300, tag)
    (item,) = check(barcodes[:1], tagger=sure)
    assert item.verdict == verdict
    assert [problem.said_by for problem in item.problems] == ["tags"]
    assert repair(item, sure).edits == [edit.format(barcodes[0][300])]
    assert repair(item).edits == []
