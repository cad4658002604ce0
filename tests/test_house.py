"""Rules of the house that no linter checks."""

import ast
import subprocess
from collections import Counter
from pathlib import Path

from count_lines import count

PROJECT = Path(__file__).parents[1]
LONGEST = 60


def sources():
    """Python files outside tests; those of checkpoints are copies."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", ":!tests", ":!checkpoints"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    ).stdout.split()
    return [PROJECT / name for name in listed] or [
        path
        for room in ("barcodemae", "enbed", "train", "benchmarks", "experiments", ".")
        for path in (PROJECT / room).glob("*.py" if room == "." else "**/*.py")
    ]


def test_no_function_is_longer_than_sixty_lines():
    long = [
        f"{path.relative_to(PROJECT)}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in sources()
        if path.exists()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= LONGEST
    ]
    assert not long


def test_no_two_modules_have_one_name():
    # A command is named like its room; Spaces, metrics and cards need names that others ask for.
    asked_for = ("barcodemae/cli/", "barcodemae/evaluation/metrics/", "space/", "model_card/")
    names = Counter(
        path.name for path in sources() if not str(path.relative_to(PROJECT)).startswith(asked_for)
    )
    allowed = {"__init__.py"}
    assert not {name for name, count in names.items() if count > 1} - allowed


def test_lines_are_counted_as_the_old_trees_own_or_in_place_of_others():
    lines = [None, ("a.py", 3), None, None, ("a.py", 5), None, ("b.py", 2)]
    # One before the third, where two went; one of two where one went; none between two files.
    assert count(lines) == (3, 2)
