"""A server that fails now and then loses no sample; `benchmarks/soak.py` has thousands of them."""

from soaking import soaked

SAMPLES = 100

BESIDE = 3
"""The most requests of a sample that are under way beside one: four are simulated at once."""


def test_on_a_failing_server_every_sample_ends_and_a_second_run_mends_the_rest(tmp_path):
    failing, mended = soaked(tmp_path, SAMPLES)
    assert set(failing.faults) == {"", "error", "reset", "garbage", "unreadable"}
    assert set(failing.ends) <= {"scored", "unscored: adacs", "error"}
    assert failing.ends.total() == mended.ends.total() == SAMPLES
    assert failing.ends["error"] > 0
    assert failing.status == 1
    assert mended.status == 0
    # One neuron in four has no reference.
    assert mended.ends == {"scored": SAMPLES * 3 / 4, "unscored: adacs": SAMPLES / 4}
    assert failing.bought_twice == 0
    # Where one request of a sample fails, Inspect drops those that are under way beside it.
    assert mended.bought_twice <= BESIDE * failing.ends["error"]
    # Faults that are not retried cost at most one request each when they are mended.
    spoilt = failing.faults["garbage"] + failing.faults["unreadable"]
    assert mended.repeated <= spoilt + mended.bought_twice
