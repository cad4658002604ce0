"""Evaluation records (`results.json`) as `model-index` and `.eval_results` of a card."""

import math
from collections.abc import Collection
from pathlib import Path

import yaml
from huggingface_hub import EvalResult

from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.score_tables import scores
from barcodemae.loading import read_json

RESULTS = "results.json"
_FIELDS = ("model", "task", "metric", "value")
_BY_MODEL = ("models", "points", "right")  # parts of results.json whose keys are names of models
_NAMING = ("model", "against", "encoder")  # fields that hold one, or what a model was loaded from


def read_results(path: Path, model: str | None, names: tuple[str, ...], new_name: str) -> dict:
    """Read results.json, find our model in it and give it its public name.

    Args:
        model: the name of ours among the records; None: the only one, or one of `names`.
        names: what ours may be called if `model` is not given.
        new_name: the name that takes its place.

    Returns:
        The contents, with "model" set to the name of ours and sources without their folders.

    Raises:
        BarcodeMAEError: no such file, no records, or it is not clear which model is ours.
    """
    if not path.is_file():
        raise BarcodeMAEError(f"{path}: there is no such file. Give the results.json of a run.")
    results = read_json(path)
    records = results.get("records")
    if not records or not isinstance(records, list):
        raise BarcodeMAEError(f"{path}: holds no records. Give the results.json of a finished run.")
    for number, record in enumerate(records, start=1):
        if fault := fault_of(record):
            raise BarcodeMAEError(
                f"{path}, record {number}: {fault}. Evaluate again with `barcodemae evaluate`."
            )
    for part in ("data", "models", "points", "right", "settings"):
        if not isinstance(results.get(part, {}), dict):
            raise BarcodeMAEError(f"{path}: {part} is no object. Evaluate again.")
    models = list(dict.fromkeys(record["model"] for record in records))
    ours = [name for name in models if name in ((model,) if model else names)]
    if not model and len(models) == 1:
        ours = models
    if len(ours) != 1:
        raise BarcodeMAEError(
            f"{path}: which of its models is this one? It has {', '.join(models)}. Name one with "
            "--results-model."
        )
    results["records"] = [{**each, "settings": each.get("settings") or {}} for each in records]
    data = results.get("data") or {}
    if isinstance(sources := data.get("sources"), list):
        data = {**data, "sources": [source.rsplit("/", 1)[-1] for source in sources]}
    return {**_renamed(results, ours[0], new_name), "data": data, "model": new_name}


def fault_of(record: object, fields: Collection[str] = _FIELDS) -> str:
    """What a record lacks of `fields`, or holds that is no figure; "": nothing."""
    if not isinstance(record, dict):
        return f"is {record!r} and no object"
    if lacking := [name for name in fields if name not in record]:
        return f"lacks {', '.join(lacking)}"
    for name in ("model", "task", "metric"):
        if not isinstance(record[name], str):
            return f"{name} is {record[name]!r} and no text"
    if record["value"] is not None and not _is_figure(record["value"]):
        return f"value is {record['value']!r} and no number"
    interval = record.get("interval")
    if interval is not None and not (
        isinstance(interval, list) and len(interval) == 2 and all(map(_is_figure, interval))
    ):
        return f"interval is {interval!r} and not two numbers"
    may_lack_settings = "settings" not in fields and record.get("settings") is None
    if not (may_lack_settings or isinstance(record["settings"], dict)):
        return f"settings is {record['settings']!r} and no object"
    return ""


def _is_figure(value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _renamed(value, old: str, new: str, field: str = ""):
    """`value` with the model `old` called `new`, wherever a model is named and nowhere else."""
    if isinstance(value, dict):
        names = {old: new} if field in _BY_MODEL else {}
        return {names.get(key, key): _renamed(each, old, new, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, old, new, field) for each in value]
    return new if value == old and field in _NAMING else value


def eval_results(results: dict) -> list[EvalResult]:
    """Our scores for `model-index`."""
    data = results["data"]
    name = data.get("name") or ", ".join(data.get("sources", [])) or "DNA barcodes"
    return [
        EvalResult(
            task_type="feature-extraction",
            task_name=score.task,
            dataset_type=data.get("id") or name.lower().replace(" ", "-"),
            dataset_name=name,
            dataset_args={"settings": score.described_settings} if score.settings else None,
            metric_type=score.metric,
            metric_name=f"{score.metric} ({score.task})",
            metric_value=round(score.value, 6),
        )
        for score in scores(results)
        if score.model == results["model"]
    ]


def write_eval_results(directory: Path, results: dict) -> None:
    """Write `.eval_results/results.yaml`, where the evaluation data are on the Hub.

    The Hub ties such a file to a data set's page, so without an id there is none.
    """
    data = results["data"]
    if not data.get("id"):
        return
    entries = [
        {
            "dataset": {"id": data["id"], "task_id": f"{score.task}/{score.metric}"},
            "value": round(score.value, 6),
            "notes": score.described_settings,
        }
        for score in scores(results)
        if score.model == results["model"]
    ]
    folder = directory / ".eval_results"
    folder.mkdir()
    text = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)
    (folder / "results.yaml").write_text(text, encoding="utf-8")
