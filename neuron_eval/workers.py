"""Calls spread over the workers of a Ray cluster (extra `ray`)."""

import importlib
import os
import re
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from neuron_eval.messages import InputError

NEEDED = "--on ray needs Ray: pip install 'neuron_eval[ray]'"

LIVES = 3  # how often a call is made again whose worker was lost; it may be what kills them
KNOCK = 10  # seconds that a cluster may take to answer
AHEAD = 2  # calls handed out for each that runs, so that no worker waits for the next

SENT = re.compile(r"(INSPECT|AWS|AZURE|GOOGLE)_\w+|\w+_(API_KEY|BASE_URL|TOKEN)")
"""The variables that go to workers: what Inspect, its models and its stores of logs read."""


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise InputError(f"{NEEDED} ({error})") from error


@contextmanager
def connected() -> Iterator[None]:
    """Be part of a Ray cluster, or raise an InputError.

    That is the one that this process is part of already, or that ``RAY_ADDRESS`` names, or that
    runs on this machine. If there is none, one of this machine's cores is started for the time.
    """
    # Nothing is told to its makers, and no worker without a GPU is warned of what may change.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        _knock(address)
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, TimeoutError, socket.gaierror) as error:
        raise InputError(f"RAY_ADDRESS={address}: no Ray cluster answers ({error})") from error
    try:
        if main:
            signal.signal(signal.SIGTERM, before)  # Ray puts up a handler of its own
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Connect to a cluster's port and hang up. Ray itself tries for minutes, and then aborts."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK).close()


def spread(
    function: Callable[..., Any],
    calls: Iterable[tuple[Any, ...]],
    cpus: int = 1,
    gpus: int = 0,
    in_order: bool = True,
) -> Iterator[Any]:
    """What a function gives for each of its calls, in their order or in that in which they end.

    For use while `connected`. A worker has this process's variables that are for models, and its
    working folder, if there is one of that name. Each call takes so many cores and GPUs of a
    worker's machine; of cores that no machine has, as many as the largest has. ``calls`` are drawn
    as workers get free. What a call raises is raised; an InputError says that its worker was lost,
    and so was each that took its place, or that no machine has so many GPUs.
    """
    ray = _ray()
    each = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = min(cpus, int(max(node.get("CPU", 0) for node in each)))
    if gpus > (most := max(node.get("GPU", 0) for node in each)):
        raise InputError(f"--on ray: a worker needs {gpus} GPU, but its machines have {most:g}")
    task = ray.remote(_call).options(
        num_cpus=cpus, num_gpus=gpus, max_retries=LIVES, name=function.__name__
    )
    folder = str(Path.cwd())
    variables = {name: value for name, value in os.environ.items() if SENT.fullmatch(name)}

    def ended() -> Any:
        if not in_order:
            (first,), _ = ray.wait(list(pending), num_returns=1)
            pending.rotate(-pending.index(first))
        return _result(pending.popleft())

    pending: deque[Any] = deque()
    for call in calls:
        pending.append(task.remote(function, folder, variables, *call))
        if len(pending) >= AHEAD * _room(cpus, gpus):
            yield ended()
    # Whoever stops early leaves calls behind, which end with the connection: to cancel one that
    # ends just then would abort this process (Ray 2.60).
    while pending:
        yield ended()


def _call(function: Callable[..., Any], folder: str, variables: dict[str, str], *call: Any) -> Any:
    """Within a worker: make a call as the process would that asks for it."""
    with suppress(OSError):
        os.chdir(folder)
    os.environ.update(variables)
    return function(*call)


def _room(cpus: int, gpus: int) -> int:
    there = _ray().cluster_resources()
    rooms = [there.get(kind, 0) // n for kind, n in (("CPU", cpus), ("GPU", gpus)) if n]
    return max(1, int(min(rooms, default=1)))


def _result(reference: Any) -> Any:
    ray = _ray()
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if "No module named" in str(error.cause):
            raise InputError(
                "--on ray: a worker cannot import what it has to run; install the same version of "
                f"neuron_eval there, with the same extras ({str(error.cause).splitlines()[-1]})"
            ) from None
        raise error.cause from None
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise InputError(
            f"--on ray: a worker was lost, and so were the {LIVES} that took its place ({error})"
        ) from error
