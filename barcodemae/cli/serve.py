"""`barcodemae serve`: identify barcodes on a web page."""

import sys
from typing import Annotated

import typer

from barcodemae.cli import options


def serve(
    library: Annotated[
        list[str], typer.Option(help="Folder of `barcodemae library build`; several to choose.")
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets the whole network in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 7860,
    max_barcodes: Annotated[int, typer.Option(min=1, help="Barcodes in a request.")] = 1000,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Size of a request.")] = 5,
    time_limit: Annotated[float, typer.Option(min=1, help="Seconds for a request.")] = 120,
    target: options.Target = 0.95,
    device: options.Device = "",
) -> None:
    """Serve a page that identifies barcodes: paste or drop them, see verdicts, take files away.

    By default this machine alone can see it. The page has an API: by gradio_client, or by HTTP at
    /gradio_api/call/identify. Uploads are deleted once they are read.
    """
    from barcodemae.serve import LOOPBACK, run
    from barcodemae.serve.queries import Limits

    if host not in (LOOPBACK, "localhost", "::1"):
        print(
            f"barcodemae: the page on {host} has no password: whoever reaches this machine's port "
            f"{port} can use it",
            file=sys.stderr,
        )
    limits = Limits(max_barcodes, max_megabytes, time_limit)
    run(library, limits, host, port, target, device or None)
