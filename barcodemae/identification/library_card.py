"""The card of a library: what it was made of and with, what it reaches, the hashes of its files."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from barcodemae import __version__
from barcodemae.encoders import Encoder
from barcodemae.identification import approximate, records
from barcodemae.identification.answers import RANKS
from barcodemae.identification.confidence import Calibration
from barcodemae.identification.evidence import Taxa
from barcodemae.identification.library import CALIBRATION, CARD, FORMAT, MAP, PARTS, Library
from barcodemae.outputs import write_whole_text

_VERSIONS = ("numpy", "scipy", "scikit-learn", "torch", "transformers")


def new_card(
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
        **taxa_counts(taxa),
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


def taxa_counts(taxa: Taxa) -> dict[str, int]:
    return {
        _PLURALS[rank]: len(np.unique(taxa.codes[rank][taxa.codes[rank] >= 0])) for rank in RANKS
    }


def write_card(folder: Path, card: dict) -> None:
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
            "note: too few references with a species, genus and family to calibrate by; "
            "probabilities rest on identities among public barcodes"
        )
    return lines


def library_faults(library: Library) -> list[str]:
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


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
