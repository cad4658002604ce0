import pytest

from barcodemae.errors import BarcodeMAEError
from train.loop.parsing import parse_arguments

GIVEN = ["--train_data", "a.csv", "b.csv", "--output_dir", "out"]


def write(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return str(path)


def test_the_command_line_overrides_the_file(tmp_path):
    config = write(tmp_path, "preset: barcodemae-tiny\nbase_learning_rate: 1e-3\nbatch_size: 8\n")
    arguments = parse_arguments(["--config", config, "--batch_size", "16", *GIVEN])
    assert arguments.preset == "barcodemae-tiny"
    assert arguments.base_learning_rate == 1e-3
    assert arguments.batch_size == 16
    assert arguments.train_data == ["a.csv", "b.csv"]
    assert arguments.weight_decay == 1e-5  # the paper's, by default


def test_a_file_can_name_the_data(tmp_path):
    config = write(tmp_path, "train_data: x.parquet\noutput_dir: out\nsplit: pretrain\n")
    arguments = parse_arguments(["--config", config])
    assert arguments.train_data == ["x.parquet"] and arguments.split == ["pretrain"]


def test_a_ready_made_file_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a package that is installed has no train/configs
    for name in ("paper.yaml", "train/configs/paper.yaml"):
        assert parse_arguments(["--config", name, *GIVEN]).batch_size == 128
    with pytest.raises(BarcodeMAEError, match="other/paper.yaml: no such file.*barcodemae-tiny"):
        parse_arguments(["--config", "other/paper.yaml", *GIVEN])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("num_train_epochs", "is --epochs here"),
        ("per_device_train_batch_size", "is --batch_size, the barcodes of all processes"),
        ("learning_rate", "is --base_learning_rate, the highest rate at a global batch of 64"),
    ],
)
def test_what_others_call_an_argument_is_understood(name, said, tmp_path):
    for spelt in (f"--{name}", f"--{name.replace('_', '-')}"):
        with pytest.raises(BarcodeMAEError, match=said):
            parse_arguments([*GIVEN, spelt, "3"])
    with pytest.raises(BarcodeMAEError, match=said):
        parse_arguments([*GIVEN, "--config", write(tmp_path, f"{name}: 3\n")])


def test_a_range_of_mask_ratios_is_two_numbers(tmp_path):
    given = ["--mask_ratio_between", "0.2", "0.8", *GIVEN]
    assert parse_arguments(given).mask_ratio_between == [0.2, 0.8]
    config = write(tmp_path, "mask_ratio_between: [0.3, 0.6]\n")
    assert parse_arguments(["--config", config, *GIVEN]).mask_ratio_between == [0.3, 0.6]
    for wrong in ("0.3", "[0.1, 0.2, 0.3]"):
        with pytest.raises(BarcodeMAEError, match="must be two numbers"):
            config = write(tmp_path, f"mask_ratio_between: {wrong}\n")
            parse_arguments(["--config", config, *GIVEN])


def test_the_precision_is_the_launchers_unless_given(tmp_path, monkeypatch):
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    assert parse_arguments(GIVEN).mixed_precision == "no"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert parse_arguments(GIVEN).mixed_precision == "bf16"
    config = write(tmp_path, "mixed_precision: no\n")
    assert parse_arguments(["--config", config, *GIVEN]).mixed_precision == "no"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("batchsize: 3", "no argument 'batchsize'.*Did you mean 'batch_size'"),
        ("- a", "argument: value"),
        ("a: [", "not YAML"),
        ("base_learning_rate: fast", "base_learning_rate.*fast"),
        ("base_learning_rate: true", "base_learning_rate: True is not a number"),
        ("mask_ratio_between: [a, b]", "mask_ratio_between: 'a' is not a number"),
        ("seed:", "seed: has no value"),
        ("batch_size: 8.5", "batch_size: 8.5 is not a whole number"),
        ("cpu: 3", "cpu: 3 is neither true nor false"),
        ("train_data: [a.csv, null]", "train_data: has no value"),
        ("train_data: {a: b}", "train_data: .* is no text"),
        ("preset: [a]", "preset: .* is no text"),
        ("model_overrides: {mask_ratio: 0.5}", "model_overrides: .*put it in quotes"),
        ("epochs: .nan", "--epochs nan"),
        ("seed: -1", "--seed -1"),
    ],
)
def test_a_wrong_file_is_named_with_the_remedy(tmp_path, text, said):
    config = write(tmp_path, text)
    with pytest.raises(BarcodeMAEError, match=said) as refusal:
        parse_arguments(["--config", config, *GIVEN])
    assert "config.yaml" in str(refusal.value) or said.startswith("--")


def test_a_file_that_is_no_utf8_is_named(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes("phylum: Arthrop\xf6da\n".encode("latin-1"))
    with pytest.raises(BarcodeMAEError, match=r"config.yaml: is not UTF-8"):
        parse_arguments(["--config", str(path), *GIVEN])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output_dir", "out"], "--train_data is missing"),
        (["--train_data", "x"], "--output_dir is missing"),
        ([*GIVEN, "--config", "nowhere.yaml"], "nowhere.yaml: no such file"),
        ([*GIVEN, "--validation_share", "1"], "--validation_share 1.0"),
        ([*GIVEN, "--mixed_precision", "fp8"], "--mixed_precision fp8"),
        ([*GIVEN, "--batch_size", "0"], "--batch_size 0"),
        ([*GIVEN, "--batch_size", "few"], "batch_size.*invalid int value: 'few'"),
        ([*GIVEN, "--batch_sizes", "8"], "no argument --batch_sizes. Did you mean '--batch_size'"),
        ([*GIVEN, "--cpu", "perhaps"], "--cpu"),
        ([*GIVEN, "--seed", "-1"], "--seed -1: must be in 0 to"),
        ([*GIVEN, "--epochs", "inf"], "--epochs inf: must be a finite"),
        ([*GIVEN, "--weight_decay", "nan"], "--weight_decay nan: must be a finite"),
        ([*GIVEN, "--weight_decay", "-1"], "--weight_decay -1"),
        ([*GIVEN, "--keep_checkpoints", "-1"], "--keep_checkpoints -1: must be 0 or more"),
        ([*GIVEN, "--max_steps", "-1"], "--max_steps -1"),
        ([*GIVEN, "--num_workers", "-1"], "--num_workers -1"),
        ([*GIVEN, "--mask_ratio_between", "0.8", "0.2"], r"between \[0.8, 0.2\]: must be two num"),
        ([*GIVEN, "--mask_ratio_between", "0.2", "1"], "0 < LOW < HIGH < 1"),
        ([*GIVEN, "--mask_ratio_between", "0.5"], "two numbers"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(arguments, said):
    with pytest.raises(BarcodeMAEError, match=said):
        parse_arguments(arguments)
