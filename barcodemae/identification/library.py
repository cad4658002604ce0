"""A reference library on disk: opened in an instant, searched by vectors and by sites.

A library is a folder:

| file | holds |
|---|---|
| `library.json` | the card: encoder, hashes, counts, versions, calibration figures; written last |
| `parts/NNNN.parquet`, `.safetensors` | records with labels; their sites as bits, their vectors |
| `map.safetensors` | the linear map from the encoder's vectors to the library's, if any |
| `calibration.json` | the curves from evidence to probabilities |
| `index.faiss` | the approximate index, if one was asked for |
| `README.md` | the card for people, and for the Hub |

Records that are added become a part of their own; nothing else is written anew.
"""

from __future__ import annotations

import difflib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError, safe_open

from barcodemae.encoders import Encoder, load_encoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import bits, records, vectors
from barcodemae.identification.approximate import FILE as INDEX
from barcodemae.identification.approximate import Index
from barcodemae.identification.confidence import Calibration
from barcodemae.identification.cosine import CosineSearch
from barcodemae.identification.evidence import CANDIDATES, Candidates, Taxa
from barcodemae.identification.search import compared, in_order, nearest_by_identity

FORMAT = 1
_PIECE = 512  # barcodes embedded and mapped at a time
CARD, CALIBRATION, MAP, PARTS = "library.json", "calibration.json", "map.safetensors", "parts"


class Library:
    """A library that `build` wrote; its arrays are mapped, not read.

    Args:
        folder: of the library.
        open_names: whether names such as "Pieris sp." count as species.
        device: of the encoder; default: what there is.
        batch_size: barcodes that the encoder is given at a time.
        remote_code: as for `load_encoder`.
        approximate: search whole queries through the index that `approximate.build` wrote.

    Attributes:
        card: what `library.json` says.
        table: the records, an Arrow table; n rows.
        taxa: their labels as numbers.
        planes: (n, 3, words) their sites as bits.
        vectors: (n, k) float16, length 1.
        open_names, approximate: as given.

    Raises:
        BarcodeMAEError: there is no library, it is damaged, or a later version wrote it.
    """

    def __init__(
        self,
        folder: str | Path,
        open_names: bool = False,
        device: str | None = None,
        batch_size: int = 64,
        remote_code: str = "none",
        approximate: bool = False,
    ):
        self.folder = Path(folder)
        self._options: dict[str, Any] = {
            "device": device,
            "batch_size": batch_size,
            "remote_code": remote_code,
        }
        self.card = read_card(self.folder)
        try:
            stems = [self.folder / PARTS / name for name in self.card["parts"]]
            self.table = records.read([stem.with_suffix(".parquet") for stem in stems])
            arrays = [_mapped(stem.with_suffix(".safetensors")) for stem in stems]
            self.planes, self.vectors = (_joined(parts) for parts in zip(*arrays, strict=True))
            self.map = None
            if MAP in self.card["hashes"]:
                self.map = vectors.LinearMap.load(self.folder / MAP)
            self.calibration = Calibration.from_json(
                json.loads((self.folder / CALIBRATION).read_text(encoding="utf-8"))
            )
        except (OSError, KeyError, TypeError, ValueError, SafetensorError, pa.ArrowException) as e:
            raise BarcodeMAEError(
                f"{folder}: the library is damaged ({e}). Build it again, or copy it whole."
            ) from e
        if not len(self.table) == len(self.planes) == len(self.vectors):
            raise BarcodeMAEError(
                f"{folder}: the library is damaged (its files differ in the number of records). "
                "Build it again, or copy it whole."
            )
        self.taxa = Taxa.of(self.table, open_names)
        self.open_names, self.approximate = open_names, approximate
        self._index = self._opened_index() if approximate else None

    @cached_property
    def _search(self) -> CosineSearch | Index:
        return self._index or CosineSearch(self.vectors)

    def _opened_index(self) -> Index:
        if "index" not in self.card:
            raise BarcodeMAEError(
                f"{self.folder}: has no index for an approximate search; make it first: "
                f"barcodemae library index {self.folder}"
            )
        return Index(self.folder / INDEX, self.card["index"])

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder that the library was built with.

        Raises:
            BarcodeMAEError: it cannot be loaded, or its weights are others.
        """
        encoder = load_encoder(self.card["encoder"], **self._options)
        if encoder.fingerprint != self.card["encoder_fingerprint"]:
            raise BarcodeMAEError(
                f"{self.folder}: was built with other weights than {self.card['encoder']} has now. "
                "Build the library again, or restore the model."
            )
        return encoder

    @cached_property
    def families(self) -> np.ndarray:
        """(n,) the families' names, "" where missing."""
        return self.labels("family", np.arange(len(self)))

    def embed(self, codes: np.ndarray) -> np.ndarray:
        """(n, k) float32 vectors of length 1, from codes on the grid (n, sites)."""
        found = []
        for start in range(0, len(codes), _PIECE):  # what an encoder gives may be long
            embedded = vectors.embed(self.encoder, codes[start : start + _PIECE])
            found.append(vectors.unit(embedded if self.map is None else self.map(embedded)))
        return np.concatenate(found)

    def nearest(self, planes: np.ndarray, embedded: np.ndarray) -> Candidates:
        """The references nearest to n queries by cosine: planes (n, 3, words), vectors (n, k)."""
        count = min(CANDIDATES, len(self))
        found = self._search.nearest(embedded, count)
        if self._index:  # the exact search leaves nothing out of order
            found = in_order(*found)
        return compared(planes, self.planes, *found)

    def sharing(self, planes: np.ndarray) -> np.ndarray:
        """Places (n, count) of the references that share most nucleotides with n fragments."""
        return nearest_by_identity(planes, self.planes, min(CANDIDATES, len(self)))

    def nearest_in_window(
        self, planes: np.ndarray, embedded: np.ndarray, places: np.ndarray, window: np.ndarray
    ) -> Candidates:
        """As `nearest` for fragments: the references are masked to the window (sites,) bool.

        Those at places (n, count), which `sharing` found, are embedded anew, without what lies
        outside the window.
        """
        used, inverse = np.unique(np.maximum(places, 0), return_inverse=True)
        codes = bits.unpack(bits.masked(self.planes[used], window))
        theirs = self.embed(codes)[inverse.reshape(places.shape)]  # (n, count, k)
        similarities = np.einsum("nk,nck->nc", embedded, theirs)
        return compared(planes, self.planes, *in_order(places, similarities))

    def labels(self, rank: str, places: np.ndarray) -> np.ndarray:
        """(n,) names at a rank of the records at places (n,); "" for -1 and where missing."""
        column = self.table[rank].chunk(0)
        names = np.array(column.dictionary.to_pylist(), dtype=object)
        found = names[column.indices.to_numpy()[np.maximum(places, 0)]]
        return np.where(places < 0, "", found)

    def ids(self, places: np.ndarray) -> np.ndarray:
        """(n,) ids of the records at places (n,); "" for -1."""
        found = self.table["id"].chunk(0).take(pa.array(np.maximum(places, 0)))
        return np.where(places < 0, "", np.array(found.to_pylist(), dtype=object))


