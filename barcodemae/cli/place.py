"""`barcodemae place`: queries on a tree of references."""

from pathlib import Path
from typing import Annotated

import typer

from barcodemae.cli import options


def place(
    queries: options.Barcodes,
    library: options.LibraryFolder,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .jplace.")],
    tree: Annotated[
        Path | None,
        typer.Option(
            help="Newick whose tips are ids of the library; default: the 200 nearest references, "
            "neighbour-joined."
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="epa-ng, apples or least-squares; default: the first of them that is installed."
        ),
    ] = "",
    on_error: options.OnError = "raise",
) -> None:
    """Place barcodes on a tree, by likelihood or distances; each edge with the taxon below it."""
    import json

    from barcodemae.errors import BarcodeMAEError
    from barcodemae.identification.batches import read_queries
    from barcodemae.identification.library import Library
    from barcodemae.identification.tree_placement import place as placed
    from barcodemae.outputs import check_output, write_whole_text

    if output.suffix != ".jplace":
        raise BarcodeMAEError(f"{output}: give a name that ends in .jplace")
    check_output(output, [*queries, library, *([tree] if tree else [])])
    opened = Library(library)
    barcodes = read_queries(queries, on_error).table
    ids, texts = (barcodes[name].to_pylist() for name in ("processid", "nucleotides"))
    document = placed(opened, ids, texts, tree, method)
    write_whole_text(output, json.dumps(document, indent=1) + "\n")
    told = document["metadata"]
    left_out = len(told["left_out"])
    print(
        f"{output}: {len(document['placements']):,} barcodes placed by {told['method']}"
        + (f", {left_out:,} left out (not COI)" if left_out else "")
    )
