"""What the command line prints of users' files cannot command the terminal."""

import logging

import pytest
import typer
from typer.testing import CliRunner

from barcodemae import cli
from barcodemae.cli.options import Command
from barcodemae.errors import BarcodeMAEError, FaultyRecord

RUN = CliRunner()


def fail():
    logging.getLogger("barcodemae.any").warning("left out \x1b[2Jid\rx")
    raise BarcodeMAEError("reads.fasta: record \x1b]0;title\x07\u202e1:\nremedy")


def test_errors_and_warnings_are_printable(monkeypatch, capsys):
    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(logging.root, "handlers", [])  # as without pytest's own
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said == (
        "left out \\x1b[2Jid\\rx\n"
        "barcodemae: reads.fasta: record \\x1b]0;title\\x07\\u202e1:\nremedy\n"
    )


def test_a_file_that_is_not_there_is_named_in_words(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["barcodemae", "draw", "missing.npz", "-o", "map.png"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == "barcodemae: missing.npz: No such file or directory\n"


@pytest.mark.parametrize("command", ["build", "add"])
def test_a_faulty_record_may_be_left_out_by_a_command_that_can(tmp_path, monkeypatch, command):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("barcodemae.identification.library.Library", lambda folder: "x")
    (tmp_path / "a.csv").write_text("id,species,nucleotides\na,Aus unus,ACGT\nb,Aus duo,\n")
    where = [tmp_path / "lib", tmp_path / "a.csv"] if command == "add" else [tmp_path / "a.csv"]
    arguments = ["library", command, *where, *(["-o", tmp_path / "lib"] * (command == "build"))]
    remedy = "no sequence: complete the record or remove it; or .* with --on-error skip$"
    with pytest.raises(BarcodeMAEError, match=remedy):
        RUN.invoke(cli.app, list(map(str, arguments)), catch_exceptions=False)


def test_no_command_names_an_option_that_it_has_not():
    app = typer.Typer()

    @app.command(cls=Command)
    def train() -> None:
        raise FaultyRecord("a.csv: record 2: no sequence: complete the record")

    with pytest.raises(FaultyRecord, match="complete the record$"):
        RUN.invoke(app, [], catch_exceptions=False)
