"""Doing work some way ahead of whoever takes its results, in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ahead(
    items: Iterable[T], work: Callable[[T], R], in_flight: int, stop: threading.Event
) -> Iterator[R]:
    """The result of each item, in the items' order.

    Takes at most ``in_flight`` items more than results were taken, and works on these at once.

    Args:
        items: May be endless.
        work: Called in other threads, unless ``in_flight`` is 1.
        in_flight: How many at once, at least 1.
        stop: Set when no more results are wanted, so that work that waits can give up.

    Raises:
        Exception: What ``work`` raises, in the place of its result.
    """
    if in_flight == 1:
        yield from map(work, items)
        return
    under_way: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(in_flight, thread_name_prefix="neuron_eval")
    try:
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) == in_flight:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
