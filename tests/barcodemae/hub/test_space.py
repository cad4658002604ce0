import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("barcodemae.identification.library")

from barcodemae.cli.push import push as push_command  # noqa: E402
from barcodemae.errors import BarcodeMAEError  # noqa: E402
from barcodemae.families import FAMILIES  # noqa: E402
from barcodemae.hub.space import assemble  # noqa: E402

from .test_push import hub  # noqa: E402, F401

REPO = "tester/page"


@pytest.fixture
def library(tmp_path):
    """The files of a library as far as a Space is concerned, with a model of this machine."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    folder = tmp_path / "mine"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "0000.parquet").write_bytes(b"PAR1")
    (folder / ".env").write_text("secret")
    card = {"format": 1, "encoder": str(tmp_path / "model"), "records": 1}
    (folder / "library.json").write_text(json.dumps(card))
    return folder


def test_a_space_holds_all_that_it_needs(library, tmp_path):
    output = tmp_path / "space"
    assemble(library, output)
    header = yaml.safe_load((output / "README.md").read_text().split("---")[1])
    assert header["sdk"] == "gradio" and (output / header["app_file"]).is_file()
    assert json.loads((output / "library" / "library.json").read_text())["encoder"] == "model"
    assert (output / "model" / "config.json").is_file()
    needed = (output / "requirements.txt").read_text()
    assert "torch" in needed and "scikit-learn" in needed and "extra ==" not in needed
    assert not list(output.rglob(".env")) and not list(output.rglob("__pycache__"))
    code = (
        "import sys, app, barcodemae.serve.app, barcodemae.auto, enbed; "
        "print(*(module.__file__ for name, module in list(sys.modules.items()) "
        "if name == 'barcodemae' or name.endswith('_barcodemae')))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=output, env=environment, capture_output=True, text=True
    )
    loaded = {Path(file) for file in ran.stdout.split()}
    hub_files = FAMILIES["barcodemae"].hub_files
    expected = [output / "barcodemae" / "__init__.py", *(output / file.name for file in hub_files)]
    assert loaded == set(expected), ran.stderr


def test_a_space_is_pushed(hub, library, capsys):  # noqa: F811
    push_command(library, REPO, private=True, space=True)
    files = hub.files(REPO)
    assert {"app.py", "README.md", "requirements.txt", "library/library.json"} <= set(files)
    assert hub.repositories[REPO].private and REPO in capsys.readouterr().out
    assert b"secret" not in b"".join(files.values())


def test_what_is_no_library_is_refused(hub, tmp_path):  # noqa: F811
    with pytest.raises(BarcodeMAEError, match="no library"):
        push_command(tmp_path, REPO, private=True, space=True)
    assert REPO not in hub.repositories
