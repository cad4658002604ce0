"""`barcodemae push`: an exported repository -> the Hub."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def push(
    directory: Annotated[Path, typer.Argument(help="Directory that `barcodemae export` wrote.")],
    repo_id: Annotated[str, typer.Argument(help="USER/NAME on the Hub.")],
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public", help="Who sees a new repository; asked where neither is given."
        ),
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch; default: main.")] = "",
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Open a pull request instead of committing.")
    ] = False,
    tag: Annotated[
        str, typer.Option(help="Tag for the commit; default: step-N, or the package's version.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List files and sizes; upload nothing.")
    ] = False,
) -> None:
    """Publish a repository; the token comes from HF_TOKEN or `hf auth login`.

    An interrupted push can simply be repeated.
    """
    from barcodemae.hub.push import list_files
    from barcodemae.hub.push import push as push_directory

    if dry_run:
        files = list_files(directory)
        for name, size in files:
            print(f"{size:>14,}  {name}")
        print(f"{sum(size for _, size in files):>14,}  in {len(files)} files, for {repo_id}")
        return
    pushed = push_directory(
        directory,
        repo_id,
        private=_private(repo_id) if private is None else private,
        revision=revision or None,
        create_pr=create_pr,
        tag=tag or None,
    )
    print(f"{pushed.url}{f', tagged {pushed.tag}' if pushed.tag else ''}")
    if pushed.note:
        print(pushed.note)


def _private(repo_id: str) -> bool:
    """Whether a repository shall be private: asked, and only of a new one."""
    from barcodemae.errors import BarcodeMAEError
    from barcodemae.hub.push import check_ready, is_new

    check_ready(repo_id)
    if not is_new(repo_id):
        return False  # it stays what it is
    if not sys.stdin.isatty():
        raise BarcodeMAEError(f"{repo_id}: is new; say --private or --public")
    return not typer.confirm(f"{repo_id} is new. May everybody see it?", default=False)
