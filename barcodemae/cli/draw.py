"""`barcodemae draw`: a picture of verdicts, or of embeddings."""

from pathlib import Path
from typing import Annotated

import typer


def draw(
    found: Annotated[
        Path,
        typer.Argument(
            help="Verdicts of `identify` (.tsv, .csv, .parquet), or embeddings of `embed` (.npz, "
            ".parquet)."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture: .png, .svg or .pdf.")],
    verdicts: Annotated[
        Path | None, typer.Option(help="With embeddings: verdicts on the same barcodes.")
    ] = None,
) -> None:
    """Draw verdicts by order, or a map of embeddings (UMAP, else t-SNE) coloured by verdict."""
    import numpy as np

    from barcodemae.errors import BarcodeMAEError
    from barcodemae.outputs import check_output, report
    from barcodemae.reports import pictures

    pictures.check_picture(output)
    check_output(output, [str(path) for path in (found, verdicts) if path])
    embedded = _embeddings(found)
    if embedded is None:
        table = _table(found)
        pictures.verdicts_by_order(table, output)
        report(output, f"verdicts on {len(table):,} barcodes")
        return
    ids, vectors = embedded
    if vectors.ndim != 2 or len(ids) != len(vectors) or not np.isfinite(vectors).all():
        raise BarcodeMAEError(
            f"{found}: holds {len(ids)} ids beside embeddings of shape {vectors.shape}, or what is "
            "not finite; give what `barcodemae embed` wrote"
        )
    named = None
    if verdicts:
        of_id = _table(verdicts).drop_duplicates("id").set_index("id")["verdict"]
        named = of_id.reindex(ids).fillna("").tolist()
        if not any(named):
            raise BarcodeMAEError(f"{verdicts}: holds none of the ids of {found}")
    report(output, pictures.embedding_map(vectors, output, named))


def _embeddings(path: Path):
    """Ids and vectors (n, dim) of a file of embeddings; None: it is none."""
    from zipfile import BadZipFile

    import numpy as np
    import pyarrow.parquet as pq

    from barcodemae.errors import BarcodeMAEError

    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as found:
                return found["ids"].tolist(), found["embeddings"]
        if path.suffix == ".parquet" and "embedding" in pq.read_schema(path).names:
            table = pq.read_table(path)
            return table["id"].to_pylist(), np.stack(table["embedding"].to_numpy())
    except (ValueError, KeyError, BadZipFile) as error:
        raise BarcodeMAEError(f"{path}: holds no embeddings, or is damaged: {error}") from error
    return None


def _table(path: Path):
    import pandas as pd

    from barcodemae.errors import BarcodeMAEError
    from barcodemae.identification.answers import VERDICTS

    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            mark = "," if path.suffix == ".csv" else "\t"
            table = pd.read_csv(path, sep=mark, dtype=str, keep_default_na=False)
    except ValueError as error:  # pandas' and Arrow's
        raise BarcodeMAEError(f"{path}: cannot be read as a table: {error}") from error
    missing = {"id", "verdict", "order"} - set(table.columns)
    if missing:
        raise BarcodeMAEError(
            f"{path}: has no column {', '.join(sorted(missing))}: give what `barcodemae identify` "
            "wrote, or embeddings (.npz, .parquet) of `barcodemae embed`"
        )
    if strange := set(table["verdict"]) - set(VERDICTS):
        raise BarcodeMAEError(f"{path}: {strange.pop()!r} is no verdict of `barcodemae identify`")
    return table
