"""Folders of saved states that can be told whole from damaged: a checksum for each file."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from barcodemae.outputs import write_whole_text

MANIFEST = "manifest.json"


class States:
    """The numbered folders of states under `folder`, `PREFIX-N` each, N a step.

    A state is whole once it is sealed, that is, has a manifest with the size and SHA-256 of each of
    its files: it is written last, and what differs from it is damaged.
    """

    def __init__(self, folder: Path, prefix: str):
        self.folder = folder
        self._pattern = re.compile(rf"{re.escape(prefix)}-(0|[1-9]\d{{0,17}})")
        self._prefix = prefix

    def path(self, step: int) -> Path:
        return self.folder / f"{self._prefix}-{step}"

    def steps(self) -> list[int]:
        """Steps with a sealed state, oldest first; whether it is damaged is not looked at."""
        return [step for step in self._numbered() if (self.path(step) / MANIFEST).is_file()]

    def newest_whole(
        self, tell: Callable[[str], object], needs: Callable[[int], int | None] = lambda step: None
    ) -> int | None:
        """The newest step whose state is whole; None where there is none.

        Args:
            tell: gets a line for each state that is passed over.
            needs: another step whose state that of a step is of no use without; None: none.
        """
        for step in reversed(self._numbered()):
            fault = fault_of(self.path(step))
            if fault is None and (other := needs(step)) not in (None, step):
                fault = fault_of(self.path(other))
            if fault is None:
                return step
            tell(f"{fault}. The state of step {step} is passed over")
        return None

    def prune(self, keep: int, newest: int, also: int | None = None) -> None:
        """Remove sealed states up to step `newest` but for the last `keep` (0: all) and `also`."""
        old = [step for step in self.steps() if step <= newest]
        for step in old[:-keep] if keep else []:
            if step != also:
                # Renamed first: a removal that is cut short must not look like a state.
                doomed = self.path(step).rename(self.folder / f"{self._prefix}-{step}.tmp")
                shutil.rmtree(doomed)

    def sweep(self) -> None:
        """Remove what runs left that were killed while they wrote or removed a state."""
        for path in self.folder.glob(f"{self._prefix}-*.tmp"):
            remove(path)

    def _numbered(self) -> list[int]:
        names = (self._pattern.fullmatch(path.name) for path in self.folder.glob("*"))
        return sorted(int(name[1]) for name in names if name)


def seal(folder: Path) -> None:
    """Write the manifest of a state whose other files are all written."""
    (folder / MANIFEST).unlink(missing_ok=True)
    files = {
        name: {"bytes": path.stat().st_size, "sha256": _digest(path)}
        for name, path in _files(folder)
    }
    write_whole_text(folder / MANIFEST, json.dumps({"files": files}, indent=2) + "\n")


def fault_of(folder: Path) -> str | None:
    """What a state differs in from its manifest, the file named first; None: it is whole."""
    manifest = folder / MANIFEST
    try:
        expected = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        expected = {str(name): (int(a["bytes"]), str(a["sha256"])) for name, a in expected.items()}
    except NotADirectoryError:
        return f"{folder}: is a file and no state"
    except FileNotFoundError:
        if not folder.exists():
            return f"{folder}: is missing"
        if not any(folder.iterdir()):
            return f"{folder}: is empty"
        return f"{manifest}: is missing; the state was not written whole, or before checksums were"
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return f"{manifest}: is damaged"
    found = dict(_files(folder))
    for name, (size, digest) in expected.items():
        if name not in found:
            return f"{folder / name}: is missing"
        if found[name].stat().st_size != size:
            return f"{folder / name}: is damaged ({found[name].stat().st_size} bytes of {size})"
        if _digest(found[name]) != digest:
            return f"{folder / name}: is damaged (another SHA-256 than in {MANIFEST})"
    for name in found.keys() - expected.keys():
        # What file browsers and network disks leave behind is hidden.
        if not Path(name).name.startswith("."):
            return f"{folder / name}: does not belong to the state"
    return None


def remove(path: Path) -> None:
    """Remove a folder or a file, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _files(folder: Path) -> list[tuple[str, Path]]:
    found = (path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return sorted((path.relative_to(folder).as_posix(), path) for path in found)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
