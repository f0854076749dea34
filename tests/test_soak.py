"""A server that fails now and then loses no sample; `benchmarks/soak.py` has thousands of them."""

from soaking import soaked

SAMPLES = 60


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
    assert failing.bought_twice == mended.bought_twice == 0
    # Faults that are not retried cost at most one request each when they are mended.
    assert mended.repeated <= failing.faults["garbage"] + failing.faults["unreadable"]
