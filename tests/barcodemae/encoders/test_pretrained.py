import numpy as np
import pytest
import torch

from barcodemae import BarcodeMAEModel
from barcodemae.encoders import load_encoder
from barcodemae.encoders.corruption import Corruption
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.tokens import kmer_ids
from barcodemae.errors import BarcodeMAEError
from barcodemae.presets import preset_config


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(7)
    folder = tmp_path_factory.mktemp("checkpoint")
    BarcodeMAEModel(preset_config("barcodemae-tiny")).save_pretrained(folder)
    return folder


def test_a_checkpoint_embeds_as_the_embedder_does(checkpoint, sequences):
    encoder = load_encoder(str(checkpoint), "cpu")
    expected = Embedder.from_pretrained(checkpoint, "cpu").embed(sequences, offset=2)
    np.testing.assert_allclose(encoder.embed(sequences, offset=2), expected, atol=1e-5)
    assert encoder.num_offsets == 4 and encoder.settings["dimensions"] == 128


def test_dropped_tokens_are_never_read_and_the_others_keep_their_positions(checkpoint, sequences):
    encoder = load_encoder(str(checkpoint), "cpu")
    sequences = [sequences[0], sequences[1][:200]]
    corruption = Corruption("drop", 0.5, 0)
    found = encoder.embed(sequences, corruption=corruption)
    masked = corruption.masked(sequences, [75, 50])
    ids, lengths = kmer_ids(sequences, 4)
    for row, length in enumerate(lengths):
        visible = torch.from_numpy(np.flatnonzero(~masked[row, :length]))
        with torch.inference_mode():
            output = encoder.embedder.model(
                torch.from_numpy(ids[row])[visible][None], None, visible[None]
            )
        np.testing.assert_allclose(found[row], output.pooler_output[0].numpy(), atol=1e-5)


def test_masked_tokens_are_mask_ids(checkpoint, sequences):
    encoder = load_encoder(str(checkpoint), "cpu")
    corruption = Corruption("mask", 0.3, 0)
    found = encoder.embed(sequences[:1], corruption=corruption)
    ids, _ = kmer_ids(sequences[:1], 4)
    ids[corruption.masked(sequences[:1], [75])] = 257  # [MASK]
    with torch.inference_mode():
        expected = encoder.embedder.model(torch.from_numpy(ids))
    np.testing.assert_allclose(found, expected.pooler_output.numpy(), atol=1e-5)
    dropped = encoder.embed(sequences[:1], corruption=Corruption("drop", 0.3, 0))
    assert abs(dropped - found).max() > 1e-4


def test_untrained_weights_follow_the_seed(checkpoint, sequences):
    first, again, other = (
        load_encoder(f"untrained:{checkpoint}", "cpu", seed=s) for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.embed(sequences[:2]), again.embed(sequences[:2]))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.fingerprint != load_encoder(str(checkpoint), "cpu").fingerprint


def test_a_checkpoint_with_cls_is_pooled_by_the_mean_or_by_it(checkpoint, sequences, tmp_path):
    torch.manual_seed(7)
    model = BarcodeMAEModel(preset_config("barcodemae-tiny", cls_token=True))
    model.save_pretrained(tmp_path)
    mean, cls = load_encoder(str(tmp_path), "cpu"), load_encoder(f"cls:{tmp_path}", "cpu")
    for encoder, pooling in ((mean, "mean"), (cls, "cls")):
        expected = Embedder(model, "cpu", pooling).embed(sequences)
        np.testing.assert_allclose(encoder.embed(sequences), expected, atol=1e-5)
        nothing_dropped = encoder.embed(sequences, corruption=Corruption("drop", 1e-9, 0))
        np.testing.assert_allclose(nothing_dropped, expected, atol=1e-5)
    assert mean.fingerprint != cls.fingerprint
    assert (mean.settings["pooling"], cls.settings["pooling"]) == ("mean over real k-mers", "[CLS]")
    with pytest.raises(BarcodeMAEError, match=r"no \[CLS\]"):
        load_encoder(f"cls:{checkpoint}", "cpu")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BarcodeMAEError, match=r"no config\.json"):
        load_encoder(str(tmp_path))
