"""What undoes errors, so that tests can look at what is left."""

import numpy as np

from barcodemae.checking.tags import DROP, INSERT, REPLACE


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
