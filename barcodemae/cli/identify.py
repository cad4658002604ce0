"""`barcodemae identify`: name barcodes by their nearest neighbours in a reference library."""

from pathlib import Path
from typing import Annotated

import typer


def identify(
    queries: Annotated[
        list[str],
        typer.Argument(help="FASTA, FASTQ, CSV, TSV or Parquet files; .gz and globs too."),
    ],
    reference: Annotated[
        list[str],
        typer.Option(help="Labelled barcodes: a table with columns genus, species, ...; again."),
    ],
    model: Annotated[
        str,
        typer.Option(help="Checkpoint directory, Hub id, or kmer:K for k-mer frequencies."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="TSV file to write.")],
    ranks: Annotated[str, typer.Option(help="Ranks to name, coarse to fine.")] = "genus,species",
    neighbours: Annotated[int, typer.Option(min=1, help="References that vote.")] = 1,
    inference: Annotated[
        str,
        typer.Option(
            help="Options joined with +, fitted on the references: aligned (for barcodes that "
            "begin at several places), offsets, centre, whiten, discriminants."
        ),
    ] = "",
    reference_split: Annotated[
        str, typer.Option(help="Only the references of these splits, by commas.")
    ] = "",
    batch_size: Annotated[int, typer.Option(min=1, help="Barcodes in a batch.")] = 64,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...; default: what there is.")] = "",
    trust_remote_code: Annotated[
        bool, typer.Option(help="Run code from the repository of a model that is none of ours.")
    ] = False,
    on_error: Annotated[
        str, typer.Option(help="raise: stop at a faulty record; skip: leave it out and say so.")
    ] = "raise",
) -> None:
    """Name barcodes by the most similar ones of a reference library (cosine of the embeddings).

    The TSV has a row for each record and rank: id, rank, taxon, similarity (of the nearest
    reference), votes (the share of the neighbours that speaks for the taxon), nearest (its id).
    A taxon is always named: a low similarity says that nothing like it is in the library.
    """
    from barcodemae.data import read_barcodes
    from barcodemae.encoders import load_encoder
    from barcodemae.identification.reference_library import ReferenceLibrary, write_names
    from barcodemae.identification.transforms import parse_options
    from barcodemae.outputs import check_output

    check_output(output)
    options = parse_options(inference)
    split = [name.strip() for name in reference_split.split(",") if name.strip()]
    known = read_barcodes(reference, split=split, on_error=on_error)
    unknown = read_barcodes(queries, prepare=False, on_error=on_error)
    remote_code = "any" if trust_remote_code else "none"
    encoder = load_encoder(model, device or None, batch_size, remote_code=remote_code)
    named = [rank.strip() for rank in ranks.split(",")]
    library = ReferenceLibrary(encoder, known, named, options)
    write_names(output, library, unknown, neighbours)
    print(f"{output}: {len(unknown)} barcodes named by {len(known)} references")
