"""Make the runs of the manifest, judge them, and add each to one table of results.

    python -m experiments.run --data barcodes.parquet -o RESULTS --minutes 9

The same command goes on where the last one stopped or was killed. RESULTS holds

    results.jsonl                 a line for each run that was judged
    embeddings/                   of the barcodes that are clustered, float16
    logs/, slices.jsonl           what the trainings said, and the time that each slice took
    matrix_rates.json             of the machines
    runs/                         models and states: large, and needed on this machine alone
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from barcodemae.errors import BarcodeMAEError
from experiments.driver import Driver, Slice, Stage
from experiments.judging import Judge
from experiments.manifest import MANIFEST, Manifest, read_manifest
from experiments.training import launch
from experiments.work import Work, all_work


def main(
    arguments: Sequence[str] | None = None,
    launcher: Callable[..., int] = launch,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Exit status: 0, also where the time was over; 1 where a run failed; 2 for bad input."""
    given = _parser().parse_args(arguments)
    try:
        manifest = read_manifest(given.manifest)
        if given.export:
            return _export(given, manifest)
        runs = manifest.select(given.only, given.group)
        works = list(all_work(manifest, runs, given.budget_scale, given.output.resolve() / "runs"))
        driver = _driver(given, manifest, works, launcher)
        if given.list:
            return _list(driver)
        _check_arguments(given, works)
        driver.run(Slice(given.minutes, clock))
    except BarcodeMAEError as error:
        print(f"experiments.run: {error}", file=sys.stderr)
        return 2
    return _tell_what_is_left(driver)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=[], help="barcodes with splits and labels")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--manifest", type=Path, default=MANIFEST)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these runs")
    parser.add_argument("--group", nargs="+", default=[], help="the runs of these groups")
    parser.add_argument(
        "--minutes", type=float, default=9, help="save everything and stop by then (default: 9)"
    )
    parser.add_argument(
        "--budget-scale", type=float, default=1, help="epochs, as a share of the manifest's"
    )
    launcher = parser.add_mutually_exclusive_group()
    launcher.add_argument("--accelerate-config", default="", help="file of accelerate launch")
    launcher.add_argument("--device", choices=("cpu", "cuda"), help="default: what there is")
    parser.add_argument(
        "--cluster-later",
        action="store_true",
        help="leave the clustering, which needs no GPU, to a call with --evaluate-only",
    )
    parser.add_argument(
        "--evaluate-only", action="store_true", help="judge and cluster, no training"
    )
    parser.add_argument("--list", action="store_true", help="tell the state of every run, and stop")
    parser.add_argument(
        "--export", metavar="NAME", help="export the encoder of a finished run in bf16"
    )
    parser.add_argument("--seed", type=int, help="of the run to export; default: its first")
    return parser


def _driver(
    given: argparse.Namespace,
    manifest: Manifest,
    works: list[Work],
    launcher: Callable[..., int],
) -> Driver:
    if given.minutes <= 0 or given.budget_scale <= 0:
        raise BarcodeMAEError("--minutes and --budget-scale must be positive")
    data = [_absolute(source) for source in given.data]
    return Driver(
        works,
        Judge(data, manifest.settings, given.device, given.output),
        given.output,
        data,
        accelerate_config=_absolute(given.accelerate_config),
        cpu=given.device == "cpu",
        trains=not given.evaluate_only,
        clusters=not given.cluster_later,
        launcher=launcher,
        manifest="" if given.manifest == MANIFEST else str(given.manifest),
    )


def _absolute(path: str) -> str:
    """Trainings run in the project's folder; what is no path, such as a pattern, stays."""
    return str(Path(path).resolve()) if path and Path(path).exists() else path


def _check_arguments(given: argparse.Namespace, works: list[Work]) -> None:
    """Before any work: the data are named, and what was asked for by name can be trained."""
    if not given.data:
        raise BarcodeMAEError("no barcodes: give --data FILES")
    for work in works:
        if work.run.name in given.only:
            work.run.check_arguments()


def _list(driver: Driver) -> int:
    for work in driver.works:
        stage, word = driver.state(work)
        print(f"{work.key:36} {work.run.group:16} {stage.value}{': ' if word else ''}{word}")
    return 0


def _export(given: argparse.Namespace, manifest: Manifest) -> int:
    from barcodemae.hub.export import export

    run = manifest.run(given.export)
    if run.module == "none":
        raise BarcodeMAEError(f"--export {run.name}: there is nothing trained to export")
    seed = run.seeds[0] if given.seed is None else given.seed
    work = Work.of(manifest, run, seed, given.budget_scale, given.output / "runs")
    if not work.is_trained():
        raise BarcodeMAEError(
            f"--export {run.name}: {work.folder} holds no finished run; --list tells what there is"
        )
    target = given.output / "exported" / work.key
    export(work.model, target, encoder_only=True, dtype="bfloat16")
    print(target)
    return 0


def _tell_what_is_left(driver: Driver) -> int:
    for work in driver.works:
        stage, word = driver.state(work)
        if stage is Stage.BLOCKED:
            print(f"left out: {work.key}: {word}")
    left = list(driver.left())
    if left:
        work, stage, word = left[0]
        how = ", ".join(filter(None, (stage.value, word)))
        print(
            f"{len(left)} runs are left, the next is {work.key} ({how}). The same command goes on."
        )
    else:
        print(f"Nothing is left to do here. Runs in {driver.results.path}:", end=" ")
        print(len(driver.results.rows()))
    if driver.failed:
        print(f"failed: {', '.join(driver.failed)}")
    return 1 if driver.failed else 0


if __name__ == "__main__":
    # As Ctrl-C, so that a training does not outlive a driver that `timeout` ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
