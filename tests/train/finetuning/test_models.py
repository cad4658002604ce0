"""What fine-tuning begins with."""

import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.presets import preset_config
from train.finetuning.finetune_arguments import FinetuneArguments
from train.finetuning.models import make_encoder


@pytest.mark.parametrize("given", [{"model": "enbed"}, {"preset": "enbed-tiny"}])
def test_an_enbed_is_refused_with_the_way_out(given, tmp_path):
    preset_config("enbed-tiny").save_pretrained(tmp_path / "enbed")
    if "model" in given:
        given = {"model": str(tmp_path / "enbed")}
    else:
        given = {**given, "from_scratch": True}
    with pytest.raises(BarcodeMAEError, match="holds no BarcodeMAE but enbed; give --family enbed"):
        make_encoder(FinetuneArguments(["x.csv"], str(tmp_path / "out"), **given))
