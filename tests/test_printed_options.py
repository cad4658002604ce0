"""The options that README and docs print are there."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import typer

from barcodemae.cli import app
from train.contrast.tuning import TuningArguments
from train.enbed.elements import ElementArguments
from train.enbed.pretraining import EnbedArguments
from train.finetuning.finetune_arguments import FinetuneArguments
from train.loop.arguments import PretrainArguments
from train.loop.parsing import named_argument

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("train/**/README.md")]
PAGES += [ROOT / folder / "README.md" for folder in ("benchmarks", "experiments")]
OPTION = re.compile(r"(?<![\w-])--[a-zA-Z][\w-]*")
COMMAND = re.compile(r"(?:barcodemae|(?:-m )?(?:train|benchmarks|experiments)(?:\.\w+)+)(?= )")
# Of other programs, and of transformers, which the docs compare with.
FOREIGN = {
    *("--quiet", "--multi_gpu", "--num_processes", "--num_train_epochs", "--config_file", "--type"),
    *("--usearch_global", "--maxaccepts", "--maxrejects", "--sintax", "--help", "--version"),
}


def options_of_app(command, found=()) -> dict[tuple[str, ...], set[str]]:
    """Those of each command, by the words that call it."""
    names = {name for each in command.params for name in [*each.opts, *each.secondary_opts]}
    inner = getattr(command, "commands", {})
    below = [options_of_app(each, (*found, name)) for name, each in inner.items()]
    return {found: names} | {words: each for part in below for words, each in part.items()}


APP = options_of_app(typer.main.get_command(app))


def of_fields(kind) -> set[str]:
    return {"--config", *(f"--{each.name}" for each in fields(kind))}


def kind_of_training(script: str, words: list[str]):
    """As the scripts choose it."""
    if script == "pretrain":
        is_enbed = named_argument("preset", words).startswith("enbed")
        return EnbedArguments if is_enbed else PretrainArguments
    if named_argument("family", words) == "enbed":
        return ElementArguments
    is_contrast = named_argument("objective", words) == "contrastive"
    return TuningArguments if is_contrast else FinetuneArguments


def of_source(path: Path) -> set[str]:
    """Those that a script names: argparse's in quotes, typer's as parameters."""
    text = path.read_text(encoding="utf-8")
    quoted = set(re.findall(r'"(--[a-zA-Z][\w-]*)"', text))
    named = re.findall(r"(\w+): (?:Annotated|Splits)", text)
    return quoted | {f"--{name.replace('_', '-')}" for name in named}


def known_options(program: str, words: list[str]) -> set[str]:
    """The options of the command that a text calls."""
    module = program.removeprefix("-m ")
    if module == "barcodemae" and words[:1] == ["train"]:
        module, words = f"train.{words[1]}", words[2:]
    if module == "barcodemae":
        return next(APP[key] for n in (2, 1, 0) if (key := tuple(words[:n])) in APP)
    if module in ("train.pretrain", "train.finetune"):
        return of_fields(kind_of_training(module.rpartition(".")[2], words))
    return of_source(ROOT.joinpath(*module.split(".")).with_suffix(".py"))


def printed_commands(page: str) -> list[tuple[str, list[str]]]:
    """Program and words of every command in fences and in code of a line."""
    fences = re.findall(r"```(?:bash|sh)?\n(.*?)```", page, flags=re.DOTALL)
    lines = [line for text in fences for line in text.replace("\\\n", " ").splitlines()]
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL))
    found = []
    for text in [*lines, *(span.replace("\n", " ") for span in spans)]:
        for part in re.split(r"&&|\||;", text.partition(" #")[0]):
            if (start := COMMAND.search(part)) and "--" in part:
                words = shlex.split(part[start.end() :].replace("...", ""))
                found.append((start.group(), words))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_options_printed_beside_a_command_are_its_own(page):
    for program, words in printed_commands(page.read_text(encoding="utf-8")):
        given = {word.partition("=")[0] for word in words if OPTION.match(word)}
        assert given - FOREIGN <= known_options(program, words), f"{program} {' '.join(words)}"


def test_every_option_printed_anywhere_is_one_of_the_projects():
    known = set().union(FOREIGN, *APP.values())
    for kind in (PretrainArguments, EnbedArguments, FinetuneArguments, TuningArguments):
        known |= of_fields(kind)
    known |= of_fields(ElementArguments)
    for folder in ("benchmarks", "experiments", "train"):
        for path in ROOT.glob(f"{folder}/**/*.py"):
            known |= of_source(path)
    for page in PAGES:
        printed = set(OPTION.findall(page.read_text(encoding="utf-8")))
        assert printed <= known, page.name
