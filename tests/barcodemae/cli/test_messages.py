"""What the command line prints of users' files cannot command the terminal."""

import logging

import pytest

from barcodemae import cli
from barcodemae.errors import BarcodeMAEError


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
