import pytest
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from barcodemae.errors import BarcodeMAEError
from train.loop.script import errors_in_a_line


def test_the_launchers_traceback_ends_with_what_was_wrong(tmp_path, monkeypatch, capsys):
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    with pytest.raises(SystemExit), errors_in_a_line("train.pretrain"):
        raise BarcodeMAEError("a.csv: no such file")
    said = capsys.readouterr().err
    assert said == "train.pretrain: a.csv: no such file\n"
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=2, error_file=str(file))
    assert said in str(ChildFailedError("train.pretrain", {0: failure}))
