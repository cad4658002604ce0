import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from barcodemae.identification import softmax_regression


@pytest.fixture
def cloud():
    """Four taxa that overlap, far from the origin."""
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 4, 400)
    centres = np.array([[0, 0], [2, 0], [0, 2], [1, 3]])
    return (generator.normal(size=(400, 2)) + centres[codes] + 20).astype("f4"), codes


def test_probabilities_are_those_of_the_optimum(cloud):
    embeddings, codes = cloud
    layer = softmax_regression.fit(embeddings, codes, epochs=300)
    with torch.no_grad():
        found = layer(torch.from_numpy(embeddings)).softmax(dim=1).numpy()
    theirs = LogisticRegression(C=np.inf, max_iter=1000).fit(embeddings - 20, codes)
    np.testing.assert_allclose(found, theirs.predict_proba(embeddings - 20), atol=0.01)


def test_the_fit_follows_the_seed(cloud):
    first, again, other = (
        softmax_regression.fit(*cloud, epochs=2, seed=seed).weight for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_each_pass_is_told(cloud):
    told = []
    layer = softmax_regression.fit(*cloud, epochs=3, after_epoch=lambda *given: told.append(given))
    assert [number for number, _, _ in told] == [1, 2, 3]
    assert told[0][2] == pytest.approx(np.log(4), abs=0.5) and told[2][2] < told[0][2]
    assert torch.equal(told[2][1].weight, layer.weight)
