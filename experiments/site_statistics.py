"""Make the statistics that come with the package: mean and scatter of sites on the COI grid.

    python -m experiments.site_statistics TABLE.parquet --split pretrain

TABLE has the columns nucleotides, genus and split. The barcodes of one split are laid on the grid;
the means go to barcodemae/encoders/sites.safetensors, the sums over barcodes that have a genus to
barcodemae/identification/sites_scatter.safetensors.
"""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import typer
from safetensors.numpy import save_file

from barcodemae.data.grid import coi_grid
from barcodemae.encoders.sites import CORNERS, MEANS, site_vectors
from barcodemae.identification.metric import SHIPPED, Scatter, save_scatter


def site_statistics(table: Path, split: str = "pretrain") -> None:
    """Fit and write both files."""
    rows = pq.read_table(table, columns=["nucleotides", "genus"], filters=[("split", "=", split)])
    codes, placements = coi_grid().lay(rows["nucleotides"].to_pylist())
    genera = np.array([genus or "" for genus in rows["genus"].to_pylist()])
    kept = placements.placed & (placements.breaks == 0) & (genera != "")
    codes, genera = codes[kept], genera[kept]
    counts = np.stack([(codes == code).sum(axis=0) for code in range(4)], axis=1)  # (658, 4)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    means = (shares @ CORNERS).astype(np.float32)
    save_file({"means": means}, MEANS, {"barcodes": str(len(codes))})
    scatter = Scatter.of(site_vectors(codes, means), genera)
    save_scatter(scatter, SHIPPED)
    print(f"{len(codes):,} barcodes of {len(np.unique(genera)):,} genera: {MEANS}, {SHIPPED}")


if __name__ == "__main__":
    typer.run(site_statistics)
