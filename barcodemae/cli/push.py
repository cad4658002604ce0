"""`barcodemae push`: an exported repository -> the Hub."""

import sys
import tempfile
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
    space: Annotated[
        bool,
        typer.Option("--space", help="DIRECTORY is a library: make a Space that serves it."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List files and sizes; upload nothing.")
    ] = False,
) -> None:
    """Publish a repository; the token comes from HF_TOKEN or `hf auth login`.

    An interrupted push can simply be repeated.
    """
    from barcodemae.hub.push import list_files
    from barcodemae.hub.push import push as push_directory

    if space:
        _push_space(directory, repo_id, private, dry_run)
        return
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


def _push_space(library: Path, repo_id: str, private: bool | None, dry_run: bool) -> None:
    from barcodemae.hub.space import assemble, push_space

    if dry_run:
        with tempfile.TemporaryDirectory() as folder:
            assemble(library, Path(folder) / "space")
            files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
            for path in files:
                name = path.relative_to(Path(folder) / "space")
                print(f"{path.stat().st_size:>14,}  {name}")
        return
    if private is None:
        private = _private(repo_id, "space")
    print(push_space(library, repo_id, private))


def _private(repo_id: str, kind: str = "model") -> bool:
    """Whether a repository shall be private: asked, and only of a new one."""
    from barcodemae.errors import BarcodeMAEError
    from barcodemae.hub.push import check_ready, is_new

    check_ready(repo_id)
    if not is_new(repo_id, kind):
        return False  # it stays what it is
    if not sys.stdin.isatty():
        raise BarcodeMAEError(f"{repo_id}: is new; say --private or --public")
    return not typer.confirm(f"{repo_id} is new. May everybody see it?", default=False)
