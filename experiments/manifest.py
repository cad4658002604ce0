"""Which runs there are to be made: a manifest, read and checked."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import yaml

from barcodemae.errors import BarcodeMAEError
from train.finetuning.finetune_arguments import FinetuneArguments
from train.loop.arguments import PretrainArguments
from train.loop.parsing import parse_arguments

MANIFEST = Path(__file__).with_name("manifest.yaml")
# Script: the dataclass of its arguments, and the folder that it writes last.
MODULES = {"pretrain": (PretrainArguments, "last"), "finetune": (FinetuneArguments, "best")}


@dataclass(frozen=True)
class Run:
    """One run with one seed.

    Attributes:
        name: its name in the tables.
        seed: of the training.
        module: script of `train` that makes it; "": nothing is trained.
        arguments: of the script.
        after: the run whose best model it starts from, with the same seed.
        labels: which barcodes keep their labels, where the data says so (`pretraining_pays`).
        model: without a script: what is judged, as in `barcodemae evaluate --model`.
        evaluate: options of `barcodemae evaluate`.
    """

    name: str
    seed: int = 0
    module: str = ""
    arguments: Mapping = field(default_factory=dict)
    after: str = ""
    labels: str = "all"
    model: str = ""
    evaluate: Mapping = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its name on disk."""
        return re.sub(r"[^\w.-]", "-", self.name) + (f"-seed{self.seed}" if self.module else "")

    def folder(self, runs: Path) -> Path:
        return runs / self.key

    def is_trained(self, runs: Path) -> bool:
        if not self.module:
            return True
        return (self.folder(runs) / MODULES[self.module][1] / "training.json").is_file()

    def training(self, runs: Path, data: Sequence[str]) -> list[str]:
        """The command line of its script."""
        given = {**self.arguments, "train_data": list(data), "output_dir": self.folder(runs)}
        if self.after:
            given["model"] = Run(self.after, self.seed, "pretrain").folder(runs) / "best"
        return command_line({**given, "seed": self.seed})

    def evaluation(self, runs: Path, data: Sequence[str], output: Path) -> list[str]:
        """The options of `barcodemae evaluate`."""
        spec = self.model or self.folder(runs) / "best"
        words = ["--model", f"{self.key}={spec}", "-o", str(output)]
        for source in data:
            words += ["--data", source]
        for name, value in self.evaluate.items():
            words += [f"--{name}", str(value)]
        return words

    def check(self) -> None:
        """Raise BarcodeMAEError where it cannot be as it is described."""
        if not self.module:
            if not self.model:
                raise BarcodeMAEError(f"run {self.name!r}: give a `module` or a `model`")
            return
        if self.module not in MODULES:
            allowed = ", ".join(MODULES)
            raise BarcodeMAEError(f"run {self.name!r}: module {self.module!r} is none of {allowed}")
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                parse_arguments(self.training(Path("runs"), ["data"]), MODULES[self.module][0])
        except (SystemExit, ValueError) as error:
            lines = said.getvalue().strip().splitlines()
            reason = lines[-1] if lines else error
            raise BarcodeMAEError(f"run {self.name!r}: train.{self.module}: {reason}") from error


def read_manifest(path: Path = MANIFEST) -> list[Run]:
    """All runs with their first seed, then all with their second, and so on.

    Raises:
        BarcodeMAEError: there is no manifest, or a run cannot be as it is described.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BarcodeMAEError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise BarcodeMAEError(f"{path}: not YAML: {error}") from error
    if not isinstance(found, dict) or "runs" not in found:
        raise BarcodeMAEError(f"{path}: no manifest: it needs `runs`")
    try:
        return list(_runs(found))
    except BarcodeMAEError as error:
        raise BarcodeMAEError(f"{path}: {error}") from error


def _runs(found: dict) -> Iterator[Run]:
    entries = found["runs"]
    most = max((len(entry.get("seeds", [0])) for entry in entries), default=0)
    for place in range(most):
        names: set[str] = set()
        for entry in entries:
            seeds = entry.get("seeds", [0])
            name = entry.get("name")
            if name in names:
                raise BarcodeMAEError(f"run {name!r} stands there twice")
            if entry.get("after") and entry["after"] not in names:
                raise BarcodeMAEError(f"run {name!r}: there is no run {entry['after']!r} before it")
            names.add(name)
            if place < len(seeds):
                yield _run(entry, seeds[place], found)


def _run(entry: dict, seed: int, found: dict) -> Run:
    values = {key: value for key, value in entry.items() if key != "seeds"}
    unknown = values.keys() - {each.name for each in fields(Run)}
    if unknown:
        raise BarcodeMAEError(f"run {entry.get('name')!r}: unknown: {', '.join(sorted(unknown))}")
    common = found.get("defaults", {}).get(entry.get("module"), {})
    values["arguments"] = {**common, **entry.get("arguments", {})}
    values["evaluate"] = {**found.get("evaluate", {}), **entry.get("evaluate", {})}
    run = Run(**values, seed=seed)
    run.check()
    return run


def command_line(arguments: Mapping) -> list[str]:
    """Arguments as a script of `train` reads them."""
    words = []
    for name, value in arguments.items():
        several = value if isinstance(value, list) else [value]
        words += [f"--{name}", *map(str, several)]
    return words
