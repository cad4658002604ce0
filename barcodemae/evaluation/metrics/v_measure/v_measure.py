"""Homogeneity, completeness and V-measure of clusters."""

import datasets
import evaluate
from sklearn.metrics import homogeneity_completeness_v_measure

_DESCRIPTION = (
    "Whether clusters hold one class each, classes one cluster each, and their harmonic mean."
)
_INPUTS = """
Args:
    predictions (list of int or str): the cluster of each barcode.
    references (list of int or str): its true class, such as its BIN.
Returns:
    homogeneity, completeness, v_measure (float): 0 to 1.
"""


class VMeasure(evaluate.Metric):
    """Homogeneity, completeness and V-measure of clusters."""

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
        values = homogeneity_completeness_v_measure(references, predictions)
        names = ("homogeneity", "completeness", "v_measure")
        return dict(zip(names, map(float, values), strict=True))
