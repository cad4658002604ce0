"""`barcodemae export`: a checkpoint -> a complete Hub repository."""

from pathlib import Path
from typing import Annotated

import typer

_FoldMetric = Annotated[
    Path | None,
    typer.Option(
        help="Labelled barcodes: what tells their genera apart joins the last map of a model that "
        "pools by site."
    ),
]


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Directory of a finished checkpoint.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory to write.")],
    encoder_only: Annotated[bool, typer.Option(help="Leave the decoder out.")] = False,
    dtype: Annotated[
        str, typer.Option(help="float32, bfloat16 or float16; default: as saved.")
    ] = "",
    onnx: Annotated[bool, typer.Option(help="Add the encoder as ONNX.")] = False,
    fold_metric: _FoldMetric = None,
    fold_rank: Annotated[str, typer.Option(help="Rank of the labels for --fold-metric.")] = "genus",
    fold_weight: Annotated[
        float, typer.Option(min=0, help="Of what --fold-metric learns; the model's own map has 1.")
    ] = 0.5,
    fold_ridge: Annotated[
        float, typer.Option(min=0, help="Of --fold-metric: higher trusts the labels less.")
    ] = 0.5,
    results: Annotated[Path | None, typer.Option(help="results.json of an evaluation.")] = None,
    results_model: Annotated[
        str, typer.Option(help="This model's name in the results, if they hold several.")
    ] = "",
    results_data: Annotated[str, typer.Option(help="Hub id of the evaluation data.")] = "",
    data_name: Annotated[str, typer.Option(help="Name of the training data.")] = "",
    data_id: Annotated[str, typer.Option(help="Hub id of the training data.")] = "",
    data_license: Annotated[str, typer.Option(help="Licence of the training data.")] = "",
    license: Annotated[
        str,
        typer.Option(
            help="Licence of the weights; default: what the checkpoint says, or the data's."
        ),
    ] = "",
    repo_id: Annotated[
        str, typer.Option(help="Where it will be pushed; default: the name of the directory.")
    ] = "",
) -> None:
    """Write a repository that loads through every Auto class, with model card and tokenizer."""
    from barcodemae.evaluation.figures import draw_all
    from barcodemae.hub.export import export as export_checkpoint

    data = {"name": data_name, "id": data_id, "license": data_license}
    last_map = None
    if fold_metric:
        from barcodemae.identification.folding import joined_map

        last_map = joined_map(checkpoint, fold_metric, fold_rank, fold_weight, fold_ridge)
    export_checkpoint(
        checkpoint,
        output,
        encoder_only=encoder_only,
        dtype=dtype or None,
        onnx=onnx,
        last_map=last_map,
        results=results,
        results_model=results_model or None,
        results_data=results_data or None,
        data={key: value for key, value in data.items() if value},
        license=license or None,
        repo_id=repo_id or None,
        draw=draw_all,
    )
    print(f"{output}: complete; `barcodemae push {output} USER/NAME` publishes it")
