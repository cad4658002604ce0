"""`barcodemae train`: the scripts that train, by Accelerate's launcher, without its tracebacks."""

import sys
from enum import StrEnum
from typing import Annotated

import typer
from typer.core import TyperCommand


class Script(StrEnum):
    """The scripts of `train`."""

    PRETRAIN = "pretrain"
    FINETUNE = "finetune"


class HelpFirst(TyperCommand):
    """A command whose --help stands before all else; what follows later is another program's."""

    def parse_args(self, ctx, args: list[str]) -> list[str]:
        if args[:1] == ["--help"]:
            print(self.get_help(ctx))
            ctx.exit()
        return super().parse_args(ctx, args)


def train(
    context: typer.Context,
    script: Annotated[Script, typer.Argument(help="What to train; its arguments follow.")],
) -> None:
    """Train a model: `barcodemae train pretrain --help` lists what a script takes.

    The same as `accelerate launch -m train.SCRIPT ...`, on the devices that `accelerate config`
    chose; what is wrong with the arguments is said in a line.
    """
    from subprocess import CalledProcessError

    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    words = ["--quiet", "-m", f"train.{script}", *context.args]
    try:
        launch_command(launch_command_parser().parse_args(words))
    except (CalledProcessError, ChildFailedError, SystemExit):
        sys.exit(2)  # the script has said what is wrong; the launcher's own status says less
