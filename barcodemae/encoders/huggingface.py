"""Any transformers encoder, with its own tokenizer."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
import transformers
import yaml
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoTokenizer

from barcodemae.encoders import Options, split_revision
from barcodemae.encoders.corruption import KINDS, Corruption
from barcodemae.encoders.embedder import usable_device
from barcodemae.encoders.pretrained import hash_weights
from barcodemae.errors import BarcodeMAEError, first_line

_POOLINGS = ("mean", "cls")


@dataclass(frozen=True)
class Entry:
    """How an encoder is used; the defaults serve one that the table does not know.

    Attributes:
        name: what the tables call it.
        id: Hub id or directory.
        tokenization: in words, for the report.
        special_tokens: whether the tokenizer's own (CLS, SEP) are put around a barcode.
        pooling: "mean" over the tokens, special ones left out, or "cls", the first token.
        max_nucleotides, max_tokens: where a barcode is cut.
        packages: modules that its code needs, besides torch and transformers.
        auto_class: the transformers class that loads it.
        remote_code: whether it needs code from its repository.
        revision: commit that weights and code are taken from; None: the newest, and no code.
    """

    name: str
    id: str
    tokenization: str = "its own tokenizer"
    special_tokens: bool = False
    pooling: str = "mean"
    max_nucleotides: int = 660
    max_tokens: int = 512
    packages: list[str] = field(default_factory=list)
    auto_class: str = "AutoModel"
    remote_code: bool = False
    revision: str | None = None


@cache
def known_entries() -> dict[str, Entry]:
    """The paper's baselines by name and by Hub id."""
    rows = yaml.safe_load(Path(__file__).with_name("baselines.yaml").read_text())
    entries = [Entry(**row) for row in rows]
    return {key: entry for entry in entries for key in (entry.name, entry.id)}


def known_entry(spec: str, revision: str | None) -> Entry | None:
    """The baseline of that name or Hub id, at the revision that is asked for; None: no baseline."""
    entry = known_entries().get(spec)
    return replace(entry, revision=revision) if entry and revision else entry


