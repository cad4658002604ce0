"""The model card: README.md of a repository, made of its config, training record and results."""

import math
import re
from importlib.metadata import requires, version
from pathlib import Path

import jinja2
from huggingface_hub import ModelCardData
from safetensors import safe_open

import model_card
from barcodemae.cells import markdown
from barcodemae.families import FAMILIES, Family
from barcodemae.hub.results import RESULTS, eval_results
from barcodemae.hub.score_tables import score_tables, scores
from barcodemae.hub.source import read_training
from barcodemae.loading import read_json

FOLDER = Path(model_card.__file__).parent
EMBED_WITH_ONNXRUNTIME = "embed_with_onnxruntime.py"
# Arguments of a run that say nothing on the weights.
_OPERATIONAL = (
    "train_data",
    "on_error",
    "cpu",
    "num_workers",
    "log_every",
    "validate_every",
    "checkpoint_every",
    "checkpoint_minutes",
    "stop_after_minutes",
    "report_to",
    "push_to_hub",
)
# That the Hub knows by these names; there are others.
_LICENSES = (
    *("mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "agpl-3.0", "lgpl-3.0"),
    *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-3.0"),
    *("cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0"),
    *("odc-by", "odbl", "pddl", "unlicense", "openrail", "unknown", "other"),
)
# Those that say nothing where labels are not used, or not by contrast.
_OF_LABELS = ("label_weight", "label_warm_up_epochs", "label_taxa", "label_barcodes")
_OF_CONTRAST = ("temperature", "label_species", "label_power", "drop", "noise")
_OF_WINDOWS = ("window_share", "window_between")


def render_card(directory: Path, repo_id: str) -> str:
    """The card of the repository in `directory`, its snippets loading `repo_id`.

    It says what the files there say and no more: sections without data are left out.
    """
    config = read_json(directory / "config.json")
    training = read_training(directory)
    results = read_json(directory / RESULTS)
    family = FAMILIES[config["model_type"]]
    contrast = _contrast(config, training)
    metadata = _metadata(family, config, training, results, repo_id)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "count": "{:,}".format,
        "percent": "{:.1%}".format,
        "time": _duration,
        "markdown": lambda value: markdown(str(value)),
    }
    return environment.get_template(family.card).render(
        metadata=metadata.to_yaml(),
        repo_id=repo_id,
        name=markdown(repo_id.rsplit("/", 1)[-1]),
        config=_escaped(config),
        variant=_variant(config),
        size=config.get("embedding_size") or config.get("hidden_size"),
        on_grid=config.get("pooling") == "sites",
        contrast=contrast,
        kind=(config.get("architectures") or [family.encoder_class.__name__])[0],
        paper=family.paper,
        max_nucleotides=family.max_nucleotides,
        max_tokens=family.max_nucleotides // config.get("kmer_size", 1),
        parameters=_count_parameters(directory),
        training=_escaped(training),
        settings=_escaped(_settings(training.get("arguments", {}), bool(contrast))),
        validation=markdown(_listed(training.get("validation", {}))),
        versions=markdown(_listed(training.get("versions", {}))),
        original=markdown(_listed(training.get("original", {}))),
        data=_escaped(training.get("data", {})),
        results=results,
        tables=score_tables(results),
        figures=sorted(path.name for path in (directory / "figures").glob("*.png")),
        has_onnx=(directory / "onnx" / "model.onnx").is_file(),
        sentence_transformers=_least_version("sentence-transformers"),
        package_version=version("barcodemae"),
    )


def _metadata(
    family: Family, config: dict, training: dict, results: dict, repo_id: str
) -> ModelCardData:
    data = training.get("data", {})
    own = [score for score in scores(results) if score.model == results.get("model")]
    return ModelCardData(
        **_license(training.get("license") or data.get("license") or "unknown"),
        library_name="transformers",
        pipeline_tag=family.pipeline(config["architectures"][0]),
        tags=[
            "biology",
            "dna",
            *family.tags,
            "sentence-transformers",
            "custom_code",
            f"arxiv:{family.paper}",
        ],
        datasets=[data["id"]] if data.get("id") else None,
        metrics=sorted({score.metric for score in own}) or None,
        model_name=repo_id.rsplit("/", 1)[-1] if own else None,
        eval_results=eval_results(results) if own else None,
    )


def _license(name: str) -> dict:
    """A licence as the Hub takes it: one that it knows, or "other" with its name."""
    short = "-".join(name.lower().split())
    if short in _LICENSES:
        return {"license": short}
    return {"license": "other", "license_name": short}


def _settings(arguments: dict, contrast: bool) -> dict:
    """The arguments of training that matter for the weights and are not off."""
    silent = set(_OPERATIONAL)
    if not arguments.get("label_rank"):
        silent.update(_OF_LABELS)
    if not contrast:
        silent.update(_OF_CONTRAST)
    if arguments.get("model"):
        silent.add("preset")  # the architecture is that of the model it began from
    if not arguments.get("window_share"):
        silent.update(_OF_WINDOWS)
    return {
        name: value
        for name, value in arguments.items()
        if name not in silent and (name == "seed" or value)
    }


def _contrast(config: dict, training: dict) -> str:
    """What a model that brings barcodes of a taxon together has learned from; "": it does not."""
    arguments = training.get("arguments", {})
    rank = arguments.get("label_rank")
    if not rank or config.get("cls_token"):
        return ""
    masked = " and masked k-mers" if arguments.get("masked_weight", 0) else ""
    return f"labels ({rank}){masked}"


def _listed(values: dict) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


def _escaped(value):
    """`value` with every text in it, however deep, as Markdown that shows it as it is."""
    if isinstance(value, str):
        return markdown(value)
    if isinstance(value, dict):
        return {name: _escaped(one) for name, one in value.items()}
    return [_escaped(one) for one in value] if isinstance(value, list) else value


def _variant(config: dict) -> str:
    cls = " with [CLS]" if config.get("cls_token") else ""
    if "encoder_sees_mask" not in config:
        return FAMILIES[config["model_type"]].name
    if config["decoder_num_hidden_layers"] == 0:
        return "BarcodeBERT" + cls
    return ("BarcodeMAE w/MASK" if config["encoder_sees_mask"] else "BarcodeMAE") + cls


def _count_parameters(directory: Path) -> int:
    count = 0
    for path in directory.glob("model*.safetensors"):
        with safe_open(path, framework="pt") as tensors:
            names = tensors.keys()
            count += sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)
    return count


def _least_version(package: str) -> str:
    """The oldest version of a package that barcodemae works with."""
    found = (re.match(rf"{package}>=([\d.]+)", line) for line in requires("barcodemae") or [])
    return next(match.group(1) for match in found if match)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
