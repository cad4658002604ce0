"""The training step: that of `train.pretrain`, as it is run, and the plain baseline's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks.plain_baseline import PlainBarcodeMAE, PlainTokenizer
from benchmarks.timing import ratio, summary, synchronize, take_turns
from train.loop.arguments import PretrainArguments
from train.masked_lm.masking import MaskingCollator
from train.pretrain import Pretraining


class Ours:
    """Steps of `train.pretrain` in a run that is never saved."""

    def __init__(self, data: Path, batch_size: int, **arguments):
        self.run = Pretraining(
            PretrainArguments(
                train_data=[str(data)],
                output_dir=str(data.parent / "run"),
                batch_size=batch_size,
                max_steps=100_000,
                **arguments,
            )
        )
        self.run.model.train()
        self.model = self.run.model
        self.batches = iter(self.run.training_batches(0))

    def data(self) -> dict:
        return next(self.batches)

    def learn(self, batch: dict) -> None:
        self.run.step([batch])


class Plain:
    """Steps of the plain baseline, on the barcodes that `ours` trains on."""

    def __init__(self, ours: Ours, batch_size: int, precision: str):
        config = ours.run.config
        self.device = ours.run.accelerator.device
        self.precision = precision
        self.model = PlainBarcodeMAE(config).to(self.device).train()
        self.model.decoder.embeddings.word_embeddings.requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5)
        self.tokenizer = PlainTokenizer(config.kmer_size)
        self.barcodes = self._barcodes(ours, batch_size)

    def _barcodes(self, ours: Ours, batch_size: int) -> Iterator[list[str]]:
        draw = 0
        while True:
            yield [ours.run.training[draw + row][1] for row in range(batch_size)]
            draw += batch_size

    def data(self) -> torch.Tensor:
        """(batch, length) ids."""
        offset = int(torch.randint(self.tokenizer.kmer_size, ()))
        barcodes = next(self.barcodes)
        return torch.stack([torch.tensor(self.tokenizer(b[offset:])) for b in barcodes])

    def learn(self, tokens: torch.Tensor) -> None:
        tokens = tokens.to(self.device)
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        ):
            loss = self.model(tokens, self.model.mask(tokens))
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        loss.item()  # as there: in every step


def compare_steps(
    data: Path,
    preset: str,
    precision: str,
    batch_size: int,
    repeats: int,
    cpu: bool,
    clock: str = "day",
) -> dict:
    """Barcodes a second beside the plain baseline's, how equal the two are, peak memory."""
    common = {
        "preset": preset,
        "mixed_precision": "bf16" if precision == "bf16" else "no",
        "cpu": cpu,
    }
    ours = Ours(data, batch_size, **common)
    contestants: dict[str, Ours | Plain] = {
        "plain baseline": Plain(ours, batch_size, precision),
        "BarcodeMAE": ours,
    }
    if ours.run.accelerator.device.type == "cuda":
        contestants["BarcodeMAE, compiled"] = Ours(data, batch_size, compile=True, **common)
    equality = losses_and_gradients(ours)
    works = {name: _step(contestant) for name, contestant in contestants.items()}
    times = take_turns(works, repeats, warm_up=1 if cpu else 5, clock=clock)
    rows = {}
    for name, contestant in contestants.items():
        row = summary(times[name], batch_size)
        row["faster_than_plain"] = ratio(times["plain baseline"], times[name])
        row["peak_memory_bytes"] = _peak_memory(contestant)
        rows[name] = row
    return {
        "preset": preset,
        "precision": precision,
        "batch_size": batch_size,
        **equality,
        "contestants": rows,
    }


def losses_and_gradients(ours: Ours) -> dict:
    """How far loss and gradients of the two programs differ on equal weights and equal masks.

    On barcodes of one length: the plain baseline's encoder also reads padding.
    """
    model = ours.run.accelerator.unwrap_model(ours.model)
    config = model.config
    collator = MaskingCollator(config.kmer_size, config.mask_ratio, seed=0, random_offset=False)
    batch = collator([(draw, ours.run.training[draw][1][:540]) for draw in range(8)])
    was_training = model.training
    model.eval()  # no dropout
    device = ours.run.accelerator.device
    plain = PlainBarcodeMAE(model.config).to(device).load_from(model).eval()
    masked = (batch["labels"] != -100).to(device)
    labels = batch["labels"].long().to(device)
    tokens = torch.where(masked, labels, batch["input_ids"].long().to(device))
    loss = model(**{k: v.to(device) if torch.is_tensor(v) else v for k, v in batch.items()}).loss
    loss.backward()
    plain_loss = plain(tokens, masked)
    plain_loss.backward()
    pairs = zip(
        (model.head, model.barcodemae.bert.encoder, model.decoder.bert.encoder),
        (plain.head, plain.encoder.encoder, plain.decoder.encoder),
        strict=True,
    )
    difference = max(
        float((p.grad - q.grad).abs().max())
        for ours_part, plain_part in pairs
        for p, q in zip(ours_part.parameters(), plain_part.parameters(), strict=True)
    )
    model.zero_grad()
    model.train(was_training)
    return {
        "loss_difference": abs(loss.item() - plain_loss.item()),
        "largest_gradient_difference": difference,
    }


def _step(contestant: Ours | Plain) -> Callable[[], None]:
    return lambda: contestant.learn(contestant.data())


def _peak_memory(contestant: Ours | Plain) -> int | None:
    """Most bytes on the GPU in a step; None on a CPU, where contestants cannot be told apart."""
    if not torch.cuda.is_available():
        return None
    torch.cuda.reset_peak_memory_stats()
    _step(contestant)()
    synchronize()
    return torch.cuda.max_memory_allocated()
