"""Edit tags: one label for each nucleotide, and for the end, says how to undo an error there.

    keep | drop | replace by A, C, G, T | insert A, C, G, T before

In a run of equal letters any of them could be the extra one: the tag stands on the first. A lost
one goes before the first, too.
"""

KEEP, DROP, REPLACE, INSERT = 0, 1, 2, 6  # REPLACE + code, INSERT + code
LABELS = ("keep", "drop", *(f"replace by {x}" for x in "ACGT"), *(f"insert {x}" for x in "ACGT"))
