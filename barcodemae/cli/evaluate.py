"""`barcodemae evaluate`: the paper's evaluation, on any encoder and any barcodes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import typer

from barcodemae.cli import options
from barcodemae.evaluation.tasks import OFFERED

# Options that go into `Settings` as they are.
_PROTOCOL = (
    *("reference", "query", "clustering", "seen", "rank", "neighbours", "temperature", "clusters"),
    *("umap_neighbours", "seed"),
)

_Output = Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")]
_Model = Annotated[
    list[str],
    typer.Option(
        help="Checkpoint directory, Hub id (after cls: pooled by its [CLS]), kmer:K, "
        "untrained[:PRESET_OR_DIR], vsearch, vsearch:sintax, blast, blast:blastn, or a "
        "baseline's name; LABEL=MODEL names the row."
    ),
]
_Data = Annotated[
    list[str], typer.Option(help="FASTA, CSV, TSV or Parquet files, globs, data sets.")
]
_Tasks = Annotated[
    str,
    typer.Option(help=f"{', '.join(OFFERED)}; all."),
]
_Reference = Annotated[str, typer.Option(help="Split whose labels are known.")]
_Clustering = Annotated[
    str, typer.Option(help="Splits that are clustered together; default: --seen and --query.")
]
_Seen = Annotated[
    str,
    typer.Option(
        help="Split of the linear probe and of the open set; default: --query without `_unseen`."
    ),
]
_Rank = Annotated[str, typer.Option(help="Rank that the probe names.")]
_Neighbours = Annotated[int, typer.Option(help="k of the similarity-weighted vote.")]
_Temperature = Annotated[
    float,
    typer.Option(
        help="Weigh the votes by a softmax of the similarities (BarcodeMAE+: 0.02); "
        "0: by the similarities."
    ),
]
_Clusters = Annotated[str, typer.Option(help="Number of clusters: that of species, or of dna_bin.")]
_UmapNeighbours = Annotated[int, typer.Option(min=2, help="Headline of the clustering.")]
_Variants = Annotated[
    str,
    typer.Option(
        help="Inference options, each a row of its own: aligned (in the reference's frame, for "
        "barcodes that begin at several places), offsets (mean over the frames), centre, "
        "whiten, metric, discriminants (supervised); join with + (offsets+whiten)."
    ),
]
_Shares = Annotated[str, typer.Option(help="Shares of tokens that the robustness task masks.")]
_Prepare = Annotated[
    bool, typer.Option(help="Strip trailing N, drop repeats, cut at 660 nucleotides.")
]
_Merge = Annotated[
    list[Path], typer.Option(help="Folder of an earlier run to show beside this one.")
]
_Recipe = Annotated[
    str, typer.Option(help="`paper`, or a YAML file like it: models and tasks together.")
]
_Weights = Annotated[
    list[str], typer.Option(help="NAME=DIR: a checkpoint for a model that the recipe names.")
]
_CacheDir = Annotated[
    Path | None, typer.Option(help="Where embeddings are kept; default: OUTPUT/cache.")
]
_Threads = Annotated[int, typer.Option(min=1, help="Threads of an aligner.")]


def evaluate(
    output: _Output,
    model: _Model = [],  # noqa: B006
    data: _Data = [],  # noqa: B006
    tasks: _Tasks = "genus-probe,bin-clustering",
    reference: _Reference = "train",
    query: Annotated[str, typer.Option(help="Split that is named.")] = "test_unseen",
    clustering: _Clustering = "",
    seen: _Seen = "",
    rank: _Rank = "genus",
    neighbours: _Neighbours = 1,
    temperature: _Temperature = 0.0,
    clusters: _Clusters = "species",
    umap_neighbours: _UmapNeighbours = 15,
    variants: _Variants = "",
    shares: _Shares = "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9",
    prepare: _Prepare = True,
    merge: _Merge = [],  # noqa: B006
    recipe: _Recipe = "",
    weights: _Weights = [],  # noqa: B006
    cache_dir: _CacheDir = None,
    device: options.Device = "",
    batch_size: options.BatchSize = 64,
    threads: _Threads = 2,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Evaluate models side by side: genus of unseen species, BIN clustering, and more.

    The run's folder gets results.json, results.md, figures (PNG, SVG) and report.html. A stopped
    evaluation, started again with the same folder, goes on where it was. A model that lacks a
    package, a program or weights is left out, and the report says why. With --merge FOLDER, given
    once or more, earlier runs on the same barcodes stand in the same tables and figures.
    """
    run(SimpleNamespace(**locals()))


def run(given: SimpleNamespace) -> None:
    """Evaluate as the options say, and write the report."""
    from barcodemae.errors import BarcodeMAEError
    from barcodemae.evaluation import evaluator, run_report
    from barcodemae.evaluation.recipe import run_recipe
    from barcodemae.outputs import check_folder

    check_folder(given.output)
    earlier = [run_report.read_results(folder) for folder in given.merge]
    request = _request(given)
    found = []
    if given.recipe:
        found.append(run_recipe(given.recipe, given.weights, request))
    elif given.model:
        found.append(evaluator.evaluate(request))
    elif not earlier:
        raise BarcodeMAEError("nothing to do: give --model, --recipe or --merge")
    results = run_report.merge([*found, *earlier])
    run_report.write_run(given.output, results)
    for text in results["warnings"]:
        print(f"note: {text}")
    for left_out in results["skipped"]:
        print(f"left out: {left_out['model']}, {left_out['task'] or 'all'}: {left_out['reason']}")
    print(f"{given.output / 'report.html'}: {len(results['records'])} records")


def _request(given: SimpleNamespace):
    from barcodemae.errors import BarcodeMAEError
    from barcodemae.evaluation.evaluator import Request
    from barcodemae.evaluation.settings import Settings
    from barcodemae.evaluation.tasks import parse_tasks
    from barcodemae.identification.transforms import parse_variants

    try:
        shares = tuple(float(share) for share in given.shares.split(","))
    except ValueError as error:
        raise BarcodeMAEError(
            f"--shares {given.shares}: numbers with commas between them"
        ) from error
    protocol = {name: getattr(given, name) for name in _PROTOCOL}
    protocol["seen"] = seen = given.seen or given.query.removesuffix("_unseen")
    protocol["clustering"] = given.clustering or ",".join(dict.fromkeys((seen, given.query)))
    return Request(
        models=given.model,
        variants=parse_variants(given.variants),
        tasks=parse_tasks(given.tasks),
        settings=Settings(**protocol, shares=shares),
        data=given.data,
        prepare=given.prepare,
        cache=given.cache_dir or given.output / "cache",
        device=given.device or None,
        batch_size=given.batch_size,
        threads=given.threads,
        trust_remote_code=given.trust_remote_code,
    )
