import pytest
from transformers import PreTrainedTokenizerFast

from tokenization_barcodemae import BarcodeMAETokenizer


@pytest.fixture(scope="module", params=[1, 4, 6, 8])
def k(request):
    return request.param


@pytest.fixture(scope="module")
def tokenizer(k):
    return BarcodeMAETokenizer(kmer_size=k)


def base_4(kmer):
    return sum("ACGT".index(letter) * 4**place for place, letter in enumerate(reversed(kmer)))


def test_the_id_of_a_kmer_is_its_value_in_base_4(tokenizer, k):
    sequence = "ACGTTGCATTAGGACA" * 2
    kmers = [sequence[i : i + k] for i in range(0, len(sequence) - k + 1, k)]
    assert tokenizer(sequence)["input_ids"] == [base_4(kmer) for kmer in kmers]


def test_the_vocabulary_is_kmers_unk_and_mask(tokenizer, k):
    assert len(tokenizer) == tokenizer.vocab_size == 4**k + 2
    assert tokenizer.unk_token_id == tokenizer.pad_token_id == 4**k
    assert tokenizer.mask_token_id == 4**k + 1
    assert tokenizer.cls_token is None and tokenizer.sep_token is None


def test_rna_lower_case_white_space_and_line_breaks_are_accepted(tokenizer):
    plain = tokenizer("ACGTTGCAACGTTGCA")["input_ids"]
    assert tokenizer("acguugca\nACG UUG\tca\r\n")["input_ids"] == plain


@pytest.mark.parametrize("letter", "NRYK-.*?XZ")
def test_anything_else_makes_its_own_kmer_ambiguous_and_no_other(letter):
    tokenizer = BarcodeMAETokenizer(kmer_size=4)
    assert tokenizer("ACGT" + f"AC{letter}T" + "ACGT")["input_ids"] == [27, 256, 27]


def test_an_incomplete_last_kmer_is_dropped_and_a_short_barcode_is_empty():
    tokenizer = BarcodeMAETokenizer(kmer_size=6)
    assert len(tokenizer("ACGTACGTACG")["input_ids"]) == 1
    assert tokenizer("ACGTA")["input_ids"] == []
    assert tokenizer("")["input_ids"] == []


def test_padding_and_truncation():
    tokenizer = BarcodeMAETokenizer(kmer_size=6)
    batch = tokenizer(["ACGTAC" * 3, "ACGTAC"], padding=True, return_tensors="pt")
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["input_ids"][1, 1:].tolist() == [4096, 4096]
    assert tokenizer.model_max_length == 110
    assert len(tokenizer("A" * 900, truncation=True)["input_ids"]) == 110
    assert len(tokenizer("A" * 900)["input_ids"]) == 150
    assert set(batch) == {"input_ids", "attention_mask"}


def test_decoding_gives_the_nucleotides_back():
    tokenizer = BarcodeMAETokenizer(kmer_size=4)
    assert tokenizer.decode(tokenizer("ACGTTTGACCCA")["input_ids"]) == "ACGTTTGACCCA"


def test_mask_in_the_text_is_one_masked_kmer():
    tokenizer = BarcodeMAETokenizer(kmer_size=4)
    assert tokenizer("ACGT [MASK] ACGT")["input_ids"] == [27, 257, 27]


def test_round_trip_through_save_pretrained(tmp_path):
    tokenizer = BarcodeMAETokenizer(kmer_size=3, model_max_length=50)
    tokenizer.save_pretrained(tmp_path)
    again = BarcodeMAETokenizer.from_pretrained(tmp_path)
    sequence = "ACGUNNACGTTTacgacg"
    assert again(sequence)["input_ids"] == tokenizer(sequence)["input_ids"]
    assert (again.kmer_size, again.model_max_length, len(again)) == (3, 50, 66)


def test_tokenizer_json_alone_is_enough(tmp_path):
    tokenizer = BarcodeMAETokenizer(kmer_size=5)
    tokenizer.save_pretrained(tmp_path)
    plain = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    sequence = "acgugGATTACAnACGTAGT[MASK]ACGTA"
    assert plain(sequence)["input_ids"] == tokenizer(sequence)["input_ids"]


@pytest.mark.parametrize("kmer_size", [0, 9, "6"])
def test_a_wrong_k_is_refused(kmer_size):
    with pytest.raises(ValueError, match="kmer_size = .*1 to 8"):
        BarcodeMAETokenizer(kmer_size=kmer_size)
