"""A manifest of tiny runs, and a launcher that trains in this process."""

import os

from barcodemae.data import write_simulated
from runs import TINY
from train.finetune import Finetuning
from train.finetuning.finetune_arguments import FinetuneArguments
from train.loop.arguments import parse_arguments
from train.pretrain import Pretraining

MANIFEST = f"""
defaults:
  pretrain:
    preset: barcodemae-tiny
    model_overrides: "{TINY}"
    split: [pretrain]
    batch_size: 16
    validate_every: 6
    log_every: 1
    validation_share: 0.1
  finetune: {{ranks: [genus], batch_size: 16}}
evaluation:
  settings:
    reference: train
    query: val_unseen
    clustering: "train,val_unseen"
    seen: val
    umap_grid: [5, 15]
    umap_seeds: [42]
    shares: [0.0, 0.5]
    bootstrap: 20
  variants: "whiten"
  tasks: [genus-probe, species-probe, bin-clustering]
groups:
  first: {{kind: self-supervised, epochs: 1, seeds: [0, 1]}}
  tuned: {{kind: supervised, epochs: 2, variants: "", baseline: large}}
  yardsticks: {{kind: yardstick}}
runs:
  - name: large
    group: first
    module: pretrain
    tasks: [genus-probe, species-probe, bin-clustering, robustness]
  - {{name: tuned, group: tuned, module: finetune, after: large}}
  - {{name: 3-mers, group: yardsticks, module: none, model: "kmer:3", tasks: [genus-probe]}}
  - {{name: BLAST, group: yardsticks, module: none, model: "blast:megablast", tasks: [genus-probe]}}
"""


def write_barcodes(path):
    sizes = {"orders": 2, "families": 4, "genera": 8, "species": 40, "barcodes": 800}
    write_simulated(path, 0, progress=False, unlabelled=0.3, **sizes)


class Launcher:
    """Trains in this process, by a clock of its own; a call can be made to stop, or to fail.

    Attributes:
        calls: (module, arguments) of each training.
        now: seconds, which a training that stops sets ahead by ten minutes.
        next_stops_at: the step after which the next training stops, as if its time were over.
        next_status: with which the next one ends without having done anything.
    """

    def __init__(self):
        self.calls = []
        self.now = 0.0
        self.next_stops_at = self.next_status = 0

    def __call__(self, module, arguments, log, accelerate_config="", cpu=False, keep_open=()):
        assert all(os.fstat(number) for number in keep_open)
        self.calls.append((module, arguments))
        log.parent.mkdir(exist_ok=True)
        log.write_text("trained\n")
        if self.next_status:
            status, self.next_status = self.next_status, 0
            return status
        if module == "pretrain":
            stop = [f"--stop_after={self.next_stops_at}"]
            Pretraining(parse_arguments([*arguments, *stop])).run()
        else:
            Finetuning(parse_arguments(arguments, FinetuneArguments)).run()
        self.now += 600 * bool(self.next_stops_at)
        self.next_stops_at = 0
        return 0
