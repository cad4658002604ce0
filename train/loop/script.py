"""How a script ends: with one line where something is wrong, or where it was stopped."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from barcodemae.cells import printable
from barcodemae.errors import BarcodeMAEError


@contextmanager
def errors_in_a_line(script: str) -> Iterator[None]:
    """End the program with exit status 2 and one line where a BarcodeMAEError is raised.

    Ctrl-C and SIGTERM end it with 128 and the signal's number, as shells expect, and a line, too.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except (BarcodeMAEError, OSError) as error:
        line = printable(f"{script}: {error}")
        print(line, file=sys.stderr)
        _tell_launcher(line)
        sys.exit(2)
    except KeyboardInterrupt as error:
        number = error.args[0] if error.args else signal.SIGINT
        print(
            f"{script}: stopped by {signal.Signals(number).name}. What was saved before is whole: "
            "the same command goes on from there",
            file=sys.stderr,
        )
        sys.exit(128 + number)
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell_launcher(line: str) -> None:
    """Have torch's launcher of several processes end its traceback with what was wrong."""
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        said = {"message": line, "extraInfo": {"timestamp": str(int(time.time()))}}
        Path(path).write_text(json.dumps({"message": said}))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)
