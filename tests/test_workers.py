"""Calls on the workers of a Ray cluster."""

import os
import signal
import sys
import types

import pytest
from ray_cluster import needs_ray, ray_cluster

from neuron_eval.messages import InputError
from neuron_eval.workers import connected, spread


@needs_ray
def test_an_address_where_no_cluster_is_is_refused_at_once(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with (
        pytest.raises(InputError, match=r"RAY_ADDRESS=127\.0\.0\.1:1: no Ray cluster answers"),
        connected(),
    ):
        pass


@needs_ray
def test_results_come_in_the_order_of_the_calls(cluster):
    assert list(spread(divide, [(i, 3) for i in range(10)])) == [divmod(i, 3) for i in range(10)]


@needs_ray
def test_calls_are_drawn_as_workers_get_free(cluster):
    drawn = []
    results = spread(negate, ((drawn.append(i) or -i,) for i in range(100)))
    assert [next(results), next(results)] == [0, 1]
    assert len(drawn) < 10
    results.close()


@needs_ray
def test_more_cores_than_any_machine_has_are_those_that_it_has(cluster):
    assert list(spread(negate, [(-1,), (-2,)], cpus=64)) == [1, 2]


@needs_ray
def test_what_a_call_raises_is_raised(cluster):
    with pytest.raises(ZeroDivisionError, match=r"^integer division or modulo by zero$"):
        list(spread(divide, [(1, 0)]))


def divide(number, by):
    return divmod(number, by)


def negate(number):
    return -number


def die(marker, lives):
    """End this process as often as there are lives."""
    marker.write_text(marker.read_text() + ".")
    if len(marker.read_text()) <= lives:
        os.kill(os.getpid(), signal.SIGKILL)
    return lives


@needs_ray
def test_a_call_whose_worker_died_is_made_again(cluster, tmp_path):
    (tmp_path / "marker").write_text("")
    assert list(spread(die, [(tmp_path / "marker", 1)])) == [1]
    assert (tmp_path / "marker").read_text() == ".."


@needs_ray
def test_a_call_that_kills_every_worker_is_given_up(cluster, tmp_path):
    (tmp_path / "marker").write_text("")
    with pytest.raises(
        InputError, match="a worker was lost, and so were the 3 that took its place"
    ):
        list(spread(die, [(tmp_path / "marker", 9)]))
    assert (tmp_path / "marker").read_text() == "...."


@needs_ray
def test_a_worker_that_lacks_the_code_is_told_of(cluster, monkeypatch):
    module = types.ModuleType("only_here")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("def negate(number): return -number", vars(module))
    with pytest.raises(
        InputError,
        match=r"install the same version of neuron_eval there.*No module named .only_here",
    ):
        list(spread(module.negate, [(1,)]))


@needs_ray
def test_gpus_that_no_machine_has_are_refused(cluster):
    with pytest.raises(InputError, match="a worker needs 1 GPU, but its machines have 0"):
        list(spread(negate, [(1,)], gpus=1))


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster():
        yield
