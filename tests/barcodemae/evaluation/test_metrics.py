import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from barcodemae.evaluation import metrics


@pytest.fixture(params=[int, str])
def labels(request):
    generator = np.random.default_rng(0)
    references = generator.integers(0, 9, 120)
    predictions = np.where(generator.random(120) < 0.6, references, generator.integers(0, 9, 120))
    return {
        "references": references.astype(request.param).tolist(),
        "predictions": predictions.astype(request.param).tolist(),
    }


def test_parity_with_scikit_learn(labels):
    given = labels["references"], labels["predictions"]
    found = metrics.compute("accuracy_with_interval", **labels)
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(*given))
    assert found["interval"][0] < found["accuracy"] < found["interval"][1]


def test_harmonic_mean():
    found = metrics.compute("harmonic_mean", predictions=[0.69, 0.803])
    assert found["harmonic_mean"] == pytest.approx(2 * 0.69 * 0.803 / (0.69 + 0.803))
    assert metrics.compute("harmonic_mean", predictions=[0.0, 0.5])["harmonic_mean"] == 0
    with pytest.raises(ValueError, match="negative"):
        metrics.compute("harmonic_mean", predictions=[-0.1, 0.5])


@pytest.mark.parametrize("name", metrics.NAMES)
def test_each_module_is_a_whole_space(name):
    folder = metrics.FOLDER / name
    assert f'evaluate.load("{name}.py")' in (folder / "app.py").read_text()
    card = (folder / "README.md").read_text()
    assert card.startswith("---\n") and "sdk: gradio" in card
    # A Space holds this folder alone.
    code = (folder / f"{name}.py").read_text()
    assert "import barcodemae" not in code and "from barcodemae" not in code
    assert metrics.load(name).description and metrics.load(name).inputs_description
