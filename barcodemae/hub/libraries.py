"""Reference libraries as data sets of the Hugging Face Hub."""

from __future__ import annotations

import shutil
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from barcodemae.directories import whole_directory
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import building
from barcodemae.identification.approximate import FILE as INDEX
from barcodemae.identification.library import CARD, MAP, PARTS, Library, read_card
from barcodemae.identification.library_card import library_faults

# Nothing else is fetched from a data set, and nothing else of a folder is uploaded.
FILES = (
    CARD,
    "README.md",
    "*.json",
    "*.safetensors",
    INDEX,
    "parts/*.parquet",
    "parts/*.safetensors",
)


def push_library(folder: Path, repo_id: str, private: bool = True) -> str:
    """Upload a library; the address of the commit.

    Raises:
        BarcodeMAEError: the folder holds no whole library, or the Hub refuses.
    """
    wrong = library_faults(Library(folder))
    if wrong:
        raise BarcodeMAEError(f"{folder}: {'; '.join(wrong)}. Build the library again.")
    card = read_card(folder)
    names = [CARD, "README.md", *card["hashes"]]
    try:
        api = HfApi()
        api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            repo_type="dataset",
            allow_patterns=names,
            delete_patterns=[f"{PARTS}/*", MAP, INDEX],  # of an earlier library of this name
            commit_message=f"Library of {card['records']:,} references",
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise BarcodeMAEError(f"{repo_id}: the Hub did not take the library. {error}") from error
    return str(commit.commit_url)


def pull_library(repo_id: str, output: Path, revision: str | None = None) -> dict:
    """Download a library into a folder, whole or not at all; its card.

    Raises:
        BarcodeMAEError: it cannot be had, or its files are not those of its card.
    """
    building.check_folder(output)
    with whole_directory(output, replace=True) as at:
        try:
            HfApi().snapshot_download(
                repo_id,
                repo_type="dataset",
                revision=revision,
                local_dir=at,
                allow_patterns=list(FILES),
            )
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise BarcodeMAEError(f"{repo_id}: cannot be downloaded. {error}") from error
        shutil.rmtree(at / ".cache", ignore_errors=True)
        try:
            wrong = library_faults(Library(at))
        except BarcodeMAEError as error:
            raise BarcodeMAEError(f"{repo_id}: holds no whole library. {error}") from error
        if wrong:
            raise BarcodeMAEError(f"{repo_id}: {'; '.join(wrong)}; ask its owner to push it again")
    return read_card(output)
