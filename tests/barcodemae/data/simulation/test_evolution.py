import itertools

import numpy as np
import pytest

from barcodemae.data.simulation.evolution import (
    AMINO_ACIDS,
    CODONS,
    CONSENSUS,
    FRAME,
    LENGTH,
    CodingProcess,
    to_nucleotides,
)

COPIES = 150


@pytest.fixture(scope="module")
def process():
    return CodingProcess(np.random.default_rng(0))


def evolved(process, time, seed=1):
    ancestors = np.repeat(process.ancestor[None], COPIES, axis=0)
    return process.evolved(ancestors, np.full(COPIES, time), np.random.default_rng(seed))


def p_distance(process, time):
    nucleotides = to_nucleotides(evolved(process, time))
    return (nucleotides[::2] != nucleotides[1::2]).mean()


def test_the_code_is_table_5():
    codons = map("".join, itertools.product("ACGT", repeat=3))
    code = dict(zip(codons, AMINO_ACIDS.tolist(), strict=True))
    assert [code[codon] for codon in ("ATG", "ATA", "TGA", "AGA", "AGG", "TTT")] == list("MMWSSF")
    assert [codon for codon in code if code[codon] == "*"] == ["TAA", "TAG"]


def test_the_ancestor_codes_for_the_consensus(process):
    assert "".join(AMINO_ACIDS[process.ancestor]) == CONSENSUS
    assert len(CONSENSUS) == CODONS


def test_nucleotides_spell_the_codons():
    codons = np.array([[0b000110] + [0] * (CODONS - 2) + [0b111001]], dtype=np.uint8)  # ACG, TGC
    nucleotides = to_nucleotides(codons)
    assert nucleotides.shape == (1, LENGTH)
    text = nucleotides.tobytes().decode()
    assert text.startswith("GAAA") and text.endswith("AATGC")  # without a codon's first two


def test_no_stop_codon_ever_appears(process):
    assert not np.isin(AMINO_ACIDS[evolved(process, 1.0)], "*").any()


def test_a_unit_of_time_is_a_substitution_per_nucleotide(process):
    time = 0.01  # short enough that hardly any site is struck twice
    changed = to_nucleotides(evolved(process, time)) != to_nucleotides(process.ancestor[None])
    assert changed.mean() == pytest.approx(time, rel=0.08)


def test_distances_saturate(process):
    distances = [p_distance(process, time) for time in (0.05, 0.1, 0.4, 0.8)]
    assert distances[1] < 2 * distances[0] and distances[3] < 1.5 * distances[2]
    assert 0.17 < distances[2] < distances[3] < 0.35


def test_third_positions_change_most_and_second_ones_least(process):
    codons = evolved(process, 0.1)
    digits = np.stack([codons // 16, codons // 4 % 4, codons % 4])
    first, second, third = (digits[:, ::2] != digits[:, 1::2]).mean(axis=(1, 2))
    assert third > 1.5 * first > 1.5 * second > 0


def test_composition_is_that_of_insect_mitochondria(process):
    nucleotides = to_nucleotides(evolved(process, 0.3))
    at = np.isin(nucleotides, np.frombuffer(b"AT", np.uint8))
    assert 0.6 < at.mean() < 0.72
    assert at[:, FRAME + 2 :: 3].mean() > 0.8


def test_sites_of_the_protein_differ_in_their_rate(process):
    changes = (AMINO_ACIDS[evolved(process, 0.4)] != AMINO_ACIDS[process.ancestor]).mean(axis=0)
    assert (changes < 0.02).mean() > 0.1 and (changes > 0.4).any()


def test_transitions_outnumber_transversions(process):
    before = to_nucleotides(process.ancestor[None]).repeat(COPIES, axis=0)
    after = to_nucleotides(evolved(process, 0.02))
    pairs = {frozenset(pair) for pair in ((65, 71), (67, 84))}  # A-G, C-T
    changed = before != after
    transitions = [
        frozenset(pair) in pairs for pair in zip(before[changed], after[changed], strict=True)
    ]
    assert np.mean(transitions) > 0.4  # a third of all changes, were there no bias


def test_no_time_no_change_and_the_input_stays(process):
    ancestors = np.repeat(process.ancestor[None], 3, axis=0)
    times = np.array([0.0, 1.0, 0.0])
    after = process.evolved(ancestors, times, np.random.default_rng(0))
    assert (after != ancestors).any(axis=1).tolist() == [False, True, False]
    assert (ancestors == process.ancestor).all()
    assert process.evolved(ancestors[:0], times[:0], np.random.default_rng(0)).shape == (0, CODONS)


def test_the_seed_decides(process):
    assert (evolved(process, 0.1, seed=3) == evolved(process, 0.1, seed=3)).all()
    assert (evolved(process, 0.1, seed=3) != evolved(process, 0.1, seed=4)).any()
