"""The training step: that of `train.pretrain`, as it is run, and the plain baseline's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from benchmarks.flops import forward_flops
from benchmarks.plain_baseline import PlainBarcodeMAE, PlainTokenizer
from benchmarks.timing import CLOCKS, ratio, summary, synchronize, take_turns
from train.loop.arguments import PretrainArguments
from train.masked_lm.masking import MaskingCollator
from train.pretrain import Pretraining

PARTS = ("data", "forward", "backward", "optimizer")


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
        self.model, self.optimizer = self.run.model, self.run.optimizer.optimizer
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
    """Barcodes a second, share of the machine's ceiling, parts of the step, peak memory."""
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
    config = ours.run.config
    batch = ours.data()
    length, visible = batch["input_ids"].shape[1], batch["num_visible"]
    needed = 3 * forward_flops(config, length, visible, batch["num_predicted"])
    equality = losses_and_gradients(ours)
    product = MatrixProduct(precision, ours.run.accelerator.device)
    works: dict[str, Callable] = {"ceiling": product.multiply}
    works |= {name: _step(contestant) for name, contestant in contestants.items()}
    times = take_turns(works, repeats, warm_up=1 if cpu else 5, clock=clock)
    ceiling = product.flops / summary(times["ceiling"], 1)["seconds"]
    rows = {}
    for name, contestant in contestants.items():
        row = summary(times[name], batch_size)
        row["share_of_ceiling"] = row["barcodes_per_second"] * needed / ceiling
        row["faster_than_plain"] = ratio(times["plain baseline"], times[name])
        row["parts"] = parts_of_step(contestant, repeats, clock)
        row["peak_memory_bytes"] = _peak_memory(contestant)
        row["synchronisations"] = _synchronisations(contestant)
        rows[name] = row
    plain = contestants["plain baseline"]
    executed = 3 * forward_flops(config, *plain_shape(plain))
    return {
        "preset": preset,
        "precision": precision,
        "batch_size": batch_size,
        "gflop_per_barcode": needed / 1e9,
        "plain_gflop_per_barcode": executed / 1e9,
        "fewer_flops_than_plain": executed / needed,
        "ceiling_tflop_per_second": ceiling / 1e12,
        **equality,
        "contestants": rows,
    }


def plain_shape(plain: Plain) -> tuple[int, int, int, int]:
    """Tokens, visible ones, logits, and encoder slots of a batch of the plain baseline."""
    tokens = plain.data()
    counts = (~plain.model.mask(tokens)).sum(dim=1)
    width = int(counts.max())
    return tokens.shape[1], width, tokens.shape[1], width


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


class MatrixProduct:
    """A product of two large square matrices of the precision that is trained in."""

    def __init__(self, precision: str, device: torch.device):
        size = 8192 if device.type == "cuda" else 2048
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.matrix = torch.randn(size, size, device=device).to(dtype)
        self.flops = 2.0 * size**3

    @torch.inference_mode()
    def multiply(self) -> None:
        torch.mm(self.matrix, self.matrix)


def _step(contestant: Ours | Plain) -> Callable[[], None]:
    return lambda: contestant.learn(contestant.data())


def parts_of_step(contestant: Ours | Plain, repeats: int, clock: str = "day") -> dict[str, float]:
    """Median seconds of data, forward, backward and optimizer.

    Measured apart from the whole step: it takes waiting for the device between the parts.
    """
    marks: list[float] = []

    def mark(*_) -> None:
        synchronize()
        marks.append(CLOCKS[clock]())

    model: nn.Module = contestant.model
    hooks = [
        model.register_forward_pre_hook(mark),
        model.register_forward_hook(mark),
        contestant.optimizer.register_step_pre_hook(mark),
        contestant.optimizer.register_step_post_hook(mark),
    ]
    rounds = []
    for _ in range(repeats):
        marks.clear()
        mark()
        batch = contestant.data()
        mark()
        contestant.learn(batch)
        begin, read, forward, forwarded, optimizer, optimized = marks
        rounds.append([read - begin, forwarded - forward, optimizer - forwarded])
        rounds[-1].append(optimized - optimizer)
    for hook in hooks:
        hook.remove()
    middle = torch.tensor(rounds).median(dim=0).values.tolist()
    return dict(zip(PARTS, middle, strict=True))


def _synchronisations(contestant: Ours | Plain) -> int | None:
    """How often a step makes the program wait for the GPU; None on a CPU."""
    if not torch.cuda.is_available():
        return None
    batch = contestant.data()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        contestant.learn(batch)
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def _peak_memory(contestant: Ours | Plain) -> int | None:
    """Most bytes on the GPU in a step; None on a CPU, where contestants cannot be told apart."""
    if not torch.cuda.is_available():
        return None
    torch.cuda.reset_peak_memory_stats()
    _step(contestant)()
    synchronize()
    return torch.cuda.max_memory_allocated()