class HuggingFaceEncoder:
    """A transformers encoder that pools its last layer.

    Tokens are dropped by taking them out of the attention mask, so that the others keep their
    positions; where a model reads no such mask, the others close ranks.

    Raises:
        BarcodeMAEError: a package or the weights are missing, or the model cannot be loaded.
    """

    num_offsets, knows_frames = 1, False
    finds_region = False

    @classmethod
    def from_spec(cls, entry: Entry | None, spec: str, options: Options) -> HuggingFaceEncoder:
        """A baseline, or (`entry` None) an encoder that no table knows: ID or ID@REVISION.

        Raises:
            BarcodeMAEError: it needs code from its repository, which may not be run.
        """
        name, revision = split_revision(spec)
        if entry is None:
            wanted = options.remote_code == "any"
            entry = Entry(name=name, id=name, remote_code=wanted, revision=revision)
            if Path(name).exists():
                return cls(entry, options.device, options.batch_size)
        if entry.remote_code and options.remote_code == "none":
            raise BarcodeMAEError(
                f"{entry.name} needs code from its repository {entry.id}, which is run on this "
                "machine with your rights. Read it, and allow it with --trust-remote-code."
            )
        if entry.remote_code and entry.revision is None:
            raise BarcodeMAEError(
                f"{entry.name} needs code from its repository {entry.id}, which is run at a fixed "
                f"commit alone: look one up at https://huggingface.co/{entry.id}/commits/main and "
                f"give --model {entry.id}@COMMIT, its 40 letters."
            )
        return cls(entry, options.device, options.batch_size)

    def __init__(self, entry: Entry, device: str | None = None, batch_size: int = 64):
        if entry.pooling not in _POOLINGS:
            allowed = " or ".join(_POOLINGS)
            raise BarcodeMAEError(f"{entry.name}: pooling {entry.pooling!r} is not {allowed}")
        missing = [name for name in entry.packages if importlib.util.find_spec(name) is None]
        if missing:
            packages = " ".join(name.replace("_", "-") for name in missing)
            raise BarcodeMAEError(
                f"{entry.name} ({entry.id}) needs packages that are not installed: "
                f"{', '.join(missing)}. pip install {packages}"
            )
        self.entry = entry
        self.batch_size = batch_size
        self.device = usable_device(device)
        self.tokenizer, model = _load(entry)
        self.model = model.to(self.device).eval()
        self.accepts = set(inspect.signature(self.model.forward).parameters)
        has_mask = self.tokenizer.mask_token_id is not None
        self.corruptions: tuple[str, ...] = KINDS if has_mask else ("drop",)
        self.settings = {"encoder": entry.id, **asdict(entry)}
        self.fingerprint = hash_weights(
            self.model, self.settings, sorted(self.tokenizer.get_vocab().items())
        )

    def embed(
        self,
        sequences: Sequence[str],
        offset: int = 0,
        corruption: Corruption | None = None,
        starts: np.ndarray | None = None,
    ) -> np.ndarray:
        """(n, hidden) float32 of n barcodes, `offset` nucleotides cut from the front."""
        entry = self.entry
        cut = [sequence[offset : offset + entry.max_nucleotides] for sequence in sequences]
        encoded = self.tokenizer(
            cut,
            add_special_tokens=entry.special_tokens,
            truncation=True,
            max_length=entry.max_tokens,
            return_special_tokens_mask=True,
        )
        lengths = np.array([len(ids) for ids in encoded["input_ids"]])
        pooled = np.zeros((0, 0), dtype=np.float32)
        order = np.argsort(-lengths, kind="stable")
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            ids, real = _rectangle(encoded["input_ids"], rows, self._padding())
            special, _ = _rectangle(encoded["special_tokens_mask"], rows, 1)
            masked = np.zeros_like(real)
            if corruption is not None:
                masked = self._masked([cut[row] for row in rows], special == 0, corruption)
            output = self._pool(ids, real, special == 1, masked, corruption)
            if start == 0:
                pooled = np.zeros((len(sequences), output.shape[1]), dtype=np.float32)
            pooled[rows] = output
        return pooled

    def _padding(self) -> int:
        return self.tokenizer.pad_token_id or 0

    def _masked(self, sequences: list[str], own: np.ndarray, corruption: Corruption):
        """Put the drawn flags in the places of each barcode's own (not special) tokens."""
        counts = own.sum(axis=1)
        drawn = corruption.masked(sequences, counts.tolist())
        masked = np.zeros_like(own)
        for row, count in enumerate(counts):
            masked[row, own[row]] = drawn[row, :count]
        return masked

    @torch.inference_mode()
    def _pool(self, ids, real, special, masked, corruption: Corruption | None) -> np.ndarray:
        if corruption is not None and corruption.kind == "mask":
            ids = np.where(masked, self.tokenizer.mask_token_id, ids)
            attended = real
        elif "attention_mask" in self.accepts:
            attended = real & ~masked
        else:
            front = np.argsort(~(real & ~masked), axis=1, kind="stable")
            ids, real, special, masked = (
                np.take_along_axis(array, front, axis=1) for array in (ids, real, special, masked)
            )
            attended = real & ~masked
            ids = np.where(attended, ids, self._padding())
        inputs = {"input_ids": torch.from_numpy(np.ascontiguousarray(ids)).to(self.device)}
        if "attention_mask" in self.accepts:
            mask = torch.from_numpy(attended.astype(np.int64))
            inputs["attention_mask"] = mask.to(self.device)
        try:
            states = _last_layer(self.model, inputs)  # (batch, length, hidden)
        except Exception as error:  # as in _load: the code may not be ours
            raise BarcodeMAEError(f"{self.entry.name}: {_in_a_line(error)}") from error
        if self.entry.pooling == "cls":
            return states[:, 0].float().cpu().numpy()
        pooled = torch.from_numpy(real & ~masked & ~special).to(states)
        total = torch.einsum("bl,blh->bh", pooled, states)
        mean = total / pooled.sum(dim=1, keepdim=True).clamp(min=1)
        return mean.float().cpu().numpy()


def _load(entry: Entry):
    trust = {"trust_remote_code": entry.remote_code, "revision": entry.revision or "main"}
    try:
        tokenizer = AutoTokenizer.from_pretrained(entry.id, **trust)
        model = getattr(transformers, entry.auto_class).from_pretrained(entry.id, **trust)
    # Code from a repository raises whatever it likes; one encoder must not end the run.
    except Exception as error:
        raise BarcodeMAEError(
            f"{entry.name} ({entry.id}) cannot be loaded: {_in_a_line(error)}"
        ) from error
    return tokenizer, model


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"


def _last_layer(model, inputs: dict) -> torch.Tensor:
    """Hidden states (batch, length, hidden) of a bare encoder, or under a language-model head."""
    output = model(**inputs, output_hidden_states=True)
    if isinstance(output, tuple):  # some remote code ignores return_dict
        return output[0]
    states = getattr(output, "last_hidden_state", None)
    return output.hidden_states[-1] if states is None else states


def _rectangle(lists: Sequence[Sequence[int]], rows: np.ndarray, filler: int):
    """Ragged lists as (rows, longest) with `filler` on the right, and where there is a value."""
    parts = [torch.tensor(lists[row], dtype=torch.int64) for row in rows]
    filled = pad_sequence([torch.ones_like(part, dtype=torch.bool) for part in parts], True)
    return pad_sequence(parts, True, filler).numpy(), filled.numpy()
