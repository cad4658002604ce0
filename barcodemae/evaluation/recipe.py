"""Recipes: which models with which tasks, in a YAML file; `paper.yaml` holds the paper's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import yaml

from barcodemae.encoders import model_type
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import run_report
from barcodemae.evaluation.evaluator import NoModelError, Request, evaluate, read, split_label
from barcodemae.evaluation.settings import Settings
from barcodemae.evaluation.tasks import parse_tasks

PAPER = Path(__file__).with_name("paper.yaml")


def run_recipe(source: str, weights: Sequence[str], request: Request) -> dict:
    """Run every part of a recipe that data and weights allow.

    Args:
        source: "paper" or a YAML file like paper.yaml.
        weights: NAME=DIR, a checkpoint for a model that the recipe names by `weights`.
        request: data, cache and machine; the recipe decides on models and tasks, and its
            `settings` replace those of the request.

    Returns:
        The merged results; `skipped` names each model left out and what it lacks.

    Raises:
        BarcodeMAEError: the recipe cannot be read, `weights` names a model that it lacks or a
            checkpoint that is not there, the data do not do for one of its parts, or nothing is
            left to run.
    """
    recipe = read_recipe(PAPER if source == "paper" else Path(source))
    given = dict(map(split_label, weights))
    known = {m["weights"] for part in recipe["runs"] for m in part["models"] if "weights" in m}
    if unknown := sorted(set(given) - known):
        raise BarcodeMAEError(
            f"--weights {unknown[0]}: the recipe names no such model. It names: "
            f"{', '.join(sorted(known))}"
        )
    try:
        settings = dataclasses.replace(request.settings, **recipe.get("settings", {}))
    except TypeError as error:
        raise BarcodeMAEError(f"{source}: settings: {error}") from error
    for checkpoint in given.values():
        model_type(checkpoint)  # raises where there is none
    parts, found, left_out = [], [], list(recipe.get("left_out", []))
    for part in recipe["runs"]:
        models, lacking = _models(part, given)
        left_out += lacking
        if models:
            tasks = parse_tasks(",".join(part["tasks"]))
            wanted = dataclasses.replace(request, models=models, tasks=tasks, settings=settings)
            parts.append((part["title"], wanted))
    for _, wanted in parts:  # the last part's bad input, too, before the first part's work
        read(wanted)
    for title, wanted in parts:
        try:
            found.append(evaluate(wanted))
        except NoModelError as error:
            left_out.append({"model": title, "task": None, "reason": str(error)})
    if not found:
        reasons = "\n".join(f"  {row['model']}: {row['reason']}" for row in left_out)
        raise BarcodeMAEError(f"{source}: nothing can be run:\n{reasons}")
    results = run_report.merge(found)
    results["skipped"] = results["skipped"] + left_out
    return results


def read_recipe(path: Path) -> dict:
    """A recipe with `runs`, each with title, tasks and models (label, and model or weights).

    It may hold `settings`, and `left_out`: {model, task, reason} of what it cannot list.

    Raises:
        BarcodeMAEError: the file is absent or not a recipe; the message says where.
    """
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BarcodeMAEError(f"--recipe {path}: {error.strerror}; `paper` is built in") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BarcodeMAEError(f"--recipe {path}: not YAML: {error}") from error
    runs = recipe.get("runs") if isinstance(recipe, dict) else None
    if not runs:
        raise BarcodeMAEError(f"--recipe {path}: it has no `runs`; see paper.yaml for an example")
    _check_settings(path, recipe.get("settings", {}))
    if not _is_list_of(recipe.get("left_out", []), dict, ("model", "task", "reason")):
        raise BarcodeMAEError(f"--recipe {path}: left_out needs model, task and reason in each")
    if not _is_list_of(runs, dict):
        raise BarcodeMAEError(f"--recipe {path}: `runs` must be a list of runs")
    for number, part in enumerate(runs, 1):
        if not {"title", "tasks", "models"} <= part.keys():
            raise BarcodeMAEError(f"--recipe {path}: run {number} needs title, tasks and models")
        if not (_is_list_of(part["tasks"], str) and _is_list_of(part["models"], dict)):
            raise BarcodeMAEError(
                f"--recipe {path}: run {number}: tasks and models must be lists, of names and of "
                "models"
            )
        for model in part["models"]:
            if "label" not in model or not {"model", "weights"} & model.keys():
                raise BarcodeMAEError(
                    f"--recipe {path}: run {number}: {model} needs a label, and model or weights"
                )
            if not all(isinstance(value, str) for value in model.values()):
                raise BarcodeMAEError(
                    f"--recipe {path}: run {number}: {model}: write its values as text, in quotes"
                )
    return recipe


def _check_settings(path: Path, given: object) -> None:
    if not isinstance(given, dict):
        raise BarcodeMAEError(f"--recipe {path}: settings must be names and values")
    defaults = Settings()
    for name, value in given.items():
        default = getattr(defaults, str(name), None)  # an unknown one is refused with the others
        kinds = {float: (int, float), tuple: (list,)}.get(type(default), (type(default),))
        if default is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise BarcodeMAEError(
                f"--recipe {path}: settings: {name} is {value!r}; the default is {default!r}"
            )


def _is_list_of(value: object, kind: type, keys: Sequence[str] = ()) -> bool:
    if not isinstance(value, list):
        return False
    return all(isinstance(item, kind) and set(keys) <= set(item) for item in value)


def _models(part: dict, given: dict[str, str]) -> tuple[list[str], list[dict]]:
    """The LABEL=SPEC that can be tried, and what lacks weights."""
    models, lacking = [], []
    for model in part["models"]:
        spec = model.get("model") or given.get(model["weights"])
        if spec is None:
            reason = f"no checkpoint given: --weights {model['weights']}=DIR"
            lacking.append({"model": model["label"], "task": part["title"], "reason": reason})
        else:
            models.append(f"{model['label']}={spec}")
    return models, lacking
