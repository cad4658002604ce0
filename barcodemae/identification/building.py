"""Build a library from labelled barcodes, add records to one, and check one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file
from tqdm import tqdm

from barcodemae import __version__
from barcodemae.data.grid import coi_grid
from barcodemae.directories import whole_directory
from barcodemae.encoders import Encoder, load_encoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import approximate, bits, leave_out, records, vectors
from barcodemae.identification.answers import RANKS
from barcodemae.identification.confidence import Calibration
from barcodemae.identification.evidence import Taxa
from barcodemae.identification.library import CALIBRATION, CARD, FORMAT, MAP, PARTS, Library
from barcodemae.outputs import write_whole_text

if TYPE_CHECKING:
    from barcodemae.data.references import References

SHIPPED_CALIBRATION = Path(__file__).with_name("shipped_calibration.json")
_LAID_AT_ONCE = 4096
_VERSIONS = ("numpy", "scipy", "scikit-learn", "torch", "transformers")


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
    if not len(found.table):
        raise BarcodeMAEError(
            f"no reference can be used: {_counted(found.left_out) or 'there is none'}"
        )
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
    linear = leave_out.fitted_map(source, embedded, np.arange(len(embedded)))
    if linear is not None:
        linear.save(folder / MAP)
    _write_arrays(stem, planes, embedded if linear is None else linear(embedded))
    calibration = leave_out.calibrate(source, embedded, say=say) or shipped_calibration()
    write_whole_text(folder / CALIBRATION, json.dumps(calibration.to_json()) + "\n")
    card = _card(found, taxa, encoder, model, inference, name, calibration)
    _write_card(folder, card)
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
    if not len(found.table):
        raise BarcodeMAEError(f"no reference can be used: {_counted(found.left_out)}")
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
    card.update(_taxa_counts(Taxa.of(joined)))
    marks, species = (np.array(joined[name].to_pylist()) for name in ("open_name", "species"))
    card["open_names"] = int((marks != "").sum())
    planes = np.concatenate([library.planes, planes])
    card["barcodes_of_several_species"] = records.of_several_species(planes, species)
    card.pop("index", None)  # it lacks the new records
    (library.folder / approximate.FILE).unlink(missing_ok=True)
    _write_card(library.folder, card)
    return card


def index(library: Library, progress: bool = True) -> dict:
    """Give a library an approximate index; what its card says of it then.

    Raises:
        BarcodeMAEError: as `approximate.build`.
    """
    path = library.folder / approximate.FILE
    told = approximate.build(library.vectors, path, _teller(progress))
    _write_card(library.folder, {**library.card, "index": told})
    return told


def check(library: Library) -> list[str]:
    """What is wrong with a library's files: a line for each; none if all is well."""
    wrong = []
    for name, digest in library.card["hashes"].items():
        path = library.folder / name
        if not path.is_file():
            wrong.append(f"{name} is absent")
        elif _digest(path) != digest:
            wrong.append(f"{name} is not as it was written")
    if not np.isfinite(np.asarray(library.vectors, dtype=np.float32)).all():
        wrong.append("vectors hold NaN or infinity")
    return wrong


def check_folder(output: Path) -> None:
    """Raise BarcodeMAEError where a library cannot be written: before an hour of work."""
    if output.is_file():
        raise BarcodeMAEError(f"{output}: is a file; give the name of a folder")
    if output.is_dir() and any(output.iterdir()) and not (output / CARD).exists():
        raise BarcodeMAEError(f"{output}: holds other files; give a new or an empty folder")
    if not output.absolute().parent.is_dir():
        raise BarcodeMAEError(f"{output}: there is no folder {output.parent}; make it first")


def lay(references: References, progress: bool = True) -> records.Records:
    """References on the grid, merged."""
    barcodes = references.barcodes
    codes, placed = [], []
    with tqdm(desc="laying on the grid", total=len(barcodes), disable=not progress) as bar:
        for start in range(0, len(barcodes), _LAID_AT_ONCE):
            piece = barcodes[start : start + _LAID_AT_ONCE]
            laid, placements = coi_grid().lay(piece)
            codes.append(laid)
            placed.append(placements.placed)
            bar.update(len(piece))
    return records.merge(references, np.concatenate(codes), np.concatenate(placed))


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