def read_card(folder: Path) -> dict:
    """What `library.json` says.

    Raises:
        BarcodeMAEError: there is no library, or this version cannot read it.
    """
    path = folder / CARD
    if not path.is_file():
        raise BarcodeMAEError(_no_library(folder))
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        version = card["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise BarcodeMAEError(
            f"{path}: is not the card of a library ({error!r}). Build the library again."
        ) from error
    if version != FORMAT:
        raise BarcodeMAEError(
            f"{folder}: has format {version}, this barcodemae reads {FORMAT}. Build it again, or "
            "install the version that made it."
        )
    return card


def _no_library(folder: Path) -> str:
    """That there is none, and what might have been meant."""
    if folder.is_file():
        return (
            f"{folder}: this is a file and no library. Build one of it (barcodemae library build "
            f"{folder} -o FOLDER), or let `identify` do so: --reference {folder}"
        )
    beside = [path.parent.name for path in folder.absolute().parent.glob(f"*/{CARD}")]
    near = difflib.get_close_matches(folder.name, beside, 1)
    meant = f"Did you mean {folder.parent / near[0]}? If not, build one" if near else "Build one"
    return (
        f"{folder}: there is no library (it has no {CARD}). {meant}: "
        f"barcodemae library build REFERENCES -o {folder}"
    )


def _mapped(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """`planes` and `vectors` of one file, mapped.

    safetensors copies what it hands out as NumPy arrays, so their places are read from its header.
    """
    with safe_open(path, framework="numpy") as file:
        names = set(file.keys())
    if names != {"planes", "vectors"}:
        raise ValueError(f"{path.name} lacks tensors")
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    kinds = {"U64": np.uint64, "F16": np.float16}
    found = []
    for name in ("planes", "vectors"):
        begin, _ = header[name]["data_offsets"]
        kind, shape = kinds[header[name]["dtype"]], tuple(header[name]["shape"])
        found.append(np.memmap(path, kind, "r", 8 + size + begin, shape))
    return found[0], found[1]


def _joined(parts: tuple[np.ndarray, ...]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
