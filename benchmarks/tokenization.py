"""The NumPy tokenization beside a Python loop over k-mers, in turns, in processor seconds.

    python -m benchmarks.tokenization

The loop cuts each barcode and looks its k-mers up in a dictionary; it is given no white space,
lower case, RNA or offsets to care for. Median ratio and its range over 9 turns.
"""

import time
from itertools import product

import numpy as np

from barcodemae.encoders.tokens import kmer_ids

K, LENGTH, TURNS = 6, 658, 9


def loop(sequences: list[str], vocabulary: dict[str, int]) -> list[list[int]]:
    unknown = 4**K
    return [
        [vocabulary.get(text[i : i + K], unknown) for i in range(0, len(text) - K + 1, K)]
        for text in sequences
    ]


def seconds(function, *arguments, times: int = 1) -> float:
    begin = time.process_time()
    for _ in range(times):
        function(*arguments)
    return (time.process_time() - begin) / times


def main() -> None:
    rng = np.random.default_rng(0)
    vocabulary = {"".join(kmer): index for index, kmer in enumerate(product("ACGT", repeat=K))}
    for count in (128, 1024, 4096):
        sequences = ["".join(row) for row in rng.choice(list("ACGT"), (count, LENGTH))]
        assert kmer_ids(sequences, K)[0].tolist() == loop(sequences, vocabulary)
        ratios = [
            seconds(loop, sequences, vocabulary)
            / seconds(kmer_ids, sequences, K, times=max(1, 4096 // count))
            for _ in range(TURNS)
        ]
        print(
            f"{count:5d} barcodes: {np.median(ratios):.1f} times the loop "
            f"({min(ratios):.1f} to {max(ratios):.1f})"
        )


if __name__ == "__main__":
    main()
