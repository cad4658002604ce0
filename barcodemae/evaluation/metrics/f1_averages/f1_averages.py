"""F1 averaged in three ways."""

import datasets
import evaluate
from sklearn.metrics import f1_score

_DESCRIPTION = (
    "F1 averaged over barcodes (micro), over classes (macro), over classes by size (weighted)."
)
_INPUTS = """
Args:
    predictions (list of int or str): the taxon named for each barcode.
    references (list of int or str): its true taxon.
Returns:
    f1_micro, f1_macro, f1_weighted (float): 0 to 1.
"""


class F1Averages(evaluate.Metric):
    """F1 averaged in three ways."""

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
        return {
            f"f1_{average}": float(
                f1_score(references, predictions, average=average, zero_division=0)
            )
            for average in ("micro", "macro", "weighted")
        }
