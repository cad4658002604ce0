"""A run that has to stop, by the clock or by a signal: it saves its state first."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ONCE_IS_ENOUGH = 1.0  # seconds: a launcher may pass on what the terminal has sent, too


class Deadline:
    """When a run is to save and stop; the main process decides.

    As a context it waits for Ctrl-C (SIGINT) and SIGTERM, which then stop the run after its step. A
    second Ctrl-C ends it at once.

    Args:
        minutes: from now on; 0: never.

    Attributes:
        signal: what it was told to stop by, of this process; None: nothing.
    """

    def __init__(self, minutes: float):
        self._end = time.monotonic() + 60 * minutes if minutes else math.inf
        self.signal: signal.Signals | None = None
        self._received = 0.0

    def __enter__(self) -> Deadline:
        # Python lets its main thread alone wait for signals.
        heeded = _SIGNALS if threading.current_thread() is threading.main_thread() else ()
        self._before = {number: signal.signal(number, self._receive) for number in heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self._received = time.monotonic()
            print("saving the state after this step; Ctrl-C again: stop at once", file=sys.stderr)
        elif number == signal.SIGINT and time.monotonic() - self._received > _ONCE_IS_ENOUGH:
            raise KeyboardInterrupt(number)
        self.signal = signal.Signals(number)

    def has_passed(self, all_ask: bool = True) -> bool:
        """Whether to stop, the same on every process.

        Args:
            all_ask: whether this is a step at which each process asks, and the clock counts. A
                process that is alone heeds a signal at any step.
        """
        alone = PartialState().num_processes == 1
        if alone or not all_ask:
            return alone and (self.signal is not None or (all_ask and self._time_is_over()))
        return broadcast_object_list([self.signal is not None or self._time_is_over()])[0]

    def end(self, tell: Callable[[str], object], reached: str) -> None:
        """Say what was reached; if a signal came, end the program as shells expect."""
        by = "--stop_after_minutes" if self.signal is None else self.signal.name
        tell(f"stopped by {by} at {reached}: the same command goes on from there")
        if self.signal is not None:
            sys.exit(128 + self.signal)

    def _time_is_over(self) -> bool:
        return time.monotonic() >= self._end


class Interval:
    """Says, again and again, that so many minutes have passed; the main process decides.

    Args:
        minutes: between; 0: it never says so.
    """

    def __init__(self, minutes: float):
        self._seconds = 60 * minutes
        self.restart()

    def restart(self) -> None:
        self._begin = time.monotonic()

    def has_passed(self, all_ask: bool) -> bool:
        """Whether it is time, the same on every process; `all_ask`: as of `Deadline.has_passed`."""
        alone = PartialState().num_processes == 1
        if not self._seconds or not (alone or all_ask):
            return False
        passed = time.monotonic() - self._begin >= self._seconds
        return passed if alone else broadcast_object_list([passed])[0]
