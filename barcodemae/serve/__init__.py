"""A web page that identifies barcodes, for a lab's own machine or a Hugging Face Space."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from barcodemae.errors import BarcodeMAEError

if TYPE_CHECKING:
    from barcodemae.serve.queries import Limits

LOOPBACK = "127.0.0.1"
PORT = 7860  # where Spaces expect it


def run(
    libraries: Sequence[str | Path],
    limits: Limits | None = None,
    host: str = LOOPBACK,
    port: int = PORT,
    target: float | None = None,
    device: str | None = None,
) -> None:
    """Serve the page on libraries until it is interrupted; what visitors give stays nowhere.

    Args:
        libraries: folders that `barcodemae library build` wrote.
        limits: of one request.
        host, port: where the page is found; by default by this machine alone.
        target: probability that a rank must reach to be called; None: the default.
        device: of the encoder; default: what there is.

    Raises:
        BarcodeMAEError: gradio is not installed; or a library cannot be opened.
    """
    # Before the import, which reads them: no word to Gradio's makers.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio  # noqa: F401
    except ImportError:
        raise BarcodeMAEError(
            "the page needs Gradio; install it with: pip install 'barcodemae[serve]'"
        ) from None
    from barcodemae.identification.library import Library
    from barcodemae.identification.verdicts import identify
    from barcodemae.serve.queries import Limits

    limits = limits or Limits()
    opened = [Library(folder, device=device) for folder in libraries]
    for library in opened:
        library.encoder  # noqa: B018  (loaded now, so that the first visitor need not wait)
    options = {} if target is None else {"target": target}

    def answers(library, ids, barcodes, seen):
        return identify(library, ids, barcodes, seen=seen, **options)

    named = {
        name: partial(answers, library)
        for name, library in zip(_names(libraries), opened, strict=True)
    }
    # Visitors' ids are none of the console's business.
    logging.getLogger("barcodemae").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="barcodemae-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        from barcodemae.serve.app import build, launch

        launch(build(named, limits), limits, host, port)


def _names(libraries: Sequence[str | Path]) -> list[str]:
    """The folders' names, or where two are alike their paths."""
    names = [Path(library).absolute().name for library in libraries]
    return names if len(set(names)) == len(names) else [str(library) for library in libraries]
