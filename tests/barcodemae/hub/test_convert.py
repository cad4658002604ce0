"""Files of the authors' layouts with random weights; what converts must embed as they did."""

import argparse
import itertools
import pickle

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertForTokenClassification, BertModel

from barcodemae import BarcodeMAEForMaskedLM, BarcodeMAEModel, BarcodeMAETokenizer
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.tokens import kmer_ids
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.convert import convert
from barcodemae.hub.export import export

K = 3
SPECIAL = {
    2: ["[MASK]", "[UNK]"],
    3: ["[MASK]", "[CLS]", "[UNK]"],
    5: ["[MASK]", "[CLS]", "[SEP]", "[PAD]", "[UNK]"],
}
CLEAN = ["ACGTTGCAGGCTTATTACCGGA" * 4, "TTGACCA" * 5, "ACGTTGCA" * 100]
AMBIGUOUS = ["ACGTTGNAGGCTTATTRCCGGA" * 4, "NNNNTTGACCA" * 5, "ACGTTGCA" * 100]


def published_tokens(barcode, num_special, max_length=660):
    """The published rules, written down anew: ids and attention mask of one barcode."""
    vocabulary = SPECIAL[num_special] + ["".join(k) for k in itertools.product("ACGT", repeat=K)]
    ids = {token: number for number, token in enumerate(vocabulary)}
    padded = barcode[:max_length].ljust(max_length, "N")
    pieces = [padded[start : start + K] for start in range(0, max_length - K + 1, K)]
    real = min(len(barcode), max_length) // K
    tokens = [ids.get(piece, ids["[UNK]"]) for piece in pieces]
    return torch.tensor([tokens]), torch.tensor([[int(i < real) for i in range(len(pieces))]])


def bert_config(num_special=2):
    torch.manual_seed(0)
    return BertConfig(
        vocab_size=4**K + num_special,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=40,
        num_labels=4**K,
        output_hidden_states=True,
        max_position_embeddings=512,
    )


def save(path, model, config, prefix="", arguments=None, **more):
    """A file as the authors' training writes it."""
    parameter = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.AdamW([parameter], lr=1e-3)
    parameter.sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=10)
    content = {
        "model": {prefix + name: tensor for name, tensor in model.state_dict().items()},
        "optimizer": optimizer.state_dict(),
        "scheduler": schedule.state_dict(),
        "config": argparse.Namespace(dataset="BIOSCAN-5M", k_mer=K, lr=1e-4, **(arguments or {})),
        "epoch": 35,
        "total_step": 1000,
        "n_samples_seen": 128000,
        "bert_config": config.to_dict(),
        "max_accuracy": 12.5,
        "best_epoch": 34,
        **more,
    }
    torch.save(content, path)
    return path


def published_embeddings(model, barcodes, num_special, pool_unknown):
    """(n, hidden): the mean of the last states of plain BertModel, one barcode at a time."""
    embeddings = []
    for barcode in barcodes:
        ids, mask = published_tokens(barcode, num_special)
        with torch.no_grad():
            states = model.eval()(ids, mask).hidden_states[-1]
        weights = mask if pool_unknown else mask * (ids >= num_special)
        embeddings.append((states * weights.unsqueeze(-1)).sum(1) / weights.sum())
    return torch.cat(embeddings).numpy()


def assert_embeds_alike(directory, bert, num_special=2):
    embedder = Embedder.from_pretrained(directory, device="cpu")
    # The published code also pools ambiguous k-mers; on clean barcodes there is no difference.
    for barcodes, pool_unknown in ((CLEAN, True), (CLEAN, False), (AMBIGUOUS, False)):
        expected = published_embeddings(bert, barcodes, num_special, pool_unknown)
        found = embedder.embed(barcodes)
        np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


def test_barcodemae(tmp_path):
    config = bert_config()
    bert = BertModel(config)
    arguments = {"arch": "maelm", "maelm_version": "maelm_v2", "decoder_n_layers": 1}
    arguments |= {"decoder_n_heads": 2, "decoder_embed_dim": 16}
    path = save(tmp_path / "best_pretraining.pt", bert, config, arguments=arguments)
    directory = convert(path, tmp_path / "converted")
    assert_embeds_alike(directory, bert)
    found = BarcodeMAEModel.from_pretrained(directory).config
    assert found.architectures == ["BarcodeMAEModel"]
    assert not found.encoder_sees_mask
    assert (found.decoder_num_hidden_layers, found.decoder_num_attention_heads) == (1, 2)
    assert found.decoder_hidden_size == 16
    assert BarcodeMAETokenizer.from_pretrained(directory).kmer_size == K


