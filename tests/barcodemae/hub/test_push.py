import os
import re
import shutil
import subprocess
import sys

import huggingface_hub
import pytest

from barcodemae.cli.push import push as push_command
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.export import export
from barcodemae.hub.push import list_files, push, push_checkpoint

from .conftest import BARCODES, run_without_project
from .hub_server import TOKEN, Fault, Hub

REPO = "tester/barcodes"


@pytest.fixture
def hub(monkeypatch):
    """A running local Hub that this process's client talks to, logged in, without waiting."""
    huggingface_hub.utils.close_session()
    with Hub() as server:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        yield server
    huggingface_hub.utils.close_session()


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    return export(checkpoint, tmp_path_factory.mktemp("hub") / "barcodes", repo_id=REPO)


def contents(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_push_uploads_every_file_in_one_commit_and_tags_it(hub, exported):
    pushed = push(exported, REPO)
    files = hub.files(REPO)
    assert {name: files[name] for name in files if name != ".gitattributes"} == contents(exported)
    repository = hub.repositories[REPO]
    assert repository.tags == {"step-1000": repository.refs["main"]}
    assert len(repository.commits) == 2  # the empty repository, and the upload
    assert pushed.tag == "step-1000" and pushed.url.startswith(hub.url)
    paths = [re.sub("[0-9a-f]{40,}", "OID", path) for _, path in hub.requests]
    assert paths.count(f"/api/models/{REPO}/commit/main") == 1
    assert [f"/api/models/{REPO}/tag/OID" == path for path in paths].count(True) == 1


def test_private_revision_and_pull_request(hub, exported):
    push(exported, REPO, private=True, revision="next", tag="v2")
    repository = hub.repositories[REPO]
    assert repository.private
    assert "README.md" in hub.files(REPO, "next") and "README.md" not in hub.files(REPO)
    assert repository.tags == {"v2": repository.refs["next"]}
    pushed = push(exported, REPO, create_pr=True)
    assert len(repository.pull_requests) == 1 and pushed.url.endswith("/discussions/1")
    assert "README.md" not in hub.files(REPO) and pushed.tag is None


def test_repeated_push_changes_nothing(hub, exported):
    push(exported, REPO)
    before = dict(hub.repositories[REPO].refs), list(hub.repositories[REPO].commits)
    del hub.requests[:]
    push(exported, REPO)
    assert (dict(hub.repositories[REPO].refs), list(hub.repositories[REPO].commits)) == before
    assert not [path for method, path in hub.requests if method == "PUT"]


def test_what_belongs_to_earlier_weights_goes_and_other_files_stay(hub, exported, tmp_path):
    before = shutil.copytree(exported, tmp_path / "before")
    for name in ("onnx/model.onnx", "results.json", "my-notes.txt"):
        (before / name).parent.mkdir(exist_ok=True)
        (before / name).write_text("{}")
    push(before, REPO)
    assert "onnx/model.onnx" in hub.files(REPO)
    push(exported, REPO)
    assert hub.files(REPO).keys() == {*contents(exported), "my-notes.txt", ".gitattributes"}


def test_a_tag_is_never_moved(hub, exported, checkpoint, tmp_path):
    push(exported, REPO)
    marked = dict(hub.repositories[REPO].tags)
    other = export(checkpoint, tmp_path / "other", encoder_only=True)
    pushed = push(other, REPO)
    assert hub.repositories[REPO].tags == marked
    assert pushed.tag is None and "--tag" in pushed.note


def test_interrupted_push_is_finished_by_another(hub, exported):
    """The server dies after the weights are up and before the commit."""
    hub.faults = [Fault("POST", "/commit/", None, times=99)]
    with pytest.raises(BarcodeMAEError, match="cannot be reached; check the network"):
        push(exported, REPO)
    assert "README.md" not in hub.files(REPO) and len(hub.objects) == 1
    hub.faults = []
    del hub.requests[:]
    push(exported, REPO)
    assert hub.files(REPO)["config.json"] == contents(exported)["config.json"]
    assert not [path for method, path in hub.requests if method == "PUT"]  # nothing sent twice


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", "/repos/create", 429, times=2, headers={"Retry-After": "1"}),
        Fault("POST", "/preupload/", 429, headers={"ratelimit": '"api";r=0;t=1'}),
        Fault("PUT", "/lfs/", 500, times=2),
        Fault("PUT", "/lfs/", None),
        Fault("POST", "/commit/", 503, times=2),
        Fault("POST", "/commit/", None),
        Fault("POST", "/tag/", 502),
    ],
    ids=lambda fault: f"{fault.path.strip('/')}-{fault.status}",
)
def test_passing_faults_are_survived(hub, exported, fault):
    fault.times = max(fault.times, 1)
    hub.faults = [fault]
    said = []
    push(exported, REPO, say=said.append)
    assert fault.times == 0
    assert hub.repositories[REPO].tags == {"step-1000": hub.repositories[REPO].refs["main"]}
    assert TOKEN not in "".join(said)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("POST", "/repos/create", 401, times=9), "refused the token: log in with `hf auth"),
        (Fault("POST", "/repos/create", 403, times=9), "may not write there"),
        (Fault("POST", "/repos/create", 429, times=99), "rate limit.*push again later"),
        (Fault("POST", "/commit/", 500, times=99), r"a fault of its own \(HTTP 500\)"),
        (Fault("POST", "/commit/", 413, times=9), "answered HTTP 413"),
    ],
    ids=lambda value: value.status if isinstance(value, Fault) else "",
)
def test_lasting_faults_are_explained(hub, exported, fault, message):
    hub.faults = [fault]
    with pytest.raises(BarcodeMAEError, match=message) as raised:
        push(exported, REPO, say=lambda line: None)
    assert TOKEN not in str(raised.value)


