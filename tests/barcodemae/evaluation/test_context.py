import numpy as np
import pytest
from scipy import sparse

from barcodemae import BarcodeMAEModel
from barcodemae.encoders.corruption import Corruption
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.kmer_frequencies import KmerFrequencies
from barcodemae.encoders.pretrained import BarcodeMAEEncoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import context as context_module
from barcodemae.evaluation.context import Row
from barcodemae.identification.placement import Placement
from barcodemae.presets import preset_config


class Counting(KmerFrequencies):
    """Tells how many barcodes it has embedded, and can be stopped."""

    embedded, stop_after = 0, None
    num_offsets, knows_frames, finds_region = 4, True, False

    def embed(self, sequences, offset=0, corruption=None):
        if self.stop_after is not None and self.embedded >= self.stop_after:
            raise KeyboardInterrupt
        self.embedded += len(sequences)
        return super().embed(sequences, offset, corruption)


def test_a_stopped_evaluation_goes_on_where_it_was(table, make_context, monkeypatch):
    monkeypatch.setattr(context_module, "_SHARD", 16)
    stopped = Counting(3)
    stopped.stop_after = 32
    with pytest.raises(KeyboardInterrupt):
        make_context(table).embed(Row("m", stopped), make_context(table).reference)
    encoder, context = Counting(3), make_context(table)
    found = context.embed(Row("m", encoder), context.reference)
    assert encoder.embedded == len(context.reference) - 32
    np.testing.assert_array_equal(
        found.vectors, KmerFrequencies(3).embed(context.reference.sequences)
    )
    assert found.wall_seconds > 0


def test_sets_that_share_a_split_share_its_embeddings(table, make_context):
    context, encoder = make_context(table), Counting(3)
    context.embed(Row("m", encoder), context.clustering)
    context.embed(Row("m", encoder), context.query)
    assert encoder.embedded == len(context.clustering)


def test_offsets_are_averaged(table, make_context):
    context, encoder = make_context(table), Counting(3)
    row = Row("m", encoder, variant=("offsets",))
    found = context.embed(row, context.query).vectors
    sequences = context.query.sequences
    expected = np.mean([encoder.embed(sequences, offset) for offset in range(4)], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_sparse_embeddings_survive_the_store(table, make_context):
    context, row = make_context(table), Row("m", KmerFrequencies(7))
    first, again = (context.embed(row, context.query).vectors for _ in range(2))
    assert sparse.issparse(again) and (first != again).nnz == 0


def test_aligned_is_an_inference_option(table, make_context):
    context = make_context(table)
    config = preset_config("barcodemae-tiny", initializer_range=0.2)
    embedder = Embedder(BarcodeMAEModel(config), "cpu")
    encoder = BarcodeMAEEncoder(embedder, 8, "tiny")
    row = Row("m", encoder, variant=("aligned",))
    query = context.query.sequences
    aligned, starts = Placement(context.reference.sequences).align(query)
    expected = embedder.embed(aligned, starts=starts)
    np.testing.assert_allclose(context.embed(row, context.query).vectors, expected, atol=1e-5)
    with pytest.raises(BarcodeMAEError, match="not measured with the option `aligned`"):
        context.embed(row, context.query, Corruption("drop", 0.5, 0))


@pytest.mark.parametrize(
    ("variant", "changes"),
    [((), False), (("offsets",), False), (("whiten",), False), (("discriminants",), True)],
)
def test_what_reads_the_references_labels_is_kept_by_them(table, make_context, variant, changes):
    row = Row("m", KmerFrequencies(3), variant=variant)
    relabelled = table.assign(genus=table["genus"].iloc[::-1].to_numpy())
    before, after = (make_context(each).fingerprint(row) for each in (table, relabelled))
    assert (before != after) == changes
    fewer = make_context(table[table["processid"] != "P0-0-0"]).fingerprint(row)
    assert (fewer != before) == (variant not in ((), ("offsets",)))
