import numpy as np
import pytest
from scipy import sparse
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import transforms


@pytest.fixture
def reference():
    generator = np.random.default_rng(0)
    labels = np.repeat(list("abcdef"), 30)
    vectors = generator.normal(size=(180, 8)) @ generator.normal(size=(8, 8)) + 3
    return (vectors + 0.5 * (labels[:, None] == np.array(list("abcdefgh")))).astype("f4"), labels


def test_centring_takes_the_reference_mean_off_the_queries(reference):
    vectors, labels = reference
    transform = transforms.fit(("centre",), vectors, labels)
    np.testing.assert_allclose(transform(vectors[:5]), vectors[:5] - vectors.mean(0), atol=1e-5)


def test_whitening_gives_the_reference_unit_variance(reference):
    vectors, labels = reference
    # A dimension that repeats another holds nothing but rounding errors of its own.
    vectors = np.hstack([vectors, vectors[:, :1]])
    white = transforms.fit(("whiten",), vectors, labels)(vectors)
    assert white.shape == (180, 8)
    np.testing.assert_allclose(np.cov(white.T), np.eye(8), atol=1e-3)


def test_discriminants_are_those_of_scikit_learn(reference):
    vectors, labels = reference
    labels = np.where(np.arange(180) % 9 == 0, "", labels)  # some without a label
    found = transforms.fit(("discriminants",), vectors, labels)(vectors)
    expected = LinearDiscriminantAnalysis().fit(vectors[labels != ""], labels[labels != ""])
    np.testing.assert_allclose(found, expected.transform(vectors), atol=1e-4)


def test_discriminants_need_labels(reference):
    vectors, _ = reference
    for labels in (np.full(180, ""), np.arange(180).astype(str)):
        with pytest.raises(BarcodeMAEError, match="at least two taxa and several barcodes"):
            transforms.fit(("discriminants",), vectors, labels)


def test_sparse_and_wide_vectors_are_reduced_first():
    vectors = sparse.random(60, 3000, 0.05, format="csr", random_state=0, dtype=np.float32)
    for given in (vectors, vectors.toarray()):
        assert transforms.fit(("centre",), given, np.full(60, ""))(given).shape == (60, 59)
    reduced, other = transforms.dense(vectors, vectors[:7])
    assert reduced.shape == (60, 59) and other.shape == (7, 59)
    np.testing.assert_allclose(reduced[:7], other, atol=1e-5)


def test_without_options_nothing_changes(reference):
    vectors, labels = reference
    assert transforms.fit(("offsets",), vectors, labels)(vectors) is vectors


def test_variants_are_read():
    read = transforms.parse_variants("offsets, whiten+offsets")
    assert read == [("offsets",), ("offsets", "whiten")]
    assert transforms.parse_variants("") == []
    assert transforms.parse_variants("centre,whiten+centre,centre+whiten,centre") == [
        ("centre",),
        ("centre", "whiten"),
    ]
    with pytest.raises(BarcodeMAEError, match="no inference option 'pca'"):
        transforms.parse_variants("pca")


@pytest.mark.parametrize("option", ["centre", "whiten", "discriminants"])
def test_one_reference_is_too_few_to_fit_anything_on(reference, option):
    vectors, labels = reference
    with pytest.raises(BarcodeMAEError, match=f"{option} is fitted on the references.*two or more"):
        transforms.fit((option,), vectors[:1], labels[:1])
