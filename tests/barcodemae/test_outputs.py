import errno
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors import SafetensorError

from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import (
    check_folder,
    check_output,
    held_folder,
    whole_file,
    whole_tsv,
    write_whole_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, text):
    with whole_file(path) as temporary:
        temporary.write_text(text)


@pytest.mark.parametrize("alias", ["x.csv", "link.csv", "hard.csv", "../{folder}/x.csv"])
@pytest.mark.parametrize("given", ["x.csv", "*.csv"])
def test_an_output_that_is_an_input_is_refused(tmp_path, alias, given):
    (tmp_path / "x.csv").write_text("kept")
    (tmp_path / "link.csv").symlink_to("x.csv")
    os.link(tmp_path / "x.csv", tmp_path / "hard.csv")
    output = tmp_path / alias.format(folder=tmp_path.name)
    with pytest.raises(BarcodeMAEError, match="is also an input"):
        check_output(output, [str(tmp_path / given)])


def test_an_output_beside_the_inputs_is_fine(tmp_path):
    (tmp_path / "x.csv").write_text("")
    (tmp_path / "y.csv").write_text("")
    check_output(tmp_path / "y.csv", [tmp_path / "x.csv", "owner/name"])
    check_output(tmp_path / "z.csv", [tmp_path / "*.csv"])


def test_a_packed_ending_is_refused_since_nothing_is_packed(tmp_path):
    with pytest.raises(BarcodeMAEError, match="files are written unpacked"):
        check_output(tmp_path / "report.tsv.GZ")


def test_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path, monkeypatch):
    check_folder(tmp_path / "new" / "deeper")
    assert names(tmp_path) == []
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(BarcodeMAEError, match="file is a file; give the name of a folder"):
            check_folder(path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(BarcodeMAEError, match=f"nothing may be written to {tmp_path}; give"):
        check_folder(tmp_path / "new" / "deeper")


def test_a_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to("there/target.txt")  # of a file that is yet to be made
    for text in ("first", "second"):
        write(link, text)
        assert link.is_symlink() and (tmp_path / "there/target.txt").read_text() == text
    assert names(tmp_path / "there") == ["target.txt"]


def test_a_fifo_is_written_through(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    check_output(fifo)
    write(fifo, "content")
    reader.join(timeout=10)
    assert read == [b"content"] and fifo.is_fifo() and names(tmp_path) == ["fifo"]


def test_a_device_is_written_through_and_stays():
    before = os.stat("/dev/null")
    check_output(Path("/dev/null"))
    write(Path("/dev/null"), "nothing")
    assert os.stat("/dev/null").st_rdev == before.st_rdev


def test_standard_output(capfdbinary):
    write(Path("-"), "line\n")
    assert capfdbinary.readouterr().out == b"line\n"


def test_what_stands_for_an_open_file_is_written_through(tmp_path):
    with (tmp_path / "names.tsv").open("wb") as file:
        write(Path(f"/dev/fd/{file.fileno()}"), "line\n")
    assert (tmp_path / "names.tsv").read_text() == "line\n" and names(tmp_path) == ["names.tsv"]


def fork(function, *arguments):
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def test_a_reader_that_has_enough_is_no_fault():
    reader, writer = os.pipe()

    def work():
        os.close(reader)
        sys.stdout = os.fdopen(writer, "w")
        write(Path("-"), "line\n" * 1_000_000)
        sys.stdout.close()

    process = fork(work)
    os.close(writer)
    os.read(reader, 5)
    os.close(reader)
    process.join(timeout=60)
    assert process.exitcode == 0


def hang(path, writing):
    with whole_file(path) as temporary:
        temporary.write_text("half")
        writing.set()
        signal.pause()


def test_one_process_at_a_time_and_nothing_left_of_a_killed_one(tmp_path):
    path = tmp_path / "names.tsv"
    writing = multiprocessing.get_context("fork").Event()
    process = fork(hang, path, writing)
    assert writing.wait(timeout=60)
    with pytest.raises(BarcodeMAEError, match="another process is writing it"):
        write(path, "mine")
    process.kill()
    process.join(timeout=60)
    assert names(tmp_path) == [".names.tsv.tmp"]
    write(path, "mine")
    assert path.read_text() == "mine" and names(tmp_path) == ["names.tsv"]


def test_short_writes_wait_for_one_another(tmp_path):
    path = tmp_path / "results.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write_whole_text(path, str(n) * 50_000), [*range(10)] * 5))
    text = path.read_text()
    assert len(set(text)) == 1 and len(text) == 50_000 and names(tmp_path) == ["results.json"]


def test_a_folder_is_held_once(tmp_path):
    with (
        held_folder(tmp_path / "shards"),
        pytest.raises(BarcodeMAEError, match="another process"),
        held_folder(tmp_path / "shards"),
    ):
        pass
    with held_folder(tmp_path / "shards"):
        assert names(tmp_path / "shards") == []


@pytest.mark.parametrize(
    "fault",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
        OSError("200000 requested and 25584 written"),
    ],
    ids=("system", "safetensors", "torch", "numpy"),
)
def test_a_full_disk_is_named(tmp_path, fault):
    path = tmp_path / "names.tsv"
    with pytest.raises(BarcodeMAEError, match="names.tsv: the disk is full"), whole_file(path):
        raise fault
    assert names(tmp_path) == []


@pytest.mark.parametrize("fault", [OSError(errno.EIO, "No"), RuntimeError("no"), OSError("no")])
def test_another_fault_stays_what_it_is(tmp_path, fault):
    with pytest.raises(type(fault), match="[Nn]o"), whole_file(tmp_path / "names.tsv"):
        raise fault


def test_permissions_of_what_is_replaced_stay(tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("private")
    path.chmod(0o600)
    write(path, "new")
    assert path.read_text() == "new" and path.stat().st_mode & 0o777 == 0o600


def test_rows_are_safe_for_spreadsheets_and_terminals(tmp_path, caplog):
    path = tmp_path / "x.tsv"
    with whole_tsv(path, ["id", "n"]) as add:
        add([["=cmd|' /C calc'!A0", -1.5], ["a\x1b[2Jb\tc\rd", "-2e3"], ["@x", "-"]])
    assert path.read_text() == (
        "id\tn\n'=cmd|' /C calc'!A0\t-1.5\na\\x1b[2Jb\\tc\\rd\t-2e3\n'@x\t-\n"
    )
    assert len([r for r in caplog.records if "is written as" in r.message]) == 1
