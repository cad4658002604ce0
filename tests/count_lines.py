"""How much of the old tree is left: lines of Python outside tests that are its own or replace them.

    python tests/count_lines.py        # minutes: git looks for the origin of every line

OLD is the last commit before the project was arranged anew; it had 16,772 lines. A line of today is
its own where `git blame` finds it there, moved or copied too. A line replaces some of OLD where it
stands between two that are next of kin, in one file of OLD, with others between them that are gone:
as many as are gone. What is more there is new, and so are the files of CAPABILITIES, which OLD had
not: identification with verdicts, the grid, ENBED, checking, reports, the page.
"""

import re
import subprocess

OLD = "c0ae6a1"
# Folder -> what of it is a new capability.
CAPABILITIES = {
    "": "grid_barcodemae.py enbed space",
    "barcodemae": "checking reports serve",
    "barcodemae/cli": "check.py doctor.py draw.py library.py place.py serve.py train.py",
    "barcodemae/data": "copies.py grid.py headers.py ids.py lineage_text.py names.py packed.py "
    "references.py rows.py simulation/reads.py spreadsheets.py taxonomy_files.py",
    "barcodemae/embedding": "onnx_graph.py",
    "barcodemae/encoders": "onnx.py shipped.py sites.py windows.py",
    "barcodemae/evaluation": "tasks/open_set.py",
    "barcodemae/hub": "libraries.py space.py",
    "barcodemae/identification": "answers.py approximate.py batches.py bits.py building.py "
    "classified.py confidence.py cosine.py evidence.py flags.py folding.py leave_out.py library.py "
    "library_card.py metric.py placement_programs.py records.py reference_errors.py search.py "
    "tree_placement.py vectors.py verdicts.py",
    "benchmarks": "grid_accuracy.py identification_growth.py identification_speed.py "
    "long_encoders.py partial_barcodes.py sequencing_errors.py serve_load.py",
    "experiments": "pretraining_pays.py",
    "train": "contrast enbed shipped.py",
}
_ORIGIN = re.compile(r"([0-9a-f]{40}) (\d+) \d+")


def git(*words: str) -> list[str]:
    said = subprocess.run(["git", *words], capture_output=True, text=True, check=True)
    return said.stdout.split("\n")


def origins(path: str) -> list[tuple[str, int] | None]:
    """Of each line of a file the file and the line of OLD that it is; None: it is later."""
    found, own, names, at = [], set(), {}, ("", 0)
    for line in git("blame", "--porcelain", "-w", "-M", "-C", "-C", f"{OLD}..HEAD", "--", path):
        if header := _ORIGIN.match(line):
            at = header[1], int(header[2])
        elif line == "boundary":
            own.add(at[0])
        elif line.startswith("filename "):
            names[at[0]] = line[9:]
        elif line.startswith("\t"):
            found.append((names[at[0]], at[1]) if at[0] in own else None)
    return found


def count(lines: list[tuple[str, int] | None]) -> tuple[int, int]:
    """How many lines are OLD's own, and how many replace lines of it."""
    replacing = between = 0
    last = None
    for origin in lines:
        if origin is None:
            between += 1
            continue
        name, number = origin
        before = number if last is None else number - last[1] if last[0] == name else 0
        replacing += min(between, max(before - 1, 0))
        last, between = origin, 0
    return sum(origin is not None for origin in lines), replacing


def main() -> None:
    new = [f"{room}/{name}" for room, names in CAPABILITIES.items() for name in names.split()]
    skipped = [f":!{path.lstrip('/')}" for path in (*new, "tests", "checkpoints")]
    files = [path for path in git("ls-files", "*.py", *skipped) if path]
    own, replacing = map(sum, zip(*(count(origins(path)) for path in files), strict=True))
    print(f"{own} of the old tree's own, {replacing} that replace others: {own + replacing}")


if __name__ == "__main__":
    main()
