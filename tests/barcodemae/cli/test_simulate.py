import dataclasses
import inspect

from typer.testing import CliRunner

from barcodemae.cli import app
from barcodemae.cli.simulate import simulate
from barcodemae.data import simulate_barcodes
from barcodemae.data.simulation.simulate import Simulation


def test_the_command_writes_a_table(tmp_path):
    path = tmp_path / "simulated.csv"
    sizes = {"orders": 1, "families": 1, "genera": 2, "species": 4, "barcodes": 20}
    options = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    result = CliRunner().invoke(app, ["simulate", "-o", str(path), "--seed", "3", *options])
    assert result.exit_code == 0, result.output
    assert "20 barcodes of 4 species, 2 genera" in result.output
    expected = simulate_barcodes(3, **sizes)
    assert path.read_text().count("\n") == 21
    assert all(barcode in path.read_text() for barcode in expected["dna_barcode"])


def test_a_name_of_another_format_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["simulate", "-o", str(tmp_path / "simulated.parquet")])
    assert "CSV is written; give a name that ends in .csv" in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_the_defaults_are_those_of_the_library():
    options = inspect.signature(simulate).parameters
    for field in dataclasses.fields(Simulation):
        assert options[field.name].default == field.default
