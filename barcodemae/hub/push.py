"""Repository directory -> the Hub: create the repository, one upload, tag."""

import glob
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import filter_repo_objects, validate_repo_id

from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.card import render_card
from barcodemae.hub.export import export
from barcodemae.hub.source import check_finished, read_training
from barcodemae.outputs import write_whole_text

# Left out of the upload: what version control, the Hub's client and interrupted writes leave, and
# where people keep passwords.
_IGNORED = [
    *(".git/*", ".cache/*", "*.tmp", "*__pycache__/*"),
    *(".env*", "*/.env*", "*.pem", "*.key", ".netrc", "*/.netrc", ".ssh/*"),
]
_LOADED_BY_SNIPPETS = re.compile(r'from_pretrained\("([^"]+)"')
_PASSING = (408, 429, 500, 502, 503, 504)
_ATTEMPTS = 4
# What an export may hold or not, and what goes with the weights: where a repository has it of
# weights that it had before, it goes.
_OF_WEIGHTS = [
    *("model*.safetensors", "model.safetensors.index.json", "graph.onnx", "onnx/*"),
    *("embed_with_onnxruntime.py", "results.json", ".eval_results/*", "figures/*"),
    *("grid.safetensors", "training.json", "1_Pooling/*"),
]
_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a token that may write"


@dataclass
class Pushed:
    """What a push did.

    Attributes:
        url: of the commit, or of the pull request.
        tag: the tag that marks the commit; None for a pull request.
        note: something the user should know, or "".
    """

    url: str
    tag: str | None
    note: str = ""


def list_files(directory: str | Path) -> list[tuple[str, int]]:
    """What a push of `directory` uploads: paths and sizes in bytes.

    Never `.env`, keys, or links to what lies outside the directory.

    Raises:
        BarcodeMAEError: `directory` is not an exported repository.
    """
    directory = Path(directory)
    check_finished(directory)
    if not (directory / "README.md").is_file():
        raise BarcodeMAEError(
            f"{directory}: has no model card. Export it first: barcodemae export {directory} -o DIR"
        )
    inside = directory.resolve()
    files = {
        path.relative_to(directory).as_posix(): path.stat().st_size
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.resolve().is_relative_to(inside)
    }
    return [(name, files[name]) for name in filter_repo_objects(files, ignore_patterns=_IGNORED)]


def push(
    directory: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    tag: str | None = None,
    say: Callable[[str], None] = print,
) -> Pushed:
    """Push an exported repository to the Hub; repeating an interrupted push finishes it.

    The card's snippets are made to load `repo_id`, unless the card was edited by hand. What earlier
    weights alone had (an ONNX graph, results) is deleted.

    Args:
        directory: as written by `export`.
        repo_id: USER/NAME; created if it does not exist.
        private: whether a new repository is private.
        revision: branch; created if it does not exist. None: main.
        create_pr: open a pull request instead of committing.
        tag: for the commit; None: step-N of pretraining, else the version of this package.
        say: gets a line for each fault that is retried.

    Raises:
        BarcodeMAEError: `directory` is no repository, there is no token or it is refused, or the
            Hub cannot be reached. No message shows the token.
    """
    directory = Path(directory)
    names = [glob.escape(name) for name, _ in list_files(directory)]  # "model[1].bin"
    check_ready(repo_id)
    address_card(directory, repo_id)
    api = HfApi()
    hub = Retrying(f"pushing {directory} to {repo_id}", say)
    hub(lambda: api.create_repo(repo_id, private=private or None, exist_ok=True))
    if revision and not create_pr:
        hub(lambda: api.create_branch(repo_id, branch=revision, exist_ok=True))
    commit = hub(
        lambda: api.upload_folder(
            repo_id=repo_id,
            folder_path=directory,
            revision=revision,
            create_pr=create_pr,
            commit_message=f"Upload {directory.absolute().name}",
            allow_patterns=names,
            delete_patterns=_OF_WEIGHTS,
        ),
        attempts=1 if create_pr else _ATTEMPTS,  # another could open a second pull request
    )
    if create_pr:
        return Pushed(commit.pr_url, None)
    steps = read_training(directory).get("steps")
    tag = tag or (f"step-{steps}" if steps else f"barcodemae-{version('barcodemae')}")
    tags = {ref.name: ref.target_commit for ref in hub(lambda: api.list_repo_refs(repo_id)).tags}
    if tags.get(tag, commit.oid) != commit.oid:
        note = f"The tag {tag} marks an earlier commit and stays there; give another with --tag."
        return Pushed(commit.commit_url, None, note)
    hub(lambda: api.create_tag(repo_id, tag=tag, revision=commit.oid, exist_ok=True))
    return Pushed(commit.commit_url, tag)


