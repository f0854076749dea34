"""A Ray cluster on this machine, of two workers, small and quiet."""

import importlib.util
import os
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

MISSING = importlib.util.find_spec("ray") is None

SETTINGS = {
    # Nobody else is let in, and none of it is told to Ray's makers or written to the home folder.
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "PYTHONPATH": str(Path(__file__).parent),  # workers import functions of tests
}


def needs_ray(test):
    """Mark a test that runs on Ray."""
    reason = "needs ray: pip install 'neuron_eval[ray]'"
    return pytest.mark.ray(pytest.mark.skipif(MISSING, reason=reason)(test))


@contextmanager
def ray_cluster():
    """Two workers, of which this process is the driver; ends with them, and leaves no files."""
    # A socket's path has 107 bytes at most, and pytest's folders take most of them.
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SETTINGS, "XDG_DATA_HOME": folder}.items():
            patch.setenv(name, value)
        import ray

        ray.init(
            address="local",
            num_cpus=2,
            object_store_memory=100 * 2**20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _temp_dir=folder,
            _node_ip_address="127.0.0.1",
        )
        try:
            yield
        finally:
            ray.shutdown()
            signal.signal(signal.SIGTERM, before)
            shutil.rmtree(folder)


def worker_pids(name):
    """The processes of this cluster that run a function of this name."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in pids if _runs(pid, name)]


def _runs(pid, name):
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        grandparent = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return False
    return command.startswith(f"ray::{name}") and grandparent == os.getpid()
