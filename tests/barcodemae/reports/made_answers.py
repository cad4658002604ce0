"""Answers as identification gives them, of barcodes that evolved along a made-up taxonomy."""

import numpy as np
import pandas as pd

from barcodemae.identification.answers import (
    COLUMNS,
    KNOWN,
    NEIGHBOUR_COLUMNS,
    NEW,
    NEW_GENUS,
    NO_CALL,
    NOT_COI,
    QUERY_COLUMNS,
    RANKS,
    Answers,
)

LETTERS = np.array(list("ACGTN"))
SITES = 658
ORDERS = ("Diptera", "Coleoptera", "Lepidoptera", "Hymenoptera", "Araneae")
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(2)'>",
    "$\\frac{1}{2}$ & {{ 7 * 7 }}",
    '=HYPERLINK("http://example.org","x")',
    "日本語 ÅÄÖ 🐛 \u202egnp.exe",
    "\x1b[31mred\x07",
    "</script><!--",
    "A" * 300,
]


def answers(count: int, seed: int = 0, ids: list[str] | None = None) -> Answers:
    """`count` queries against 400 references; `ids` replace the first ids."""
    rng = np.random.default_rng(seed)
    references, taxa = _references(rng)
    rows, neighbours, queries = [], [], []
    for number in range(count):
        name = ids[number] if ids and number < len(ids) else f"BC{number:05d}"
        row, near, letters = _query(rng, name, references, taxa)
        rows.append(row)
        neighbours += near
        queries.append({"id": name, "barcode": "".join(LETTERS[letters])})
    return Answers(
        pd.DataFrame(rows, columns=list(COLUMNS)),
        pd.DataFrame(neighbours, columns=list(NEIGHBOUR_COLUMNS)),
        pd.DataFrame(queries, columns=list(QUERY_COLUMNS)),
        {
            "name": "made-up <library>",
            "records": len(references),
            "species": 200,
            "genera": 50,
            "versions": {"barcodemae": "0.1.0", "torch": "2.13.0"},
            "hashes": {"vectors": "0" * 64},
            "calibration": {
                "bins": [[0.15, 0.2, 0.02], [0.55, 0.6, 0.1], [0.96, 0.97, 0.88]],
                "ece": 0.021,
                "coverage_at_95": 0.914,
            },
        },
    )


def _mutated(rng, letters, share):
    changed = letters.copy()
    places = rng.random(len(letters)) < share
    changed[places] = rng.integers(0, 4, places.sum())
    return changed


def _references(rng):
    references, taxa = [], []
    root = rng.integers(0, 4, SITES)
    for order in ORDERS:
        stem = _mutated(rng, root, 0.25)
        for genus in range(10):
            ancestor = _mutated(rng, stem, 0.12)
            for species in range(4):
                own = _mutated(rng, ancestor, 0.06)
                for _ in range(2):
                    references.append(_mutated(rng, own, 0.005))
                    name = f"{order[:4]}us{genus}"
                    taxa.append(
                        dict.fromkeys(RANKS, "")
                        | {
                            "phylum": "Arthropoda",
                            "class": "Arachnida" if order == "Araneae" else "Insecta",
                            "order": order,
                            "family": f"{order[:4]}{genus // 3}idae",
                            "genus": name,
                            "species": f"{name} sp{species}".replace(" sp", " species"),
                        }
                    )
    return np.array(references), taxa


def _query(rng, name, references, taxa):
    verdict = rng.choice([KNOWN, NEW, NEW_GENUS, NO_CALL, NOT_COI], p=[0.7, 0.15, 0.08, 0.05, 0.02])
    share = {KNOWN: 0.005, NEW: 0.08, NEW_GENUS: 0.16, NO_CALL: 0.4, NOT_COI: 1.0}[verdict]
    letters = _mutated(rng, references[rng.integers(len(references))], share)
    if rng.random() < 0.2:
        letters[: rng.integers(50, 400)] = 4
    common = (letters != 4) & (references != 4)
    identity = ((letters == references) & common).sum(1) / common.sum(1)
    order = np.argsort(-identity, kind="stable")[:10] if verdict != NOT_COI else []
    row = dict.fromkeys(COLUMNS, "") | {
        "id": name,
        "verdict": verdict,
        "p_species_known": float(np.nan),
        "p_genus": float(np.nan),
        "p_family": float(np.nan),
        "similarity": float(np.nan),
        "identity": float(np.nan),
        "strand": int(rng.choice([1, -1])),
        "start": int((letters == 4).argmin()),
        "length": int((letters != 4).sum()),
        "flags": "short overlap; many N" if (letters == 4).sum() > 200 else "",
    }
    if verdict != NOT_COI:
        best = taxa[order[0]]
        depth = {KNOWN: "species", NEW: "genus", NEW_GENUS: "family", NO_CALL: ""}[verdict]
        named = RANKS[: RANKS.index(depth) + 1] if depth else ()
        row |= {rank: best[rank] for rank in named} | {
            "rank_called": depth,
            "p_species_known": np.clip(identity[order[0]] * 1.2 - 0.2, 0, 1),
            "p_genus": np.clip(identity[order[0]], 0, 1),
            "p_family": np.clip(identity[order[0]] + 0.05, 0, 1),
            "similarity": identity[order[0]],
            "identity": identity[order[0]],
            "nearest_id": f"REF{order[0]:04d}",
            "nearest_species": best["species"],
        }
    near = [
        {"id": name, "position": place, "nearest_id": f"REF{at:04d}", **taxa[at]}
        | {"similarity": identity[at], "identity": identity[at]}
        | {"barcode": "".join(LETTERS[references[at]])}
        for place, at in enumerate(order, 1)
    ]
    return row, near, letters
