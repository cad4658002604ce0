"""Mean recall over the true classes."""

import datasets
import evaluate
from sklearn.metrics import recall_score

_DESCRIPTION = (
    "Mean recall over the true classes: a genus of one barcode weighs as much as one of fifty."
)
_INPUTS = """
Args:
    predictions (list of int or str): the taxon named for each barcode.
    references (list of int or str): its true taxon.
Returns:
    balanced_accuracy (float): 0 to 1.
"""


class BalancedAccuracy(evaluate.Metric):
    """Mean recall over the true classes."""

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
        classes = sorted(set(references))
        recall = recall_score(
            references, predictions, labels=classes, average="macro", zero_division=0
        )
        return {"balanced_accuracy": float(recall)}
