"""`barcodemae evaluate`: the paper's evaluation, on any encoder and any barcodes."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")],
    model: Annotated[
        list[str],
        typer.Option(
            help="Checkpoint directory, Hub id (after cls: pooled by its [CLS]), kmer:K, "
            "untrained[:PRESET_OR_DIR], vsearch, vsearch:sintax, blast, blast:blastn, or a "
            "baseline's name; LABEL=MODEL names the row."
        ),
    ] = [],  # noqa: B006
    data: Annotated[
        list[str], typer.Option(help="FASTA, CSV, TSV or Parquet files, globs, data sets.")
    ] = [],  # noqa: B006
    tasks: Annotated[
        str,
        typer.Option(
            help="genus-probe, bin-clustering, harmonic-mean, linear-probe, robustness, t-sne; all."
        ),
    ] = "genus-probe,bin-clustering",
    reference: Annotated[str, typer.Option(help="Split whose labels are known.")] = "train",
    query: Annotated[str, typer.Option(help="Split that is named.")] = "test_unseen",
    clustering: Annotated[
        str, typer.Option(help="Splits that are clustered together.")
    ] = "test,test_unseen",
    seen: Annotated[str, typer.Option(help="Split of the linear probe.")] = "test",
    rank: Annotated[str, typer.Option(help="Rank that the probe names.")] = "genus",
    neighbours: Annotated[int, typer.Option(help="k of the similarity-weighted vote.")] = 1,
    temperature: Annotated[
        float,
        typer.Option(
            help="Weigh the votes by a softmax of the similarities (BarcodeMAE+: 0.02); "
            "0: by the similarities."
        ),
    ] = 0.0,
    clusters: Annotated[
        str, typer.Option(help="Number of clusters: that of species, or of dna_bin.")
    ] = "species",
    umap_neighbours: Annotated[int, typer.Option(min=2, help="Headline of the clustering.")] = 15,
    variants: Annotated[
        str,
        typer.Option(
            help="Inference options, each a row of its own: aligned (in the reference's frame, for "
            "barcodes that begin at several places), offsets (mean over the frames), centre, "
            "whiten, discriminants (supervised); join with + (offsets+whiten)."
        ),
    ] = "",
    shares: Annotated[
        str, typer.Option(help="Shares of tokens that the robustness task hides.")
    ] = "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9",
    prepare: Annotated[
        bool, typer.Option(help="Strip trailing N, drop repeats, cut at 660 nucleotides.")
    ] = True,
    merge: Annotated[
        list[Path], typer.Option(help="Folder of an earlier run to show beside this one.")
    ] = [],  # noqa: B006
    recipe: Annotated[
        str, typer.Option(help="`paper`, or a YAML file like it: models and tasks together.")
    ] = "",
    weights: Annotated[
        list[str], typer.Option(help="NAME=DIR: a checkpoint for a model that the recipe names.")
    ] = [],  # noqa: B006
    cache_dir: Annotated[
        Path | None, typer.Option(help="Where embeddings are kept; default: OUTPUT/cache.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...; default: what there is.")] = "",
    batch_size: Annotated[int, typer.Option(min=1, help="Barcodes in a batch.")] = 64,
    threads: Annotated[int, typer.Option(min=1, help="Threads of an aligner.")] = 2,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    trust_remote_code: Annotated[
        bool, typer.Option(help="Run code from the repository of a model that no table knows.")
    ] = False,
) -> None:
    """Evaluate models side by side: genus of unseen species, BIN clustering, and more.

    The run's folder gets results.json, results.md, figures (PNG, SVG) and report.html. A stopped
    evaluation, started again with the same folder, goes on where it was. A model that lacks a
    package, a program or weights is left out, and the report says why. With --merge FOLDER, given
    once or more, earlier runs on the same barcodes stand in the same tables and figures.
    """
    from barcodemae.errors import BarcodeMAEError
    from barcodemae.evaluation import evaluator, report
    from barcodemae.evaluation.recipe import run_recipe
    from barcodemae.evaluation.settings import Settings
    from barcodemae.evaluation.tasks import parse_tasks
    from barcodemae.identification.transforms import parse_variants

    try:
        hidden = tuple(float(share) for share in shares.split(","))
    except ValueError as error:
        raise BarcodeMAEError(f"--shares {shares}: numbers with commas between them") from error
    earlier = [report.read_results(folder) for folder in merge]
    request = evaluator.Request(
        models=model,
        variants=parse_variants(variants),
        tasks=parse_tasks(tasks),
        settings=Settings(
            reference=reference,
            query=query,
            clustering=clustering,
            seen=seen,
            rank=rank,
            neighbours=neighbours,
            temperature=temperature,
            clusters=clusters,
            umap_neighbours=umap_neighbours,
            shares=hidden,
            seed=seed,
        ),
        data=data,
        prepare=prepare,
        cache=cache_dir or output / "cache",
        device=device or None,
        batch_size=batch_size,
        threads=threads,
        trust_remote_code=trust_remote_code,
    )
    found = []
    if recipe:
        found.append(run_recipe(recipe, weights, request))
    elif model:
        found.append(evaluator.evaluate(request))
    elif not earlier:
        raise BarcodeMAEError("nothing to do: give --model, --recipe or --merge")
    results = report.merge([*found, *earlier])
    report.write_run(output, results)
    for text in results["warnings"]:
        print(f"note: {text}")
    for left_out in results["skipped"]:
        print(f"left out: {left_out['model']}, {left_out['task'] or 'all'}: {left_out['reason']}")
    print(f"{output / 'report.html'}: {len(results['records'])} records")
