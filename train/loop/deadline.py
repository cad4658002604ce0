"""A run that has to stop by the clock."""

from __future__ import annotations

import math
import time

from accelerate.utils import broadcast_object_list


class Deadline:
    """The time at which a run is to save and stop; the clock of the main process decides.

    Args:
        minutes: from now on; 0: never.
    """

    def __init__(self, minutes: float):
        self._end = time.monotonic() + 60 * minutes if minutes else math.inf

    def has_passed(self) -> bool:
        """Whether to stop, the same on every process; each one has to ask at the same step."""
        if math.isinf(self._end):
            return False
        return broadcast_object_list([time.monotonic() >= self._end])[0]
