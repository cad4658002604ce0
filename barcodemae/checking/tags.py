"""Edit tags: one label for each nucleotide, and for the end, says how to undo an error there.

    keep | drop | replace by A, C, G, T | insert A, C, G, T before

In a run of equal letters any of them could be the extra one: the tag stands on the first. A lost
one goes before the first, too.
"""

import numpy as np

KEEP, DROP, REPLACE, INSERT = 0, 1, 2, 6  # REPLACE + code, INSERT + code
LABELS = ("keep", "drop", *(f"replace by {x}" for x in "ACGT"), *(f"insert {x}" for x in "ACGT"))
UNKNOWN = 4  # the code of any letter but A, C, G, T


def apply_tags(codes: np.ndarray, tags: np.ndarray) -> np.ndarray:
    """Codes (n,) with what their tags (n + 1,) say done to them -> codes (m,)."""
    out = []
    for code, tag in zip([*codes.tolist(), None], tags.tolist(), strict=True):
        if tag >= INSERT:
            out.append(tag - INSERT)
        if tag == DROP or code is None:
            continue
        out.append(tag - REPLACE if REPLACE <= tag < INSERT else code)
    return np.array(out, dtype=np.uint8)
