import json

import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.recipe import PAPER, read_recipe
from barcodemae.evaluation.run_report import read_results

MODEL = {"label": "a", "model": "kmer:3"}
RUN = {"title": "t", "tasks": ["genus-probe"], "models": [MODEL]}


def test_the_papers_recipe_is_one():
    assert read_recipe(PAPER)["runs"]


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ([RUN], "no `runs`"),
        ({"runs": RUN}, "must be a list of runs"),
        ({"runs": ["t"]}, "must be a list of runs"),
        ({"runs": [{"title": "t"}]}, "run 1 needs title, tasks and models"),
        ({"runs": [{**RUN, "tasks": "genus-probe"}]}, "must be lists"),
        ({"runs": [{**RUN, "models": MODEL}]}, "must be lists"),
        ({"runs": [{**RUN, "models": ["kmer:3"]}]}, "must be lists"),
        ({"runs": [{**RUN, "models": [{"label": "a"}]}]}, "needs a label, and model or weights"),
        ({"runs": [{**RUN, "models": [{**MODEL, "label": 5}]}]}, "as text, in quotes"),
        ({"runs": [RUN], "settings": ["rank"]}, "settings must be names"),
        ({"runs": [RUN], "settings": {"rank": 5}}, "rank is 5; the default is 'genus'"),
        ({"runs": [RUN], "settings": {"seed": None}}, "seed is None"),
        ({"runs": [RUN], "settings": {"shares": 0.5}}, "shares is 0.5"),
        ({"runs": [RUN], "left_out": ["x"]}, "left_out needs"),
    ],
)
def test_a_malformed_recipe_is_named_with_what_it_lacks(tmp_path, recipe, said):
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    with pytest.raises(BarcodeMAEError, match=f"recipe.yaml: .*{said}"):
        read_recipe(path)


def test_a_recipe_that_is_no_utf8_is_named(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"runs: [\xf6]")
    with pytest.raises(BarcodeMAEError, match="recipe.yaml: not YAML"):
        read_recipe(path)


RECORD = {"model": "a", "task": "t", "metric": "m", "value": 0.5, "interval": None}
RECORD |= {"settings": {}, "seed": 0}
RESULTS = {
    **dict.fromkeys(("settings", "models", "points", "versions", "machine"), {}),
    **dict.fromkeys(("skipped", "warnings"), []),
    "created": "today",
    "data": {"sha256": {}, "barcodes": {}},
    "records": [RECORD],
}


def test_results_that_are_incomplete_are_not_merged(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(RESULTS))
    assert read_results(tmp_path) == RESULTS
    broken = [{**RESULTS, name: 5} for name in RESULTS if name != "records"]
    broken += [{key: RESULTS[key] for key in RESULTS if key != name} for name in RESULTS]
    broken += [{**RESULTS, "data": {}}, {**RESULTS, "records": [{"model": "a"}]}]
    faulty = ({"value": "high"}, {"settings": None}, {"interval": [1, "2"]}, {"model": 3})
    broken += [{**RESULTS, "records": [{**RECORD, **fault}]} for fault in faulty]
    broken += [[RESULTS], "text"]
    for results in broken:
        path.write_text(json.dumps(results))
        with pytest.raises(BarcodeMAEError, match="results.json: (incomplete|not the results)"):
            read_results(tmp_path)
    path.write_bytes(b"\xff")
    with pytest.raises(BarcodeMAEError, match="results.json: damaged"):
        read_results(tmp_path)
