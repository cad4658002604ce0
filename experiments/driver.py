"""Goes through the runs in order, as far as the time reaches; the next call goes on from there."""

from __future__ import annotations

import enum
import fcntl
import json
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.aligners import Aligner, is_aligner
from benchmarks.timing import machine
from experiments.judging import Judge, can_cluster, needs_clustering
from experiments.matrix_rate import matrix_rate
from experiments.results import Results
from experiments.training import training_record
from experiments.work import Work

# Of a slice: the last part is left for the checkpoint, and nothing is begun in the one before it.
_FOR_THE_CHECKPOINT, _TOO_SHORT = 0.05, 0.1


class Stage(enum.Enum):
    """What a run needs next."""

    TRAINING = "to be trained"
    JUDGING = "trained, to be judged"
    CLUSTERING = "judged, but for the clustering"
    DONE = "done"
    BLOCKED = "cannot be done here"


class Slice:
    """The time that there is until everything has to be on disk."""

    def __init__(self, minutes: float, clock: Callable[[], float]):
        self.minutes = minutes
        self._clock = clock
        self._start = clock()

    def left(self) -> float:
        """Minutes."""
        return self.minutes - (self._clock() - self._start) / 60

    def is_over(self) -> bool:
        """Whether there is too little left to begin anything."""
        return self.left() < _TOO_SHORT * self.minutes

    def for_training(self) -> float:
        """Minutes after which a training has to save and stop."""
        return max(self.left() - _FOR_THE_CHECKPOINT * self.minutes, 0.001)


