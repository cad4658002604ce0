"""Accuracy with a bootstrap interval."""

import datasets
import evaluate
import numpy as np

_DESCRIPTION = "Share of barcodes correctly classified, with a percentile bootstrap interval."
_INPUTS = """
Args:
    predictions (list of int or str): the taxon named for each barcode.
    references (list of int or str): its true taxon.
    resamples (int): bootstrap resamples, 1000 by default.
    level (float): of the interval, 0.95 by default.
    seed (int): of the resampling, 0 by default.
Returns:
    accuracy (float), interval (list of two floats), n (int).
"""


class AccuracyWithInterval(evaluate.Metric):
    """Accuracy with a bootstrap interval."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation="",
            inputs_description=_INPUTS,
            features=[
                datasets.Features(dict.fromkeys(("predictions", "references"), kind))
                for kind in (datasets.Value("int64"), datasets.Value("string"))
            ],
        )

    def _compute(self, predictions, references, resamples=1000, level=0.95, seed=0):
        right = np.asarray(predictions) == np.asarray(references)
        # Drawing n answers anew is drawing how many of them are right.
        drawn = np.random.default_rng(seed).binomial(len(right), right.mean(), resamples)
        tails = 50 * (1 - level), 50 * (1 + level)
        interval = np.percentile(drawn / len(right), tails).tolist()
        return {"accuracy": float(right.mean()), "interval": interval, "n": len(right)}
