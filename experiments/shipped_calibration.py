"""Make the calibration that comes with the package, for libraries too small to calibrate.

    python -m experiments.shipped_calibration REFERENCES... --split train

It reads identities alone, so it holds for every encoder; but candidates are found by sites.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from barcodemae.data.references import read_references
from barcodemae.encoders.sites import site_vectors
from barcodemae.identification import bits, building, leave_out
from barcodemae.identification.evidence import Taxa
from barcodemae.identification.records import read, write
from barcodemae.outputs import write_whole_text


def shipped_calibration(references: list[str], split: Annotated[str, typer.Option()] = "") -> None:
    """Fit and write it."""
    found = building.lay(read_references(references, split=[split] if split else None))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.parquet"
        write(found.table, path)
        taxa = Taxa.of(read([path]))
    genera = found.table["genus"].to_numpy(dtype=object)
    source = leave_out.Source(
        bits.pack(found.codes), taxa, genera, site_vectors, "metric", shipped=True
    )
    fitted = leave_out.calibrate(
        source, site_vectors(found.codes), leave_out.identity_columns(), say=print
    )
    fitted.origin = "package"
    write_whole_text(building.SHIPPED_CALIBRATION, json.dumps(fitted.to_json()) + "\n")
    print({name: (each["ece"], each["coverage_at_95"]) for name, each in fitted.figures.items()})
    print(f"{len(np.unique(genera)):,} genera: {building.SHIPPED_CALIBRATION}")


if __name__ == "__main__":
    typer.run(shipped_calibration)
