import importlib
from importlib import metadata

from typer.testing import CliRunner

from barcodemae import __version__
from barcodemae.cli import app


def test_version():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"barcodemae {__version__}\n")
    assert metadata.version("barcodemae") == __version__


def test_doctor_says_what_there_is(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    said = dict(line.split(maxsplit=1) for line in result.output.splitlines())
    assert said["torch"] == metadata.version("torch") and __version__ in said["barcodemae"]
    assert "accelerators" in said and "GB free" in result.output
    assert "hf_secret" not in result.output


def test_doctor_names_what_is_missing(monkeypatch):
    doctor = importlib.import_module("barcodemae.cli.doctor")
    version = doctor._version
    monkeypatch.setattr(
        doctor, "_version", lambda name: None if name == "pandas" else version(name)
    )
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1 and "MISSING" in result.output
