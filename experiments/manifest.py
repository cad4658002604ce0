"""Which runs there are to be made: manifest.yaml, read and checked."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import yaml

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.aligners import is_aligner
from barcodemae.evaluation.settings import Settings
from barcodemae.identification.transforms import parse_variants
from train.loop.arguments import parse_arguments

MANIFEST = Path(__file__).with_name("manifest.yaml")
KINDS = ("self-supervised", "semi-supervised", "supervised", "yardstick")
TASKS = ("genus-probe", "species-probe", "bin-clustering", "robustness")
# Script: the dataclass of its arguments, and the argument that names the model it starts from.
MODULES = {
    "pretrain": ("PretrainArguments", None),
    "distill": ("DistillArguments", "teacher"),
    "finetune": ("FinetuneArguments", "model"),
}


@dataclass(frozen=True)
class Run:
    """A line of the manifest, with what it takes from its group.

    Attributes:
        name: its name in the tables; also that of its folder.
        group: runs that compare; equally many barcodes seen.
        kind: the section of the tables, of `KINDS`.
        module: script of `train` that makes it, or none.
        arguments: of the script.
        epochs: passes over the barcodes.
        seeds: one run for each.
        after: the run whose best model it starts from, or learns from.
        model: without a script: what is judged, as in `barcodemae evaluate --model`.
        baseline: the run that it differs from in one thing.
        tasks: of `TASKS`.
        variants: inference options with rows of their own (`barcodemae.identification`).
    """

    name: str
    group: str
    kind: str
    module: str
    arguments: Mapping = field(default_factory=dict)
    epochs: float = 0.0
    seeds: tuple[int, ...] = (0,)
    after: str = ""
    model: str = ""
    baseline: str = ""
    tasks: tuple[str, ...] = TASKS
    variants: str = ""

    def check(self) -> None:
        """Raise BarcodeMAEError where a field holds what is not allowed."""
        wrong = {
            f"kind {self.kind!r} (one of {', '.join(KINDS)})": self.kind not in KINDS,
            f"module {self.module!r} (one of {', '.join(MODULES)}, none)": (
                self.module not in (*MODULES, "none")
            ),
            f"tasks {list(self.tasks)} (of {', '.join(TASKS)})": not set(self.tasks) <= set(TASKS),
            "tasks that need embeddings, and an aligner has none": (
                is_aligner(self.model) and not set(self.tasks) <= set(TASKS[:2])
            ),
            "no seeds": not self.seeds,
            "no `model`, which module none needs": self.module == "none" and not self.model,
            f"epochs {self.epochs} (positive)": self.module in MODULES and not self.epochs > 0,
            "an `after` that its module has no use for": (
                bool(self.after) and not MODULES.get(self.module, (None, None))[1]
            ),
        }
        for fault, is_wrong in wrong.items():
            if is_wrong:
                raise BarcodeMAEError(f"run {self.name!r}: {fault}")
        parse_variants(self.variants)

    def check_arguments(self) -> None:
        """Raise BarcodeMAEError where the script would not take the run's arguments."""
        if self.module == "none":
            return
        name, origin = MODULES[self.module]
        given = {"train_data": "barcodes", "output_dir": "run", **self.arguments}
        if self.after:
            given[origin] = "checkpoint"
        said = io.StringIO()
        try:
            kind = getattr(import_module(f"train.{self.module}"), name)
            with contextlib.redirect_stderr(said):
                parse_arguments(command_line(given), kind)
        except (SystemExit, ValueError, ImportError, AttributeError) as error:
            lines = said.getvalue().strip().splitlines()
            reason = lines[-1] if lines else error
            raise BarcodeMAEError(f"run {self.name!r}: train.{self.module}: {reason}") from error


@dataclass(frozen=True)
class Manifest:
    """All runs in order, and the protocol by which they are judged."""

    runs: tuple[Run, ...]
    settings: Settings

    def run(self, name: str) -> Run:
        """The run `name`.

        Raises:
            BarcodeMAEError: there is none; the message lists those there are.
        """
        for run in self.runs:
            if run.name == name:
                return run
        raise BarcodeMAEError(
            f"there is no run {name!r}. Runs: {', '.join(run.name for run in self.runs)}"
        )

    def select(self, names: Iterable[str] = (), groups: Iterable[str] = ()) -> tuple[Run, ...]:
        """The runs with one of the names or in one of the groups; without either: all of them.

        Raises:
            BarcodeMAEError: there is no such run or group.
        """
        names, groups = set(names), set(groups)
        for name in names:
            self.run(name)
        known = dict.fromkeys(run.group for run in self.runs)
        for group in groups - known.keys():
            raise BarcodeMAEError(f"there is no group {group!r}. Groups: {', '.join(known)}")
        if not names and not groups:
            return self.runs
        return tuple(run for run in self.runs if run.name in names or run.group in groups)


def read_manifest(path: Path = MANIFEST) -> Manifest:
    """Read a manifest.

    Raises:
        BarcodeMAEError: it is absent, is not one, or a run cannot be as it is described.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BarcodeMAEError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise BarcodeMAEError(f"{path}: not YAML: {error}") from error
    if not isinstance(found, dict) or not {"groups", "runs"} <= found.keys():
        raise BarcodeMAEError(f"{path}: no manifest: it needs `groups` and `runs`")
    try:
        evaluation = found.get("evaluation", {})
        settings = Settings(**evaluation.get("settings", {}))
        common = {name: value for name, value in evaluation.items() if name != "settings"}
        runs = [
            _run(entry, found["groups"], found.get("defaults", {}), common)
            for entry in found["runs"]
        ]
        _check_order(runs)
    except (TypeError, BarcodeMAEError) as error:
        raise BarcodeMAEError(f"{path}: {error}") from error
    return Manifest(tuple(runs), settings)


def _run(entry: dict, groups: dict, defaults: dict, common: dict) -> Run:
    name, group = entry.get("name"), entry.get("group")
    if group not in groups:
        raise BarcodeMAEError(f"run {name!r}: there is no group {group!r}")
    if "epochs" in entry or "epochs" in entry.get("arguments", {}):
        raise BarcodeMAEError(f"run {name!r}: epochs are the group's, so that its runs compare")
    values = {**common, **groups[group], **entry}
    values["arguments"] = {**defaults.get(entry.get("module"), {}), **entry.get("arguments", {})}
    for several in ("seeds", "tasks"):
        if several in values:
            values[several] = tuple(values[several])
    unknown = values.keys() - {field.name for field in dataclasses.fields(Run)}
    if unknown:
        raise BarcodeMAEError(f"run {name!r}: nothing is known of {', '.join(sorted(unknown))}")
    run = Run(**values)
    run.check()
    return run


def _check_order(runs: list[Run]) -> None:
    names: set[str] = set()
    for run in runs:
        if run.name in names:
            raise BarcodeMAEError(f"run {run.name!r} stands there twice")
        for before in filter(None, (run.after, run.baseline)):
            if before not in names:
                raise BarcodeMAEError(f"run {run.name!r}: there is no run {before!r} before it")
        names.add(run.name)


def command_line(arguments: Mapping) -> list[str]:
    """Arguments as a script of `train` reads them."""
    words = []
    for name, value in arguments.items():
        several = value if isinstance(value, list) else [value]
        words += [f"--{name}", *map(str, several)]
    return words
