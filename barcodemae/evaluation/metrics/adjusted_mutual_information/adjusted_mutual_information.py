"""Adjusted mutual information of clusters and classes."""

import datasets
import evaluate
from sklearn.metrics import adjusted_mutual_info_score

_DESCRIPTION = "Mutual information of clusters and classes, adjusted for chance (arithmetic mean)."
_INPUTS = """
Args:
    predictions (list of int or str): the cluster of each barcode.
    references (list of int or str): its true class, such as its BIN.
Returns:
    adjusted_mutual_information (float): 1 at equality, about 0 by chance.
"""


class AdjustedMutualInformation(evaluate.Metric):
    """Adjusted mutual information of clusters and classes."""

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

    def _compute(self, predictions, references):
        score = adjusted_mutual_info_score(references, predictions)
        return {"adjusted_mutual_information": float(score)}
