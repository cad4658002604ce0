"""Batches for several threads: threads that share one batch wait for each other at every step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def usable_threads() -> int:
    """Cores that this process may use; OMP_NUM_THREADS, where it is set, says so."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given):
        return int(given)
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def a_thread_each(
    work: Callable[[Batch], Result],
    batches: Sequence[Batch],
    threads: int,
    begin: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """What `work` makes of each batch, in their order.

    Args:
        work: must release the interpreter's lock to gain by threads.
        begin: called once in each thread.
    """
    if min(threads, len(batches)) < 2:
        yield from map(work, batches)
        return
    with ThreadPoolExecutor(threads, initializer=begin) as pool:
        yield from pool.map(work, batches)