def test_special_tokens_take_their_new_places(tmp_path):
    config = bert_config(5)
    bert = BertModel(config)
    old = bert.embeddings.word_embeddings.weight.detach()
    convert(save(tmp_path / "a.pt", bert, config), tmp_path / "converted")
    new = BarcodeMAEModel.from_pretrained(tmp_path / "converted").get_input_embeddings().weight
    assert torch.equal(new[-1], old[0])  # [MASK]
    assert torch.equal(new[-2], old[4])  # [UNK]
    assert torch.equal(new[0], old[5])  # AAA


def test_barcodemae_plus(tmp_path):
    """[CLS] is the third special token, and stood at position 0 before the k-mers."""
    config = bert_config(3)
    bert = BertModel(config).eval()
    arguments = {"arch": "maelm", "maelm_version": "maelm_v2", "use_cls_token": True}
    path = save(tmp_path / "checkpoint_encoder.pt", bert, config, arguments=arguments)
    directory = convert(path, tmp_path / "converted")
    means, cls = [], []
    for barcode in CLEAN:
        ids, lengths = kmer_ids([barcode[:660]], K)
        with torch.no_grad():
            tokens = torch.from_numpy(ids[:, : lengths[0]] + 3).long()
            states = bert(torch.cat([torch.tensor([[2]]), tokens], dim=1)).last_hidden_state[0]
        cls.append(states[0])
        means.append(states[1:].mean(dim=0))
    for pooling, expected in (("mean", means), ("cls", cls)):
        found = Embedder.from_pretrained(directory, "cpu", pooling).embed(CLEAN)
        np.testing.assert_allclose(found, torch.stack(expected).numpy(), atol=2e-6, rtol=0)
    model = BarcodeMAEModel.from_pretrained(directory)
    assert model.config.cls_token and model.config.max_position_embeddings == 511
    old, new = bert.embeddings.word_embeddings.weight, model.get_input_embeddings().weight
    assert torch.equal(new[-2:], old[[1, 0]])  # [UNK] [MASK]


def test_with_mask_variant(tmp_path):
    config = bert_config()
    path = save(
        tmp_path / "a.pt", BertModel(config), config, arguments={"maelm_version": "baseline"}
    )
    found = BarcodeMAEModel.from_pretrained(convert(path, tmp_path / "converted")).config
    assert found.encoder_sees_mask and found.decoder_num_hidden_layers == 2


@pytest.mark.parametrize("num_special", [2, 5])
def test_barcodebert(tmp_path, num_special):
    config = bert_config(num_special)
    bert = BertForTokenClassification(config)
    path = save(tmp_path / "best_pretraining.pt", bert, config, prefix="module.")
    directory = convert(path, tmp_path / "converted")
    assert_embeds_alike(directory, bert, num_special)
    model = BarcodeMAEForMaskedLM.from_pretrained(directory).eval()
    assert model.decoder is None and model.config.encoder_sees_mask
    ids, mask = published_tokens(CLEAN[0], num_special)
    tokens = BarcodeMAETokenizer.from_pretrained(directory)(CLEAN[0], return_tensors="pt")
    with torch.no_grad():
        expected = bert.eval()(ids, mask).logits[:, : tokens["input_ids"].shape[1]]
        torch.testing.assert_close(model(**tokens).logits, expected, atol=1e-6, rtol=0)


def test_oldest_barcodebert_is_a_bare_state_dict(tmp_path):
    config = bert_config(3)
    config.num_attention_heads = 12
    bert = BertForMaskedLM(config)
    weights = {f"module.{name}": tensor for name, tensor in bert.state_dict().items()}
    weights["module.bert.embeddings.position_ids"] = torch.arange(512)[None]
    torch.save(weights, tmp_path / "new_model_3.pth")
    directory = convert(tmp_path / "new_model_3.pth", tmp_path / "converted")
    assert_embeds_alike(directory, bert, 3)


def test_converted_checkpoint_exports(tmp_path):
    config = bert_config()
    convert(save(tmp_path / "best.pt", BertModel(config), config), tmp_path / "converted")
    card = (export(tmp_path / "converted", tmp_path / "repository") / "README.md").read_text()
    assert "converted from `best.pt`" in card
    assert "BIOSCAN-5M" in card and "epoch 35" in card


