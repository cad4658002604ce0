"""Harmonic mean of scores."""

import datasets
import evaluate

_DESCRIPTION = "Harmonic mean of scores, such as genus accuracy and BIN AMI (BarcodeMAE, Table 1)."
_INPUTS = """
Args:
    predictions (list of float): the scores, none negative.
Returns:
    harmonic_mean (float): n / sum(1 / score); 0 if a score is 0.
"""
_CITATION = "@article{barcodemae, title={BarcodeMAE}, journal={arXiv:2502.18405}, year={2025}}"


class HarmonicMean(evaluate.Metric):
    """One number that is high only where every score is."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": datasets.Value("float64")}),
        )

    def _compute(self, predictions):
        if min(predictions) < 0:
            raise ValueError(f"a harmonic mean of negative scores has no meaning: {predictions}")
        if min(predictions) == 0:
            return {"harmonic_mean": 0.0}
        total = sum(1 / score for score in predictions)
        return {"harmonic_mean": len(predictions) / total}
