import pandas as pd
from safetensors.numpy import load_file

from barcodemae.data.grid import coi_grid
from coi import draw
from grid_barcodemae import Grid
from train import shipped


def barcodes(tmp_path):
    path = tmp_path / "barcodes.csv"
    taxa = {"phylum": "Arthropoda", "order": "Diptera", "genus": [f"G{n % 20}" for n in range(60)]}
    ids = [f"P{n}" for n in range(60)]
    pd.DataFrame({"processid": ids, "nucleotides": draw(60), **taxa}).to_csv(path, index=False)
    return str(path)


def test_a_grid_is_made_from_files(tmp_path, capsys):
    shipped.grid([barcodes(tmp_path)], tmp_path / "grid.safetensors")
    assert "a grid of 658 places from 60 barcodes" in capsys.readouterr().out
    made = Grid.load(tmp_path / "grid.safetensors")
    assert (made.place(draw(5, 9)).start == coi_grid().place(draw(5, 9)).start).all()


def test_statistics_of_sites_are_of_the_barcodes_that_have_a_genus(tmp_path, monkeypatch):
    for name in ("MEANS", "SHIPPED"):
        monkeypatch.setattr(shipped, name, tmp_path / name)
    shipped.sites([barcodes(tmp_path)])
    assert load_file(tmp_path / "MEANS")["means"].shape == (658, 3)
    assert (tmp_path / "SHIPPED").stat().st_size > 0
