"""What an evaluation is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from barcodemae.evaluation.splits import split_names

WITHOUT_UMAP = 0  # number of UMAP's neighbours: what is clustered are the embeddings themselves


@dataclass(frozen=True)
class Settings:
    """Protocol of an evaluation; the defaults are the paper's on BIOSCAN-5M.

    Attributes:
        reference, query: splits of the probe.
        clustering: splits that are clustered together.
        seen: split of the linear probe and of the open set; its species are those of `reference`.
        rank: taxonomic rank that the probe names.
        neighbours: k of the k-NN vote.
        temperature: of a softmax of the similarities that the votes are weighted by; 0: by the
            similarities. BarcodeMAE+ votes with 0.02.
        umap_neighbours, umap_seed: the clustering headline.
        umap_grid, umap_seeds: what is reported beside it.
        clusters: column whose number of values is the number of clusters (species or dna_bin).
        shares: of tokens dropped or masked in the robustness curves.
        tsne_genera, tsne_smaller_than: Figure 2 draws genera with fewer barcodes.
        probe_epochs: passes over the reference of the linear probe.
        bootstrap: resamples of the queries for the 95 % intervals.
        seed: of everything drawn, but UMAP.
    """

    reference: str = "train"
    query: str = "test_unseen"
    clustering: str = "test,test_unseen"
    seen: str = "test"
    rank: str = "genus"
    neighbours: int = 1
    temperature: float = 0.0
    umap_neighbours: int = 15
    umap_seed: int = 42
    umap_grid: tuple[int, ...] = (5, 10, 15)
    umap_seeds: tuple[int, ...] = (42, 43, 44)
    clusters: str = "species"
    shares: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    tsne_genera: int = 20
    tsne_smaller_than: int = 50
    probe_epochs: int = 200
    bootstrap: int = 1000
    seed: int = 0

    def splits(self, tasks: list[str]) -> list[str]:
        """The splits that `tasks` read, each once."""
        names = [self.reference, self.query]
        names += [self.clustering] if "bin-clustering" in tasks else []
        names += [self.seen] if {"linear-probe", "open-set"} & set(tasks) else []
        return list(dict.fromkeys(split for name in names for split in split_names(name)))