class Driver:
    """Does what is left to do.

    Args:
        works: runs with their seeds, in order.
        judge: evaluates them.
        folder: of the results.
        data: barcodes, for training too.
        launcher: trains, see `training.launch`.
        accelerate_config: file of the launcher, or none.
        cpu: train on the CPU.
        trains: whether to train at all.
        clusters: whether to cluster here; else the embeddings wait for it.
        manifest: its file, for the record; "" is the project's own.
    """

    def __init__(
        self,
        works: Sequence[Work],
        judge: Judge,
        folder: Path,
        data: Sequence[str],
        launcher: Callable[..., int],
        accelerate_config: str = "",
        cpu: bool = False,
        trains: bool = True,
        clusters: bool = True,
        manifest: str = "",
    ):
        self.works = works
        self.judge = judge
        self.folder = folder
        self.data = data
        self.options = {"accelerate_config": accelerate_config, "cpu": cpu}
        self.trains = trains
        self.clusters = clusters and can_cluster()
        self.launcher = launcher
        self.manifest = manifest
        self.results = Results(folder / "results.jsonl")
        self.failed: list[str] = []

    def state(self, work: Work) -> tuple[Stage, str]:
        """What a run needs next, and a word more on it."""
        row = self.results.find(work.key)
        if row is not None:
            self._check_same(work, row)
            return (Stage.CLUSTERING if needs_clustering(work, row) else Stage.DONE), ""
        try:
            work.run.check_arguments()
            if is_aligner(work.model):
                Aligner(work.model, threads=1)
        except BarcodeMAEError as error:
            return Stage.BLOCKED, str(error)
        if work.is_trained():
            return Stage.JUDGING, ""
        if work.steps():
            return Stage.TRAINING, f"goes on from step {work.steps()}"
        if work.origin and not work.origin.is_trained():
            return Stage.TRAINING, f"after {work.origin.key}, which is to be trained before"
        return Stage.TRAINING, ""

    def _check_same(self, work: Work, row: dict) -> None:
        """A run of another manifest, or of this one before it was changed, is another run."""
        if (row["arguments"], row["epochs"]) != (dict(work.run.arguments), work.epochs):
            raise BarcodeMAEError(
                f"{self.results.path}: its run {work.key} was made with other arguments or epochs "
                "than the manifest has. Give another folder with -o, or remove the line."
            )

    def left(self) -> Iterator[tuple[Work, Stage, str]]:
        """What can be done here and has not failed, in order."""
        for work in self.works:
            stage, word = self.state(work)
            here = {
                Stage.TRAINING: self.trains,
                Stage.JUDGING: True,
                Stage.CLUSTERING: self.clusters,
            }.get(stage, False)
            needed = {each.key for each in work.chain()}
            if here and not needed & set(self.failed):
                yield work, stage, word

    def run(self, time_slice: Slice) -> None:
        """Work until the time is over or nothing is left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with sole_owner(self.folder / ".lock") as lock:
            self.judge.check()
            while (todo := next(self.left(), None)) and not time_slice.is_over():
                work, stage, _ = todo
                if stage is Stage.TRAINING:
                    # What it starts from was judged elsewhere or not asked for, but is needed here.
                    work = next(each for each in work.chain() if not each.is_trained())
                try:
                    self._advance(work, stage, time_slice, lock)
                except Exception as error:  # whatever it was, the others go on
                    self.failed.append(work.key)
                    if not isinstance(error, BarcodeMAEError):
                        traceback.print_exc()
                    print(f"{work.key}: FAILED: {error}", flush=True)

    def _advance(self, work: Work, stage: Stage, time_slice: Slice, lock: int) -> None:
        if stage is Stage.TRAINING:
            self._train(work, time_slice, lock)
        elif stage is Stage.JUDGING:
            self._judge(work, time_slice)
        else:
            self._cluster(work)

    def _train(self, work: Work, time_slice: Slice, lock: int) -> None:
        self._say(work, f"training, {time_slice.left():.1f} minutes left")
        log, start = self.folder / "logs" / f"{work.key}.log", time.time()
        status = self.launcher(
            work.run.module,
            work.arguments(self.data, time_slice.for_training(), self.options["cpu"]),
            log,
            keep_open=[lock],
            **self.options,
        )
        spent = {"key": work.key, "started": start, "seconds": time.time() - start}
        with (self.folder / "slices.jsonl").open("a") as file:
            file.write(json.dumps({**spent, "step": work.steps(), "status": status}) + "\n")
        if status:
            said = log.read_text(errors="replace").strip().splitlines()[-5:]
            raise BarcodeMAEError(f"training ended with status {status}; {log}: " + "\n".join(said))
        if not work.is_trained() and not time_slice.is_over():
            raise BarcodeMAEError(f"training ended early, at step {work.steps()}: see {log}")

    def _judge(self, work: Work, time_slice: Slice) -> None:
        self._say(work, "judging")
        run = work.run
        row = {
            "key": work.key,
            "name": run.name,
            "group": run.group,
            "kind": run.kind,
            "baseline": run.baseline,
            "seed": work.seed,
            "scale": work.scale,
            "epochs": work.epochs,
            "module": run.module,
            "arguments": dict(run.arguments),
            "after": work.origin.key if work.origin else "",
            "manifest": self.manifest,
            "machine": machine(),
            "data": self.judge.digests(),
            **training_record(work, self.data),
            "records": [],
        }
        self._add_share(row)
        for task in self.judge.judge(work):
            if time_slice.is_over():
                return  # what was found is in the cache
            found = task()
            row["records"] = row["records"] + found.pop("records", [])
            row |= found
        self.results.put(row)
        self._tidy(work)
        torch.cuda.empty_cache()  # for the training that comes next

    def _add_share(self, row: dict) -> None:
        """Which share of the machine's matrix products training was worth."""
        if "flops_per_barcode" not in row:
            return
        precision = "bf16" if row["arguments"].get("mixed_precision") == "bf16" else "fp32"
        rates = self.folder / "matrix_rates.json"
        device = "cpu" if self.options["cpu"] else None
        row["matrix_rate"] = matrix_rate(rates, row["hardware"], precision, device)
        processes = int(row["hardware"].split(" x ")[0])
        arithmetic = row["barcodes_per_second"] * row["flops_per_barcode"]
        row["share_of_matrix_rate"] = arithmetic / (row["matrix_rate"] * processes)

    def _cluster(self, work: Work) -> None:
        self._say(work, "clustering")
        row = self.results.find(work.key)
        row["records"] = row["records"] + self.judge.cluster(work.key, row)
        self.results.put(row)
        self._tidy(work)

    def _tidy(self, work: Work) -> None:
        """Remove what only an unfinished run needs; its models stay."""
        spent = [self.judge.cache(work.key), work.folder / "checkpoints"]
        for folder in (*spent, work.folder / "embeddings"):
            shutil.rmtree(folder, ignore_errors=True)

    def _say(self, work: Work, what: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {work.key}: {what}", flush=True)


@contextmanager
def sole_owner(path: Path) -> Iterator[int]:
    """Hold a lock; give its file descriptor, by which others can be made to hold it too.

    Raises:
        BarcodeMAEError: somebody has it.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BarcodeMAEError(
                f"{path.parent}: another driver works there, or a training that one left behind. "
                "Wait for it or end it, or give another folder with -o."
            ) from error
        yield file.fileno()
