"""`barcodemae embed`: a file of barcodes -> a file of embeddings."""

from pathlib import Path
from typing import Annotated

import typer


def embed(
    queries: Annotated[
        list[str],
        typer.Argument(help="FASTA, FASTQ, CSV, TSV or Parquet files; .gz and globs too."),
    ],
    model: Annotated[str, typer.Option(help="Checkpoint directory or Hub id.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write: .parquet, .npz or .csv.")
    ],
    batch_size: Annotated[int, typer.Option(min=1, help="Barcodes in a batch.")] = 64,
    offset: Annotated[
        int, typer.Option(min=0, help="Nucleotides to drop from the front of each barcode.")
    ] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...; default: what there is.")] = "",
    on_error: Annotated[
        str, typer.Option(help="raise: stop at a faulty record; skip: leave it out and say so.")
    ] = "raise",
) -> None:
    """Embed barcodes: one row for each record, its id and its vector.

    Parquet holds the columns `id` and `embedding` (a list), .npz the arrays `ids` and
    `embeddings` (n, hidden size), .csv a column for each dimension.
    """
    from barcodemae.data import read_barcodes
    from barcodemae.embedding import Embedder
    from barcodemae.embedding_files import check_format, write_embeddings

    check_format(output)
    barcodes = read_barcodes(queries, prepare=False, on_error=on_error)
    embedder = Embedder.from_pretrained(model, device or None)
    written = write_embeddings(
        output, embedder, barcodes, batch_size=batch_size, offset=offset, on_error=on_error
    )
    print(f"{output}: {written} embeddings of {embedder.dim} dimensions")
