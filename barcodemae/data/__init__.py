"""Reading barcodes, preparing them as the authors do, and simulating them."""

from barcodemae.data.cache import read_report
from barcodemae.data.problems import LeftOut
from barcodemae.data.read_report import ReadReport
from barcodemae.data.reading import read_barcodes
from barcodemae.data.schemas import COLUMNS, RANKS
from barcodemae.data.simulation.simulate import simulate_barcodes, write_simulated

__all__ = [
    "COLUMNS",
    "RANKS",
    "LeftOut",
    "ReadReport",
    "read_barcodes",
    "read_report",
    "simulate_barcodes",
    "write_simulated",
]
