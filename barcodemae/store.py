"""What has been computed, kept on disk by content, so that a stopped evaluation goes on."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from barcodemae.outputs import write_whole, write_whole_text


def content_key(**parts) -> str:
    """A name for the outcome of a computation: the SHA-256 of all that decides it."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


class Store:
    """Arrays and JSON values under a folder, each under its content key.

    Args:
        root: the folder; made when something is written.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root)

    def arrays(
        self, key: str, compute: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """The arrays under `key`, computed and written if they are not there or unreadable."""
        path = self.root / f"{key}.npz"
        try:
            with np.load(path, allow_pickle=False) as found:
                return dict(found)
        except (FileNotFoundError, zipfile.BadZipFile, ValueError, EOFError):
            pass
        arrays = compute()

        def write(partial: Path) -> None:
            with open(partial, "wb") as file:
                np.savez(file, **arrays)

        write_whole(path, write)
        return arrays

    def values(self, key: str, compute: Callable[[], object]):
        """The JSON value under `key`, computed and written if it is not there or unreadable."""
        path = self.root / f"{key}.json"
        try:
            return json.loads(path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            pass
        text = json.dumps(compute())
        write_whole_text(path, text)
        # As it will be read: what runs after must not depend on whether it was stored.
        return json.loads(text)


class Stopwatch:
    """Wall and CPU seconds (this process, all threads) since it was made."""

    def __init__(self):
        self.start = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self.start[0], time.process_time() - self.start[1]
