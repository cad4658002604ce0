"""What the ways to install the project say agrees with the project."""

import re
import tomllib
from pathlib import Path

import jinja2
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# conda's names of what PyPI calls otherwise.
CONDA = {
    "torch": "pytorch",
    "huggingface-hub": "huggingface_hub",
    "matplotlib": "matplotlib-base",
    "xxhash": "python-xxhash",
}


def test_the_conda_recipe_has_the_projects_version_and_requirements():
    text = (ROOT / "conda" / "meta.yaml").read_text()
    given = {"PYTHON": "python", "pin_subpackage": lambda name, max_pin: name}
    recipe = yaml.safe_load(jinja2.Template(text).render(**given))
    assert recipe["package"]["version"] == PROJECT["project"]["version"]
    run = dict(line.split() for line in recipe["requirements"]["run"])
    assert run.pop("python") == PROJECT["project"]["requires-python"]
    declared = {}
    for line in PROJECT["project"]["dependencies"]:
        name, at_least = re.match(r"([\w.-]+)(>=[\d.]+)", line).groups()
        declared[CONDA.get(name, name)] = at_least
    assert run == declared
    assert recipe["about"]["license"] == PROJECT["project"]["license"]
    assert (ROOT / recipe["about"]["license_file"]).is_file()


def test_the_image_copies_every_package_and_does_not_run_as_root():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = {word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]}
    packages = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {package.rstrip("*") for package in packages} <= copied
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users and users[-1] not in ("root", "0")
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied if name[0] not in "/-"} <= set(ignored)
    torch = re.search(r"^TORCH := (\S+)", (ROOT / "Makefile").read_text(), re.M)[1]
    assert f'"{torch}"' in (ROOT / "Dockerfile").read_text()


def test_sentence_transformers_is_pinned_to_the_first_version_that_an_export_loads_in():
    """Its module imports `sentence_transformers.base`, which came with 5.4."""
    (pin,) = PROJECT["project"]["optional-dependencies"]["sentence-transformers"]
    assert tuple(map(int, pin.partition(">=")[2].split("."))) >= (5, 4)
    module = (ROOT / "model_card" / "sentence_barcodemae.py").read_text()
    assert "from sentence_transformers.base." in module
