"""Build a library from labelled barcodes, and add records to one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file
from tqdm import tqdm

from barcodemae.data.grid import coi_grid
from barcodemae.directories import whole_directory
from barcodemae.encoders import Encoder, load_encoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import approximate, bits, leave_out, metric, records, vectors
from barcodemae.identification.confidence import Calibration
from barcodemae.identification.evidence import Taxa
from barcodemae.identification.library import CALIBRATION, CARD, MAP, PARTS, Library
from barcodemae.identification.library_card import new_card, taxa_counts, write_card
from barcodemae.outputs import write_whole_text

if TYPE_CHECKING:
    from barcodemae.data.references import References

SHIPPED_CALIBRATION = Path(__file__).with_name("shipped_calibration.json")
_LAID_AT_ONCE = 4096
_GIVE_LABELS = (
    ". Name the columns of taxa after their ranks (family, genus, species), give FASTA headers "
    "with lineages, or files of ids and lineages by --taxonomy"
)


def default_model() -> str:
    """The encoder of a library that names none."""
    return vectors.SITES


def build(
    references: References,
    output: Path,
    model: str = "",
    inference: str = "",
    name: str = "",
    device: str | None = None,
    batch_size: int = 64,
    remote_code: str = "none",
    progress: bool = True,
    encoder: Encoder | None = None,
) -> dict:
    """Build a library from references and return its card.

    Args:
        references: of `barcodemae.data.references.read_references`.
        output: the folder; a library that is there is replaced when the new one is whole.
        model: an encoder of `barcodemae.encoders`; "": `default_model`.
        inference: an option of `vectors.INFERENCE`; "": the encoder's default.
        name: of the library; "": that of the folder.
        device, batch_size, remote_code: as for `load_encoder`.
        encoder: loaded already, instead of `model`.

    Raises:
        BarcodeMAEError: `output` is something else, no reference can be used, or as the encoder.
    """
    check_folder(output)
    if encoder is not None:
        model = encoder.settings["encoder"]
    model = model or default_model()
    inference = vectors.check_inference(inference, model)
    if encoder is None:
        encoder = load_encoder(model, device, batch_size, remote_code=remote_code)
    found = lay(references, progress)
    with whole_directory(output, replace=True) as folder:
        return _fill(folder, found, encoder, model, inference, name or output.name, progress)


def _fill(
    folder: Path,
    found: records.Records,
    encoder: Encoder,
    model: str,
    inference: str,
    name: str,
    progress: bool,
) -> dict:
    """Write every file of a library into an empty folder, the card last; return the card."""
    embedded = _embedded(encoder, found.codes, progress)
    (folder / PARTS).mkdir()
    stem = folder / PARTS / "0000"
    records.write(found.table, stem.with_suffix(".parquet"))
    planes = bits.pack(found.codes)
    taxa = Taxa.of(records.read([stem.with_suffix(".parquet")]))
    source = leave_out.Source(
        planes,
        taxa,
        found.table["genus"].to_numpy(dtype=object),
        lambda codes: vectors.embed(encoder, codes),
        inference,
        model == vectors.SITES,
    )
    say = _teller(progress)
    say("learning the metric" if inference == "metric" else "mapping the vectors")
    if source.shipped and inference == "metric":
        labels = (source.genera.astype(str), taxa.codes["species"])
        source.shipped = metric.pooling_helps(embedded, *labels, metric.shipped_scatter())
    linear = leave_out.fitted_map(source, embedded, np.arange(len(embedded)))
    if linear is not None:
        linear.save(folder / MAP)
    _write_arrays(stem, planes, embedded if linear is None else linear(embedded))
    calibration = leave_out.calibrate(source, embedded, say=say) or shipped_calibration()
    write_whole_text(folder / CALIBRATION, json.dumps(calibration.to_json()) + "\n")
    card = new_card(found, taxa, encoder, model, inference, name, calibration)
    if inference == "metric":
        card["metric_of"] = "library and package" if source.shipped else "library"
    write_card(folder, card)
    return card


def add(library: Library, references: References, progress: bool = True) -> dict:
    """Add records to a library as a part of its own; the map and the calibration stay.

    Returns:
        The new card.

    Raises:
        BarcodeMAEError: no reference can be used, or an id is in the library already.
    """
    found = lay(references, progress)
    taken = set(library.table["id"].to_pylist()) & set(found.table["id"])
    if taken:
        raise BarcodeMAEError(
            f"{len(taken)} ids are in the library already, the first being {min(taken)}; leave "
            "these records out, or give them ids of their own"
        )
    embedded = _embedded(library.encoder, found.codes, progress)
    part = f"{len(library.card['parts']):04d}"
    stem = library.folder / PARTS / part
    records.write(found.table, stem.with_suffix(".parquet"))
    mapped = embedded if library.map is None else library.map(embedded)
    planes = bits.pack(found.codes)
    _write_arrays(stem, planes, mapped)
    card = dict(library.card)
    card["parts"] = [*card["parts"], part]
    card["records"] += len(found.table)
    for reason, count in found.left_out.items():
        card["left_out"][reason] = card["left_out"].get(reason, 0) + count
    joined = records.read(
        [(library.folder / PARTS / each).with_suffix(".parquet") for each in card["parts"]]
    )
    card.update(taxa_counts(Taxa.of(joined)))
    marks, species = (np.array(joined[name].to_pylist()) for name in ("open_name", "species"))
    card["open_names"] = int((marks != "").sum())
    planes = np.concatenate([library.planes, planes])
    card["barcodes_of_several_species"] = records.of_several_species(planes, species)
    card.pop("index", None)  # it lacks the new records
    (library.folder / approximate.FILE).unlink(missing_ok=True)
    write_card(library.folder, card)
    return card


def index(library: Library, progress: bool = True) -> dict:
    """Give a library an approximate index; what its card says of it then.

    Raises:
        BarcodeMAEError: as `approximate.build`.
    """
    path = library.folder / approximate.FILE
    told = approximate.build(library.vectors, path, _teller(progress))
    write_card(library.folder, {**library.card, "index": told})
    return told


def check_folder(output: Path) -> bool:
    """Whether `output` holds a library, which a new one takes the place of.

    Raises:
        BarcodeMAEError: none can be written there; said before an hour of work.
    """
    if output.is_file():
        raise BarcodeMAEError(f"{output}: is a file; give the name of a folder")
    if output.is_dir() and any(output.iterdir()) and not (output / CARD).exists():
        raise BarcodeMAEError(f"{output}: holds other files; give a new or an empty folder")
    if not output.absolute().parent.is_dir():
        raise BarcodeMAEError(f"{output}: there is no folder {output.parent}; make it first")
    return (output / CARD).exists()


def lay(references: References, progress: bool = True) -> records.Records:
    """References on the grid, merged.

    Raises:
        BarcodeMAEError: none can be used.
    """
    barcodes = references.barcodes
    codes, placed = [], []
    with tqdm(desc="laying on the grid", total=len(barcodes), disable=not progress) as bar:
        for start in range(0, len(barcodes), _LAID_AT_ONCE):
            piece = barcodes[start : start + _LAID_AT_ONCE]
            laid, placements = coi_grid().lay(piece)
            codes.append(laid)
            placed.append(placements.placed)
            bar.update(len(piece))
    found = records.merge(references, np.concatenate(codes), np.concatenate(placed))
    if not len(found.table):
        why = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
        remedy = _GIVE_LABELS if records.UNLABELLED in found.left_out else ""
        raise BarcodeMAEError(f"no reference can be used: {why}{remedy}")
    return found


def shipped_calibration() -> Calibration:
    """By identities alone, from public barcodes: for libraries too small to calibrate."""
    return Calibration.from_json(json.loads(SHIPPED_CALIBRATION.read_text(encoding="utf-8")))


def _embedded(encoder: Encoder, codes: np.ndarray, progress: bool) -> np.ndarray:
    with tqdm(desc="embedding", total=len(codes), unit="barcode", disable=not progress) as bar:
        return vectors.embed(encoder, codes, bar.update)


def _write_arrays(stem: Path, planes: np.ndarray, mapped: np.ndarray) -> None:
    unit = vectors.unit(mapped).astype(np.float16)
    if not np.isfinite(unit).all():
        raise BarcodeMAEError("the model gives vectors that are not finite; its weights are broken")
    save_file({"planes": planes, "vectors": unit}, stem.with_suffix(".safetensors"))


def _teller(progress: bool) -> Callable[[str], None]:
    return tqdm.write if progress else lambda line: None
