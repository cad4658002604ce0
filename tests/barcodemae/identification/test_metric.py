import numpy as np
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.metric import (
    SHIPPED,
    Scatter,
    pooling_helps,
    save_scatter,
    shipped_scatter,
)


def _vectors(seed: int = 0):
    """Genera that differ along the first 3 of 12 directions, with much noise along the others."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([f"g{number:02d}" for number in range(20)], 6)
    centres = np.pad(np.random.default_rng(9).normal(size=(20, 3)), ((0, 0), (0, 9)))
    spread = np.where(np.arange(12) < 3, 0.1, 3.0)
    vectors = np.repeat(centres, 6, axis=0) + rng.normal(size=(120, 12)) * spread
    return vectors.astype(np.float32), labels


def test_two_scatters_add_up_to_that_of_all_vectors():
    vectors, labels = _vectors()
    whole = Scatter.of(vectors, labels)
    half = np.arange(120) % 2 == 0  # every genus is in both halves
    added = Scatter.of(vectors[half], labels[half]) + Scatter.of(vectors[~half], labels[~half])
    assert added.freedom == whole.freedom == 100
    np.testing.assert_allclose(added.within, whole.within, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(added.means, whole.means, atol=1e-5)


def test_directions_find_what_tells_genera_apart():
    vectors, labels = _vectors()
    directions = Scatter.of(vectors, labels).directions(size=3, ridge=1e-3)
    queries, truth = _vectors(seed=1)

    def right(references, queries):
        references, queries = (
            x / np.linalg.norm(x, axis=1)[:, None] for x in (references, queries)
        )
        return (labels[(queries @ references.T).argmax(axis=1)] == truth).mean()

    assert right(vectors, queries) < 0.5 < 0.9 < right(vectors @ directions, queries @ directions)


def test_vectors_without_a_label_do_not_count():
    vectors, labels = _vectors()
    unlabelled = np.append(labels, "")
    with_more = Scatter.of(np.vstack([vectors, np.full((1, 12), 99, np.float32)]), unlabelled)
    np.testing.assert_array_equal(with_more.within, Scatter.of(vectors, labels).within)


def test_genera_of_one_barcode_do_not_change_the_metric():
    scatter = Scatter.of(np.eye(4, dtype=np.float32), np.array(list("abcd")))
    with pytest.raises(BarcodeMAEError, match="at least two barcodes"):
        scatter.directions()


def test_a_scatter_comes_back_from_its_file_nearly(tmp_path, monkeypatch):
    vectors, labels = _vectors()
    scatter = Scatter.of(vectors, labels)
    save_scatter(scatter, tmp_path / "scatter.safetensors")
    monkeypatch.setattr(
        "barcodemae.identification.metric.SHIPPED", tmp_path / "scatter.safetensors"
    )
    back = shipped_scatter.__wrapped__()
    assert (back.genera == scatter.genera).all()
    np.testing.assert_allclose(back.within, scatter.within, rtol=1e-2, atol=0.5)
    np.testing.assert_allclose(back.means, scatter.means, atol=0.1)


def test_the_shipped_scatter_is_that_of_sites_and_small():
    scatter = shipped_scatter()
    assert scatter.within.shape == (3 * 658, 3 * 658)
    assert len(scatter.genera) == len(scatter.counts) > 5000
    assert SHIPPED.stat().st_size < 8e6


@pytest.mark.parametrize("known, alike", [(True, False), (False, True), (False, False)])
def test_the_scatter_of_other_animals_is_pooled_where_it_helps(known, alike):
    vectors = np.vstack([_vectors()[0], _vectors(seed=1)[0]])
    genera = np.tile(_vectors()[1], 2)
    species = np.arange(len(genera)) // 2
    names = genera if known else np.array([f"other {name}" for name in genera])
    # Animals unlike these differ most along what tells these genera apart.
    others = Scatter.of(20 * (vectors if alike else vectors[:, ::-1]), names)
    assert pooling_helps(vectors, genera, species, others) == (known or alike)
