import numpy as np
import pytest
from scipy import sparse
from sklearn.neighbors import KNeighborsClassifier

from barcodemae.identification import neighbours
from barcodemae.identification.neighbours import nearest, vote


@pytest.fixture
def vectors():
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(20, 32))
    labels = generator.integers(0, 20, 700), generator.integers(0, 20, 150)
    reference, query = (centres[of] + 1.5 * generator.normal(size=(len(of), 32)) for of in labels)
    return reference.astype(np.float32), query.astype(np.float32), labels[0]


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("held", [700 * 64, 1 << 26])
def test_labels_are_those_of_scikit_learn(vectors, monkeypatch, k, held):
    monkeypatch.setattr(neighbours, "_SIMILARITIES", held)
    reference, query, labels = vectors
    similarities, indices = nearest(reference, query, k)
    found, _ = vote(similarities, labels[indices])
    # scikit-learn hands distances to the weights; ours are similarities, none below 0.
    expected = KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda d: np.clip(1 - d, 0, None)
    ).fit(reference, labels)
    np.testing.assert_array_equal(found, expected.predict(query))


def test_similarities_are_cosines_and_fall(vectors):
    reference, query, _ = vectors
    similarities, indices = nearest(reference, query, 4)
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (reference, query)]
    expected = np.take_along_axis(unit[1] @ unit[0].T, indices, axis=1)
    np.testing.assert_allclose(similarities, expected, atol=1e-5)
    assert (np.diff(similarities, axis=1) <= 0).all()


def test_sparse_vectors_give_what_dense_ones_give(vectors):
    reference, query, _ = (np.maximum(array, 0) for array in vectors)
    dense = nearest(reference, query, 3)
    csr = nearest(sparse.csr_matrix(reference), sparse.csr_matrix(query), 3)
    np.testing.assert_array_equal(dense[1], csr[1])
    np.testing.assert_allclose(dense[0], csr[0], atol=1e-6)


def test_a_vector_of_zeros_is_similar_to_nothing():
    similarities, _ = nearest(np.eye(3, dtype=np.float32), np.zeros((1, 3), np.float32))
    assert similarities[0, 0] == 0


def test_of_equal_votes_the_nearest_wins():
    winners, shares = vote(np.array([[0.8, 0.5, 0.3]]), np.array([[7, 2, 2]]))
    assert winners.tolist() == [7] and shares[0] == pytest.approx(0.5)
    assert vote(np.array([[0.8, 0.5, 0.4]]), np.array([[7, 2, 2]]))[0].tolist() == [2]


@pytest.mark.parametrize("k", [0, 4])
def test_more_neighbours_than_references_are_refused(k):
    with pytest.raises(ValueError, match="3 references"):
        nearest(np.eye(3), np.eye(3), k)


def test_other_dimensions_are_refused():
    with pytest.raises(ValueError, match="3"):
        nearest(np.eye(3), np.eye(2))


def test_a_low_temperature_lets_the_nearest_decide_and_a_high_one_the_most():
    similarities, codes = np.array([[0.8, 0.5, 0.4]]), np.array([[7, 2, 2]])
    winners, shares = vote(similarities, codes, temperature=0.02)
    assert winners.tolist() == [7] and shares[0] > 0.999
    assert vote(similarities, codes, temperature=10.0)[0].tolist() == [2]