def test_schedule_of_old_torch_may_refer_to_its_own_method(tmp_path):
    config = bert_config()
    parameter = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.AdamW([parameter])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=10)
    state = {**schedule.state_dict(), "anneal_func": schedule._annealing_cos}
    path = save(tmp_path / "old.pt", BertModel(config), config, scheduler=state)
    convert(path, tmp_path / "converted")


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (self.target, "w")


@pytest.mark.parametrize("where", ["model", "config", "scheduler", "bert_config"])
def test_malicious_pickle_is_refused_and_not_run(tmp_path, where):
    config = bert_config()
    path = save(tmp_path / "evil.pt", BertModel(config), config)
    content = torch.load(path, weights_only=False)
    content[where] = Malicious(str(tmp_path / "pwned"))
    torch.save(content, path)
    with pytest.raises(BarcodeMAEError, match="refused.*nothing of it was run"):
        convert(path, tmp_path / "converted")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.pt"]
    # The file is one that would have run.
    torch.load(path, weights_only=False)
    assert (tmp_path / "pwned").exists()


def test_call_through_getattr_is_not_run(tmp_path):
    """`getattr` is on the allow-list, as a stand-in that gives nothing away."""
    target = str(tmp_path / "pwned")
    code = (
        b"\x80\x02c__builtin__\ngetattr\nc__builtin__\ndict\nX\x08\x00\x00\x00fromkeys\x86R"
        b"X" + len(target).to_bytes(4, "little") + target.encode() + b"\x85R."
    )
    assert pickle.loads(code) == dict.fromkeys(target)  # what it would do
    (tmp_path / "evil.pt").write_bytes(code)
    with pytest.raises(BarcodeMAEError):
        convert(tmp_path / "evil.pt", tmp_path / "converted")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list"),
        ({"model": 3}, "holds no state dict"),
        ({"embeddings.word_embeddings.weight": torch.zeros(66, 8)}, "not those of a BERT"),
        ({"model": {"conv.weight": torch.zeros(2)}}, "not those of a BERT"),
    ],
)
def test_what_is_not_a_checkpoint(tmp_path, content, message):
    torch.save(content, tmp_path / "file.pt")
    with pytest.raises(BarcodeMAEError, match=message):
        convert(tmp_path / "file.pt", tmp_path / "converted")


def test_damaged_absent_and_foreign_vocabulary(tmp_path):
    with pytest.raises(BarcodeMAEError, match="no such file"):
        convert(tmp_path / "absent.pt", tmp_path / "converted")
    config = bert_config()
    path = save(tmp_path / "a.pt", BertModel(config), config)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(BarcodeMAEError, match="damaged"):
        convert(path, tmp_path / "converted")
    config.vocab_size = 5**K + 2
    path = save(tmp_path / "b.pt", BertModel(config), config)
    with pytest.raises(BarcodeMAEError, match="a vocabulary of 127 tokens"):
        convert(path, tmp_path / "converted")
    assert not (tmp_path / "converted").exists()


def test_what_is_no_checkpoint_of_pytorch_is_not_called_hostile(tmp_path):
    path = tmp_path / "barcodes.csv"
    path.write_text("id,nucleotides\na,ACGT\n")
    with pytest.raises(BarcodeMAEError, match=r"barcodes.csv: is not a PyTorch checkpoint.*b'id'"):
        convert(path, tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bert_config": [1]}, "'bert_config' is a list"),
        ({"config": 5}, "'config' is a int"),
        ({"model": {1: torch.zeros(2)}}, "holds no state dict"),
    ],
)
def test_parts_of_other_kinds_are_named(tmp_path, changes, said):
    config = bert_config()
    content = {"model": BertModel(config).state_dict(), "bert_config": config.to_dict()}
    torch.save({**content, **changes}, tmp_path / "x.pt")
    with pytest.raises(BarcodeMAEError, match=said):
        convert(tmp_path / "x.pt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [(lambda t: t * float("nan"), "holds NaN"), (lambda t: t.long(), "and weights are floats")],
)
def test_weights_that_are_none_are_refused(tmp_path, change, said):
    config = bert_config()
    model = BertModel(config)
    weights = model.state_dict()
    name = "encoder.layer.0.output.dense.bias"
    weights[name] = change(weights[name])
    content = {"model": weights, "bert_config": config.to_dict()}
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(BarcodeMAEError, match=f"{name} .*{said}"):
        convert(tmp_path / "x.pt", tmp_path / "out")
