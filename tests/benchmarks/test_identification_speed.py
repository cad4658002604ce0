import json
import sys

import numpy as np
import pandas as pd
import pytest

from benchmarks import identification_speed


def test_a_table_grows_by_copies_that_differ_in_few_letters(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), 658)) for _ in range(5)]
    table = pd.DataFrame({"processid": list("abcde"), "nucleotides": texts, "genus": "Aus"})
    table["split"] = ["train"] * 4 + ["val"]
    table.to_csv(tmp_path / "few.tsv", sep="\t", index=False)
    identification_speed.grow(tmp_path / "few.tsv", tmp_path / "many.tsv", 12, "train", 0)
    many = pd.read_csv(tmp_path / "many.tsv", sep="\t")
    assert len(many) == 12 and many["processid"].is_unique and "split" not in many
    assert many["nucleotides"][:4].tolist() == texts[:4]
    for name, text in zip(many["processid"][4:], many["nucleotides"][4:], strict=True):
        original = texts["abcde".index(name[0])]
        differing = np.mean([a != b for a, b in zip(text, original, strict=True)])
        assert 0 < differing < 0.07


def test_processor_time_is_that_of_the_command_and_a_failure_is_told(tmp_path):
    busy = "import time\nwhile time.process_time() < 0.2: pass"
    found = identification_speed._run([sys.executable, "-c", busy], 1, tmp_path)
    assert 0.2 <= found["processor"] < 2 and found["day"] > 0.1
    with pytest.raises(RuntimeError, match="status 3"):
        identification_speed._run([sys.executable, "-c", "raise SystemExit(3)"], 1, tmp_path)


def test_the_start_is_taken_off_and_programs_are_compared_round_by_round():
    def runs(*seconds):
        return [{"processor": each, "day": 2 * each} for each in seconds]

    times = {
        "identify": {101: runs(3, 3, 5), 1: runs(1, 1, 1)},
        "vsearch": {101: runs(30, 30, 40), 1: runs(10, 10, 10)},
    }
    found = json.loads(json.dumps(identification_speed._summary(times, 101)))["vsearch"]
    assert found["processor"]["identify_is_quicker"] == [10, 8, 10]
    assert found["processor"]["identify_is_quicker_without_start"] == 10
    assert found["processor"]["queries_per_second_without_start"] == 5
    assert found["day"]["seconds"] == [60, 60, 80]
