"""Harmonic mean of genus accuracy and BIN AMI (paper, Table 1)."""

from __future__ import annotations

from barcodemae.evaluation import metrics
from barcodemae.evaluation.scores import find, record

TASK = "harmonic-mean"


def harmonic_means(records: list[dict]) -> list[dict]:
    """One record for each model that has both headline figures."""
    found = []
    for model in dict.fromkeys(row["model"] for row in records):
        accuracy = find(records, model, "genus-probe", "accuracy")
        ami = find(records, model, "bin-clustering", "adjusted_mutual_information", headline=True)
        if accuracy is None or ami is None:
            continue
        # An AMI below chance counts as 0: a harmonic mean knows no negative scores.
        values = [accuracy["value"], max(ami["value"], 0.0)]
        mean = metrics.compute("harmonic_mean", predictions=values)["harmonic_mean"]
        settings = {"accuracy": accuracy["settings"], "ami": ami["settings"]}
        n = accuracy["n"] + ami["n"]
        duration = accuracy["duration"] + ami["duration"]
        found.append(
            record(model, TASK, TASK, mean, n=n, settings=settings, seed=0, duration=duration)
        )
    return found