def check_ready(repo_id: str) -> None:
    """Raise BarcodeMAEError unless `repo_id` can be a repository's and there is a token."""
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise BarcodeMAEError(
            f"{repo_id}: not a repository id ({error}). Give USER/NAME."
        ) from error
    if get_token() is None:
        raise BarcodeMAEError(f"no token for {_endpoint()}: {_LOG_IN}")


def is_new(repo_id: str, kind: str = "model", say: Callable[[str], None] = print) -> bool:
    """Whether the Hub has no repository of this name that the token may see.

    Raises:
        BarcodeMAEError: the Hub cannot be asked.
    """
    hub = Retrying(f"asking for {repo_id}", say)
    return not hub(lambda: HfApi().repo_exists(repo_id, repo_type=kind))


def push_checkpoint(checkpoint: str | Path, repo_id: str, **options) -> Pushed:
    """Export a checkpoint and push it; `options` as of `push`."""
    with tempfile.TemporaryDirectory() as folder:
        directory = export(checkpoint, Path(folder) / repo_id.split("/")[-1], repo_id=repo_id)
        return push(directory, repo_id, **options)


def address_card(directory: Path, repo_id: str) -> None:
    """Make the snippets of a card load `repo_id`, unless the card was edited by hand."""
    path = directory / "README.md"
    card = path.read_text(encoding="utf-8")
    addressed = _LOADED_BY_SNIPPETS.search(card)
    if addressed and card == render_card(directory, addressed[1]):
        write_whole_text(path, render_card(directory, repo_id))


def _endpoint() -> str:
    return HfApi().endpoint


class Retrying:
    """Calls the Hub, again after passing faults, and explains the others."""

    def __init__(self, doing: str, say: Callable[[str], None]):
        self.doing = doing
        self.say = say

    def __call__(self, call: Callable, attempts: int = _ATTEMPTS):
        for attempt in range(1, attempts + 1):
            try:
                return call()
            except Exception as error:
                if not _is_of_the_network(error):
                    raise
                is_passing = _status(error) in (None, *_PASSING)
                offline = isinstance(error, OfflineModeIsEnabled)
                if attempt == attempts or offline or not is_passing:
                    raise BarcodeMAEError(f"{self.doing}: {_explain(error)}") from None
                wait = _wait(error, attempt)
                self.say(f"{_explain(error)} Attempt {attempt + 1} of {attempts} in {wait:.0f} s.")
                time.sleep(wait)


def _is_of_the_network(error: Exception) -> bool:
    library = type(error).__module__.split(".")[0]
    # The Hub's client has changed its HTTP library from version to version.
    return isinstance(error, (HfHubHTTPError, OfflineModeIsEnabled, ConnectionError)) or (
        library in ("requests", "httpx", "httpx2", "httpcore")
    )


def _status(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _wait(error: Exception, attempt: int) -> float:
    """Seconds: as long as the Hub asks for, within reason, else 1, 2, 4, ..."""
    headers = getattr(getattr(error, "response", None), "headers", {}) or {}
    asked = headers.get("Retry-After", "")
    return float(min(int(asked), 300)) if asked.isdigit() else 2.0 ** (attempt - 1)


def _explain(error: Exception) -> str:
    status = _status(error)
    if isinstance(error, OfflineModeIsEnabled):
        return "offline mode is on: unset HF_HUB_OFFLINE and push again."
    if status == 401:
        return f"the Hub refused the token: {_LOG_IN}, and push again."
    if status == 403:
        return (
            "the token may not write there: use one with write permission, of an account that may "
            "write to this namespace, and push again."
        )
    if status == 429:
        return "the Hub takes no more requests for now (rate limit); push again later."
    if status is not None and status >= 500:
        return f"the Hub has a fault of its own (HTTP {status}); push again later."
    if status is None:
        return f"the Hub at {_endpoint()} cannot be reached; check the network and push again."
    return f"the Hub answered HTTP {status}: {_without_token(str(error).strip().splitlines()[-1])}"


def _without_token(text: str) -> str:
    return text.replace(get_token() or "\0", "[token]")
