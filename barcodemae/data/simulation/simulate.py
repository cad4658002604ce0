"""Simulated barcodes with a taxonomy: for demonstrations and tests, never for claims.

The families of an order, the genera of a family and the species of a genus descend from common
ancestors by the process in `evolution`; `reads` makes of them what laboratories send.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from tqdm import tqdm

from barcodemae.data.simulation.evolution import CodingProcess, to_nucleotides
from barcodemae.data.simulation.partition import Role, assign_roles, assign_splits
from barcodemae.data.simulation.reads import Shares, sequenced
from barcodemae.data.simulation.taxonomy import Taxonomy, allocate, bins, grow, latin_name
from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import check_output, whole_file

BIOSCAN_COLUMNS = (
    *("processid", "sampleid", "taxon", "phylum", "class", "order", "family", "subfamily"),
    *("genus", "species", "dna_bin", "dna_barcode", "country", "province_state", "coord-lat"),
    *("coord-lon", "image_measurement_value", "area_fraction", "scale_factor", "inferred_ranks"),
    *("split", "index_bioscan_1M_insect", "chunk"),
)
SCHEMA = pa.schema([(column, pa.string()) for column in BIOSCAN_COLUMNS])
_PIECE = 50_000  # barcodes made at a time; another number would give other barcodes
# Mean of a species' expected substitutions per nucleotide since its founder. Chosen: barcodes of a
# species rarely differ by more than 2 %, and mostly by less than 1 % (Hebert et al. 2003).
_DIVERSITY = 0.002
_GENUS_KNOWN = 0.5  # share of unlabelled species whose genus is known; chosen
SHARES = ("unlabelled", "ambiguous", "truncated", "primers", "mini", "reversed")


@dataclass(frozen=True)
class Simulation(Shares):
    """What to simulate; raises `BarcodeMAEError` where the numbers contradict each other.

    `orders` to `barcodes` are totals. `unlabelled` is the share of species in `pretrain`,
    `ambiguous` the share of barcodes with 1 to 10 N, `truncated` that of barcodes that lack up to
    100 nucleotides, divided between both ends (so their reading frame starts anywhere), `primers`
    that of barcodes from other primers than Folmer's, or with those left on, `mini` that of
    mini-barcodes (130 to 407 nucleotides), `reversed` that of reverse complements.
    """

    orders: int = 5
    families: int = 20
    genera: int = 80
    species: int = 400
    barcodes: int = 4000
    unlabelled: float = 0.6

    def __post_init__(self):
        fewest = 1
        for name in ("orders", "families", "genera", "species", "barcodes"):
            value = getattr(self, name)
            if value < fewest:
                raise BarcodeMAEError(
                    f"{name}={value}: give at least {fewest}, one for each taxon of the rank above"
                )
            fewest = value
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise BarcodeMAEError(f"{name}={getattr(self, name)}: give a share within 0..1")


def simulate_barcodes(seed: int = 0, **settings) -> pd.DataFrame:
    """Barcodes in the columns of BIOSCAN-5M's metadata; `settings` are the fields of `Simulation`.

    The same seed and settings give the same table. Its splits are those of `partition`; what has no
    meaning here (country, coordinates, image measurements) is missing.
    """
    return pa.concat_tables(simulated_pieces(seed, **settings)).to_pandas()


def write_simulated(path: str | Path, seed: int = 0, *, progress: bool = True, **settings) -> int:
    """Write the table of `simulate_barcodes` as CSV, piece by piece; returns its rows."""
    total = Simulation(**settings).barcodes
    bar = tqdm(desc="simulating", total=total, unit="barcode", delay=2, disable=not progress)
    check_output(Path(path))
    with whole_file(Path(path)) as temporary, bar, pa.csv.CSVWriter(temporary, SCHEMA) as writer:
        for piece in simulated_pieces(seed, **settings):
            writer.write_table(piece)
            bar.update(len(piece))
    return total


def simulated_pieces(seed: int = 0, **settings) -> Iterator[pa.Table]:
    """The table of `simulate_barcodes` in pieces of some ten thousand barcodes, by species.

    In memory are the founding barcodes of all species, 220 bytes each, and one piece.
    """
    size = Simulation(**settings)
    rng = np.random.default_rng(seed)
    process = CodingProcess(rng)
    counts = (size.orders, size.families, size.genera, size.species)
    taxonomy = grow(counts, process, rng)
    roles = assign_roles(taxonomy.taxa["genus"], size.unlabelled, rng)
    taxa = _species_table(taxonomy, roles, rng)
    specimens = allocate(size.barcodes, size.species, rng, evenness=0.7)
    diversity = rng.gamma(2, _DIVERSITY / 2, size.species)
    piece = np.cumsum(specimens) // _PIECE
    done = 0
    for each in np.unique(piece):
        members = np.flatnonzero(piece == each)
        species = np.repeat(members, specimens[members])
        codons = process.evolved(taxonomy.codons[species], diversity[species], rng)
        barcodes = to_nucleotides(codons)
        split = assign_splits(species, barcodes, roles, rng)
        numbers = range(done, done + len(species))
        columns = {
            "processid": pa.array([f"SIM{number:07d}" for number in numbers]),
            "sampleid": pa.array([f"SAMPLE{number:07d}" for number in numbers]),
            **dict(zip(taxa.column_names, taxa.take(pa.array(species)).columns, strict=True)),
            "dna_barcode": sequenced(barcodes, size, rng),
            "split": pa.array(split, pa.string()),
        }
        missing = pa.nulls(len(species), pa.string())
        yield pa.table([columns.get(name, missing) for name in BIOSCAN_COLUMNS], SCHEMA)
        done += len(species)


def _species_table(taxonomy: Taxonomy, roles: np.ndarray, rng: np.random.Generator) -> pa.Table:
    """What the barcodes of each species have in common, one row for each species."""
    table = pd.DataFrame({"phylum": "Arthropoda", "class": "Insecta"}, index=range(len(roles)))
    for rank, taxa in taxonomy.taxa.items():
        total = taxa.max() + 1
        names = np.array([latin_name(rank, index, total) for index in range(total)], dtype=object)
        table[rank] = names[taxa]
    for rank in ("order", "family", "genus"):
        table[rank] = table[rank].str.capitalize()
    table["species"] = table["genus"] + " " + table["species"]
    unlabelled = roles == Role.UNLABELLED
    table.loc[unlabelled, "species"] = None
    table.loc[unlabelled & (rng.random(len(roles)) >= _GENUS_KNOWN), "genus"] = None
    table["taxon"] = table["species"].fillna(table["genus"]).fillna(table["family"])
    table["dna_bin"] = bins(taxonomy)
    table["inferred_ranks"] = "0"
    schema = pa.schema([(column, pa.string()) for column in table.columns])
    return pa.Table.from_pandas(table, schema, preserve_index=False)
