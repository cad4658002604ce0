"""Makes the files that come with the package, each learned from barcodes.

python -m train.shipped grid BARCODES... -o grid.safetensors --length 658
python -m train.shipped sites TABLE.parquet --split pretrain
python -m train.shipped calibration REFERENCES... --split train
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from safetensors.numpy import save_file

from barcodemae.data import read_barcodes
from barcodemae.data.grid import coi_grid, fit_grid
from barcodemae.data.references import read_references
from barcodemae.encoders.sites import CORNERS, MEANS, site_vectors
from barcodemae.identification import bits, building, leave_out
from barcodemae.identification.evidence import Taxa
from barcodemae.identification.metric import SHIPPED, Scatter, save_scatter
from barcodemae.identification.records import read, write
from barcodemae.outputs import check_output, whole_file, write_whole_text
from train.loop.script import errors_in_a_line

app = typer.Typer(help=__doc__.partition("\n")[0], pretty_exceptions_enable=False)
Splits = Annotated[list[str] | None, typer.Option(help="These splits alone.")]


@app.command()
def grid(
    barcodes: Annotated[list[str], typer.Argument(help="With phylum and order.")],
    output: Annotated[Path, typer.Option("--output", "-o")],
    split: Splits = None,
    length: Annotated[int | None, typer.Option(help="Places; else the commonest length.")] = None,
) -> None:
    """A grid, of any marker. That of COI: 84,930 public barcodes of six phyla, --length 658."""
    check_output(output, barcodes)
    table = read_barcodes(barcodes, split=split)
    groups = list(zip(*(map(str, table[rank][:]) for rank in ("phylum", "order")), strict=True))
    fitted = fit_grid(table["nucleotides"][:], groups, length, print)
    with whole_file(output) as temporary:
        fitted.save(temporary)
    print(f"{output}: a grid of {fitted.length} places from {len(table)} barcodes")


@app.command()
def sites(barcodes: list[str], split: Splits = None) -> None:
    """Means of the sites of COI, and their scatter within and between genera."""
    table = read_barcodes(barcodes, split=split, prepare=False).to_pandas()
    codes, placements = coi_grid().lay(table["nucleotides"].tolist())
    genera = table["genus"].fillna("").to_numpy(dtype=object)
    kept = placements.placed & (placements.breaks == 0) & (genera != "")
    codes, genera = codes[kept], genera[kept]
    counts = np.stack([(codes == code).sum(axis=0) for code in range(4)], axis=1)  # (658, 4)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    means = (shares @ CORNERS).astype(np.float32)
    save_file({"means": means}, MEANS, {"barcodes": str(len(codes))})
    save_scatter(Scatter.of(site_vectors(codes, means), genera), SHIPPED)
    print(f"{len(codes):,} barcodes of {len(np.unique(genera)):,} genera: {MEANS}, {SHIPPED}")


@app.command()
def calibration(references: list[str], split: Splits = None) -> None:
    """For libraries too small to calibrate: of identities, which hold for every encoder."""
    found = building.lay(read_references(references, split=split))
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
    with errors_in_a_line("train.shipped"):
        app()