def _card(
    found: records.Records,
    taxa: Taxa,
    encoder: Encoder,
    model: str,
    inference: str,
    name: str,
    calibration: Calibration,
) -> dict:
    table = found.table
    figures = {
        {"known": "p_species_known", "species": "species_named"}.get(outcome, f"p_{outcome}"): each
        for outcome, each in calibration.figures.items()
    }
    return {
        "format": FORMAT,
        "name": name,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "records": len(table),
        **_taxa_counts(taxa),
        "open_names": int((table["open_name"] != "").sum()),
        "barcodes_of_several_species": found.conflicts,
        "left_out": dict(found.left_out),
        "encoder": model,
        "encoder_settings": encoder.settings,
        "encoder_fingerprint": encoder.fingerprint,
        "inference": inference,
        "calibrated_by": calibration.origin,
        "calibration": figures,
        "versions": {"barcodemae": __version__, **_versions()},
        "parts": ["0000"],
    }


def _versions() -> dict[str, str]:
    """Of the packages that results depend on, as far as they are installed."""
    found = {}
    for name in _VERSIONS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


_PLURALS = {
    "phylum": "phyla",
    "class": "classes",
    "order": "orders",
    "family": "families",
    "genus": "genera",
    "species": "species",
}


def _taxa_counts(taxa: Taxa) -> dict[str, int]:
    return {
        _PLURALS[rank]: len(np.unique(taxa.codes[rank][taxa.codes[rank] >= 0])) for rank in RANKS
    }


def _write_card(folder: Path, card: dict) -> None:
    """Write the hashes and the card last: a folder without it is no library."""
    names = [CALIBRATION, MAP, *([approximate.FILE] if "index" in card else [])]
    for part in card["parts"]:
        names += [f"{PARTS}/{part}.parquet", f"{PARTS}/{part}.safetensors"]
    card["hashes"] = {name: _digest(folder / name) for name in names if (folder / name).exists()}
    write_whole_text(folder / "README.md", readme(card))
    write_whole_text(folder / CARD, json.dumps(card, indent=1) + "\n")


def readme(card: dict) -> str:
    """The card as Markdown with the header that the Hub reads."""
    lines = [
        "---",
        "tags: [dna-barcoding, coi, barcodemae]",
        "---",
        f"# {card['name']}",
        "",
        f"A reference library of {card['records']:,} barcodes of {card['species']:,} species and "
        f"{card['genera']:,} genera, for `barcodemae identify QUERIES --library LIB -o OUT.tsv`.",
        "",
        f"Encoder: {card['encoder']} (inference: {card['inference']}); barcodemae "
        f"{card['versions']['barcodemae']}; made {card['made']}.",
        "",
        "| probability | expected calibration error | answered at 95 % accuracy |",
        "|---|---|---|",
        *(
            f"| {name} | {figures['ece']:.3f} | {figures['coverage_at_95']:.1%} |"
            for name, figures in card["calibration"].items()
        ),
        "",
        f"Calibrated by the {card['calibrated_by']}.",
        "",
    ]
    return "\n".join(lines)


def summary(card: dict) -> list[str]:
    """What a library holds and how far it can be relied on, in lines."""
    lines = [
        f"{card['name']}: {card['records']:,} references of {card['species']:,} species, "
        f"{card['genera']:,} genera, {card['families']:,} families",
        f"encoder {card['encoder']}, inference {card['inference']}, made {card['made']} by "
        f"barcodemae {card['versions']['barcodemae']}",
    ]
    lines += [
        f"{name}: expected calibration error {figures['ece']:.3f}, "
        f"{figures['coverage_at_95']:.1%} answered at 95 % accuracy"
        for name, figures in card["calibration"].items()
    ]
    if "index" in card:
        lines.append(approximate.sentence(card["index"]))
    return [*lines, *warnings(card)]


def warnings(card: dict) -> list[str]:
    """What a user of the library should know: what was left out, conflicts, open names."""
    lines = [f"note: {count:,} references: {reason}" for reason, count in card["left_out"].items()]
    if card["barcodes_of_several_species"]:
        lines.append(
            f"note: {card['barcodes_of_several_species']:,} barcodes have conflicting labels (two "
            "species or more share the same barcode): all are named, none is called"
        )
    if card["open_names"]:
        lines.append(
            f"note: {card['open_names']:,} references have open names (sp., cf., aff., nr., a "
            "code), which are not called as species without --open-names"
        )
    if card["calibrated_by"] == "package":
        lines.append(
            "note: the library is too small to calibrate by itself; its probabilities rest on "
            "identities among public barcodes"
        )
    return lines


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _counted(left_out) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in left_out.items())


def _teller(progress: bool) -> Callable[[str], None]:
    return tqdm.write if progress else lambda line: None