def test_token_missing_refused_or_of_no_use(hub, exported, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", TOKEN[:-1] + "x")
    with pytest.raises(BarcodeMAEError, match="refused the token") as raised:
        push(exported, REPO)
    assert TOKEN[:-1] not in str(raised.value)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    del hub.requests[:]
    with pytest.raises(BarcodeMAEError, match="no token for"):
        push(exported, REPO)
    assert hub.requests == []


def test_unreachable_and_offline(hub, exported, monkeypatch):
    hub.__exit__()
    with pytest.raises(BarcodeMAEError, match="cannot be reached"):
        push(exported, REPO, say=lambda line: None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    huggingface_hub.utils.close_session()
    with pytest.raises(BarcodeMAEError, match="unset HF_HUB_OFFLINE"):
        push(exported, REPO)


def test_refuses_what_is_not_a_repository(hub, exported, checkpoint):
    with pytest.raises(BarcodeMAEError, match="Export it first"):
        push(checkpoint, REPO)
    with pytest.raises(BarcodeMAEError, match="not a repository id"):
        push(exported, "a/b/c")
    assert hub.requests == []


def test_card_is_addressed_unless_edited(hub, checkpoint, tmp_path):
    directory = export(checkpoint, tmp_path / "local-name")
    assert '"local-name"' in (directory / "README.md").read_text()
    push(directory, REPO)
    card = hub.files(REPO)["README.md"].decode()
    assert f'"{REPO}"' in card and '"local-name"' not in card
    push(directory, "tester/second")
    card = hub.files("tester/second")["README.md"].decode()
    assert '"tester/second"' in card and f'"{REPO}"' not in card
    (directory / "README.md").write_text(card + "\nMine.\n")
    push(directory, "tester/third")
    assert hub.files("tester/third")["README.md"].decode() == card + "\nMine.\n"


def test_checkpoint_is_exported_and_pushed(hub, checkpoint):
    push_checkpoint(checkpoint, REPO)
    assert f'"{REPO}"' in hub.files(REPO)["README.md"].decode()


def test_files_left_by_tools_are_not_pushed(checkpoint, tmp_path):
    directory = export(checkpoint, tmp_path / "repository")
    listed = list_files(directory)
    for stray in (".git/HEAD", ".cache/huggingface/x", "__pycache__/a.pyc"):
        (directory / stray).parent.mkdir(parents=True, exist_ok=True)
        (directory / stray).write_text("x")
    assert list_files(directory) == listed
    assert ("model.safetensors", (directory / "model.safetensors").stat().st_size) in listed


def test_secrets_and_links_to_elsewhere_are_not_pushed(hub, checkpoint, tmp_path):
    directory = export(checkpoint, tmp_path / "repository", repo_id=REPO)
    before = {name for name, _ in list_files(directory)}
    (tmp_path / "secret.txt").write_text("secret")
    (directory / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (directory / "elsewhere").symlink_to(tmp_path)
    (directory / "notes [1].txt").write_text("mine")
    (directory / "inside.txt").symlink_to(directory / "notes [1].txt")
    for name in (".env", ".env.local", "figures/.env", "id.pem"):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text("secret")
    push(directory, REPO)
    pushed = hub.files(REPO)
    assert set(pushed) - {".gitattributes"} == before | {"notes [1].txt", "inside.txt"}
    assert b"secret" not in b"".join(pushed.values())


def test_who_sees_a_new_repository_is_said(hub, exported):
    with pytest.raises(BarcodeMAEError, match="say --private or --public"):
        push_command(exported, REPO)
    assert REPO not in hub.repositories
    push_command(exported, REPO, private=True)
    assert hub.repositories[REPO].private
    push_command(exported, REPO)  # not asked again, and it stays so
    assert hub.repositories[REPO].private


def test_dry_run_lists_and_uploads_nothing(hub, exported, capsys):
    push_command(exported, REPO, dry_run=True)
    lines = capsys.readouterr().out.splitlines()
    assert hub.requests == []
    assert [line.split()[1] for line in lines[:-1]] == sorted(contents(exported))
    sizes = [int(line.split()[0].replace(",", "")) for line in lines]
    assert sizes[-1] == sum(sizes[:-1]) == sum(map(len, contents(exported).values()))


def run_cli(*arguments, hub):
    result = subprocess.run(
        [sys.executable, "-c", "from barcodemae.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_TOKEN": TOKEN,
        },
    )
    return result.returncode, result.stdout + result.stderr


@pytest.mark.slow
def test_fresh_pull_in_a_process_without_the_project(exported, tmp_path):
    """Command line to server, server to plain transformers and sentence-transformers."""
    with Hub() as hub:
        code, said = run_cli("push", exported, REPO, "--public", hub=hub)
        assert code == 0 and "tagged step-1000" in said and TOKEN not in said
        fresh = run_without_project(
            "from transformers import AutoModel, AutoTokenizer\n"
            f"REPO, BARCODES = {REPO!r}, {BARCODES!r}\n"
            "for revision in ('main', 'step-1000'):\n"
            "    kept = dict(trust_remote_code=True, revision=revision)\n"
            "    tokenizer = AutoTokenizer.from_pretrained(REPO, **kept)\n"
            "    model = AutoModel.from_pretrained(REPO, **kept).eval()\n"
            "    batch = tokenizer(BARCODES, padding=True, truncation=True, return_tensors='pt')\n"
            "    print(model(**batch).pooler_output.sum(1).tolist())\n",
            env={
                "HF_ENDPOINT": hub.url,
                "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_OFFLINE": "0",
                "HF_HOME": str(tmp_path / "home"),
            },
        )
    from barcodemae.encoders.embedder import Embedder

    expected = Embedder.from_pretrained(exported, device="cpu").embed(BARCODES).sum(1)
    for line in fresh.stdout.splitlines():
        assert eval(line) == pytest.approx(expected.tolist(), abs=1e-4)
    assert len(fresh.stdout.splitlines()) == 2
