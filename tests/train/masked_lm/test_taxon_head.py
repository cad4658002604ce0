import pytest
import torch

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.identification.lineages import IGNORED
from barcodemae.presets import preset_config
from train.masked_lm.masking import MaskingCollator
from train.masked_lm.taxon_head import SemiSupervised, warmed_up

SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
DECODER = {f"decoder_{name}": value for name, value in SIZES.items()}
VARIANTS = {
    "barcodemae": {},
    "with mask": {"encoder_sees_mask": True},
    "encoder only": {"encoder_sees_mask": True, "decoder_num_hidden_layers": 0},
}
TAXA = torch.tensor([2, IGNORED, 0, 2])


@pytest.fixture(params=VARIANTS)
def model(request):
    torch.manual_seed(0)
    fields = {**SIZES, **DECODER, **VARIANTS[request.param], "cls_token": True}
    config = preset_config("barcodemae-tiny", **fields)
    return SemiSupervised(BarcodeMAEForMaskedLM(config), num_taxa=3).eval()


@pytest.fixture
def batch():
    barcodes = ["ACGTTGCATTGACCAGT" * 9, "ACCA" * 30, "TTGACA" * 20, "GATTACA" * 12]
    return MaskingCollator(4, 0.5, seed=1)(list(enumerate(barcodes)))


def test_the_loss_is_the_cross_entropy_of_labelled_barcodes(model, batch):
    output = model(taxa=TAXA, **batch)
    plain = model.masked_lm(**batch)
    logits = model.classifier(model.norm(plain.cls_state))
    labelled = [0, 2, 3]
    expected = torch.nn.functional.cross_entropy(logits[labelled], TAXA[labelled])
    torch.testing.assert_close(output.taxon_loss / 3, expected)
    assert output.taxa_correct == (logits.argmax(dim=-1) == TAXA).sum()
    assert torch.equal(output.loss, plain.loss) and torch.equal(output.logits, plain.logits)


def test_without_taxa_it_is_the_masked_lm(model, batch):
    found, expected = model(**batch), model.masked_lm(**batch)
    assert torch.equal(found.loss, expected.loss) and type(found) is type(expected)


@pytest.mark.parametrize("weight", [0.0, 0.1])
@pytest.mark.parametrize("taxa", [TAXA, torch.full((4,), IGNORED)], ids=["labels", "no label"])
def test_every_parameter_always_gets_a_gradient(model, batch, weight, taxa):
    # DistributedDataParallel would wait for one that does not: in the warm-up, or without labels.
    output = model(taxa=taxa, **batch)
    (output.loss + weight * output.taxon_loss).backward()
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert [name for name, grad in grads.items() if grad is None] == []
    assert all(grad.isfinite().all() for grad in grads.values())
    assert grads["masked_lm.barcodemae.cls_embedding.weight"].any()
    assert grads["classifier.weight"].any() == bool(weight and (taxa != IGNORED).any())


def test_taxa_can_be_learned(model, batch):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        output = model(taxa=TAXA, **batch)
        optimizer.zero_grad()
        (output.loss + output.taxon_loss).backward()
        optimizer.step()
    assert output.taxon_loss < 0.1 and output.taxa_correct == 3


def test_the_head_is_not_saved_with_the_model(model, batch, tmp_path):
    model.save_pretrained(tmp_path, state_dict=model.state_dict())
    again, info = BarcodeMAEForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert again.config.cls_token and again.config.architectures == ["BarcodeMAEForMaskedLM"]
    # Not to the last bit: MKL may add up otherwise where memory is aligned otherwise.
    torch.testing.assert_close(again.eval()(**batch).logits, model(**batch).logits)


def test_a_weight_grows_linearly_over_its_warm_up():
    assert [warmed_up(0.1, step, 4) for step in (0, 1, 2, 4, 9)] == [0, 0.025, 0.05, 0.1, 0.1]
    assert warmed_up(0.1, 0, 0) == 0.1
